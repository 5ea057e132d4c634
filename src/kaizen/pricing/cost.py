"""What one request costs, exactly: integers only, one whole-request tier, no rounding before the end.

Rule: docs/accounting-pricing.md. `cost_pusd` runs once per request of a whole history, so it is written flat;
`explain_cost` says the same in line items, and a property test holds the two together.
"""

from collections.abc import Sequence

import msgspec

from kaizen.model.usage import Usage, round_half_even
from kaizen.pricing.row import SYNTHETIC, PriceRow, Rates

# Names hosts give to "nothing special"; every other name is looked up in the row.
PLAIN = frozenset({None, "", "standard", "default", "auto", "on_demand", "normal"})

Tiers = tuple[tuple[int, Rates], ...]


def cost_pusd(usage: Usage, row: PriceRow | None, *, speed: str | None = None,
              service_tier: str | None = None) -> int | None:
    """Cost of one request in pico-dollars. Round it once with `round_half_even`, or sum first and then round.

    None when it is not known: no row, no usage, or a used bucket without a price. Unknown is not free.
    """
    if row is None:
        return None
    fresh, read, out = usage.input_tokens, usage.cache_read_tokens, usage.output_tokens
    write, hour, searches = usage.cache_write_tokens, usage.cache_write_1h_tokens, usage.web_search_requests
    if fresh is None and out is None and read is None and write is None and hour is None and not searches:
        return 0 if row is SYNTHETIC else None
    fresh, read, out, hour = fresh or 0, read or 0, out or 0, hour or 0
    short = (write or 0) - hour
    if short < 0:
        short = 0
    rates, tiers, factor = row.rates, row.tiers, None
    if speed not in PLAIN or service_tier not in PLAIN:
        _, rates, tiers, factor = mode_of(row, speed, service_tier)
    if tiers:
        prompt = fresh + read + short + hour
        for over, dearer in tiers:
            if prompt > over:
                rates = dearer
    total = 0
    if fresh:
        if rates[0] is None:
            return None
        total = fresh * rates[0]
    if out:
        if rates[1] is None:
            return None
        total += out * rates[1]
    if read:
        if rates[2] is None:
            return None
        total += read * rates[2]
    if short:
        if rates[3] is None:
            return None
        total += short * rates[3]
    if hour:
        if rates[4] is None:
            return None
        total += hour * rates[4]
    if factor is not None:
        total = scaled(total, factor)
    if searches:
        if row.search_pusd is None:
            return None
        total += searches * row.search_pusd
    return total


def mode_of(row: PriceRow, speed: str | None,
            service_tier: str | None) -> tuple[str | None, Rates, Tiers, tuple[int, int] | None]:
    """The mode a request was billed in: its name, rates, tiers and factor. Speed decides before the service tier.

    A mode the row does not know (Anthropic's `priority` is a commitment, not a price) is billed as usual, name None.
    """
    for name in (speed, service_tier):
        if name in PLAIN or name is None:
            continue
        name = name.lower()
        if name in row.variants:
            return name, *row.variants[name], None
        if name in row.multipliers:
            return name, row.rates, row.tiers, row.multipliers[name]
    return None, row.rates, row.tiers, None


def scaled(pico: int, factor: tuple[int, int]) -> int:
    """`pico * num / den`, a half to the even neighbour. Real factors come out even: per-token prices are whole."""
    num, den = factor
    whole, rest = divmod(pico * num, den)
    return whole + (2 * rest > den or (2 * rest == den and whole & 1))


class LineItem(msgspec.Struct, frozen=True):
    """One bucket of a bill. `price_pusd` is per token (per search), before the factor; `amount_pusd` is after it.

    None means that there is no price for this bucket, which makes the total unknown.
    """

    bucket: str
    count: int
    price_pusd: int | None
    amount_pusd: int | None
    # Nobody lists this price; it follows from the input price (docs/accounting-pricing.md).
    is_assumed: bool = False


class Bill(msgspec.Struct, frozen=True):
    """How a cost came about. `cost_usd_e6` is `total_pusd` rounded once, half to even; the rest it drops is
    `rounding_pusd` (cost minus total)."""

    lines: list[LineItem]
    prompt_tokens: int
    # The prompt exceeded this many tokens, so the whole request pays the tier's price.
    tier_over: int | None
    mode: str | None
    multiplier: tuple[int, int] | None
    total_pusd: int | None
    cost_usd_e6: int | None
    rounding_pusd: int | None
    # Sentences about what is missing, assumed or ignored.
    notes: list[str]


def explain_cost(usage: Usage, row: PriceRow | None, *, speed: str | None = None,
                 service_tier: str | None = None) -> Bill:
    """The same cost as `cost_pusd`, as line items."""
    counts = _counts(usage)
    prompt = usage.prompt_tokens or 0
    if row is None:
        lines = [LineItem(bucket, count, None, None) for bucket, count in counts if count]
        return Bill(lines, prompt, None, None, None, None, None, None, ["This model has no known price."])
    mode, rates, tiers, factor = mode_of(row, speed, service_tier)
    over = max((limit for limit, _ in tiers if prompt > limit), default=None)
    rates = dict(tiers)[over] if over is not None else rates
    lines = [
        LineItem(bucket, count, price, _amount(count, price, factor), bucket in row.assumed)
        for (bucket, count), price in zip(counts, rates, strict=True) if count
    ]
    if searches := usage.web_search_requests:
        lines.append(LineItem("web_search", searches, row.search_pusd, _amount(searches, row.search_pusd, None)))
    total = cost_pusd(usage, row, speed=speed, service_tier=service_tier)
    cost = None if total is None else round_half_even(total)
    rounding = None if total is None or cost is None else cost * 1_000_000 - total
    notes = [*_notes(usage, row, lines), *_ignored_modes(mode, speed, service_tier)]
    return Bill(lines, prompt, over, mode, factor, total, cost, rounding, notes)


def _counts(usage: Usage) -> list[tuple[str, int]]:
    """Tokens by bucket, in the order of `Rates`."""
    hour = usage.cache_write_1h_tokens or 0
    return [
        ("input", usage.input_tokens or 0),
        ("output", usage.output_tokens or 0),
        ("cache_read", usage.cache_read_tokens or 0),
        ("cache_write", (usage.written_tokens or 0) - hour),
        ("cache_write_1h", hour),
    ]


def _amount(count: int, price: int | None, factor: tuple[int, int] | None) -> int | None:
    if price is None:
        return None
    return count * price if factor is None else scaled(count * price, factor)


def _notes(usage: Usage, row: PriceRow, lines: Sequence[LineItem]) -> list[str]:
    notes = [f"No price for {line.bucket}, so the cost is unknown." for line in lines if line.price_pusd is None]
    assumed = [line.bucket for line in lines if line.is_assumed]
    if assumed:
        notes.append(f"Assumed, not listed: {', '.join(assumed)}.")
    if usage.cache_write_tokens and usage.cache_write_1h_tokens is None and row.cache_write != row.cache_write_1h:
        notes.append("The host does not say which cache writes last 1 h: all are billed as 5 min.")
    if usage.is_empty and row is not SYNTHETIC:
        notes.append("The host reported no tokens, so the cost is unknown.")
    elif usage.prompt_tokens is None or usage.output_tokens is None:
        notes.append("The host reported only a part of the tokens: the cost is a lower bound.")
    return notes


def _ignored_modes(mode: str | None, speed: str | None, service_tier: str | None) -> list[str]:
    named = [name for name in (speed, service_tier) if name is not None and name not in PLAIN]
    return [f"{name!r} has no price of its own here: billed as standard." for name in named if name.lower() != mode]
