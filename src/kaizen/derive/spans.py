"""Calls and results -> spans. Theory of operation.

A call opens a span. A result closes only the span of its own call id; without an id, the oldest open call of the
same tool in the same turn; else it becomes a span of its own (`no_call`). An `error` event with a call id is a result.

An open span is *given up* when nothing is expected any more: `lost` when a newer turn starts (hosts run tools
synchronously), after an hour of session time, or at the session's end; `interrupted` when the host says so. Giving up
is a guess: prompts are queued while tools run, and background work outlives its turn. So the newest `_KEPT` given-up
calls are remembered, and a result that names one of them closes it after all. That bounds the state by the open spans
plus a constant.

`lead_time_ms` is end minus start when both clocks are exact, and unknown when that is negative (two clocks disagree).
When a clock is inexact it is the latency the host measured, if it did: such a number is exact by itself.
"""

import msgspec

from kaizen.derive.lifecycle import Meaning
from kaizen.derive.seen import Seen
from kaizen.model.span import Span, SpanStatus

GIVE_UP_AFTER_MS = 3_600_000
_KEPT = 64
_GROUPS = 16
_NOT_ERRORS: dict[str, SpanStatus] = {"denied": "denied", "interrupted": "interrupted"}


class Open(msgspec.Struct, array_like=True):
    """A call that waits for its result. `status` is `open`, or what it was given up as."""

    seq: int
    turn: int
    parallel_group: int
    tool: str | None
    call_id: str | None
    request: str | None
    started_at_ms: int
    ts_exact: bool
    status: SpanStatus = "open"
    status_reason: str | None = None


class State(msgspec.Struct, array_like=True):
    open: list[Open] = []
    given_up: list[Open] = []
    # Request -> seq of its first call, for the newest requests: answers of several agents interleave in one file.
    groups: dict[str, int] = {}


Rows = dict[int, Span]


class ToolRow(msgspec.Struct, array_like=True):
    """Spans of one tool, to add to `tools_used`. Counted when a span gets its tool and when it ends, both final."""

    tool: str
    calls: int = 0
    errors: int = 0
    denied: int = 0


Tools = dict[str, ToolRow]


def call(state: State, event: Seen, turn: int, rows: Rows, tools: Tools) -> None:
    opened = Open(
        event.seq, turn, _group(state, event), event.tool, event.call_id, event.request, event.ts_ms, event.ts_exact
    )
    state.open.append(opened)
    rows[event.seq] = _row(opened)
    if event.tool:
        _used(tools, event.tool).calls += 1


def result(state: State, event: Seen, turn: int, rows: Rows, tools: Tools) -> SpanStatus:
    """Returns how the call ended."""
    opened = _taken(state, event, turn)
    status, reason = _ending(event, opened)
    if opened is None:
        seq = event.seq
        rows[seq] = Span(
            seq=seq, turn=turn, parallel_group=seq, tool=event.tool, call_id=event.call_id, request=event.request,
            status=status, status_reason=reason or "no_call", ended_at_ms=event.ts_ms, lead_time_ms=event.latency_ms,
            exit_code=event.facts.exit_code if event.facts else None,
        )  # fmt: skip
    else:
        rows[opened.seq] = Span(
            seq=opened.seq, turn=opened.turn, parallel_group=opened.parallel_group, tool=opened.tool or event.tool,
            call_id=opened.call_id, request=opened.request, status=status, status_reason=reason,
            started_at_ms=opened.started_at_ms, ended_at_ms=event.ts_ms, lead_time_ms=_lead_time(opened, event),
            exit_code=event.facts.exit_code if event.facts else None,
        )  # fmt: skip
    tool = (opened.tool if opened else None) or event.tool
    if tool:
        used = _used(tools, tool)
        used.calls += opened is None or not opened.tool
        used.errors += status == "error"
        used.denied += status == "denied"
    return status


def expire(state: State, now_ms: int, rows: Rows) -> None:
    """Gives up what was called more than an hour of session time before `now_ms`."""
    _give_up(
        state, [o for o in state.open if now_ms - o.started_at_ms > GIVE_UP_AFTER_MS], "lost", "no_result_for_1h", rows
    )


def new_turn(state: State, rows: Rows) -> None:
    _give_up(state, list(state.open), "lost", "newer_turn", rows)


def mark(state: State, meaning: Meaning, rows: Rows) -> None:
    """What a lifecycle event means for the calls that are open."""
    if meaning == "ended":
        _give_up(state, list(state.open), "lost", "session_ended", rows)
    elif meaning == "interrupted":
        _give_up(state, list(state.open), "interrupted", "interrupted", rows)


def shown_status(status: SpanStatus, session_status: str | None) -> SpanStatus:
    """A span still open in a session that is done was lost; sessions without an end record end by the clock."""
    return "lost" if status == "open" and session_status == "done" else status


def _used(tools: Tools, tool: str) -> ToolRow:
    there = tools.get(tool)
    if there is None:
        there = tools[tool] = ToolRow(tool)
    return there


def _group(state: State, event: Seen) -> int:
    request = event.request
    if request is None:
        return event.seq
    groups = state.groups
    if (group := groups.get(request)) is None:
        group = groups[request] = event.seq
        if len(groups) > _GROUPS:
            del groups[next(iter(groups))]
    return group


def _taken(state: State, event: Seen, turn: int) -> Open | None:
    """Removes and returns the call that this result answers."""
    if event.call_id is not None:
        for waiting in (state.open, state.given_up):
            for at, opened in enumerate(waiting):
                if opened.call_id == event.call_id:
                    return waiting.pop(at)
    elif event.tool is not None:
        for waiting in (state.open, state.given_up):
            for at, opened in enumerate(waiting):
                if opened.tool == event.tool and opened.turn == turn:
                    return waiting.pop(at)
    return None


def _ending(event: Seen, opened: Open | None) -> tuple[SpanStatus, str | None]:
    facts = event.facts
    reason = facts.reason if facts else None
    failed = event.is_error is True or event.kind == "error" or (facts is not None and facts.exit_code not in (None, 0))
    if reason == "denied" and event.is_error is False:
        # It was found in the text of a call that succeeded: somebody's file begins with those words.
        reason = None
    if reason is not None and (known := _NOT_ERRORS.get(reason)):
        return known, reason
    if reason is None and failed and opened is not None and opened.status == "interrupted":
        return "interrupted", opened.status_reason
    return ("error" if failed or reason is not None else "ok"), reason


def _lead_time(opened: Open, event: Seen) -> int | None:
    if opened.ts_exact and event.ts_exact:
        passed = event.ts_ms - opened.started_at_ms
        return passed if passed >= 0 else None
    return event.latency_ms


def _give_up(state: State, spans: list[Open], status: SpanStatus, reason: str, rows: Rows) -> None:
    for opened in spans:
        state.open.remove(opened)
        opened.status, opened.status_reason = status, reason
        state.given_up.append(opened)
        rows[opened.seq] = _row(opened)
    del state.given_up[:-_KEPT]


def _row(opened: Open) -> Span:
    return Span(
        seq=opened.seq, turn=opened.turn, parallel_group=opened.parallel_group, tool=opened.tool,
        call_id=opened.call_id, request=opened.request, status=opened.status, status_reason=opened.status_reason,
        started_at_ms=opened.started_at_ms,
    )  # fmt: skip
