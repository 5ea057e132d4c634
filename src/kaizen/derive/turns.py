"""Prompts -> turns: each prompt starts one, and everything up to the next prompt belongs to it.

One record of a host may hold several texts, each an event of its own. Prompts in a row with the same exact time are
such texts: one prompt, one turn.
"""

import msgspec

from kaizen.derive.seen import Seen
from kaizen.model.span import Turn


class State(msgspec.Struct, array_like=True):
    """The current turn. `started_at_ms` is None until turn 0 has an event."""

    turn: int = 0
    prompt_seq: int | None = None
    started_at_ms: int | None = None
    ended_at_ms: int = 0
    tool_calls: int = 0
    errors: int = 0
    # Nothing but the prompt so far.
    is_fresh: bool = False


def continues(state: State, event: Seen) -> bool:
    """Is this prompt only another text of the record that began the turn?"""
    return state.is_fresh and event.ts_exact and event.ts_ms == state.started_at_ms


def begin(state: State, event: Seen) -> None:
    """Starts the turn of a prompt. The caller has taken the row of the turn before."""
    state.turn += 1
    state.prompt_seq = event.seq
    state.started_at_ms = state.ended_at_ms = event.ts_ms
    state.tool_calls = state.errors = 0
    state.is_fresh = True


def extend(state: State, ts_ms: int) -> None:
    state.is_fresh = False
    if state.started_at_ms is None:
        state.started_at_ms = state.ended_at_ms = ts_ms
    elif ts_ms > state.ended_at_ms:
        state.ended_at_ms = ts_ms
    elif ts_ms < state.started_at_ms:
        state.started_at_ms = ts_ms


def row(state: State) -> Turn | None:
    if state.started_at_ms is None:
        return None
    return Turn(
        turn=state.turn, prompt_seq=state.prompt_seq, started_at_ms=state.started_at_ms,
        ended_at_ms=state.ended_at_ms, tool_calls=state.tool_calls, errors=state.errors,
    )  # fmt: skip
