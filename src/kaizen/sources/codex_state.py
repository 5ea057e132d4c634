"""What later lines of a rollout depend on: whose session it is, which turn, and whether we read copied history.

A forked or sub-agent rollout may begin with a copy of its parent's records, stamped with the time of the copy. What is
copied verbatim are turn ids and token totals. Three signs end the copied region, the first that speaks decides:

    the turn id is a UUIDv7 and older than the session's own UUIDv7     copied, however long the copy is
    the turn id is a UUIDv7 and not older                               the session's own, even within the first second
    neither (older formats)                                             copied up to one second after the first record

Only files that name a parent are suspected at all. `State` changes only on records that the fast path for usage sees
too (see `codex.MARKS`), except for the fields below `Only for parse`.
"""

from typing import Any

import msgspec

from kaizen.sources.shapes import as_dict, as_text

WINDOW_MS = 1_000
MAX_ID = 200
_TWINS = 4

# input, cached input, cache writes, output, reasoning: as the host counts them (subsets included).
Totals = tuple[int, int, int, int, int]


class State(msgspec.Struct):
    session: str
    # A record has said the session's id; until then it is the file's name.
    is_named: bool = False
    parent: str | None = None
    relation: str | None = None
    is_copying: bool = False
    # History was copied for certain (a fork, or the parent's own metadata follows).
    is_sure: bool = False
    first_ms: int | None = None
    turn: str | None = None
    # Verdict of the UUIDs on `turn`: older than the session?
    is_old_turn: bool | None = None
    # Requests counted in this turn (of the session, before the first turn id).
    requests: int = 0
    model: str | None = None
    service_tier: str | None = None
    total: Totals | None = None
    last: Totals | None = None

    # Only for parse.
    # The model has answered since the last count (newer builds count behind the answer), or: the last count came before
    # the answer that it bills, which now follows (up to about 0.4x). And the request of the last answer.
    has_answered: bool = False
    is_counted_ahead: bool = False
    answered: str | None = None
    # Hashes of prompts whose twin has not come yet, by the kind of record that told them.
    item_prompts: list[int] = []
    event_prompts: list[int] = []
    is_event_first: bool = False
    has_compacted: bool = False


def begin_turn(turn: str | None, state: State) -> None:
    """A record names the turn that now runs."""
    if turn is None or (turn := turn[:MAX_ID]) == state.turn:
        return
    state.turn, state.requests = turn, 0
    state.has_answered = state.is_counted_ahead = False
    began, born = uuid7_ms(turn), uuid7_ms(state.session)
    state.is_old_turn = None if began is None or born is None else began < born


def arrive(ts_ms: int | None, state: State) -> None:
    """A record that the fast path sees, after its turn is known: does the copied region end before it?"""
    if state.first_ms is None:
        state.first_ms = ts_ms
    if state.is_copying and not _is_copied(ts_ms, state):
        state.is_copying = False


def is_copied(ts_ms: int | None, state: State) -> bool:
    """Is this other record copied? A sub-agent may have no copied history: only a token count so soon proves it."""
    is_proven = state.is_sure or state.total is not None or state.is_old_turn is True
    return state.is_copying and is_proven and _is_copied(ts_ms, state)


def _is_copied(ts_ms: int | None, state: State) -> bool:
    if state.is_old_turn is not None:
        return state.is_old_turn
    # A record without a time says nothing about where we are.
    return ts_ms is None or state.first_ms is None or ts_ms - state.first_ms <= WINDOW_MS


def name_session(payload: dict[str, Any], state: State) -> bool:
    """Take session id and parent from the first session_meta. False for a later one, which may be the parent's."""
    given = as_text(payload.get("id")) or as_text(payload.get("session_id"))
    if state.is_named:
        if given is not None and given != state.session and not state.requests and state.turn is None:
            state.parent, state.relation = state.parent or given[:MAX_ID], state.relation or "fork"
            state.is_copying = state.is_sure = True
        return False
    state.session, state.is_named = (given or state.session)[:MAX_ID], True
    source = as_dict(payload.get("source"))
    spawn = as_dict(as_dict(source.get("subagent")).get("thread_spawn"))
    forked = as_text(payload.get("forked_from_id"))
    above = as_text(payload.get("parent_thread_id")) or as_text(spawn.get("parent_thread_id"))
    is_subagent = above is not None or "subagent" in source
    parent = above or forked
    state.parent = parent[:MAX_ID] if parent and parent != state.session else None
    state.relation = "subagent" if is_subagent else "fork" if forked else None
    state.is_copying = state.relation is not None
    state.is_sure = forked is not None
    return True


def request_of(state: State) -> str:
    """The request that is running: `<turn>:<n>`, n counted from 0 in its turn."""
    ahead = state.is_counted_ahead and state.requests > 0
    return f"{state.turn or state.session}:{state.requests - ahead}"


def answer(state: State) -> str:
    """The model says something. Returns the request that it belongs to."""
    if not state.is_counted_ahead:
        state.has_answered = True
    state.answered = request_of(state)
    return state.answered


def counted(state: State) -> None:
    """A request was counted: the answer that came since the last count, or else the one that follows."""
    state.is_counted_ahead = not state.has_answered
    state.has_answered = False


def remember(prompts: list[int], text_hash: int) -> None:
    prompts.append(text_hash)
    del prompts[:-_TWINS]


def uuid7_ms(text: str) -> int | None:
    """The creation time in a UUID of version 7."""
    if len(text) != 36 or text[14] != "7" or text[8] != "-" or text[13] != "-":
        return None
    digits = text[:8] + text[9:13]
    return int(digits, 16) if digits.isascii() and digits.isalnum() and _is_hex(digits) else None


def _is_hex(digits: str) -> bool:
    return not digits.lower().strip("0123456789abcdef")
