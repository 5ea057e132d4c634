"""response_item: what the model was given and what it answered, in the notation of the provider's API.

Also reads the same items without envelope (rollouts up to 0.31) and drifted shapes of other writers (`tool_call`,
`function_result`, `function.name`, items without a type).
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from zlib import crc32

import msgspec

from kaizen.model.event import Draft, Ignored, Item, Role, Unknown
from kaizen.sources.codex_state import State, answer, remember
from kaizen.sources.shapes import as_count, as_dict, as_list, as_text

# How texts begin that the host writes in the user's name.
_CONTEXT = re.compile(r"""\s*(?:
    <(?: environment_context | user_instructions | INSTRUCTIONS | permissions | turn_aborted | user_shell_command
       | skill | skills | skills_instructions | subagent_notification | subagent_context | collaboration_mode
       | apps_instructions | plugins_instructions | personality_spec | model_switch | hook_prompt | user_action
       | multi_agent_mode | realtime_conversation | system_reminder | token_budget | recommended_plugins
       )\b
  | \#\ AGENTS\.md\ instructions )""", re.VERBOSE)

_CALLS = frozenset(("function_call", "custom_tool_call", "local_shell_call", "web_search_call", "tool_search_call",
                    "image_generation_call", "tool_call"))
_RESULTS = frozenset(("function_call_output", "custom_tool_call_output", "local_shell_call_output",
                      "tool_search_output", "mcp_tool_call_output", "tool_result", "function_result"))
_NAMED = {"local_shell_call": "local_shell", "web_search_call": "web_search", "tool_search_call": "tool_search",
          "image_generation_call": "image_generation"}
# The provider runs them: no output follows, the call says itself that it is over.
_SELF_CONTAINED = frozenset(("web_search_call", "image_generation_call"))
_IGNORED = frozenset(("ghost_snapshot", "compaction", "compaction_summary", "compaction_trigger", "context_compaction",
                      "world_state"))

# How the report of a command begins, above its output.
_REPORT = ("Chunk ID:", "Wall time:", "Exit code:", "Process exited")
_HEAD_CHARS = 300
_EXIT_CODE = re.compile(r"(?:Process exited with code|Exit code:) (-?\d{1,9})\b")
_WALL_TIME = re.compile(r"Wall time: (\d{1,7}(?:\.\d{1,9})?) seconds")
_OBJECT = msgspec.json.Decoder(dict[str, Any]).decode


def knows(kind: object) -> bool:
    return type(kind) is str and (kind in _CALLS or kind in _RESULTS or kind in _IGNORED or kind == "reasoning")


def parse(said: dict[str, Any], ts_ms: int | None, at: int, state: State) -> Iterator[Item]:
    kind = said.get("type")
    if kind == "message" or (kind is None and "role" in said):
        yield from _message(said, ts_ms, at, state)
    elif kind == "reasoning":
        yield from _reasoning(said, ts_ms, at, state)
    elif type(kind) is not str:
        yield Unknown("response_item/no_type")
    elif kind in _CALLS:
        yield from _call(kind, said, ts_ms, at, state)
    elif kind in _RESULTS:
        yield _result(said, ts_ms, at, state)
    elif kind == "agent_message":
        yield from _text("context", text_of(said.get("content")), ts_ms, at, state,
                         author=as_text(said.get("author")), recipient=as_text(said.get("recipient")))
    elif kind in _IGNORED:
        yield Ignored(kind)
    else:
        yield Unknown(f"response_item/{kind[:64]}")


def is_context(text: str) -> bool:
    return _CONTEXT.match(text) is not None


def text_of(content: object) -> str:
    """The text of a content: a string, an object with text, or a list of such parts."""
    if type(content) is str:
        return content
    if type(content) is dict:
        inner = content.get("content")
        return as_text(content.get("text")) or (inner if type(inner) is str else "\n".join(_texts(inner)))
    return "\n".join(_texts(content))


def _texts(content: object) -> list[str]:
    return [text for part in as_list(content)
            if (text := part if type(part) is str else as_text(as_dict(part).get("text")))]


def _message(said: dict[str, Any], ts_ms: int | None, at: int, state: State) -> Iterator[Item]:
    role, content = said.get("role"), said.get("content", said.get("message"))
    text = text_of(content)
    if role == "assistant":
        request = answer(state)
        yield from _text("assistant", text, ts_ms, at, state, request=request)
        return
    state.is_counted_ahead = False
    if role != "user" or is_context(text):
        yield from _text("context", text, ts_ms, at, state)
        return
    hashes = {crc32(one.strip().encode()) for one in (text, *_texts(content))}
    for text_hash in state.event_prompts:
        if text_hash in hashes:
            state.event_prompts.remove(text_hash)
            state.is_event_first = True
            yield Ignored("twin")
            return
    if state.is_event_first:
        yield from _text("context", text, ts_ms, at, state)
        return
    if text:
        remember(state.item_prompts, crc32(text.strip().encode()))
    yield from _text("prompt", text, ts_ms, at, state)


def _text(role: Role, text: str, ts_ms: int | None, at: int, state: State, *, request: str | None = None,
          **facts: str | None) -> Iterator[Item]:
    if not text:
        yield Ignored("empty_message")
        return
    payload = {"text": text, **{name: value for name, value in facts.items() if value}}
    yield Draft(key=f"line:{state.session}:{at}:0", session=state.session, kind="message", role=role, ts_ms=ts_ms,
                request=request, model=state.model if request else None, payload=payload)


def _reasoning(said: dict[str, Any], ts_ms: int | None, at: int, state: State) -> Iterator[Item]:
    request = answer(state)
    text = text_of(said.get("summary")) or text_of(said.get("content"))
    if text:
        yield from _text("thinking", text, ts_ms, at, state, request=request)
    else:
        yield Ignored("encrypted_reasoning")


def _call(kind: str, said: dict[str, Any], ts_ms: int | None, at: int, state: State) -> Iterator[Item]:
    call_id = as_text(said.get("call_id")) or as_text(said.get("id"))
    if call_id is None and kind in _SELF_CONTAINED:
        call_id = f"at-{at}"
    name = (as_text(said.get("name")) or as_text(as_dict(said.get("function")).get("name")) or _NAMED.get(kind)
            or "unknown")
    space = as_text(said.get("namespace"))
    if space and not name.startswith(space):
        name = f"{space.rstrip('_')}__{name}"
    yield call(call_id, name, _input(said), ts_ms, at, state, answer(state))
    if kind in _SELF_CONTAINED and call_id and said.get("status") in (None, "completed", "failed"):
        yield result(call_id, {}, ts_ms, at, state, is_error=said.get("status") == "failed" or None)


def _input(said: dict[str, Any]) -> object:
    for key in ("arguments", "input", "action"):
        given = said.get(key)
        if given is not None:
            return given
    return None


def call(call_id: str | None, tool: str, given: object, ts_ms: int | None, at: int, state: State, request: str | None
         ) -> Draft:
    """A call; its input an object where the host wrote one, also as JSON text, else text."""
    if type(given) is str and given[:1] == "{":
        with suppress(msgspec.DecodeError, UnicodeError, RecursionError):
            given = _OBJECT(given)
    return Draft(
        key=f"call:{state.session}:{call_id}" if call_id else f"line:{state.session}:{at}:0", session=state.session,
        kind="tool_call", ts_ms=ts_ms, tool=tool, call_id=call_id, request=request, model=state.model,
        payload=None if given is None else {"input": given})


def _result(said: dict[str, Any], ts_ms: int | None, at: int, state: State) -> Draft:
    state.is_counted_ahead = False
    call_id = as_text(said.get("call_id")) or as_text(said.get("id") if said.get("type") == "tool_result" else None)
    output = said.get("output", said.get("result", said.get("tools")))
    said_so = as_dict(output).get("success")
    text, exit_code, seconds = _output(output)
    if text.startswith(_REPORT):
        if exit_code is None and (found := _EXIT_CODE.search(text, 0, _HEAD_CHARS)):
            exit_code = int(found[1])
        if seconds is None and (found := _WALL_TIME.search(text, 0, _HEAD_CHARS)):
            seconds = float(found[1])
    is_error = exit_code != 0 if exit_code is not None else not said_so if type(said_so) is bool else None
    return result(call_id, {"output": text, "exit_code": exit_code}, ts_ms, at, state, is_error=is_error,
                  latency_ms=None if seconds is None else round(seconds * 1000))


def _output(output: object) -> tuple[str, int | None, float | None]:
    """`(text, exit code, seconds)` of an output: text, JSON text with metadata, content parts, or an object."""
    if type(output) is str:
        is_report = output[:2] == '{"' and ('"metadata"' in output[-200:] or '"metadata"' in output[:200])
        if not is_report:
            return output, None, None
        try:
            value = _OBJECT(output)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return output, None, None
        inner = value.get("output")
        return (inner, *_metadata(value)) if type(inner) is str else (output, *_metadata(value))
    if type(output) is dict:
        text = text_of(output) or "".join(as_text(output.get(name)) or "" for name in ("output", "stdout", "stderr"))
        return (text, *_metadata(output))
    return text_of(output), None, None


def _metadata(value: dict[str, Any]) -> tuple[int | None, float | None]:
    facts = as_dict(value.get("metadata")) or value
    code = facts.get("exit_code", facts.get("exitCode"))
    seconds = facts.get("duration_seconds")
    is_time = (type(seconds) is int or type(seconds) is float) and 0 <= seconds < 1e7
    return exit_code_of(code), seconds if is_time else None


def exit_code_of(value: object) -> int | None:
    return value if type(value) is int and -(1 << 31) <= value < 1 << 32 else None


def result(call_id: str | None, facts: dict[str, Any], ts_ms: int | None, at: int, state: State, *,
           is_error: bool | None = None, latency_ms: int | None = None) -> Draft:
    payload = {name: value for name, value in facts.items() if value is not None}
    return Draft(
        key=f"result:{state.session}:{call_id}" if call_id else f"line:{state.session}:{at}:1", session=state.session,
        kind="tool_result", ts_ms=ts_ms, call_id=call_id, is_error=is_error, latency_ms=as_count(latency_ms),
        payload=payload or None)
