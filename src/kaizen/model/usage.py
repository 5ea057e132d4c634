"""Token buckets of one billed request, and money as integers.

Buckets are disjoint, so their sum is what was processed and no token is paid twice:

    input_tokens        prompt tokens that were neither read from nor written to a cache
    cache_read_tokens   prompt tokens read from a cache
    cache_write_tokens  prompt tokens written to a cache, 5 min and 1 h together; the 1 h part is named besides
    output_tokens       everything billed as output, reasoning included; reasoning is named besides

None means the host did not say. Money is counted in pico-dollars (10^-12 USD): the price per token of every model is a
whole number of them, and 64 signed bits hold 9.2 million USD.
"""

import msgspec

PUSD_PER_USD_E6 = 1_000_000


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens of one request. See the table above; `web_search_requests` counts server-side searches."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    # A part of `output_tokens`, never added to it.
    reasoning_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    # A part of `cache_write_tokens`, never added to it.
    cache_write_1h_tokens: int | None = None
    web_search_requests: int = 0

    @property
    def prompt_tokens(self) -> int | None:
        """Size of the prompt: uncached input, cache reads and cache writes. This is what price tiers look at."""
        parts = (self.input_tokens, self.cache_read_tokens, self.written_tokens)
        known = [part for part in parts if part is not None]
        return sum(known) if known else None

    @property
    def total_tokens(self) -> int | None:
        """Prompt and output."""
        known = [part for part in (self.prompt_tokens, self.output_tokens) if part is not None]
        return sum(known) if known else None

    @property
    def written_tokens(self) -> int | None:
        """All cache writes: `cache_write_tokens`, or the 1 h part where a host names only that or names more of it."""
        whole, hour = self.cache_write_tokens, self.cache_write_1h_tokens
        if whole is None or hour is None:
            return hour if whole is None else whole
        return max(whole, hour)

    @property
    def is_empty(self) -> bool:
        """The host said nothing that could be priced."""
        return self.total_tokens is None and not self.web_search_requests


def round_half_even(pico: int) -> int:
    """Pico-dollars to micro-dollars; a half goes to the even neighbour, so that sums do not drift upwards."""
    whole, rest = divmod(pico, PUSD_PER_USD_E6)
    half = PUSD_PER_USD_E6 // 2
    return whole + (rest > half or (rest == half and whole & 1))
