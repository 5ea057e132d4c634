"""Codex rollouts: append-only JSONL, one file per session, of the CLI, the desktop app, the IDEs and `codex exec`.

    ~/.codex/sessions/2026/02/01/rollout-2026-02-01T10-00-00-<uuid>.jsonl
    ~/.codex/archived_sessions/rollout-...jsonl       the same records once more: the same keys

Seen in 0.2 - 0.146, including the bare records up to 0.31 and `codex exec --json` captures. Beside this module:
`codex_state` (turns, forks and copied history), `codex_tokens` (which counts are requests), `codex_items` (what the
model saw and said), `codex_events` (what the host says about it), `codex_exec` (captures), `codex_document` (the oldest
format, and titles). Tokens: `input` includes cached input, `output` includes reasoning.
Source of the format: docs/sources/codex.md.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

import msgspec

from kaizen.model.event import Draft, Ignored, Item, SessionDraft, Unknown
from kaizen.sources import codex_events, codex_exec, codex_items
from kaizen.sources.codex_state import State, Totals, arrive, begin_turn, counted, is_copied, name_session
from kaizen.sources.codex_tokens import count
from kaizen.sources.shapes import LineReader, as_count, as_dict, as_text, as_time_ms, record

_STARTS = ("task_started", "turn_started")
# token_count, turn_context, task_started, turn.completed and thread.started share a beginning: a mark less is a scan of
# the whole file less.
MARKS = (b'"type":"t', b'"session_meta"', b'"type": "t')
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?=\.jsonl?\Z)")


def begin(path: str) -> State:
    """Until a record names the session, it is called after the uuid in the file's name, else after the file."""
    name = path.replace("\\", "/").rpartition("/")[2]
    found = _UUID.search(name)
    return State(found[0] if found else name.removesuffix(".jsonl").removesuffix(".json") or name)


def parse(line: bytes, at: int, state: State) -> Iterator[Item]:
    return parse_record(record(line), at, state)


def parse_record(said: dict[str, Any], at: int, state: State) -> Iterator[Item]:
    """One record of any format. `at` is its place in the file."""
    kind, payload = said.get("type"), said.get("payload")
    ts_ms = as_time_ms(said.get("timestamp"))
    if ts_ms is None and "created_at" in said:
        ts_ms = as_time_ms(said["created_at"])
    if type(payload) is not dict:
        yield from _unwrapped(said, kind, ts_ms, at, state)
        return
    if kind == "session_meta":
        yield from _session_meta(payload, ts_ms, at, state)
    elif kind == "turn_context":
        yield from _turn_context(payload, ts_ms, at, state)
    elif kind == "event_msg" and payload.get("type") == "token_count":
        yield from _token_count(payload, ts_ms, state)
    elif kind == "event_msg" and payload.get("type") in _STARTS:
        begin_turn(as_text(payload.get("turn_id")), state)
        arrive(ts_ms, state)
        if is_copied(ts_ms, state):
            yield Ignored("copied_history")
        else:
            yield from codex_events.parse(payload, ts_ms, at, state)
    elif is_copied(ts_ms, state):
        yield Ignored("copied_history")
    elif kind == "response_item":
        yield from codex_items.parse(payload, ts_ms, at, state)
    elif kind == "event_msg":
        yield from codex_events.parse(payload, ts_ms, at, state)
    elif kind == "compacted":
        state.has_compacted = True
        yield codex_events.lifecycle(ts_ms, at, state, "compaction", text=as_text(payload.get("message")))
    elif type(kind) is str and kind in _BOOKKEEPING:
        yield Ignored(kind)
    else:
        yield Unknown(_short(kind))


_BOOKKEEPING = frozenset(("world_state", "inter_agent_communication_metadata", "ghost_snapshot", "session_state"))


def _unwrapped(said: dict[str, Any], kind: object, ts_ms: int | None, at: int, state: State) -> Iterator[Item]:
    """Formats without envelope: rollouts up to 0.31, and captures of `codex exec --json`."""
    if type(kind) is str and kind in codex_exec.TYPES:
        yield from codex_exec.parse(said, kind, ts_ms, at, state)
    elif kind == "message" or (kind is None and type(said.get("role")) is str) or codex_items.knows(kind):
        if (model := as_text(said.get("model"))) and kind is None:
            yield SessionDraft(state.session, model=model)
        yield from codex_items.parse(said, ts_ms, at, state)
    elif kind == "error":
        yield from codex_events.parse(said, ts_ms, at, state)
    elif kind is None and "id" in said and ("timestamp" in said or "instructions" in said):
        yield from _session_meta(said, ts_ms, at, state)
    elif "record_type" in said:
        yield Ignored("record_state")
    else:
        yield Unknown(_short(kind))


def _session_meta(payload: dict[str, Any], ts_ms: int | None, at: int, state: State) -> Iterator[Item]:
    known_parent = state.parent
    if not name_session(payload, state):
        arrive(ts_ms, state)
        if state.parent != known_parent:
            yield SessionDraft(state.session, parent=state.parent, relation=_relation(state))
        yield Ignored("copied_history" if state.is_copying else "repeated_meta")
        return
    arrive(ts_ms, state)
    state.model = as_text(payload.get("model")) or state.model
    yield _session(payload, state)
    yield codex_events.lifecycle(
        as_time_ms(payload.get("timestamp")) or ts_ms, at, state, "session_start",
        source=as_text(payload.get("source")) or ("subagent" if state.relation == "subagent" else None),
        forked_from=as_text(payload.get("forked_from_id")), model_provider=as_text(payload.get("model_provider")))


def _session(payload: dict[str, Any], state: State) -> SessionDraft:
    git = as_dict(payload.get("git"))
    spawn = as_dict(as_dict(as_dict(payload.get("source")).get("subagent")).get("thread_spawn"))
    nickname = as_text(payload.get("agent_nickname")) or as_text(spawn.get("agent_nickname"))
    return SessionDraft(
        state.session, workspace=as_text(payload.get("cwd")), branch=as_text(git.get("branch")),
        commit=as_text(git.get("commit_hash")), model=state.model, parent=state.parent, relation=_relation(state),
        agent_version=as_text(payload.get("cli_version")), label=as_text(payload.get("originator")),
        title=nickname or as_text(payload.get("agent_path")) or as_text(spawn.get("agent_path")))


def _relation(state: State) -> Literal["subagent", "fork"] | None:
    if state.parent is None:
        return None
    return "subagent" if state.relation == "subagent" else "fork"


def _turn_context(payload: dict[str, Any], ts_ms: int | None, at: int, state: State) -> Iterator[Item]:
    before, model = state.model, as_text(payload.get("model"))
    _enter(as_text(payload.get("turn_id")), model, as_text(payload.get("service_tier")), ts_ms, state)
    if is_copied(ts_ms, state):
        yield Ignored("copied_history")
    elif model is None or model == before:
        yield Ignored("turn_context")
    else:
        yield SessionDraft(state.session, workspace=as_text(payload.get("cwd")), model=model)
        if before is not None:
            yield codex_events.lifecycle(ts_ms, at, state, "model_change", before=before, model=model)


def _enter(turn: str | None, model: str | None, tier: str | None, ts_ms: int | None, state: State) -> None:
    begin_turn(turn, state)
    arrive(ts_ms, state)
    if model:
        state.model = model
    state.service_tier = tier


def _token_count(payload: dict[str, Any], ts_ms: int | None, state: State) -> Iterator[Item]:
    arrive(ts_ms, state)
    info = payload.get("info")
    if type(info) is not dict:
        yield Ignored("rate_limits")
        return
    last = info.get("last_token_usage")
    before = state.requests
    yield from count(
        _totals(info.get("total_token_usage")), _totals(last), state, ts_ms=ts_ms,
        used=as_count(as_dict(last).get("total_tokens")), window=as_count(info.get("model_context_window")),
        model=as_text(info.get("model")))
    if state.requests == before:
        yield Ignored("repeated_count")
    else:
        counted(state)


def _totals(usage: object) -> Totals | None:
    if type(usage) is not dict:
        return None
    return (as_count(usage.get("input_tokens")) or 0, as_count(usage.get("cached_input_tokens")) or 0,
            as_count(usage.get("cache_write_input_tokens")) or 0, as_count(usage.get("output_tokens")) or 0,
            as_count(usage.get("reasoning_output_tokens")) or 0)


def _short(kind: object) -> str:
    return kind[:64] if type(kind) is str and kind else "no_type"


# The fast path: the same state and the same counts, without looking at anything else.

Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]


class _Usage(msgspec.Struct, gc=False):
    input_tokens: Count | None = None
    cached_input_tokens: Count | None = None
    cache_write_input_tokens: Count | None = None
    output_tokens: Count | None = None
    reasoning_output_tokens: Count | None = None
    total_tokens: Count | None = None


class _Info(msgspec.Struct, gc=False):
    total_token_usage: _Usage | None = None
    last_token_usage: _Usage | None = None
    model_context_window: Count | None = None
    model: str | None = None


class _Payload(msgspec.Struct, gc=False):
    type: str | None = None
    info: _Info | None = None
    turn_id: str | None = None
    model: str | None = None
    service_tier: str | None = None


class _Line(msgspec.Struct, gc=False):
    timestamp: str
    type: str
    payload: _Payload


_decode = msgspec.json.Decoder(_Line).decode


def usage(line: bytes, at: int, state: State) -> Iterable[Item]:
    """The cost drafts of one line that holds one of `MARKS`."""
    try:
        said = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _usage_of(record(line.removeprefix(b"\xef\xbb\xbf").strip(b"\r\n\x00 \t")), at, state)
    payload = said.payload
    if said.type == "event_msg":
        if payload.type == "token_count":
            return _fast_count(payload.info, as_time_ms(said.timestamp), state)
        if payload.type in _STARTS:
            begin_turn(payload.turn_id or None, state)
            arrive(as_time_ms(said.timestamp), state)
    elif said.type == "turn_context":
        # Most turn contexts come where their time decides nothing.
        is_open = state.is_copying or state.first_ms is None
        _enter(payload.turn_id or None, payload.model or None, payload.service_tier or None,
               as_time_ms(said.timestamp) if is_open else None, state)
    elif said.type == "session_meta":
        return _usage_of(record(line), at, state)
    return ()


def _fast_count(info: _Info | None, ts_ms: int | None, state: State) -> Iterable[Draft]:
    arrive(ts_ms, state)
    if info is None:
        return ()
    total, last = info.total_token_usage, info.last_token_usage
    return count(
        None if total is None else _fast_totals(total), None if last is None else _fast_totals(last), state,
        ts_ms=ts_ms, used=None if last is None else last.total_tokens, window=info.model_context_window,
        model=info.model or None)


def _fast_totals(used: _Usage) -> Totals:
    return (used.input_tokens or 0, used.cached_input_tokens or 0, used.cache_write_input_tokens or 0,
            used.output_tokens or 0, used.reasoning_output_tokens or 0)


def _usage_of(said: dict[str, Any], at: int, state: State) -> Iterator[Item]:
    """Whatever the typed path does not fit: parsed in full, if it is one of the records that usage depends on."""
    kind, payload = said.get("type"), said.get("payload")
    is_wrapped = type(payload) is dict
    inner = as_dict(payload).get("type")
    if (is_wrapped and (kind in ("session_meta", "turn_context")
                       or (kind == "event_msg" and inner in ("token_count", *_STARTS))
                       )) or (not is_wrapped and kind in ("turn.completed", "thread.started")):
        for item in parse_record(said, at, state):
            if type(item) is SessionDraft or (type(item) is Draft and item.kind == "cost"):
                yield item


READER = LineReader(State, begin, parse, lambda state: MARKS, usage)
