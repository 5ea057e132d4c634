"""Tokens and money of any group of requests, and rounding money so that rows add up."""

from collections.abc import Iterable, Sequence

import msgspec

from kaizen.model.usage import PUSD_PER_USD_E6, round_half_even
from kaizen.store.usage import Amounts


class Usage(msgspec.Struct):
    """Sums over counted requests. `input_tokens` is uncached input; `reasoning_tokens` and `cache_write_1h_tokens` are
    parts of `output_tokens` and `cache_write_tokens`. The cost is that of the priced requests, None when there is none;
    `unpriced_requests` says how many are missing in it."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cost_usd_e6: int | None = None
    unpriced_requests: int = 0

    @property
    def is_partial(self) -> bool:
        return self.unpriced_requests > 0

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_write_tokens

    @property
    def prompt_tokens(self) -> int:
        return self.input_tokens + self.cache_read_tokens + self.cache_write_tokens


NOTHING: Amounts = (0, 0, 0, 0, 0, 0, 0, 0, 0)


def added(one: Amounts, other: Amounts) -> Amounts:
    return tuple([left + right for left, right in zip(one, other, strict=True)])  # type: ignore[return-value]


def summed(parts: Iterable[Amounts]) -> Amounts:
    total = NOTHING
    for part in parts:
        total = added(total, part)
    return total


def usage(amounts: Amounts, cost_usd_e6: int | None = None) -> Usage:
    """Amounts as a struct; the cost is rounded here unless it was rounded among its neighbours."""
    if cost_usd_e6 is None and is_priced(amounts):
        cost_usd_e6 = round_half_even(amounts[7])
    return Usage(*amounts[:7], cost_usd_e6, amounts[8])


def is_priced(amounts: Amounts) -> bool:
    """Any of it has a price; nothing at all costs a known 0."""
    requests, pusd, unpriced = amounts[0], amounts[7], amounts[8]
    return pusd != 0 or unpriced < requests or not any(amounts)


def add_up(parts: Sequence[Amounts]) -> tuple[list[int | None], int | None]:
    """Micro-dollars of each part and of all; the parts add up to the whole.

    The whole is the exact sum rounded once, half to even, so every grouping has the same total. Each part is rounded
    the same way; where that leaves the sum off by some micro-dollars, the parts rounded hardest in the wrong direction
    give them back, the first of equals first. So no part is off by a whole micro-dollar.
    """
    priced = [i for i, part in enumerate(parts) if is_priced(part)]
    if not priced and parts:
        return [None] * len(parts), None
    picos = {i: parts[i][7] for i in priced}
    total = round_half_even(sum(picos.values()))
    rounded: list[int | None] = [None] * len(parts)
    error: dict[int, int] = {}
    for i, pico in picos.items():
        rounded[i] = near = round_half_even(pico)
        error[i] = near * PUSD_PER_USD_E6 - pico
    missing = total - sum(error[i] + picos[i] for i in priced) // PUSD_PER_USD_E6
    step = 1 if missing > 0 else -1
    for i in sorted(priced, key=lambda i: (step * error[i], i))[: abs(missing)]:
        value = rounded[i]
        rounded[i] = None if value is None else value + step
    return rounded, total
