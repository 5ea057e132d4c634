"""Where a session stands: `running`, `waiting`, `idle` or `done`, as of its newest event.

    prompt, answer, result, error, lifecycle "resumed"     running
    call without its result, permission request            waiting   (`tool_call_pending`, `permission`)
    answer that ends the turn, lifecycle "turn over"        idle
    lifecycle "session ended"                               done

Only an event at least as new as the newest one seen moves the state: transcripts lag behind hooks, so lines from before
the end may arrive after it. Any newer message, call or result leaves `done` again (resume). What an old state means now
is decided when it is shown (`model.status.status_at`), because silence is not an event.
"""

import msgspec

from kaizen.derive.lifecycle import Meaning
from kaizen.derive.seen import Seen
from kaizen.model.status import Status

# Reasons that end an answer without asking for a tool, over all hosts, in lower case.
_FINAL = frozenset((
    "end_turn", "endturn", "stop", "stop_sequence", "max_tokens", "length", "refusal", "complete", "completed",
    "finish", "content_filter", "task_complete",
))  # fmt: skip
_BY_MEANING: dict[Meaning, tuple[Status, str]] = {
    "resumed": ("running", "resumed"),
    "started": ("running", "started"),
    "asks": ("waiting", "permission"),
    "turn_over": ("idle", "turn_over"),
    "interrupted": ("idle", "interrupted"),
    "ended": ("done", "ended"),
}


class State(msgspec.Struct, array_like=True):
    status: Status = "running"
    reason: str | None = None
    # Time of the newest event, and of the newest that moved the state; ms.
    newest_ms: int = 0
    cause_seq: int | None = None


def step(state: State, event: Seen, meaning: Meaning | None, has_open_calls: bool) -> None:
    """`has_open_calls`: after this event, some call of the session waits for its result."""
    if event.ts_ms < state.newest_ms:
        return
    is_later = event.ts_ms > state.newest_ms
    state.newest_ms = event.ts_ms
    moved = _after(event, meaning, has_open_calls)
    if moved and (is_later or state.status != "done" or moved[0] == "done"):
        state.status, state.reason = moved
        state.cause_seq = event.seq


def _after(event: Seen, meaning: Meaning | None, has_open_calls: bool) -> tuple[Status, str | None] | None:
    kind = event.kind
    if kind == "tool_call" or kind == "tool_result":
        return ("waiting", "tool_call_pending") if has_open_calls else ("running", None)
    if kind == "message":
        if event.role == "prompt":
            return "running", "prompt"
        if event.role == "context":
            return None
        if event.stop_reason is not None and event.stop_reason.lower() in _FINAL:
            return "idle", event.stop_reason
        return ("waiting", "tool_call_pending") if has_open_calls else ("running", None)
    if kind == "error" and meaning is None:
        return "running", "error"
    return _BY_MEANING[meaning] if meaning else None
