"""The bundled price table: the shape of `prices.json`, and rows made from it.

Written by scripts/build_prices.py from the genai-prices package (MIT, LICENSE-genai-prices.txt). Prices are decimal
strings in USD per million tokens, dates are UTC days, one model a line so that a new table can be reviewed as a diff.
Models stay undecoded until somebody asks for them: loading takes a few milliseconds.
"""

from datetime import date
from decimal import Decimal, InvalidOperation

import msgspec

from kaizen.pricing.row import ANTHROPIC_SEARCH_PUSD, PriceRow, Rates, filled

# USD per million tokens: input, output, cache read, cache write (5 min), 1 h cache write. None: not listed.
Listed = tuple[str | None, str | None, str | None, str | None, str | None]


class Priced(msgspec.Struct, frozen=True, array_like=True):
    """A set of prices and its whole-request tiers `(over, prices)`."""

    prices: Listed
    tiers: list[tuple[int, Listed]] = []


class Stretch(msgspec.Struct, frozen=True, omit_defaults=True):
    """What held from `start` (included) to `end` (excluded), in the part `daily` of each day (UTC minutes)."""

    priced: Priced
    start: str | None = None
    end: str | None = None
    daily: tuple[int, int] | None = None
    # USD per 1,000 web searches.
    search: str | None = None
    # Service tier or speed -> factor `num/den`, or prices of its own.
    modes: dict[str, str | Priced] = {}


class Model(msgspec.Struct, frozen=True):
    id: str
    stretches: list[Stretch]


class Provider(msgspec.Struct, frozen=True):
    """`names` maps canonical ids and aliases to positions in `models`."""

    id: str
    names: dict[str, int]
    models: list[msgspec.Raw]


class Table(msgspec.Struct, frozen=True):
    """`providers` in order of preference; the first `makers` of them sell models of their own."""

    date: str
    package: str
    notice: str
    makers: int
    providers: list[Provider]


decode = msgspec.json.Decoder(Table).decode
_decode_model = msgspec.json.Decoder(Model).decode


def rows_of(provider: str, raw: msgspec.Raw, source: str) -> tuple[PriceRow, ...]:
    """All rows of one model, in the order of the table."""
    model = _decode_model(raw)
    is_claude = "claude" in model.id.lower()
    return tuple(_row(provider, model.id, stretch, source, is_claude) for stretch in model.stretches)


def _row(provider: str, model: str, at: Stretch, source: str, is_claude: bool) -> PriceRow:
    search = pusd_per_search(at.search) if at.search is not None else ANTHROPIC_SEARCH_PUSD if is_claude else None
    listed = _rates(at.priced.prices)
    rates, tiers = _priced(at.priced, is_claude)
    return PriceRow(
        id=model, provider=provider, source=source, rates=rates, tiers=tiers, search_pusd=search,
        multipliers={name: _ratio(mode) for name, mode in at.modes.items() if isinstance(mode, str)},
        variants={name: _priced(mode, is_claude) for name, mode in at.modes.items() if isinstance(mode, Priced)},
        from_ms=day_ms(at.start), to_ms=day_ms(at.end), daily=at.daily,
        assumed=tuple(name for name, given, price in zip(Rates._fields, listed, rates, strict=True)
                      if given is None and price is not None))


def _priced(priced: Priced, is_claude: bool) -> tuple[Rates, tuple[tuple[int, Rates], ...]]:
    tiers = tuple((over, filled(_rates(prices), is_claude=is_claude)) for over, prices in priced.tiers)
    return filled(_rates(priced.prices), is_claude=is_claude), tiers


def _rates(listed: Listed) -> Rates:
    return Rates(*(None if usd is None else pusd_per_token(usd) for usd in listed))


def _ratio(text: str) -> tuple[int, int]:
    num, _, den = text.partition("/")
    return int(num), int(den or 1)


def pusd_per_token(usd_per_mtok: str) -> int:
    """`"3"` -> 3,000,000. Raises ValueError unless it is a whole, non-negative number of pUSD."""
    return _whole(usd_per_mtok, 1_000_000)


def pusd_per_search(usd_per_thousand: str) -> int:
    """`"10"` (USD per 1,000 searches) -> 10,000,000,000 pUSD for one."""
    return _whole(usd_per_thousand, 1_000_000_000)


def _whole(text: str, scale: int) -> int:
    try:
        pico = Decimal(text) * scale
        if pico.is_finite() and 0 <= pico < 10**18 and pico == pico.to_integral_value():
            return int(pico)
    except InvalidOperation:
        pass
    raise ValueError(f"{text!r} is not a price")


def day_ms(day: str | None) -> int | None:
    """UTC midnight of `2026-02-01`."""
    if day is None:
        return None
    return (date.fromisoformat(day) - date(1970, 1, 1)).days * 86_400_000
