"""The IDE's database: `Cursor/User/globalStorage/state.vscdb`, table `cursorDiskKV(key, value)`, values JSON.

    composerData:<composer>        name, times, model, workspace, branch, order of its bubbles; old ones hold them
    bubbleId:<composer>:<bubble>   type 1 user, 2 assistant; text, thinking, one tool call with its result, tokenCount

The only local store with times, titles, models and tokens, so it always tells `SessionDraft`s and `cost`. Its other
rows begin with `alt3:` (see `cursor`) and stay only where no transcript and no chat store has the conversation.

Tokens: most builds write 0 and 0, which means unknown and yields no cost. A pair that is there has no cache split, so
no price can be computed from it: flag `no_cache_split`.

Databases of several GB happen: keys are read by range, bubbles one by one, nothing else of the file is touched (other
tables and keys hold credentials). A conversation is read again when its `lastUpdatedAt` is new, or, in the hour before
the newest one, when its composerData changed; that hour is remembered in the cursor `[newest ms, {composer: crc}]`.
"""

import sqlite3
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from kaizen.model.event import Draft, Item, Role, SessionDraft, Unknown
from kaizen.sources import cursor
from kaizen.sources.cursor import MAX_VALUE, model_of, opened, rows
from kaizen.sources.shapes import Malformed, as_count, as_dict, as_list, as_text, as_time_ms, record

RECENT_MS = 3_600_000
_MAX_RECENT = 256
_YEAR_2100_MS = 4_102_444_800_000
_FAILED = frozenset(("error", "errored", "failed", "failure"))
_REASONS = {"cancelled": "interrupted", "canceled": "interrupted", "aborted": "interrupted", "rejected": "denied",
            "denied": "denied", "timeout": "timeout"}
_DONE = frozenset(("completed", "complete", "success", "succeeded", "done", "finished"))


class Head(msgspec.Struct):
    """What the list needs of a composerData, which can be large: the rest is skipped, not decoded."""

    lastUpdatedAt: Any = None
    createdAt: Any = None
    subComposerIds: Any = None
    subagentComposerIds: Any = None


class Composer(msgspec.Struct):
    """One conversation in the list. `key` is `composerData:<composer>` as stored."""

    key: str
    updated_ms: int
    crc: int

    @property
    def id(self) -> str:
        return self.key.partition(":")[2]


_decode_head = msgspec.json.Decoder(Head).decode


class Heard(msgspec.Struct):
    """What is known of a conversation while its bubbles are read. `id` is the composer's, as in bubble keys."""

    id: str
    session: str
    model: str | None
    calls: cursor.Calls = msgspec.field(default_factory=cursor.Calls)


def read(db: sqlite3.Connection, path: str, since: Any) -> Iterator[tuple[Any, list[Item]]]:
    newest, recent = _cursor(since)
    parents: dict[str, str] = {}
    changed = [found for found in _composers(db, parents)
               if found.updated_ms > newest
               or (found.updated_ms >= newest - RECENT_MS and recent.get(found.id) != found.crc)
               or since is None]
    for found in sorted(changed, key=lambda found: (found.updated_ms, found.key)):
        items = list(_conversation(db, found, parents))
        newest = max(newest, found.updated_ms)
        recent[found.id] = found.crc
        recent = _kept(recent, found.id)
        yield [newest, dict(recent)], items


def _cursor(since: Any) -> tuple[int, dict[str, int]]:
    newest, recent = (*as_list(since), None, None)[:2]
    return as_count(newest) or 0, {key: crc for key, crc in as_dict(recent).items() if type(crc) is int}


def _kept(recent: dict[str, int], latest: str) -> dict[str, int]:
    """The composers read last; an older one that falls out is at worst read once more."""
    recent[latest] = recent.pop(latest)
    return dict(list(recent.items())[-_MAX_RECENT:])


def _composers(db: sqlite3.Connection, parents: dict[str, str]) -> Iterator[Composer]:
    """All conversations; also notes whose sub-agents they name."""
    query = """SELECT CAST(key AS BLOB), CAST(value AS BLOB) FROM cursorDiskKV
                WHERE key >= 'composerData:' AND key < 'composerData;' AND length(value) <= ?"""
    for name, value in rows(db, query, MAX_VALUE):
        key = name.decode("utf-8", "replace")
        head = _head(value or b"")
        for child in as_list(head.subComposerIds) + as_list(head.subagentComposerIds):
            if type(child) is str:
                parents[child] = key.partition(":")[2]
        updated = _time(head.lastUpdatedAt) or _time(head.createdAt) or 0
        yield Composer(key, updated, zlib.crc32(value or b""))


def _head(value: bytes) -> Head:
    try:
        return _decode_head(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return msgspec.convert(record(value), Head)
    except (Malformed, msgspec.ValidationError):
        return Head()


def _time(value: object) -> int | None:
    """A far future is a broken value; believed, it would hide everything written after it."""
    at = as_time_ms(value)
    return at if at is not None and at < _YEAR_2100_MS else None


def _conversation(db: sqlite3.Connection, found: Composer, parents: Mapping[str, str]) -> Iterator[Item]:
    try:
        said = record(_value(db, found.key) or b"{}")
    except Malformed:
        yield Unknown("composerData")
        return
    heard = Heard(found.id, session_of(found.id), model_of(as_dict(said.get("modelConfig")).get("modelName")))
    items: list[Item] = []
    for bubble_id, bubble in _bubbles(db, found.id, said):
        items += _from_bubble(bubble_id, bubble, heard)
    if any(type(item) is Draft for item in items):
        yield _session(said, heard, parents)
    yield from items


def session_of(composer: str) -> str:
    """Sub-agents are named `task-<call id>`, and some call ids have a second line."""
    return composer.partition("\n")[0]


def _session(said: dict[str, Any], heard: Heard, parents: Mapping[str, str]) -> SessionDraft:
    about = as_dict(said.get("subagentInfo"))
    parent = next((name for holder in (about, said) for key in ("parentComposerId", "parentConversationId", "parentId")
                   if (name := as_text(holder.get(key)))), None) or parents.get(heard.id)
    is_task = heard.id.startswith("task-")
    return SessionDraft(
        heard.session, workspace=_workspace(as_dict(said.get("workspaceIdentifier"))),
        branch=as_text(said.get("createdOnBranch")) or as_text(as_dict(said.get("activeBranch")).get("branchName")),
        model=heard.model, parent=session_of(parent) if parent else None,
        relation="subagent" if parent or is_task or "\n" in heard.id else None,
        title=as_text(said.get("name")), started_at_ms=_time(said.get("createdAt")),
        ended_at_ms=_time(said.get("lastUpdatedAt")), label=as_text(about.get("subagentTypeName")),
        parent_call_id=heard.id[5:] or None if is_task else None)


def _workspace(said: dict[str, Any]) -> str | None:
    """A single folder. A multi-root workspace has a `configPath` instead: which folder is meant is not said."""
    uri = said.get("uri")
    if type(uri) is not dict:
        text = as_text(uri) or ""
        try:
            return unquote(urlsplit(text).path) or None if text.startswith("file://") else None
        except ValueError:
            return None
    return as_text(uri.get("fsPath")) or as_text(uri.get("path"))


def _value(db: sqlite3.Connection, key: str) -> bytes | None:
    query = "SELECT CAST(value AS BLOB) FROM cursorDiskKV WHERE key = ? AND length(value) <= ?"
    found = next(rows(db, query, key.encode("utf-8", "replace").decode(), MAX_VALUE), None)
    return found[0] if found else None


def _bubbles(db: sqlite3.Connection, composer: str, said: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """`(id, bubble)` in the order of the conversation. What its headers do not name is a discarded branch."""
    headers = as_list(said.get("fullConversationHeadersOnly"))
    if not headers:
        for number, inline in enumerate(as_list(said.get("conversation"))):
            bubble = as_dict(inline)
            yield as_text(bubble.get("bubbleId")) or str(number), bubble
        return
    key_of = _by_inner_id(db, composer)
    for number, header in enumerate(headers):
        bubble_id = as_dict(header).get("bubbleId")
        if type(bubble_id) is not str:
            continue
        value = _value(db, f"bubbleId:{composer}:{bubble_id}")
        if value is None and (key := key_of(bubble_id)) is not None:
            value = _value(db, key)
        try:
            bubble = record(value or b"null")
        except Malformed:
            continue
        bubble.setdefault("type", as_dict(header).get("type"))
        yield bubble_id or str(number), bubble


def _by_inner_id(db: sqlite3.Connection, composer: str) -> Callable[[str], str | None]:
    """Finds bubbles whose key has another name than the bubble itself; looks through them when the first is missed."""
    keys: dict[str, str] | None = None

    def key_of(bubble_id: str) -> str | None:
        nonlocal keys
        if keys is None:
            keys = {}
            query = """SELECT CAST(key AS BLOB), CAST(value AS BLOB) FROM cursorDiskKV
                        WHERE key >= ? AND key < ? AND length(value) <= ?"""
            for name, value in rows(db, query, f"bubbleId:{composer}:", f"bubbleId:{composer};", MAX_VALUE):
                try:
                    inner = record(value or b"null").get("bubbleId")
                except Malformed:
                    continue
                if type(inner) is str:
                    keys.setdefault(inner, name.decode("utf-8", "replace"))
        return keys.get(bubble_id)

    return key_of


def _from_bubble(bubble_id: str, bubble: dict[str, Any], heard: Heard) -> Iterator[Item]:
    kind = bubble.get("type")
    if kind not in (1, 2):
        yield Unknown(f"bubble:{kind}"[:64])
        return
    key, ts_ms = f"alt3:{heard.id}:{bubble_id}", as_time_ms(bubble.get("createdAt"))
    text = as_text(bubble.get("text")) or ""
    if kind == 1:
        role, words = cursor.spoken(text)
        if words:
            yield Draft(key=f"{key}:text", session=heard.session, kind="message", ts_ms=ts_ms, role=role,
                        payload={"text": words})
        return
    model = model_of(as_dict(bubble.get("modelInfo")).get("modelName")) or heard.model
    cost = _cost(bubble_id, bubble, heard, ts_ms, model)
    request = cost.key[4:] if cost else None
    thought = as_text(as_dict(bubble.get("thinking")).get("text"))
    spoken: tuple[tuple[str, Role, str | None], ...] = (("thinking", "thinking", thought), ("text", "assistant", text))
    for part, role, said in spoken:
        if said:
            yield Draft(key=f"{key}:{part}", session=heard.session, kind="message", ts_ms=ts_ms, role=role,
                        request=request, model=model, payload={"text": said})
    yield from _tool(key, as_dict(bubble.get("toolFormerData")), heard, ts_ms, model, request)
    if cost:
        yield cost


def _cost(bubble_id: str, bubble: dict[str, Any], heard: Heard, ts_ms: int | None, model: str | None) -> Draft | None:
    counted = as_dict(bubble.get("tokenCount"))
    given, made = as_count(counted.get("inputTokens")) or None, as_count(counted.get("outputTokens")) or None
    if given is None and made is None:
        return None
    return Draft(key=f"req:{heard.id}:{bubble_id}", session=heard.session, kind="cost", ts_ms=ts_ms,
                 request=f"{heard.id}:{bubble_id}", model=model, input_tokens=given, output_tokens=made,
                 flag="no_cache_split")


def _tool(key: str, said: dict[str, Any], heard: Heard, ts_ms: int | None, model: str | None, request: str | None
          ) -> Iterator[Item]:
    tool = as_text(said.get("name")) or as_text(said.get("tool"))
    if tool is None:
        return
    call_id = as_text(said.get("toolCallId")) or key.partition(":")[2]
    asked = opened(next((given for name in ("params", "rawArgs") if (given := said.get(name))), None))
    yield Draft(key=f"{key}:call", session=heard.session, kind="tool_call", ts_ms=ts_ms, tool=tool, call_id=call_id,
                request=request, model=model, payload={"input": {} if asked is None else asked})
    if (todos := cursor.todo_write(tool, asked, heard.calls.todos)) is not None:
        yield Draft(key=f"{key}:todo", session=heard.session, kind="lifecycle", ts_ms=ts_ms, payload=todos)
    status = (as_text(said.get("status")) or "").lower()
    reason = _REASONS.get(status) or _REASONS.get((as_text(said.get("userDecision")) or "").lower())
    output = opened(said.get("result"))
    problem = said.get("error")
    is_error = True if reason or status in _FAILED else False if status in _DONE else None
    if is_error is None and not output and not problem:
        return  # still running
    payload = {"output": output, "error": opened(problem), "reason": reason}
    yield Draft(key=f"{key}:result", session=heard.session, kind="tool_result", ts_ms=ts_ms, tool=tool, call_id=call_id,
                request=request, is_error=is_error,
                payload={name: value for name, value in payload.items() if value is not None})
