"""Cursor's agent transcripts: append-only JSONL, one file per conversation, and what all Cursor stores have in common.

    ~/.cursor/projects/<slug>/agent-transcripts/<conversation>.jsonl                           flat
    ~/.cursor/projects/<slug>/agent-transcripts/<conversation>/<conversation>.jsonl            nested
    ~/.cursor/projects/<slug>/agent-transcripts/<conversation>/subagents/<conversation>.jsonl  sub-agents

A line is `{"role", "message": {"content": [block, ...]}}`, without time, model, ids or tokens. So its place in the
conversation is its identity: `line:<conversation>:<n>:<block>`, where n counts the lines that have a role. The same
conversation in two folders then collapses by key. Other records (`error`, `turn_ended`) do not count, so that learning
a new type later does not renumber what is stored.

Cursor keeps a conversation in up to four stores. The other three key their rows `alt1:` (text transcript), `alt2:`
(command line chats) and `alt3:` (IDE database); ingest keeps only the best store's rows of a conversation.
Source of the format: docs/sources/cursor.md.
"""

import re
import sqlite3
from collections.abc import Iterator
from typing import Any

import msgspec

from kaizen.model.event import Draft, Ignored, Item, Role, SessionDraft, Unknown
from kaizen.sources.shapes import LineReader, Malformed, as_dict, as_list, as_text, as_time_ms, record

MAX_VALUE = 64 << 20
_MAX_OPEN, _MAX_TODOS = 64, 200

# What the host wraps around a person's words. Other tags are the person's own.
_CONTEXT_TAGS = "|".join((
    "attached_files", "open_and_recently_viewed_files", "open_files", "recently_viewed_files", "timestamp",
    "system_reminder", "system-reminder", "user_info", "git_status", "rules", "cursor_rules", "user_rules",
    "always_applied_workspace_rules", "agent_requestable_workspace_rules", "agent_skills", "available_skills",
    "agent_transcripts", "additional_data", "project_layout", "current_file", "linter_errors", "image_files",
    "manually_added_selection", "external_links", "cursor_commands", "mcp_instructions", "custom_instructions",
    "attached_images", "uploaded_documents"))
_CONTEXT = re.compile(rf"<({_CONTEXT_TAGS})\b[^>\n]{{0,200}}>.*?(?:</\1>|\Z)", re.DOTALL)
_QUERY = re.compile(r"<user_query>(.*?)(?:</user_query>|\Z)", re.DOTALL)
_REDACTED = "[REDACTED]"

_ROLES = frozenset(("user", "assistant", "tool", "system"))
_ABORTED = frozenset(("aborted", "cancelled", "canceled", "interrupted"))
_SERVER_CHOSE = frozenset(("default", "auto", "cursor-auto"))
_TODO_TOOLS = frozenset(("TodoWrite", "todo_write", "update_todos"))


class Calls(msgspec.Struct):
    """Calls of the current turn that wait for a result, and the todo list so far."""

    # (call id, tool, is the id the host's?), oldest first.
    open: list[tuple[str, str | None, bool]] = []
    todos: dict[str, str] = {}

    def ask(self, call_id: str, tool: str | None, is_hosts: bool) -> None:
        self.open.append((call_id, tool, is_hosts))
        del self.open[:-_MAX_OPEN]

    def answer(self, given: str | None, tool: str | None) -> tuple[str | None, str | None]:
        """`(call id, tool)` a result belongs to: by its id, else the oldest open call without one (of that tool)."""
        by_id = (place for place, (call_id, _, _) in enumerate(self.open) if call_id == given)
        by_order = (place for place, (_, name, is_hosts) in enumerate(self.open)
                    if not is_hosts and (tool is None or tool == name))
        place = next(by_id, None)
        if place is None and (place := next(by_order, None)) is None:
            return given, tool
        call_id, name, _ = self.open.pop(place)
        return call_id, name or tool


class State(msgspec.Struct):
    conversation: str
    parent: str | None = None
    # Lines with a role so far, who spoke in the last one, and the other records since it, by type.
    lines: int = 0
    spoke: str = ""
    asides: dict[str, int] = {}
    calls: Calls = msgspec.field(default_factory=Calls)


class Place(msgspec.Struct):
    """Where a message stands: its key without the block, and what all of its blocks share."""

    key: str
    session: str
    ts_ms: int | None = None
    model: str | None = None


def begin(path: str) -> State:
    """The conversation and, below `subagents`, its parent follow from the path."""
    folders = path.replace("\\", "/").split("/")
    is_child = len(folders) > 2 and folders[-2] == "subagents"
    return State(folders[-1].rpartition(".")[0] or folders[-1], parent=folders[-3] if is_child else None)


def parse(line: bytes, at: int, state: State) -> Iterator[Item]:
    said = record(line)
    message = as_dict(said.get("message"))
    kind = as_text(said.get("type")) or ""
    speakers = (as_text(said.get("role")), as_text(message.get("role")), kind)
    role = next((speaker for speaker in speakers if speaker in _ROLES), None)
    if not role and kind not in ("error", "turn_ended"):
        yield Unknown((kind or "no_role")[:64])
        return
    if state.lines == 0 and state.parent and not state.asides:
        yield SessionDraft(state.conversation, parent=state.parent, relation="subagent")
    if role:
        yield from _message(said, message, role, state)
    else:
        yield from _aside(said, kind, state)


def _message(said: dict[str, Any], message: dict[str, Any], role: str, state: State) -> Iterator[Item]:
    number, state.lines, state.asides = state.lines, state.lines + 1, {}
    if role == "assistant" and state.spoke == "user":
        state.calls.open = []  # an unanswered call of an earlier turn stays unanswered
    state.spoke = role
    model = model_of(said.get("model")) or model_of(message.get("model"))
    if model or as_text(said.get("cwd")):
        yield SessionDraft(state.conversation, model=model, workspace=as_text(said.get("cwd")))
    place = Place(f"line:{state.conversation}:{number}", state.conversation, _time_of(said, message), model)
    yield from blocks(message.get("content", said.get("content")), role, place, state.calls)


def _aside(said: dict[str, Any], kind: str, state: State) -> Iterator[Item]:
    """A record that belongs to no message. Its key counts it among its like since the last message."""
    count = state.asides[kind] = state.asides.get(kind, -1) + 1
    key = f"line:{state.conversation}:{state.lines}:{kind}:{count}"
    ts_ms, problem = _time_of(said, {}), text_of(said.get("error") or said.get("message"))
    if kind == "error" or problem:
        yield Draft(key=key if kind == "error" else f"{key}:error", session=state.conversation, kind="error",
                    ts_ms=ts_ms, is_error=True, payload={"error": problem})
    if kind == "turn_ended":
        status = as_text(said.get("status"))
        yield Draft(key=key, session=state.conversation, kind="lifecycle", ts_ms=ts_ms, payload={
            "event": "turn_aborted" if status in _ABORTED else "turn_ended", "status": status})


def _time_of(said: dict[str, Any], message: dict[str, Any]) -> int | None:
    for holder in (said, message):
        for key in ("timestamp", "createdAt", "created_at"):
            if (ts_ms := as_time_ms(holder.get(key))) is not None:
                return ts_ms
    return None


# Messages of the transcript and of the command line's chat store


def blocks(content: object, role: str, place: Place, calls: Calls) -> Iterator[Item]:
    """One draft per block of a message. Both spellings are read: Anthropic's and the AI-SDK's."""
    if role == "system":
        yield Ignored("system_prompt")
        return
    listed = [content] if type(content) in (str, dict) else as_list(content)
    parts = [{"type": "text", "text": part} if type(part) is str else as_dict(part) for part in listed]
    has_query = any("<user_query>" in (as_text(part.get("text")) or "") for part in parts)
    has_prompt = False
    for number, block in enumerate(parts):
        key = f"{place.key}:{number}"
        match block.get("type"):
            case "text" if role == "user":
                for item in _from_user(key, block, place):
                    if type(item) is Draft and item.role == "prompt":
                        # One prompt a message: of several texts the wrapped one, else the first.
                        if has_prompt or (has_query and "<user_query>" not in block["text"]):
                            item.role = "context"
                        has_prompt = item.role == "prompt" or has_prompt
                    yield item
            case "text":
                yield from _from_agent(key, block, place)
            case "thinking" | "reasoning" | "redacted_thinking" | "redacted-reasoning":
                yield _thought(key, as_text(block.get("thinking")) or as_text(block.get("text")), place)
            case "tool_use" | "tool_call" | "tool-call":
                yield from _call(key, number, block, place, calls)
            case "tool_result" | "tool-result":
                yield _result(key, block, place, calls)
            case "image" | "image_url" | "file" | "document" as kind:
                yield Ignored(kind)
            case kind:
                yield Unknown(f"block:{kind if type(kind) is str else 'untyped'}"[:64])
                if as_text(block.get("text")):
                    yield Draft(key=key, session=place.session, kind="message", ts_ms=place.ts_ms, model=place.model,
                                role="assistant" if role == "assistant" else "context",
                                payload={"text": block["text"]})


def spoken(text: str) -> tuple[Role, str]:
    """A person's own words out of a user text; role `context` when the host alone speaks."""
    if queries := _QUERY.findall(text):
        return "prompt", "\n\n".join(query.strip() for query in queries)
    words = _CONTEXT.sub("", text).strip() if "<" in text else text.strip()
    return ("prompt", words) if words else ("context", text.strip())


def _from_user(key: str, block: dict[str, Any], place: Place) -> Iterator[Item]:
    role, text = spoken(as_text(block.get("text")) or "")
    if not text:
        yield Ignored("empty_text")
        return
    yield Draft(key=key, session=place.session, kind="message", ts_ms=place.ts_ms, role=role, payload={"text": text})


def _from_agent(key: str, block: dict[str, Any], place: Place) -> Iterator[Item]:
    text = (as_text(block.get("text")) or "").strip()
    if text == _REDACTED:
        yield _thought(key, None, place)
        return
    text = text.removesuffix(f"\n{_REDACTED}").rstrip()
    if not text:
        yield Ignored("empty_text")
        return
    yield Draft(key=key, session=place.session, kind="message", ts_ms=place.ts_ms, role="assistant", model=place.model,
                payload={"text": text})


def _thought(key: str, text: str | None, place: Place) -> Draft:
    """Without text: Cursor withheld it."""
    return Draft(key=key, session=place.session, kind="message", ts_ms=place.ts_ms, role="thinking", model=place.model,
                 payload={"text": text} if text else {"redacted": True})


def _call(key: str, number: int, block: dict[str, Any], place: Place, calls: Calls) -> Iterator[Item]:
    tool = _first_text(block, "name", "toolName", "tool_name")
    given = _first_text(block, "id", "toolCallId", "tool_call_id", "tool_use_id", "call_id")
    call_id = given or f"{place.key.partition(':')[2]}:{number}"
    asked = opened(next((block[name] for name in ("input", "args", "arguments") if name in block), None))
    calls.ask(call_id, tool, given is not None)
    yield Draft(key=key, session=place.session, kind="tool_call", ts_ms=place.ts_ms, tool=tool, call_id=call_id,
                model=place.model, payload={"input": {} if asked is None else asked})
    if (todos := todo_write(tool, asked, calls.todos)) is not None:
        yield Draft(key=f"{key}:todo", session=place.session, kind="lifecycle", ts_ms=place.ts_ms, payload=todos)


def _result(key: str, block: dict[str, Any], place: Place, calls: Calls) -> Draft:
    call_id, tool = calls.answer(_first_text(block, "tool_use_id", "toolCallId", "tool_call_id", "id"),
                                 _first_text(block, "name", "toolName", "tool_name"))
    output = next((block[name] for name in ("content", "result", "output") if name in block), None)
    failed = next((block[name] for name in ("is_error", "isError") if type(block.get(name)) is bool), None)
    return Draft(key=key, session=place.session, kind="tool_result", ts_ms=place.ts_ms, tool=tool, call_id=call_id,
                 is_error=failed, payload={"output": text_of(output) or output})


def todo_write(tool: str | None, asked: object, known: dict[str, str]) -> dict[str, Any] | None:
    """The todo list after a TodoWrite, as a lifecycle payload. A `merge` names only the items that changed."""
    given = as_dict(asked)
    if tool not in _TODO_TOOLS or type(listed := opened(given.get("todos"))) is not list:
        return None
    if given.get("merge") is not True:
        known.clear()
    for number, item in enumerate(listed[:_MAX_TODOS]):
        todo = as_dict(item)
        name = as_text(todo.get("id")) or as_text(todo.get("content")) or str(number)
        if name in known or len(known) < _MAX_TODOS:
            known[name] = as_text(todo.get("status")) or known.get(name, "pending")
    states = list(known.values())
    return {"event": "todo_write", "todos_total": len(states), "todos_completed": states.count("completed"),
            "todos_cancelled": states.count("cancelled")}


# Small readings that all four stores share


def model_of(value: object) -> str | None:
    """`default` and `auto` mean that the server chose: the model is not known."""
    name = (as_text(value) or "").strip()
    return None if not name or name.lower() in _SERVER_CHOSE else name


def opened(value: object) -> object:
    """Objects and lists that were encoded as text; a truncated one stays the text it is."""
    if type(value) is str and value[:1] in ("{", "["):
        try:
            return msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return value
    return value


def text_of(value: object) -> str:
    """Plain text of a text, an error object or a list of text blocks; empty for anything else."""
    if type(value) is str:
        return value
    if type(value) is dict:
        return as_text(value.get("text")) or as_text(value.get("message")) or ""
    parts = as_list(value)
    if not all(type(part) is str or as_dict(part).get("type") == "text" for part in parts):
        return ""
    return "\n".join(part if type(part) is str else as_text(part.get("text")) or "" for part in parts)


def _first_text(block: dict[str, Any], *names: str) -> str | None:
    return next((text for name in names if (text := as_text(block.get(name)))), None)


def rows(db: sqlite3.Connection, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
    """Rows of an agent's database, one by one. Raises `Malformed` for whatever SQLite refuses."""
    try:
        yield from db.execute(query, values)
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter: a broken schema quoted in SQLite's own message
        said = str(error)
        if said.startswith("no such table"):
            raise Malformed("missing_table") from error
        if said.startswith("no such column"):
            raise Malformed("missing_column") from error
        raise Malformed((getattr(error, "sqlite_errorname", None) or "sqlite_error").lower()) from error


READER = LineReader(State, begin, parse)
