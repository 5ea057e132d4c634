"""Everything known about one session, and its parts: messages, events, spans, files, and the tree below it."""

from sqlite3 import Connection
from typing import Any

import msgspec

from kaizen.derive.spans import shown_status
from kaizen.derive.summary import headline
from kaizen.derive.titles import title_of
from kaizen.derive.tree import session_tree
from kaizen.model import span as model
from kaizen.model.ids import Known, resolve
from kaizen.model.usage import round_half_even
from kaizen.store import costs, parts, rollups, session_rows
from kaizen.store.bodies import payload
from kaizen.store.costs import CostRow
from kaizen.store.filter import Filter
from kaizen.store.parts import FileRow, GuidanceRow
from kaizen.store.session_rows import SessionRow
from kaizen.views.scope import Scope
from kaizen.views.sessions import SessionLine, line, lines
from kaizen.views.sessions import shown_status as session_status
from kaizen.views.usage import Usage, add_up, summed, usage

PROMPTS_SHOWN = 200


class ModelUsage(Usage, kw_only=True):
    model: str


class Turn(msgspec.Struct):
    turn: int
    started_at_ms: int
    ended_at_ms: int
    tool_calls: int
    errors: int
    # First line of the prompt.
    title: str | None


class ToolUse(msgspec.Struct):
    tool: str
    calls: int
    errors: int


class Detail(msgspec.Struct, kw_only=True):
    """`session` spends for itself; `subtree` is the same with all sessions below it."""

    session: SessionLine
    status_reason: str | None
    trace_path: str | None
    agent_version: str | None
    start_commit: str | None
    events: int
    models: list[ModelUsage]
    subtree: Usage
    parent: SessionLine | None
    children: list[SessionLine]
    turns: list[Turn]
    tools: list[ToolUse]
    files: list[FileRow]
    guidance: list[GuidanceRow]


class Message(msgspec.Struct):
    """`role`: prompt, assistant, thinking, context, or tool for a call; its `text` is then what the call is about."""

    seq: int
    ts_ms: int
    role: str
    text: str
    tool: str | None = None
    is_error: bool | None = None


class Event(msgspec.Struct):
    seq: int
    ts_ms: int
    ts_exact: bool
    kind: str
    role: str | None
    tool: str | None
    tool_call_id: str | None
    request: str | None
    model: str | None
    is_error: bool | None
    is_sidechain: bool
    latency_ms: int | None
    duplicate_of: str | None
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    cost_usd_e6: int | None
    summary: str
    payload: dict[str, Any] | None


class SpanLine(msgspec.Struct):
    seq: int
    turn: int
    parallel_group: int
    tool: str | None
    status: str
    status_reason: str | None
    started_at_ms: int | None
    ended_at_ms: int | None
    duration_ms: int | None
    exit_code: int | None
    summary: str


class Node(msgspec.Struct):
    """A node of the tree; `subtree_` includes everything below. Costs are of what is priced, None when nothing is."""

    kind: str
    name: str
    depth: int
    status: str | None
    started_at_ms: int | None
    ended_at_ms: int | None
    duration_ms: int | None
    subtree_duration_ms: int | None
    requests: int
    unpriced_requests: int
    cost_usd_e6: int | None
    subtree_cost_usd_e6: int | None
    subtree_tokens: int
    cost_share: float | None
    # Takes more than 40 % of the whole.
    is_flagged: bool
    seq: int | None
    children: list["Node"]


def find(db: Connection, scope: Scope, typed: str) -> SessionRow:
    """The session a person means; `@1` is the newest of the scope, ids are looked up everywhere."""
    is_rank = typed.startswith("@")
    known = session_rows.ids(db, scope.filter if is_rank else Filter(), with_empty=not is_rank)
    return session_rows.get(db, resolve(typed, [Known(*row) for row in known]).id)


def detail(db: Connection, one: SessionRow, now_ms: int) -> Detail:
    spent = rollups.usage_of(db, [one.id]).get(one.id, [])
    below = _descendants(db, one)
    children = session_rows.children(db, one.agent, one.host_id)
    parent = None if one.parent_host_id is None else session_rows.find(db, one.agent, one.parent_host_id)
    micros, _ = add_up([amounts for _, amounts in spent])
    everything = rollups.usage_of(db, [one.id, *[child.id for child in below]])
    return Detail(
        session=line(one, summed(amounts for _, amounts in spent), now_ms),
        status_reason=one.status_reason,
        trace_path=one.trace_path or None,
        agent_version=one.agent_version,
        start_commit=one.start_commit,
        events=one.events,
        models=[
            ModelUsage(**msgspec.structs.asdict(usage(amounts, cost)), model=name or "(unknown)")
            for (name, amounts), cost in zip(spent, micros, strict=True)
        ],
        subtree=usage(summed(amounts for found in everything.values() for _, amounts in found))
        if everything
        else Usage(),
        parent=None if parent is None else lines(db, [session_rows.get(db, parent)], now_ms)[0],
        children=lines(db, children, now_ms),
        turns=_turns(db, one),
        tools=_tools(db, one),
        files=parts.file_rows(db, one.id),
        guidance=parts.guidance_rows(db, one.id),
    )


def _descendants(db: Connection, one: SessionRow) -> list[SessionRow]:
    """All sessions below; a cycle is cut."""
    found: dict[int, SessionRow] = {}
    waiting = [one]
    while waiting:
        for child in session_rows.children(db, one.agent, waiting.pop().host_id):
            if child.id not in found and child.id != one.id:
                found[child.id] = child
                waiting.append(child)
    return list(found.values())


def _turns(db: Connection, one: SessionRow) -> list[Turn]:
    titles = {
        event.seq: title_of(str((payload(event.body) or {}).get("text") or ""))
        for event in parts.event_rows(db, one.id, kinds=["message"])
        if event.role == "prompt"
    }
    return [
        Turn(
            row.turn,
            row.started_at_ms,
            row.ended_at_ms,
            row.tool_calls,
            row.errors,
            titles.get(row.prompt_seq) if row.prompt_seq is not None else None,
        )
        for row in parts.turn_rows(db, one.id)
    ]


def _tools(db: Connection, one: SessionRow) -> list[ToolUse]:
    counts: dict[str, ToolUse] = {}
    for row in parts.span_rows(db, one.id):
        use = counts.setdefault(row.tool or "(unknown)", ToolUse(row.tool or "(unknown)", 0, 0))
        use.calls += 1
        use.errors += row.status == "error"
    return sorted(counts.values(), key=lambda use: (-use.calls, use.tool))


def messages(db: Connection, one: SessionRow, *, with_context: bool = False) -> list[Message]:
    """What was said, in order, with one line per tool call in between."""
    failed = {row.seq for row in parts.span_rows(db, one.id) if row.status not in ("ok", "open")}
    found = []
    for event in parts.event_rows(db, one.id, kinds=["message", "tool_call", "error"]):
        body = payload(event.body)
        if event.kind == "message":
            role, text = event.role or "assistant", str((body or {}).get("text") or "")
            if text and (with_context or role in ("prompt", "assistant")):
                found.append(Message(event.seq, event.ts_ms, role, text))
        else:
            found.append(
                Message(
                    event.seq,
                    event.ts_ms,
                    "tool" if event.kind == "tool_call" else "error",
                    headline(event.kind, event.role, event.tool, body),
                    event.tool,
                    event.kind == "error" or event.seq in failed,
                )
            )
    return found


def events(db: Connection, one: SessionRow, *, limit: int = 0) -> list[Event]:
    """Every stored fact with its payload, in order."""
    found = []
    for row in parts.event_rows(db, one.id, limit=limit):
        body = payload(row.body)
        found.append(
            Event(
                row.seq,
                row.ts_ms,
                bool(row.ts_exact),
                row.kind,
                row.role,
                row.tool,
                row.call_id,
                row.request,
                row.model,
                None if row.is_error is None else bool(row.is_error),
                bool(row.is_sidechain),
                row.latency_ms,
                row.duplicate_of,
                row.input_tokens,
                row.output_tokens,
                row.cache_read_tokens,
                row.cache_write_tokens,
                None if row.cost_pusd is None else round_half_even(row.cost_pusd),
                headline(row.kind, row.role, row.tool, body),
                body,
            )
        )
    return found


def spans(db: Connection, one: SessionRow, now_ms: int) -> list[SpanLine]:
    """Tool calls in order, with what each was about."""
    about = {
        event.seq: headline(event.kind, event.role, event.tool, payload(event.body))
        for event in parts.event_rows(db, one.id, kinds=["tool_call", "tool_result"])
    }
    status = session_status(one, now_ms)
    return [
        SpanLine(
            row.seq,
            row.turn,
            row.parallel_group,
            row.tool,
            shown_status(row.status, status),
            row.status_reason,
            row.started_at_ms,
            row.ended_at_ms,
            row.lead_time_ms,
            row.exit_code,
            about.get(row.seq, ""),
        )
        for row in parts.span_rows(db, one.id)
    ]


def tree(db: Connection, one: SessionRow, now_ms: int) -> Node:
    root = session_tree(_trace(db, one, now_ms, {one.id}))
    return _node(root, 0 if root.subtree.requests else None)


def _trace(db: Connection, one: SessionRow, now_ms: int, seen: set[int]) -> model.Trace:
    children = []
    for child in session_rows.children(db, one.agent, one.host_id):
        if child.id not in seen:
            seen.add(child.id)
            children.append(_trace(db, child, now_ms, seen))
    name = one.label or one.title or one.host_id
    return model.Trace(
        key=f"{one.agent}:{one.host_id}",
        name=name,
        status=session_status(one, now_ms),
        started_at_ms=one.started_at_ms,
        ended_at_ms=one.ended_at_ms,
        relation=one.relation,
        parent_call_id=one.parent_call_id,
        spans=tuple(model.Span(**msgspec.structs.asdict(row)) for row in parts.span_rows(db, one.id)),
        turns=tuple(model.Turn(**msgspec.structs.asdict(row)) for row in parts.turn_rows(db, one.id)),
        requests=tuple(_request(row) for row in costs.cost_rows(db, one.id) if row.duplicate_of is None),
        children=tuple(children),
    )


def _request(row: CostRow) -> model.Request:
    tokens = [
        amount
        for amount in (row.input_tokens, row.output_tokens, row.cache_read_tokens, row.cache_write_tokens)
        if amount is not None
    ]
    return model.Request(
        key=row.key,
        seq=row.seq,
        ts_ms=row.ts_ms,
        request=row.request,
        model=row.model,
        tokens=sum(tokens) if tokens else None,
        output_tokens=row.output_tokens,
        cost_pusd=row.cost_pusd,
    )


def _node(node: model.SpanNode, free: int | None) -> Node:
    """`free`: what it costs to ask nothing. Unknown where no request was written down at all."""
    return Node(
        node.kind,
        node.name,
        node.depth,
        node.status,
        node.started_at_ms,
        node.ended_at_ms,
        node.duration_ms,
        node.subtree_duration_ms,
        node.subtree.requests,
        node.subtree.unpriced,
        _cost(node.own, free),
        _cost(node.subtree, free),
        node.subtree.tokens,
        node.cost_share,
        node.is_flagged,
        node.seq,
        [_node(child, free) for child in node.children],
    )


def _cost(spend: model.Spend, free: int | None) -> int | None:
    if not spend.requests:
        return free
    return round_half_even(spend.cost_pusd) if spend.unpriced < spend.requests else None
