"""event_msg: what the host tells its screen about a session. Most of it repeats what the model saw or said.

Taken from here: prompts, turn marks, errors, compaction, links to sub-agents, and how tool calls ended. A call that ran
inside another one (code mode) is told by its end event only: that event yields the call too, under the same key.
"""

from collections.abc import Callable, Iterator
from typing import Any
from zlib import crc32

from kaizen.model.event import Draft, Ignored, Item, SessionDraft, Unknown
from kaizen.sources import codex_items
from kaizen.sources.codex_state import State, remember, uuid7_ms
from kaizen.sources.shapes import as_count, as_dict, as_list, as_text

Handler = Callable[[dict[str, Any], int | None, int, State], Iterator[Item]]
_MAX_FACT = 500


def parse(said: dict[str, Any], ts_ms: int | None, at: int, state: State) -> Iterator[Item]:
    kind = said.get("type")
    if type(kind) is not str:
        yield Unknown("event_msg/no_type")
    elif handle := _HANDLERS.get(kind):
        yield from handle(said, ts_ms, at, state)
    elif facts := _LIFECYCLE.get(kind):
        name, keys = facts
        yield lifecycle(ts_ms, at, state, name, **{key: _plain(said.get(key)) for key in keys})
    elif reason := _IGNORED.get(kind):
        yield Ignored(reason)
    elif kind.endswith(("_begin", "_delta", "_update", "_updated")):
        yield Ignored("progress")
    else:
        yield Unknown(f"event_msg/{kind[:64]}")


def lifecycle(ts_ms: int | None, at: int, state: State, event: str, **facts: Any) -> Draft:
    known = {name: value for name, value in facts.items() if value is not None}
    return Draft(key=f"line:{state.session}:{at}:0", session=state.session, kind="lifecycle", ts_ms=ts_ms,
                 payload={"event": event, **known})


def _plain(value: object) -> object:
    """A small fact as it is; anything larger is cut or left out."""
    if type(value) is str:
        return value[:_MAX_FACT]
    return value if type(value) in (bool, int, float) else None


def _user_message(said: dict[str, Any], ts_ms: int | None, at: int, state: State) -> Iterator[Item]:
    text = as_text(said.get("message")) or ""
    images = len(as_list(said.get("images"))) + len(as_list(said.get("local_images")))
    if not text and not images:
        yield Ignored("empty_message")
        return
    yield from _prompt(text, images, said.get("kind"), ts_ms, at, state)


def _prompt(text: str, images: int, kind: object, ts_ms: int | None, at: int, state: State) -> Iterator[Item]:
    state.is_counted_ahead = False
    if codex_items.is_context(text) or kind in ("environment_context", "user_instructions"):
        yield Ignored("twin")
        return
    text_hash = crc32(text.strip().encode())
    if text_hash in state.item_prompts:
        state.item_prompts.remove(text_hash)
        state.is_event_first = False
        yield Ignored("twin")
        return
    remember(state.event_prompts, text_hash)
    payload = {"text": text, "images": images} if images else {"text": text}
    yield Draft(key=f"line:{state.session}:{at}:0", session=state.session, kind="message", role="prompt", ts_ms=ts_ms,
                payload=payload)


def _task_complete(said: dict[str, Any], ts_ms: int | None, at: int, state: State) -> Iterator[Item]:
    done = lifecycle(ts_ms, at, state, "task_complete", turn_id=_plain(said.get("turn_id")))
    done.latency_ms, done.ttft_ms = as_count(said.get("duration_ms")), as_count(said.get("time_to_first_token_ms"))
    yield done


def _turn_aborted(said: dict[str, Any], ts_ms: int | None, at: int, state: State) -> Iterator[Item]:
    done = lifecycle(ts_ms, at, state, "turn_aborted", turn_id=_plain(said.get("turn_id")),
                     reason=_plain(said.get("reason")))
    done.latency_ms = as_count(said.get("duration_ms"))
    yield done


def _compacted(said: dict[str, Any], ts_ms: int | None, at: int, state: State) -> Iterator[Item]:
    if state.has_compacted:
        state.has_compacted = False
        yield Ignored("twin")
    else:
        yield lifecycle(ts_ms, at, state, "compaction")


def _error(said: dict[str, Any], ts_ms: int | None, at: int, state: State) -> Iterator[Item]:
    inner = as_dict(said.get("error"))
    text = (as_text(said.get("message")) or as_text(said.get("error")) or as_text(said.get("text"))
            or as_text(inner.get("message")) or "")
    facts = {"text": text, "code": _plain(inner.get("kind") or inner.get("code") or said.get("codex_error_info"))}
    yield Draft(key=f"line:{state.session}:{at}:0", session=state.session, kind="error", ts_ms=ts_ms, is_error=True,
                payload={name: value for name, value in facts.items() if value is not None})


def _thread_name(said: dict[str, Any], ts_ms: int | None, at: int, state: State) -> Iterator[Item]:
    title = as_text(said.get("thread_name"))
    yield SessionDraft(state.session, title=title) if title else Ignored("no_content")


def _spawned(said: dict[str, Any], ts_ms: int | None, at: int, state: State) -> Iterator[Item]:
    """A sub-agent began. Its session is linked to us and to the call that started it."""
    child = as_text(said.get("new_thread_id"))
    if child and uuid7_ms(child) is not None and child != state.session:
        yield SessionDraft(child, parent=state.session, relation="subagent",
                           parent_call_id=as_text(said.get("call_id")), title=as_text(said.get("new_agent_nickname")))
    yield lifecycle(ts_ms, at, state, "subagent_start", thread_id=_plain(child), model=_plain(said.get("model")),
                    nickname=_plain(said.get("new_agent_nickname")), role=_plain(said.get("new_agent_role")))


def _exec_end(said: dict[str, Any], ts_ms: int | None, at: int, state: State) -> Iterator[Item]:
    code = codex_items.exit_code_of(said.get("exit_code"))
    output = as_text(said.get("aggregated_output")) or as_text(said.get("formatted_output")) or "".join(
        as_text(said.get(name)) or "" for name in ("stdout", "stderr"))
    yield from _ended(said, ts_ms, at, state, "exec_command",
                      {"command": said.get("command"), "workdir": said.get("cwd")},
                      {"exit_code": code, "output": output or None}, is_error=None if code is None else code != 0)


def _patch_end(said: dict[str, Any], ts_ms: int | None, at: int, state: State) -> Iterator[Item]:
    success = said.get("success")
    output = "".join(as_text(said.get(name)) or "" for name in ("stdout", "stderr"))
    yield from _ended(said, ts_ms, at, state, "apply_patch", {"input": _patch_of(as_dict(said.get("changes")))},
                      {"output": output or None}, is_error=None if type(success) is not bool else not success)


def _patch_of(changes: dict[str, Any]) -> str:
    """The changes in the notation of apply_patch."""
    parts = ["*** Begin Patch"]
    for path, change in changes.items():
        how = as_dict(change)
        word = {"add": "Add", "delete": "Delete"}.get(as_text(how.get("type")) or "", "Update")
        parts.append(f"*** {word} File: {path}")
        if moved := as_text(how.get("move_path")):
            parts.append(f"*** Move to: {moved}")
        if diff := as_text(how.get("unified_diff")):
            parts.append(diff.rstrip("\n"))
        elif word == "Add" and (content := as_text(how.get("content"))):
            parts.extend(f"+{line}" for line in content.rstrip("\n").split("\n"))
    return "\n".join((*parts, "*** End Patch"))


def _mcp_end(said: dict[str, Any], ts_ms: int | None, at: int, state: State) -> Iterator[Item]:
    asked, result = as_dict(said.get("invocation")), as_dict(said.get("result"))
    good = as_dict(result.get("Ok"))
    failed = "Err" in result or good.get("isError") is True
    server, tool = as_text(asked.get("server")), as_text(asked.get("tool"))
    output = as_text(result.get("Err")) or codex_items.text_of(good.get("content"))
    yield from _ended(said, ts_ms, at, state, f"mcp__{server}__{tool}" if server and tool else tool or "mcp",
                      asked.get("arguments"), {"output": output or None}, is_error=failed if result else None)


def _web_end(said: dict[str, Any], ts_ms: int | None, at: int, state: State) -> Iterator[Item]:
    titles = [title for one in as_list(said.get("results")) if (title := as_text(as_dict(one).get("title")))]
    yield from _ended(said, ts_ms, at, state, "web_search", said.get("action") or {"query": said.get("query")},
                      {"output": "\n".join(titles) or None}, is_error=None)


def _ended(said: dict[str, Any], ts_ms: int | None, at: int, state: State, tool: str, given: object,
           facts: dict[str, Any], *, is_error: bool | None) -> Iterator[Item]:
    call_id = as_text(said.get("call_id"))
    if call_id is None:
        yield Ignored("no_call_id")
        return
    yield codex_items.call(call_id, tool, given, ts_ms, at, state, state.answered)
    yield codex_items.result(call_id, facts, ts_ms, at, state, is_error=is_error,
                             latency_ms=duration_ms(said.get("duration")))


def duration_ms(value: object) -> int | None:
    """`{secs, nanos}`, as Rust writes a duration."""
    given = as_dict(value)
    seconds, nanos = as_count(given.get("secs")), as_count(given.get("nanos"))
    return None if seconds is None and nanos is None else (seconds or 0) * 1000 + (nanos or 0) // 1_000_000


def _item_completed(said: dict[str, Any], ts_ms: int | None, at: int, state: State) -> Iterator[Item]:
    """The newer notation of the end events. Texts in it repeat the response items."""
    item = as_dict(said.get("item"))
    item_id = as_text(item.get("id"))
    match as_text(item.get("type")):
        case "CommandExecution" if item_id:
            yield from _exec_end({**item, "call_id": item_id}, ts_ms, at, state)
        case "McpToolCall" if item_id:
            result = item.get("result")
            asked = {"server": item.get("server"), "tool": item.get("tool"), "arguments": item.get("arguments")}
            yield from _mcp_end({"call_id": item_id, "duration": item.get("duration"), "invocation": asked,
                                 "result": {"Ok": result} if type(result) is dict and "Ok" not in result else result},
                                ts_ms, at, state)
        case "FileChange" if item_id and as_dict(item.get("changes")):
            status = as_text(item.get("status"))
            success = {"completed": True, "failed": False, "declined": False}.get(status or "")
            yield from _patch_end({**item, "call_id": item_id, "success": success}, ts_ms, at, state)
        case _:
            yield Ignored("twin")


_HANDLERS: dict[str, Handler] = {
    "collab_agent_spawn_end": _spawned,
    "context_compacted": _compacted,
    "error": _error,
    "exec_command_end": _exec_end,
    "item_completed": _item_completed,
    "mcp_tool_call_end": _mcp_end,
    "patch_apply_end": _patch_end,
    "stream_error": _error,
    "task_complete": _task_complete,
    "thread_name_updated": _thread_name,
    "turn_aborted": _turn_aborted,
    "turn_complete": _task_complete,
    "user_message": _user_message,
    "web_search_end": _web_end,
}

# Host's name -> (our name, facts kept).
_LIFECYCLE: dict[str, tuple[str, tuple[str, ...]]] = {
    "collab_agent_interaction_end": ("subagent_message", ("receiver_thread_id", "receiver_agent_nickname")),
    "collab_close_end": ("subagent_stop", ("receiver_thread_id", "receiver_agent_nickname")),
    "collab_resume_end": ("subagent_resume", ("receiver_thread_id", "receiver_agent_nickname")),
    "collab_waiting_end": ("subagent_wait", ()),
    "deprecation_notice": ("warning", ("summary",)),
    "entered_review_mode": ("entered_review_mode", ("user_facing_hint",)),
    "exited_review_mode": ("exited_review_mode", ()),
    "guardian_assessment": ("guardian_assessment", ("status", "risk_level", "rationale")),
    "model_reroute": ("model_reroute", ("from_model", "to_model", "reason")),
    "shutdown_complete": ("session_end", ()),
    "sub_agent_activity": ("subagent_activity", ("agent_thread_id", "agent_path", "kind")),
    "task_started": ("task_started", ("turn_id", "model_context_window", "collaboration_mode_kind")),
    "thread_rolled_back": ("thread_rolled_back", ("num_turns",)),
    "turn.completed": ("turn_completed", ()),
    "turn.failed": ("turn_failed", ()),
    "turn_started": ("task_started", ("turn_id", "model_context_window", "collaboration_mode_kind")),
    "undo_completed": ("undo_completed", ("success", "message")),
    "warning": ("warning", ("message",)),
}

_IGNORED: dict[str, str] = {
    "account/rateLimits/updated": "rate_limits",
    "agent_message": "twin",
    "agent_reasoning": "twin",
    "agent_reasoning_raw_content": "twin",
    "agent_reasoning_section_break": "twin",
    "codex/event/raw_item": "raw_item",
    "dynamic_tool_call_request": "twin",
    "dynamic_tool_call_response": "twin",
    "image_generation_end": "twin",
    "raw_response_item": "twin",
    "session_configured": "settings",
    "thread_goal_updated": "goal",
    "thread_settings_applied": "settings",
    "turn_diff": "diff",
    "view_image_tool_call": "twin",
}

