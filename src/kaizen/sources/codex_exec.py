"""Captures of `codex exec --json`: what a run printed, one event per line.

`item.started` and `item.completed` share an id: call and result. Usage may be per turn or cumulative for the thread,
and nothing in the capture tells: taken per turn, flagged. The rollout of the same thread is the better source, and what
both tell counts once (`model.captured`).
"""

from collections.abc import Iterator
from typing import Any

from kaizen.model.captured import group_of
from kaizen.model.event import Draft, Ignored, Item, Unknown
from kaizen.sources import codex_events, codex_items
from kaizen.sources.codex_state import MAX_ID, State, Totals, request_of
from kaizen.sources.codex_tokens import draft
from kaizen.sources.shapes import as_count, as_dict, as_text

TYPES = frozenset(("thread.started", "turn.started", "turn.completed", "turn.failed", "item.started", "item.updated",
                   "item.completed"))


def parse(said: dict[str, Any], kind: str, ts_ms: int | None, at: int, state: State) -> Iterator[Item]:
    if kind == "thread.started":
        thread = as_text(said.get("thread_id"))
        if thread and not state.is_named:
            state.session, state.is_named = thread[:MAX_ID], True
            # Its requests are known as a capture's: the thread's rollout may tell the same calls (model/captured.py).
            state.turn = group_of(state.session)
        yield codex_events.lifecycle(ts_ms, at, state, "session_start", source="exec")
    elif kind == "turn.started":
        yield codex_events.lifecycle(ts_ms, at, state, "task_started")
    elif kind == "turn.completed":
        yield codex_events.lifecycle(ts_ms, at, state, "task_complete")
        yield from _usage(said.get("usage"), ts_ms, state)
    elif kind == "turn.failed":
        yield from codex_events.parse({**said, "type": "error"}, ts_ms, at, state)
    elif kind == "item.updated":
        yield Ignored("progress")
    else:
        yield from _item(as_dict(said.get("item")), kind == "item.completed", ts_ms, at, state)


def _usage(used: object, ts_ms: int | None, state: State) -> Iterator[Item]:
    if type(used) is not dict:
        return
    tokens: Totals = (
        as_count(used.get("input_tokens")) or 0, as_count(used.get("cached_input_tokens")) or 0,
        as_count(used.get("cache_write_input_tokens")) or 0, as_count(used.get("output_tokens")) or 0,
        as_count(used.get("reasoning_output_tokens")) or 0)
    if any(tokens):
        request = f"{state.turn or state.session}:{state.requests}"
        state.requests += 1
        yield draft(f"req:{request}:{tokens[0]}/{tokens[3]}", request, tokens, state, ts_ms,
                    flag="usage_convention_guess")


def _item(item: dict[str, Any], is_done: bool, ts_ms: int | None, at: int, state: State) -> Iterator[Item]:
    kind, item_id = as_text(item.get("type")) or as_text(item.get("item_type")), as_text(item.get("id"))
    if kind in ("agent_message", "assistant_message", "reasoning"):
        if is_done:
            yield from codex_items.parse(
                {"type": "reasoning", "summary": item.get("text")} if kind == "reasoning"
                else {"role": "assistant", "content": item.get("text")}, ts_ms, at, state)
        else:
            yield Ignored("progress")
    elif kind == "error":
        yield from codex_events.parse({"type": "error", "message": item.get("message")}, ts_ms, at, state)
    elif kind == "todo_list":
        yield Ignored("todo_list")
    elif kind in _TOOLS and item_id:
        tool, given, output = _TOOLS[kind]
        if kind == "mcp_tool_call":
            tool = f"mcp__{as_text(item.get('server'))}__{as_text(item.get('tool'))}"
        asked = {name: item[name] for name in given if name in item}
        yield codex_items.call(item_id, tool, asked, ts_ms, at, state, request_of(state))
        if is_done:
            yield _ended(item, item_id, output, ts_ms, at, state)
    else:
        yield Unknown(f"item/{(kind or 'no_type')[:64]}")


def _ended(item: dict[str, Any], item_id: str, output: str, ts_ms: int | None, at: int, state: State) -> Draft:
    code, status = codex_items.exit_code_of(item.get("exit_code")), item.get("status")
    failed = code != 0 if code is not None else {"completed": False, "failed": True}.get(as_text(status) or "")
    return codex_items.result(
        item_id, {"output": codex_items.text_of(item.get(output)) or None, "exit_code": code}, ts_ms, at, state,
        is_error=failed)


# Item type -> (tool, keys of its input, key of its output).
_TOOLS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "collab_tool_call": ("collab", ("tool", "prompt"), "result"),
    "command_execution": ("exec_command", ("command",), "aggregated_output"),
    "file_change": ("file_change", ("changes",), "output"),
    "mcp_tool_call": ("mcp", ("arguments",), "result"),
    "web_search": ("web_search", ("query",), "result"),
}
