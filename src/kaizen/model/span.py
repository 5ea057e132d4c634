"""Timed operations of a session: stored rows (`Span`, `Turn`), what a tree is built from, and its nodes.

A *span* is one tool execution. A *trace* is a session with the sub-agents below it.
"""

from typing import Literal

import msgspec

SpanStatus = Literal["ok", "error", "denied", "interrupted", "open", "lost"]
NodeKind = Literal["session", "turn", "request", "tool", "subagent"]


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `spans`. `seq` is that of the call, or of a result that has no call (`status_reason` `no_call`)."""

    seq: int
    turn: int
    # Seq of the first call of the same request: equal groups were asked for together.
    parallel_group: int
    tool: str | None = None
    call_id: str | None = None
    request: str | None = None
    status: SpanStatus = "open"
    status_reason: str | None = None
    started_at_ms: int | None = None
    ended_at_ms: int | None = None
    # End minus start when both clocks are exact, else what the host measured itself, else unknown.
    lead_time_ms: int | None = None
    exit_code: int | None = None


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `turns`: a prompt and all that followed it. Turn 0 is what came before the first prompt."""

    turn: int
    prompt_seq: int | None
    started_at_ms: int
    ended_at_ms: int
    tool_calls: int = 0
    errors: int = 0


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One counted cost row. `request` is what `Span.request` joins to; its variants (`req:<request>:<variant>`)
    share it."""

    key: str
    seq: int
    ts_ms: int
    request: str | None = None
    model: str | None = None
    # All four buckets together; None = unknown.
    tokens: int | None = None
    output_tokens: int | None = None
    cost_pusd: int | None = None
    latency_ms: int | None = None


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a tree needs of one session, and of the sessions below it. `key` is unique among all of them."""

    key: str
    name: str
    status: str | None = None
    started_at_ms: int | None = None
    ended_at_ms: int | None = None
    spans: tuple[Span, ...] = ()
    turns: tuple[Turn, ...] = ()
    requests: tuple[Request, ...] = ()
    relation: Literal["subagent", "fork"] | None = None
    # Tool call of the session above that started this one.
    parent_call_id: str | None = None
    children: tuple["Trace", ...] = ()


class Spend(msgspec.Struct, frozen=True):
    """Sums of what is known, with the number of requests they cover: `unpriced` of `requests` have no known cost."""

    requests: int = 0
    unpriced: int = 0
    cost_pusd: int = 0
    tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: "Spend") -> "Spend":
        return Spend(
            self.requests + other.requests,
            self.unpriced + other.unpriced,
            self.cost_pusd + other.cost_pusd,
            self.tokens + other.tokens,
            self.output_tokens + other.output_tokens,
        )


class SpanNode(msgspec.Struct, frozen=True, kw_only=True):
    """A node of the tree. `own` is what it spent itself, `subtree` includes everything below it."""

    key: str
    kind: NodeKind
    name: str
    depth: int
    status: str | None = None
    status_reason: str | None = None
    started_at_ms: int | None = None
    ended_at_ms: int | None = None
    duration_ms: int | None = None
    # From the first start to the last end in the subtree.
    subtree_duration_ms: int | None = None
    own: Spend = Spend()
    subtree: Spend = Spend()
    # Part of the root's cost, 0 to 1; None when the root's cost is zero or unknown.
    cost_share: float | None = None
    # Takes more than the threshold of the root's cost, and no node above it (but the root) says so already.
    is_flagged: bool = False
    # Tool nodes only: siblings with the same number were asked for by one request.
    parallel_group: int | None = None
    # Seq of the event that made it, where there is one.
    seq: int | None = None
    children: tuple["SpanNode", ...] = ()
