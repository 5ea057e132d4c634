"""Claude Code transcripts: append-only JSONL, one file per session, one per subagent.

    <root>/projects/<slug>/<session>.jsonl
    <root>/projects/<slug>/<session>/subagents/agent-<id>.jsonl       beside it agent-<id>.meta.json
    <root>/projects/<slug>/agent-<id>.jsonl                           older

Seen in 1.0 - 2.1. One answer of the model becomes one record per content block; each repeats the answer's whole usage,
with a growing `output_tokens`. So every record with usage yields a `cost` draft under the request's key, and ingest
keeps the heaviest. Tokens: input, cache reads and cache writes are apart, output includes reasoning.
Source of the format: docs/sources/claude.md. Usage: `claude_usage`. Records of the host: `claude_host`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from kaizen.model.event import Draft, Ignored, Item, Kind, Role, SessionDraft, Unknown
from kaizen.sources import claude_host, claude_usage
from kaizen.sources.claude_state import State, begin, place, row_key
from kaizen.sources.shapes import LineSource, as_dict, as_list, as_text, as_time_ms, record

AGENT = "claude"
_CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_CONTEXT = ("<local-command-", "<command-", "<system-reminder>", "<task-notification>", "<bash-",
            "Caveat: The messages below")
_INTERRUPTED = "[Request interrupted"


def _roots(env: Mapping[str, str], home: str) -> Iterator[str]:
    if given := [part.strip() for part in env.get("CLAUDE_CONFIG_DIR", "").split(",") if part.strip()]:
        for part in given:
            folder = f"{home}{part[1:]}" if part == "~" or part.startswith("~/") else part.rstrip("/")
            yield folder if folder.endswith("/projects") else f"{folder}/projects"
        return
    yield f"{home}/.claude/projects"
    yield f"{env.get('XDG_CONFIG_HOME') or home + '/.config'}/claude/projects"
    yield f"{home}/Library/Application Support/Claude/local-agent-mode-sessions"
    yield f"{home}/.config/Claude/local-agent-mode-sessions"


def _wants(path: str) -> bool:
    return path.endswith(".jsonl") and not path.endswith(("journal.jsonl", "history.jsonl"))


def _sidecar_of(path: str) -> str | None:
    stem, _, name = path.rpartition("/")
    return f"{stem}/{name.removesuffix('.jsonl')}.meta.json" if name.startswith("agent-") else None


def parse(line: bytes, at: int, state: State) -> Iterator[Item]:
    said = record(line)
    ts_ms = as_time_ms(said.get("timestamp"))
    yield from place(said, state)
    kind = said.get("type")
    message = as_dict(said.get("message"))
    if kind == "assistant" or (kind is None and message.get("role") == "assistant"):
        yield from _assistant(said, message, ts_ms, at, state)
    elif kind == "user" or (kind is None and message.get("role") == "user"):
        yield from _user(said, message, ts_ms, at, state)
    elif kind == "progress":
        yield from _progress(said, at, state)
    else:
        yield from claude_host.parse(kind, said, ts_ms, at, state)


def usage(line: bytes, at: int, state: State) -> Iterator[Item]:
    """The `cost` drafts of `parse`, without looking at what was said."""
    if b"WebSearch" in line or b'"progress"' in line or b'"iterations"' in line:
        yield from _only_costs(line, at, state)
        return
    try:
        quick = claude_usage.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        yield from _only_costs(line, at, state)
        return
    said: dict[str, Any] = {"sessionId": quick.sessionId, "uuid": quick.uuid, "cwd": quick.cwd,
                            "gitBranch": quick.gitBranch, "version": quick.version, "requestId": quick.requestId,
                            "isSidechain": quick.isSidechain, "costUSD": quick.costUSD, "type": quick.type,
                            "isApiErrorMessage": quick.isApiErrorMessage, "forkedFrom": quick.forkedFrom}
    yield from place(said, state)
    message = quick.message
    if quick.type == "assistant" or (quick.type is None and message.role == "assistant"):
        yield from claude_usage.costs(said, {"id": message.id, "model": message.model, "usage": message.usage,
                                             "stop_reason": message.stop_reason},
                                      as_time_ms(quick.timestamp), at, state)


def _only_costs(line: bytes, at: int, state: State) -> Iterator[Item]:
    return (item for item in parse(line, at, state)
            if type(item) is SessionDraft or (type(item) is Draft and item.kind == "cost"))


def _assistant(said: dict[str, Any], message: dict[str, Any], ts_ms: int | None, at: int, state: State
               ) -> Iterator[Item]:
    if said.get("isApiErrorMessage") is True or message.get("model") == "<synthetic>":
        text = "\n".join(_texts(message.get("content"))) or as_text(said.get("error")) or "API error"
        yield Draft(row_key(said, at, 0, state), state.session, "error", ts_ms, is_error=True, payload={"text": text})
        return
    request = claude_usage.request_of(said, message, at, state)
    model = as_text(message.get("model"))
    has_usage = type(message.get("usage")) is dict
    link = request if has_usage else None
    side = said.get("isSidechain") is True
    is_copy = claude_usage.is_copy(said, state)
    number = -1

    def row(kind: Kind, key: str, payload: dict[str, Any], *, role: Role | None = None, tool: str | None = None,
            call: str | None = None) -> Draft:
        return Draft(key, state.session, kind, ts_ms, role=role, tool=tool, call_id=call, request=link, model=model,
                     is_sidechain=side, is_copy=is_copy, payload=payload)

    for number, block in enumerate(_blocks(message.get("content"))):
        kind = block.get("type")
        key = row_key(said, at, number, state)
        if kind == "text":
            if answer := as_text(block.get("text")):
                yield row("message", key, {"text": answer}, role="assistant")
        elif kind in ("thinking", "redacted_thinking"):
            thought = as_text(block.get("thinking"))
            yield row("message", key, {"text": thought} if thought else {"redacted": True}, role="thinking")
        elif kind in _CALLS:
            call, tool = as_text(block.get("id")), as_text(block.get("name"))
            if tool == "WebSearch" and call and link:
                state.remember_search(call, claude_usage.key_of(said, message, at, state), link)
            yield row("tool_call", _call_key("call", call, said, at, number, state),
                      {"input": light(block.get("input"))}, tool=tool, call=call)
        elif type(kind) is str and kind.endswith("tool_result"):
            yield _result(block, said, ts_ms, at, number, state)
        else:
            yield Unknown(f"block:{kind}")
    if has_usage:
        yield from claude_usage.costs(said, message, ts_ms, at, state)
    elif number < 0:
        yield Ignored("empty_answer")


def _user(said: dict[str, Any], message: dict[str, Any], ts_ms: int | None, at: int, state: State) -> Iterator[Item]:
    if said.get("isCompactSummary") is True:
        yield Draft(row_key(said, at, 0, state), state.session, "lifecycle", ts_ms,
                    payload={"event": "compaction_summary", "text": "\n".join(_texts(message.get("content")))})
        return
    is_meta = said.get("isMeta") is True or (said.get("isSidechain") is True and not state.is_agent)
    texts: list[str] = []
    images = 0
    number = -1
    for number, block in enumerate(_blocks(message.get("content"))):
        kind = block.get("type")
        if kind == "text":
            if text := as_text(block.get("text")):
                texts.append(text)
        elif type(kind) is str and kind.endswith("tool_result"):
            yield from _child_of(said, block, state)
            yield _result(block, said, ts_ms, at, number, state)
            yield from _searches(said, block, ts_ms, state)
        elif kind in ("image", "document"):
            images += 1
        else:
            yield Unknown(f"block:{kind}")
    for number, text in enumerate(texts):
        yield _said_by_user(text, images, is_meta, said, ts_ms, at, number, state)
    if images and not texts:
        yield _said_by_user("", images, is_meta, said, ts_ms, at, 0, state)
    if number < 0:
        yield Ignored("empty_prompt")


def _said_by_user(text: str, images: int, is_meta: bool, said: dict[str, Any], ts_ms: int | None, at: int,
                  number: int, state: State) -> Draft:
    start = text.lstrip()
    side, is_copy = said.get("isSidechain") is True, claude_usage.is_copy(said, state)
    if start.startswith(_INTERRUPTED):
        return Draft(row_key(said, at, f"t{number}", state), state.session, "lifecycle", ts_ms, is_copy=is_copy,
                     payload={"event": "interrupted", "text": text})
    is_prompt = not is_meta and not start.startswith(_CONTEXT) and not state.was_queued(start)
    payload: dict[str, Any] = {"text": text}
    if images:
        payload["images"] = images
    return Draft(row_key(said, at, f"t{number}", state), state.session, "message", ts_ms, is_copy=is_copy,
                 role="prompt" if is_prompt else "context", is_sidechain=side, payload=payload)


def _result(block: dict[str, Any], said: dict[str, Any], ts_ms: int | None, at: int, number: int, state: State
            ) -> Draft:
    call = as_text(block.get("tool_use_id"))
    payload: dict[str, Any] = {"output": "\n".join(_texts(block.get("content")))}
    details = as_dict(said.get("toolUseResult"))
    duration = details.get("durationMs", details.get("totalDurationMs"))
    if details.get("interrupted") is True:
        payload["interrupted"] = True
    payload.update({name: value for name, value in (("file_path", details.get("filePath")),
                                                    ("agent_id", details.get("agentId"))) if type(value) is str})
    if type(details.get("exitCode")) is int:
        payload["exit_code"] = details["exitCode"]
    error = block.get("is_error")
    return Draft(_call_key("result", call, said, at, number, state), state.session, "tool_result", ts_ms, call_id=call,
                 is_error=error if type(error) is bool else None,
                 latency_ms=duration if type(duration) is int and duration >= 0 else None,
                 is_sidechain=said.get("isSidechain") is True, is_copy=claude_usage.is_copy(said, state),
                 payload=payload)


def _child_of(said: dict[str, Any], block: dict[str, Any], state: State) -> Iterator[SessionDraft]:
    """The result of a Task names the subagent it ran."""
    agent_id = as_text(as_dict(said.get("toolUseResult")).get("agentId"))
    if agent_id and not claude_usage.is_copy(said, state):
        yield SessionDraft(f"agent-{agent_id}", parent=state.session, relation="subagent",
                           parent_call_id=as_text(block.get("tool_use_id")))


def _searches(said: dict[str, Any], block: dict[str, Any], ts_ms: int | None, state: State) -> Iterator[Draft]:
    """A WebSearch result may be the only evidence of searches that the request's usage does not list."""
    count = as_dict(said.get("toolUseResult")).get("searchCount")
    known = state.searches.pop(as_text(block.get("tool_use_id")) or "", None)
    if known is not None and type(count) is int and 0 < count < 1000:
        key, request = known
        yield Draft(key, state.session, "cost", ts_ms, request=request, web_search_requests=count,
                    is_copy=claude_usage.is_copy(said, state))


def _progress(said: dict[str, Any], at: int, state: State) -> Iterator[Item]:
    """Nested records of a running subagent: the same requests as in its own file, if that still exists."""
    data = as_dict(said.get("data"))
    nested = as_dict(data.get("message"))
    message = as_dict(nested.get("message"))
    agent_id = as_text(data.get("agentId"))
    if data.get("type") == "agent_progress" and agent_id and type(message.get("usage")) is dict:
        child = State(f"agent-{agent_id}", is_agent=True, parent=state.session)
        yield SessionDraft(child.session, parent=state.session, relation="subagent",
                           parent_call_id=as_text(said.get("parentToolUseID")))
        inner = {"requestId": nested.get("requestId"), "uuid": nested.get("uuid"), "isSidechain": True}
        yield from claude_usage.costs(inner, message, as_time_ms(nested.get("timestamp") or said.get("timestamp")), at,
                                      child)
    else:
        yield Ignored("progress")


def _call_key(prefix: str, call: str | None, said: dict[str, Any], at: int, number: int, state: State) -> str:
    if call is None:
        return f"{prefix}:{row_key(said, at, number, state)}"
    is_global = call.startswith(("toolu_", "srvtoolu_")) and len(call) >= 24
    return f"{prefix}:{call}" if is_global else f"{prefix}:{state.session}:{call}"


def _blocks(content: object) -> Iterator[dict[str, Any]]:
    """The blocks of a message's content, which may be text, a list of texts and objects, or nothing."""
    if type(content) is str:
        yield {"type": "text", "text": content}
    for block in as_list(content):
        if type(block) is dict:
            yield block
        elif type(block) is str:
            yield {"type": "text", "text": block}


def _texts(content: object) -> list[str]:
    found = []
    for block in _blocks(content):
        if type(block.get("text")) is str:
            found.append(block["text"])
        elif block.get("type") in ("image", "document"):
            found.append(f"[{block['type']}]")
        elif type(block.get("content")) is str:
            found.append(block["content"])
    return found


def light(value: object, depth: int = 0) -> Any:
    """A tool's input without embedded binary data."""
    if type(value) is dict:
        if depth > 50:
            return {}
        if value.get("type") == "base64" and type(value.get("data")) is str:
            return {"dropped": value.get("media_type"), "bytes": len(value["data"])}
        return {name: light(item, depth + 1) for name, item in value.items()}
    if type(value) is list:
        return [light(item, depth + 1) for item in value] if depth <= 50 else []
    return value


SOURCE = LineSource(
    agent=AGENT, name="claude", roots=_roots, wants=_wants, state=State, begin=begin, parse=parse,
    usage_marks=(b'"usage"', b'"searchCount"'), usage=usage, sidecar_of=_sidecar_of,
    prune=frozenset({"tool-results", "memory"}))
