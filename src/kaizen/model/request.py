"""One billed model call, seen once or many times: which record speaks for it, and which requests are one."""

from collections.abc import Sequence

import msgspec


class Request(msgspec.Struct, gc=False):
    """The `cost` row of a request. Field order = column order of `store.requests.COLUMNS`."""

    id: int
    session_id: int
    key: str
    ts_ms: int
    ts_exact: bool
    request: str | None
    model: str | None
    is_sidechain: bool
    latency_ms: int | None
    stop_reason: str | None
    duplicate_of: str | None
    is_copy: bool
    input_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    cache_write_1h_tokens: int | None
    web_search_requests: int | None
    service_tier: str | None
    speed: str | None
    context_max_tokens: int | None
    ttft_ms: int | None
    retry_count: int | None
    reported_cost_usd_e6: int | None
    cost_pusd: int | None
    cost_source: str | None
    flag: str | None
    file_id: int | None
    file_offset: int | None

    @property
    def is_bare(self) -> bool:
        """Its key names no variant, only the request."""
        return self.key == f"req:{self.request}"

    def weight(self) -> tuple[int, ...]:
        """Streamed snapshots grow: of two records of one request the heavier one is the later, complete one."""
        return (
            -1 if self.output_tokens is None else self.output_tokens,
            (self.input_tokens or 0) + (self.cache_read_tokens or 0) + (self.cache_write_tokens or 0),
            self.cache_write_1h_tokens or 0,
            self.reasoning_tokens or 0,
            self.reported_cost_usd_e6 or 0,
            self.stop_reason is not None,
        )


REPLAY = "replay"
# What the heavier record decides; everything else of a request belongs to its owner or is the earliest time.
USAGE = ("model", "is_sidechain", "stop_reason", "input_tokens", "output_tokens", "reasoning_tokens",
         "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens", "service_tier",
         "speed", "flag", "file_id", "file_offset")
KNOWN = ("latency_ms", "context_max_tokens", "ttft_ms", "retry_count", "reported_cost_usd_e6", "web_search_requests")


def absorb(kept: Request, other: Request) -> bool:
    """Make `kept` say what both records of the same key say together. True when anything changed.

    Commutative and idempotent: the outcome does not depend on which record came first. Ownership (`session_id`,
    `is_copy`) is the caller's.
    """
    changed = False
    later = other.file_id == kept.file_id and (other.file_offset or 0) > (kept.file_offset or 0)
    if (other.weight(), later) > (kept.weight(), False):
        for name in USAGE:
            setattr(kept, name, getattr(other, name))
        changed = True
    for name in KNOWN:
        value = getattr(other, name)
        if value is not None and (getattr(kept, name) is None or value > getattr(kept, name)):
            setattr(kept, name, value)
            changed = True
    if (not other.ts_exact, other.ts_ms) < (not kept.ts_exact, kept.ts_ms):
        kept.ts_ms, kept.ts_exact = other.ts_ms, other.ts_exact
        changed = True
    if kept.duplicate_of == REPLAY and other.duplicate_of != REPLAY:
        kept.duplicate_of = None
        changed = True
    return changed


def judge(variants: Sequence[Request]) -> dict[str, str | None]:
    """Key -> why it is not counted, for all rows of one request (`req:<request>` and `req:<request>:<variant>`).

    A row without variant is the same call as one with: the heavier counts. A side-chain row repeats a main-line row
    under another request id. Rows that only a replay shows count nowhere.
    """
    verdict: dict[str, str | None] = {row.key: REPLAY if row.duplicate_of == REPLAY else None for row in variants}
    live = sorted((row for row in variants if row.duplicate_of != REPLAY), key=lambda row: row.key)
    named = [row for row in live if not row.is_bare]
    main = next((row for row in named if not row.is_sidechain), None)
    if main is not None:
        verdict.update((row.key, main.key) for row in named if row.is_sidechain)
    chosen = main or (named[0] if named else None)
    for bare in live:
        if bare.is_bare and chosen is not None:
            loser, winner = (chosen, bare) if bare.weight() > chosen.weight() else (bare, chosen)
            verdict[loser.key] = winner.key
    return verdict
