"""A price: what a token of each bucket costs for one model, one provider, one stretch of time.

All amounts are whole pico-dollars per token: 3 USD per million tokens are 3,000,000 pUSD per token.
"""

from typing import NamedTuple

import msgspec

# One web search of Anthropic's server tool: 10 USD per 1,000 (platform.claude.com/docs/en/about-claude/pricing).
ANTHROPIC_SEARCH_PUSD = 10_000_000_000


class Rates(NamedTuple):
    """pUSD per token of each bucket. None: this bucket has no price, so a request that uses it has no cost."""

    input: int | None
    output: int | None
    cache_read: int | None
    cache_write: int | None
    cache_write_1h: int | None


class PriceRow(msgspec.Struct, frozen=True):
    """One price and the time it holds for.

    `tiers` are `(over, rates)` in ascending order: a request whose prompt has strictly more than `over` tokens pays
    `rates` for all its tokens. `modes` are deviating prices by service tier or speed, either a factor `(num, den)` on
    the row's own rates or rates (with tiers) of their own, because some providers discount one bucket and not another.
    """

    id: str
    provider: str
    # `bundled@<date of the table>` or `user`.
    source: str
    rates: Rates
    tiers: tuple[tuple[int, Rates], ...] = ()
    # pUSD per web search.
    search_pusd: int | None = None
    multipliers: dict[str, tuple[int, int]] = {}
    variants: dict[str, tuple[Rates, tuple[tuple[int, Rates], ...]]] = {}
    # UTC epoch milliseconds, `from_ms` included, `to_ms` excluded. None: open.
    from_ms: int | None = None
    to_ms: int | None = None
    # Part of the day this row holds for, in UTC minutes [start, end); DeepSeek's peak hours. None: all day.
    daily: tuple[int, int] | None = None
    # Buckets whose price nobody listed and a rule of `filled` gave.
    assumed: tuple[str, ...] = ()

    @property
    def input(self) -> int | None:
        return self.rates.input

    @property
    def output(self) -> int | None:
        return self.rates.output

    @property
    def cache_read(self) -> int | None:
        return self.rates.cache_read

    @property
    def cache_write(self) -> int | None:
        return self.rates.cache_write

    @property
    def cache_write_1h(self) -> int | None:
        return self.rates.cache_write_1h

    def holds_at(self, ts_ms: int) -> bool:
        if (self.from_ms is not None and ts_ms < self.from_ms) or (self.to_ms is not None and ts_ms >= self.to_ms):
            return False
        if self.daily is None:
            return True
        start, end = self.daily
        return start <= ts_ms // 60_000 % 1_440 < end


# Claude Code writes this name on messages it made itself: no model was asked, nothing was billed.
SYNTHETIC = PriceRow("<synthetic>", "none", "built-in", Rates(0, 0, 0, 0, 0), search_pusd=0)


def filled(rates: Rates, *, is_claude: bool) -> Rates:
    """Rates with the cache buckets nobody listed.

    Claude: reads 0.1x, 5 min writes 1.25x, 1 h writes 2x input (Anthropic's prompt caching page). Elsewhere a cached
    token costs what an uncached one does, and a 1 h write what a 5 min write does.
    """
    fresh, output, read, write, hour = rates
    if fresh is None:
        return rates
    if is_claude:
        read = fresh // 10 if read is None else read
        write = fresh * 5 // 4 if write is None else write
        hour = fresh * 2 if hour is None else hour
    read = fresh if read is None else read
    write = fresh if write is None else write
    return Rates(fresh, output, read, write, write if hour is None else hour)
