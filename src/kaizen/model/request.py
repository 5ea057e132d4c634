"""One billed model call, seen once or many times: which record speaks for it, and which requests are one."""

import re
from collections.abc import Sequence
from operator import attrgetter

import msgspec

_ADVISOR = re.compile(r":advisor\d+\Z")


class Request(msgspec.Struct, gc=False, array_like=True):
    """The `cost` row of a request. Field order = column order of `store.requests.COLUMNS`."""

    id: int
    session_id: int
    key: str
    ts_ms: int
    ts_exact: bool
    request: str
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
    def advisor(self) -> str:
        """Which call inside the request, when it is not the request's own."""
        found = _ADVISOR.search(self.key)
        return found[0] if found else ""

    @property
    def is_bare(self) -> bool:
        """Its key names no variant, only the request."""
        return self.key == f"req:{self.request}{self.advisor}"

    def rank(self) -> tuple[object, ...]:
        """Which of two records of one key speaks: not a replay; the heavier; the one on the main line; any fixed rule.
        Only then the place: a rule that asks which came first would depend on the order of files."""
        amounts = (self.input_tokens, self.cache_read_tokens, self.cache_write_tokens, self.cache_write_1h_tokens,
                   self.reasoning_tokens)
        return (self.duplicate_of != REPLAY, self.weight(), not self.is_sidechain, self.stop_reason or "",
                self.model or "", self.service_tier or "", self.speed or "", self.flag or "",
                tuple(-1 if one is None else one for one in amounts), self.file_offset or 0)

    def weight(self) -> tuple[int, ...]:
        """Streamed snapshots grow: of two records of one request the heavier one is the later, complete one."""
        return (
            -1 if self.output_tokens is None else self.output_tokens,
            (self.input_tokens or 0) + (self.cache_read_tokens or 0) + (self.cache_write_tokens or 0),
            self.cache_write_1h_tokens or 0,
            self.reasoning_tokens or 0,
            self.stop_reason is not None,
        )


REPLAY = "replay"
# What the heavier record decides; everything else of a request belongs to its owner or is the earliest time.
USAGE = ("model", "is_sidechain", "stop_reason", "input_tokens", "output_tokens", "reasoning_tokens",
         "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens", "service_tier",
         "speed", "flag", "file_id", "file_offset")
KNOWN = ("latency_ms", "context_max_tokens", "ttft_ms", "retry_count", "reported_cost_usd_e6", "web_search_requests")
_known = attrgetter(*KNOWN)


def speaks_for(other: Request, kept: Request) -> bool:
    """Whether the usage of both is the other's: `other.rank() > kept.rank()`, decided by the output alone where that
    differs: most records of a stream do."""
    mine, theirs = kept.output_tokens, other.output_tokens
    if mine is not None and theirs is not None and mine != theirs and kept.duplicate_of == other.duplicate_of:
        return theirs > mine
    return other.rank() > kept.rank()


def absorb(kept: Request, other: Request) -> bool:
    """Make `kept` say what both records of the same key say together. True when anything changed.

    Commutative and idempotent: the outcome does not depend on which record came first. Ownership (`session_id`,
    `is_copy`) is the caller's.
    """
    changed = speaks_for(other, kept)
    if changed:
        for name in USAGE:
            setattr(kept, name, getattr(other, name))
    return complete(kept, other) or changed


def complete(kept: Request, other: Request) -> bool:
    """The rest of `absorb`, where the usage is `kept`'s own."""
    changed = False
    if _known(other) != _known(kept):
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
    under another request id. Advisors inside a request (`...:advisor0`) are calls of their own, and are compared with
    each other only. Rows that only a replay shows count nowhere.
    """
    verdict: dict[str, str | None] = {row.key: REPLAY if row.duplicate_of == REPLAY else None for row in variants}
    calls: dict[str, list[Request]] = {}
    for row in sorted(variants, key=lambda row: row.key):
        if row.duplicate_of != REPLAY:
            calls.setdefault(row.advisor, []).append(row)
    for rows in calls.values():
        named = [row for row in rows if not row.is_bare]
        main = next((row for row in named if not row.is_sidechain), None)
        if main is not None:
            verdict.update((row.key, main.key) for row in named if row.is_sidechain)
        chosen = main or (named[0] if named else None)
        for bare in rows:
            if bare.is_bare and chosen is not None:
                loser, winner = (chosen, bare) if bare.weight() > chosen.weight() else (bare, chosen)
                verdict[loser.key] = winner.key
    return verdict
