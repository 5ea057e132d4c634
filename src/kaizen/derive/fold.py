"""All folds of a session in one pass: events -> rows of `spans`, `turns`, `files_touched`, `guidance_used`,
`tools_used`, and status.

`fold(state, a)` then `fold(state, b)` gives the same tables as `fold(state, a + b)`, for any cut, and the state may be
packed and unpacked in between. `Changes` says how each part is written:

    spans, turns      absolute rows: replace by (session, seq) and (session, turn)
    files             increments: times and lines add up, first_ms/last_ms widen, is_guess takes the minimum
                      (NULL lines + known = known: `files.merged` is the rule)
    guidance          increments: times adds up, first_ms takes the minimum
    tools             increments
    prompts, tool_calls, errors   increments
    status, status_reason, ended_at_ms   absolute
    title             set once, by the first prompt that has one; None = nothing new

Events come in the order of `seq`, each once. An event that changed, or arrived out of order, makes the caller drop the
state and fold the session again from its first event; derived rows of the session are deleted before.
"""

from collections.abc import Iterable

import msgspec

from kaizen.derive import files, guidance, spans, status, turns
from kaizen.derive.files import FileRow
from kaizen.derive.guidance import GuidanceRow
from kaizen.derive.lifecycle import meaning_of
from kaizen.derive.seen import Seen
from kaizen.derive.spans import ToolRow
from kaizen.model.span import Span, Turn
from kaizen.model.status import Status

NAME = "session"
# Bump when the meaning or layout of `State`, or any row made from the same events, changes.
VERSION = 3


class State(msgspec.Struct, array_like=True):
    """Bounded by the number of open calls plus a constant. Packed as an array: field order is its format."""

    calls: spans.State = msgspec.field(default_factory=spans.State)
    turn: turns.State = msgspec.field(default_factory=turns.State)
    standing: status.State = msgspec.field(default_factory=status.State)
    has_title: bool = False


class Changes(msgspec.Struct):
    spans: list[Span]
    turns: list[Turn]
    files: list[FileRow]
    guidance: list[GuidanceRow]
    tools: list[ToolRow]
    status: Status
    status_reason: str | None
    # Time of the newest event so far; None before the first.
    ended_at_ms: int | None
    prompts: int = 0
    tool_calls: int = 0
    # Error events and results that failed; a denied or interrupted call is no error.
    errors: int = 0
    title: str | None = None


pack = msgspec.msgpack.Encoder().encode
unpack = msgspec.msgpack.Decoder(State).decode


def fold(state: State, events: Iterable[Seen], root: str) -> Changes:
    """Changes `state` in place. `root` is the workspace's directory, '' when unknown."""
    span_rows: spans.Rows = {}
    turn_rows: list[Turn] = []
    file_rows: files.Rows = {}
    used: guidance.Counts = {}
    tools: spans.Tools = {}
    prompts = tool_calls = errors = 0
    title = None
    was_touched = False
    of_spans, of_turns, of_status = state.calls, state.turn, state.standing
    for event in events:
        kind, ts_ms, facts = event.kind, event.ts_ms, event.facts
        meaning = None
        if of_spans.open and ts_ms - of_spans.open[0].started_at_ms > spans.GIVE_UP_AFTER_MS:
            spans.expire(of_spans, ts_ms, span_rows)
        if kind == "message" and event.role == "prompt":
            if not turns.continues(of_turns, event):
                spans.new_turn(of_spans, span_rows)
                if was_touched and (row := turns.row(of_turns)):
                    turn_rows.append(row)
                turns.begin(of_turns, event)
                prompts += 1
        else:
            turns.extend(of_turns, ts_ms)
            if kind == "tool_call":
                spans.call(of_spans, event, of_turns.turn, span_rows, tools)
                of_turns.tool_calls += 1
                tool_calls += 1
            elif kind == "tool_result":
                if spans.result(of_spans, event, of_turns.turn, span_rows, tools) == "error":
                    of_turns.errors += 1
                    errors += 1
            elif kind == "error":
                if event.call_id is not None:
                    spans.result(of_spans, event, of_turns.turn, span_rows, tools)
                of_turns.errors += 1
                errors += 1
                meaning = meaning_of(event.event)
            elif (meaning := meaning_of(event.event)) is not None:
                spans.mark(of_spans, meaning, span_rows)
        was_touched = True
        status.step(of_status, event, meaning, bool(of_spans.open))
        if facts is not None:
            if facts.files:
                files.add(file_rows, facts.files, root, ts_ms)
            if facts.guidance:
                guidance.count(used, facts.guidance, ts_ms)
            if facts.title is not None and not state.has_title:
                title, state.has_title = facts.title, True
    if was_touched and (row := turns.row(of_turns)):
        turn_rows.append(row)
    return Changes(
        spans=list(span_rows.values()), turns=turn_rows, files=list(file_rows.values()),
        guidance=guidance.rows(used), tools=list(tools.values()),
        status=of_status.status, status_reason=of_status.reason, ended_at_ms=of_status.newest_ms or None,
        prompts=prompts, tool_calls=tool_calls, errors=errors, title=title,
    )  # fmt: skip
