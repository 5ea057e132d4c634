"""Claude Code transcripts: append-only JSONL, one file per session, one per subagent.

    <root>/projects/<slug>/<session>.jsonl
    <root>/projects/<slug>/<session>/subagents/agent-<id>.jsonl    beside it agent-<id>.meta.json (`claude_subagents`)
    <root>/projects/<slug>/agent-<id>.jsonl                           older

Seen in 1.0 - 2.1. One answer of the model becomes one record per content block; each repeats the answer's whole usage,
with a growing `output_tokens`. So every record with usage yields a `cost` draft under the request's key, and ingest
keeps the heaviest. Tokens: input, cache reads and cache writes are apart, output includes reasoning.
Source of the format: docs/sources/claude.md. Usage: `claude_usage`. Records of the host: `claude_host`.
"""

from collections.abc import Iterator
from typing import Any

from kaizen.model.event import Draft, Ignored, Item, Kind, Role, SessionDraft, Unknown
from kaizen.sources import claude_host, claude_usage
from kaizen.sources.claude_content import MEDIA, blocks, light, media, text_of
from kaizen.sources.claude_state import State, begin, call_key, forked_from, is_copy, place, row_key
from kaizen.sources.claude_usage import SYNTHETIC
from kaizen.sources.shapes import LineReader, as_count, as_dict, as_text, as_time_ms, record

_CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_INTERRUPTED = "[Request interrupted"
# Before 1.0.60 a compaction's summary carried no mark of its own.
_CONTINUED = "This session is being continued from a previous conversation"


class _Line:
    """What all rows of one record share."""

    __slots__ = ("at", "is_copy", "is_sidechain", "message", "said", "state", "ts_ms")

    def __init__(self, said: dict[str, Any], at: int, state: State, session: str | None, origin: str | None) -> None:
        self.said, self.at, self.state = said, at, state
        self.message = as_dict(said.get("message"))
        self.ts_ms = as_time_ms(said.get("timestamp"))
        self.is_sidechain = said.get("isSidechain") is True
        self.is_copy = is_copy(state, session, origin)

    def key(self, part: int) -> str:
        return row_key(self.said, self.at, part, self.state)

    def row(self, key: str, kind: Kind, payload: dict[str, Any], *, role: Role | None = None, tool: str | None = None,
            call_id: str | None = None, request: str | None = None, model: str | None = None) -> Draft:
        return Draft(key, self.state.session, kind, self.ts_ms, role, tool, call_id, request, model,
                     is_sidechain=self.is_sidechain, is_copy=self.is_copy, payload=payload)


def parse(line: bytes, at: int, state: State) -> Iterator[Item]:
    said = record(line)
    session, origin = as_text(said.get("sessionId")), forked_from(said)
    yield from place(state, session, as_text(said.get("cwd")), as_text(said.get("gitBranch")),
                     as_text(said.get("version")), origin)
    here = _Line(said, at, state, session, origin)
    kind = said.get("type")
    speaker = kind if kind is not None else here.message.get("role")
    if speaker == "assistant":
        yield from _assistant(here, line)
    elif speaker == "user":
        yield from _user(here)
    elif kind == "progress":
        yield from _progress(here)
    else:
        yield from claude_host.parse(kind, said, here.ts_ms, at, state)
    state.last_uuid = as_text(said.get("uuid")) or state.last_uuid


_USAGE, _USAGE_AND_SEARCHES = (b'"usage"',), (b'"usage"', b'"searchCount"')


def usage_marks(state: State) -> tuple[bytes, ...]:
    """The result of a search tells something only while its call is open."""
    return _USAGE_AND_SEARCHES if state.searches else _USAGE


def usage(line: bytes, at: int, state: State) -> list[Item]:
    """The `cost` drafts of `parse`, without looking at what was said."""
    bill = claude_usage.decoded(line)
    if bill is None:
        return _only_costs(line, at, state)
    kind = bill.type
    if kind == "progress" or (kind != "assistant" and b'"searchCount"' in line):
        return _only_costs(line, at, state)
    origin = bill.forkedFrom.sessionId if bill.forkedFrom else None
    found: list[Item] = [*place(state, bill.sessionId, bill.cwd, bill.gitBranch, bill.version, origin)]
    if (kind if kind is not None else bill.message.role) == "assistant":
        found += claude_usage.costs(bill, as_time_ms(bill.timestamp), at, state)
    return found


def _only_costs(line: bytes, at: int, state: State) -> list[Item]:
    return [item for item in parse(line, at, state)
            if type(item) is SessionDraft or (type(item) is Draft and item.kind == "cost")]


def _assistant(here: _Line, line: bytes) -> Iterator[Item]:
    said, message, state = here.said, here.message, here.state
    bill = claude_usage.told(line, said, message)
    model, content = bill.message.model or None, message.get("content")
    if bill.isApiErrorMessage or model == SYNTHETIC:
        reason = as_text(said.get("error"))
        error = here.row(here.key(0), "error", {"text": text_of(content) or reason or "API error"})
        error.is_error = True
        yield error
        yield from claude_usage.costs(bill, here.ts_ms, here.at, state)
        return
    request = None if bill.message.usage is None else claude_usage.request_of(bill, here.at, state)
    number = -1
    for number, block in enumerate(blocks(content)):
        kind = block.get("type")
        if kind == "text":
            if text := as_text(block.get("text")):
                answer = here.row(here.key(number), "message", {"text": text}, role="assistant", request=request,
                                  model=model)
                answer.stop_reason = bill.message.stop_reason or None
                yield answer
        elif kind == "thinking" or kind == "redacted_thinking":
            thought = as_text(block.get("thinking"))
            yield here.row(here.key(number), "message", {"text": thought} if thought else {"redacted": True},
                           role="thinking", request=request, model=model)
        elif type(kind) is not str:
            yield Unknown("block:None")
        elif kind in _CALLS:
            yield _call(here, block, number, request, model)
        elif kind.endswith("tool_result"):
            yield _result(here, block, number)
        else:
            yield Unknown(f"block:{kind[:60]}")
    if request is not None:
        yield from claude_usage.costs(bill, here.ts_ms, here.at, state)
    elif number < 0:
        yield Ignored("empty_answer")


def _call(here: _Line, block: dict[str, Any], number: int, request: str | None, model: str | None) -> Draft:
    call, tool, given = as_text(block.get("id")), as_text(block.get("name")), block.get("input")
    if call and tool in ("Agent", "Task") and (label := as_text(as_dict(given).get("subagent_type"))):
        here.state.remember_task(call, label)
    return here.row(call_key("call", call, here.said, here.at, number, here.state), "tool_call",
                    {"input": light(given)}, tool=tool, call_id=call, request=request, model=model)


def _user(here: _Line) -> Iterator[Item]:
    content = here.message.get("content")
    if here.said.get("isCompactSummary") is True:
        yield here.row(here.key(0), "lifecycle", {"event": "compaction_summary", "text": text_of(content)})
        return
    texts: list[tuple[int, str]] = []
    number = -1
    for number, block in enumerate(blocks(content)):
        kind = block.get("type")
        if kind == "text":
            if text := as_text(block.get("text")):
                texts.append((number, text))
        elif type(kind) is str and kind.endswith("tool_result"):
            yield from _child_of(here, block)
            yield _result(here, block, number)
            yield from _searches(here, block)
        elif kind not in MEDIA:
            yield Unknown(f"block:{kind[:60] if type(kind) is str else None}")
    yield from _said_by_user(here, texts, media(content))
    if number < 0:
        yield Ignored("empty_prompt")


def _said_by_user(here: _Line, texts: list[tuple[int, str]], attached: list[dict[str, Any]]) -> Iterator[Item]:
    """A row for each text of the host, and one for all that the person typed: it is one prompt."""
    typed: list[tuple[int, str]] = []
    for number, text in texts:
        start = text.lstrip()
        if start.startswith(_INTERRUPTED):
            yield here.row(here.key(number), "lifecycle", {"event": "interrupted", "text": text})
        elif start.startswith(_CONTINUED):
            yield here.row(here.key(number), "lifecycle", {"event": "compaction_summary", "text": text})
        elif claude_host.is_context(start):
            yield here.row(here.key(number), "message", {"text": text}, role="context")
        else:
            typed.append((number, text))
    if typed or attached:
        text = "\n".join(text for _, text in typed)
        payload = {"text": text, "attachments": attached} if attached else {"text": text}
        yield here.row(here.key(typed[0][0] if typed else 0), "message", payload,
                       role="prompt" if _is_prompt(here, text) else "context")


def _is_prompt(here: _Line, text: str) -> bool:
    """In a subagent's own file the parent's request starts the turn; inside the parent's file it is context."""
    if here.said.get("isMeta") is True or not claude_host.is_from_a_person(here.said):
        return False
    if here.is_sidechain and not here.state.is_agent:
        return False
    return not here.state.was_queued(text)


def _result(here: _Line, block: dict[str, Any], number: int) -> Draft:
    call, content = as_text(block.get("tool_use_id")), block.get("content")
    told = here.said.get("toolUseResult")
    payload: dict[str, Any] = {"output": text_of(content) or (told if type(told) is str else "")}
    details = as_dict(told)
    if details.get("interrupted") is True:
        payload["interrupted"] = True
    for name, theirs in (("file_path", "filePath"), ("agent_id", "agentId"), ("background_task", "backgroundTaskId")):
        if value := as_text(details.get(theirs)):
            payload[name] = value
    if type(code := details.get("exitCode")) is int:
        payload["exit_code"] = code
    if attached := media(content):
        payload["attachments"] = attached
    row = here.row(call_key("result", call, here.said, here.at, number, here.state), "tool_result", payload,
                   call_id=call)
    error = block.get("is_error")
    row.is_error = error if type(error) is bool else None
    row.latency_ms = _took_ms(details)
    return row


def _took_ms(details: dict[str, Any]) -> int | None:
    for name in ("durationMs", "totalDurationMs"):
        if (took := as_count(details.get(name))) is not None:
            return took
    seconds = details.get("durationSeconds")
    return round(seconds * 1000) if isinstance(seconds, int | float) and 0 <= seconds < 1e9 else None


def _child_of(here: _Line, block: dict[str, Any]) -> Iterator[SessionDraft]:
    """The result of a Task names the subagent it ran."""
    call = as_text(block.get("tool_use_id"))
    label = here.state.tasks.pop(call, None) if call else None
    agent_id = as_text(as_dict(here.said.get("toolUseResult")).get("agentId"))
    if agent_id and not here.is_copy:
        yield SessionDraft(f"agent-{agent_id}", parent=here.state.session, relation="subagent", label=label,
                           parent_call_id=call)


def _searches(here: _Line, block: dict[str, Any]) -> Iterator[Draft]:
    """A WebSearch result may be the only evidence of searches that the request's usage does not list.

    The request's own count and the sum over its results meet under one key, where ingest keeps the larger. A call
    stays open until a result tells a count, whatever else is said about it: `usage` sees no other line.
    """
    told = as_dict(here.said.get("toolUseResult"))
    call, count = as_text(block.get("tool_use_id")), as_count(told.get("searchCount"))
    if call is None or "searchCount" not in told:
        return
    known = here.state.searches.pop(call, None)
    if known is not None and count is not None and 0 < count < 1000:
        key, request = known
        cost = Draft(key, here.state.session, "cost", here.ts_ms, request=request,
                     web_search_requests=here.state.count_searches(key, count))
        cost.is_sidechain, cost.is_copy = here.is_sidechain, here.is_copy
        yield cost


def _progress(here: _Line) -> Iterator[Item]:
    """Nested records of a running subagent: the same requests as in its own file, if that still exists."""
    data = as_dict(here.said.get("data"))
    nested = as_dict(data.get("message"))
    message = as_dict(nested.get("message"))
    agent_id = as_text(data.get("agentId"))
    if data.get("type") != "agent_progress" or not agent_id or type(message.get("usage")) is not dict:
        yield Ignored("progress")
        return
    child = State(f"agent-{agent_id}", is_agent=True)
    if not here.is_copy:
        yield SessionDraft(child.session, workspace=as_text(here.said.get("cwd")), parent=here.state.session,
                           relation="subagent", parent_call_id=as_text(here.said.get("parentToolUseID")))
    inner = {"requestId": nested.get("requestId"), "uuid": nested.get("uuid"), "isSidechain": True}
    ts_ms = as_time_ms(nested.get("timestamp"))
    found = claude_usage.costs(claude_usage.billed(inner, message), here.ts_ms if ts_ms is None else ts_ms, here.at,
                               child)
    yield from found if found else (Ignored("progress"),)


READER = LineReader(State, begin, parse, usage_marks, usage)
