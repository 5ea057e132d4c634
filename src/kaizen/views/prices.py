"""The price book as rows, and why a model has the price it has."""

from collections.abc import Iterable

import msgspec

from kaizen.pricing import PriceBook, PriceRow


class PriceLine(msgspec.Struct):
    """Prices in pico-dollars per token (per search): 3,000,000 is 3 USD per million tokens. Null: no price."""

    model: str
    provider: str | None
    source: str | None
    input_pusd: int | None
    output_pusd: int | None
    cache_read_pusd: int | None
    cache_write_pusd: int | None
    cache_write_1h_pusd: int | None
    search_pusd: int | None
    # Over so many prompt tokens the whole request pays more.
    tiers: list[int]
    # Service tiers and speeds with prices of their own.
    modes: list[str]
    valid_from_ms: int | None
    valid_to_ms: int | None
    assumed: list[str]


class Explained(msgspec.Struct):
    model: str
    is_known: bool
    # The price at the asked moment, and all the model ever had.
    price: PriceLine | None
    history: list[PriceLine]
    # Names that were looked for, in order.
    steps: list[str]
    alternatives: list[str]
    reason: str
    price_book: str


def of_models(book: PriceBook, models: Iterable[str], now_ms: int) -> list[PriceLine]:
    """What these models cost now; those without price too."""
    return [line(book.explain(model, now_ms).row, model) for model in models]


def of_book(book: PriceBook, provider: str | None, now_ms: int) -> list[PriceLine]:
    """Every bundled price in force now."""
    return [
        line(row, name)
        for owner, name in book.models()
        if provider in (None, owner)
        for row in book.rows(owner, name)
        if row.holds_at(now_ms)
    ]


def providers(book: PriceBook) -> list[str]:
    return sorted({owner for owner, _ in book.models()})


def explain(book: PriceBook, model: str, ts_ms: int) -> Explained:
    found = book.explain(model, ts_ms)
    return Explained(
        model,
        found.row is not None,
        None if found.row is None else line(found.row, found.row.id),
        [line(row, row.id) for row in found.rows],
        list(found.steps),
        list(found.alternatives),
        found.reason,
        f"{book.package}, {book.source}",
    )


def line(row: PriceRow | None, model: str) -> PriceLine:
    if row is None:
        return PriceLine(model, None, None, None, None, None, None, None, None, [], [], None, None, [])
    return PriceLine(
        model,
        row.provider,
        row.source,
        row.input,
        row.output,
        row.cache_read,
        row.cache_write,
        row.cache_write_1h,
        row.search_pusd,
        [over for over, _ in row.tiers],
        sorted([*row.multipliers, *row.variants]),
        row.from_ms,
        row.to_ms,
        list(row.assumed),
    )
