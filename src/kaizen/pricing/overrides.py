"""Prices of the user's own, from `[prices."my-model"]` in the settings. They win over the bundled table.

    [prices."my-model"]
    input = "0.20"          # USD per million tokens, as text; `output` likewise
    cache_read = "0.02"     # optional, also `cache_write` and `cache_write_1h`
    web_search = "10"       # optional, USD per 1,000 searches

A listed price of 0 is a known price: a local model then costs 0, not nothing.
"""

from collections.abc import Mapping

from kaizen.errors import BadConfig
from kaizen.pricing.names import canonical
from kaizen.pricing.row import PriceRow, Rates, filled
from kaizen.pricing.table import pusd_per_search, pusd_per_token

FIELDS = (*Rates._fields, "web_search")


def rows(overrides: Mapping[str, Mapping[str, str]]) -> dict[str, PriceRow]:
    """User rows by canonical model id. Raises `BadConfig` naming the setting that is wrong."""
    return {canonical(model): _row(model, prices) for model, prices in overrides.items()}


def _row(model: str, prices: Mapping[str, str]) -> PriceRow:
    for name in prices:
        if name not in FIELDS:
            raise BadConfig(f'prices."{model}".{name} is not a price.', hint=f"Known: {', '.join(FIELDS)}.")
    if "input" not in prices:
        raise BadConfig(f'prices."{model}" has no input price.', hint='A model that costs nothing has input = "0".')
    given = Rates(*(_price(model, prices, name) for name in Rates._fields))
    rates = filled(given, is_claude="claude" in model.lower())
    return PriceRow(
        id=model, provider="user", source="user", rates=rates, search_pusd=_price(model, prices, "web_search"),
        assumed=tuple(name for name, listed, price in zip(Rates._fields, given, rates, strict=True)
                      if listed is None and price is not None))


def _price(model: str, prices: Mapping[str, str], name: str) -> int | None:
    if name not in prices:
        return None
    try:
        return (pusd_per_search if name == "web_search" else pusd_per_token)(str(prices[name]))
    except ValueError:
        raise BadConfig(f'prices."{model}".{name} = {prices[name]!r} is not a price.',
                        hint='Write USD per million tokens as text, at most 6 decimals: "0.25".') from None
