"""Prices: which one applies to a request, and what the request cost. Integers, bundled data, works offline.

    book = pricing.load(settings.prices)
    row = book.match("claude-opus-4-8", ts_ms=...)        # None: unknown, and unknown stays unknown
    pico = pricing.cost_pusd(usage, row, speed="fast")    # None: unknown
    cost_usd_e6 = round_half_even(pico)

`names` spellings of ids | `table` the bundled data | `overrides` the user's | `book` the lookup | `cost` the rule
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from kaizen.pricing import overrides as user
from kaizen.pricing import table
from kaizen.pricing.book import Match, PriceBook
from kaizen.pricing.cost import Bill, LineItem, cost_pusd, explain_cost
from kaizen.pricing.row import PriceRow, Rates

__all__ = ["Bill", "LineItem", "Match", "PriceBook", "PriceRow", "Rates", "cost_pusd", "explain_cost", "load"]

DATA = Path(__file__).with_name("prices.json")
_NONE: Mapping[str, Mapping[str, str]] = {}


def load(overrides: Mapping[str, Mapping[str, str]] = _NONE) -> PriceBook:
    """The bundled prices and the user's own (`[prices."model"]`, see overrides.py). Raises `BadConfig`."""
    return PriceBook(_bundled(), user.rows(overrides))


@cache
def _bundled() -> table.Table:
    return table.decode(DATA.read_bytes())
