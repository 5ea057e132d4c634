"""Session -> turn -> request -> tool call -> sub-agent: a tree by evidence, never by time.

    turn        below its session
    request     below the turn of the calls it made, else the turn whose prompt precedes it
    tool call   below the request it came out of, else below its turn
    sub-agent   below the call that started it, else below its parent session; a fork below its session

What lacks its parent row hangs one level higher. Each request counts once in the whole tree, at the place that comes
first in the order below; so the root's total is the sum of unique requests. Siblings are ordered by start (unknown
last), then `seq`, then key.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from kaizen.derive.spans import shown_status
from kaizen.model.span import NodeKind, Request, Span, SpanNode, Spend, Trace, Turn

# Per cent of the root's cost above which a node is flagged.
FLAG_ABOVE_PERCENT = 40

_NOTHING = Spend()


class _Node:
    """A node while the tree grows."""

    __slots__ = ("children", "end", "fields", "key", "kind", "own", "seq", "start", "subtree")

    def __init__(
        self, key: str, kind: NodeKind, seq: int, start: int | None, end: int | None, **fields: object
    ) -> None:
        self.key, self.kind, self.seq, self.start, self.end, self.fields = key, kind, seq, start, end, fields
        self.own = self.subtree = _NOTHING
        self.children: list[_Node] = []


def session_tree(trace: Trace, *, flag_above_percent: int = FLAG_ABOVE_PERCENT) -> SpanNode:
    """The tree of one session and the sessions below it."""
    root = _grown(trace, "session", set(), set())
    _sum_up(root)
    return _frozen(root, 0, root.subtree.cost_pusd, flag_above_percent, False)


def walk(node: SpanNode) -> Iterator[SpanNode]:
    """The node and everything below it, in the order of display."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(node.children))


def runs(children: Sequence[SpanNode]) -> list[tuple[SpanNode, ...]]:
    """Siblings in rows that can be shown as one line (`Read x37`): neighbours of one tool and status, unflagged,
    nothing below them. Everything else is a row of one. Concatenated, the rows are the children."""
    rows: list[tuple[SpanNode, ...]] = []
    for likeness, alike in groupby(children, _likeness):
        group = tuple(alike)
        rows.extend([group] if likeness else [(node,) for node in group])
    return rows


def _likeness(node: SpanNode) -> tuple[str, str | None] | None:
    is_plain = node.kind == "tool" and not node.children and not node.is_flagged
    return (node.name, node.status) if is_plain else None


def _grown(trace: Trace, kind: NodeKind, counted: set[str], above: set[str]) -> _Node:
    """`counted` are the requests counted so far, `above` the sessions on the way here (a cycle is cut)."""
    root = _Node(
        trace.key, kind, -1, trace.started_at_ms, trace.ended_at_ms,
        name=trace.name, status=trace.status, duration_ms=_between(trace.started_at_ms, trace.ended_at_ms),
    )  # fmt: skip
    turns = {turn.turn: _of_turn(trace.key, turn) for turn in sorted(trace.turns, key=lambda turn: turn.turn)}
    root.children.extend(turns.values())
    spans = sorted(trace.spans, key=lambda span: span.seq)
    requests = _hang_requests(trace, root, turns, spans, counted)
    calls: dict[str, _Node] = {}
    for span in spans:
        node = _of_span(trace, span)
        if span.call_id is not None:
            calls.setdefault(span.call_id, node)
        parent = requests.get(span.request) if span.request is not None else None
        (parent or turns.get(span.turn) or root).children.append(node)
    above = above | {trace.key}
    for child in sorted(trace.children, key=lambda child: child.key):
        if child.key not in above:
            below: NodeKind = "subagent" if child.relation == "subagent" else "session"
            started_by = calls.get(child.parent_call_id) if child.parent_call_id is not None else None
            (started_by or root).children.append(_grown(child, below, counted, above))
    return root


def _hang_requests(
    trace: Trace, root: _Node, turns: dict[int, _Node], spans: list[Span], counted: set[str]
) -> dict[str, _Node]:
    """Request nodes below their turns; returns them by the id their calls carry."""
    turn_of_calls: dict[str, int] = {}
    for span in spans:
        if span.request is not None:
            turn_of_calls.setdefault(span.request, span.turn)
    prompts = sorted((turn.prompt_seq, turn.turn) for turn in trace.turns if turn.prompt_seq is not None)
    by_request: dict[str, _Node] = {}
    at, current = 0, 0
    for request in sorted(trace.requests, key=lambda request: (request.seq, request.key)):
        while at < len(prompts) and prompts[at][0] < request.seq:
            current, at = prompts[at][1], at + 1
        if request.key in counted:
            continue
        counted.add(request.key)
        node = _of_request(request)
        turn = turn_of_calls.get(request.request, current) if request.request is not None else current
        (turns.get(turn) or root).children.append(node)
        if request.request is not None:
            by_request.setdefault(request.request, node)
    return by_request


def _of_turn(session: str, turn: Turn) -> _Node:
    return _Node(
        f"{session}/turn:{turn.turn}", "turn", -1 if turn.prompt_seq is None else turn.prompt_seq, turn.started_at_ms,
        turn.ended_at_ms, name=f"turn {turn.turn}", duration_ms=turn.ended_at_ms - turn.started_at_ms,
    )  # fmt: skip


def _of_request(request: Request) -> _Node:
    start = request.ts_ms - request.latency_ms if request.latency_ms is not None else request.ts_ms
    node = _Node(
        request.key, "request", request.seq, start, request.ts_ms,
        name=request.model or "unknown", duration_ms=request.latency_ms,
    )  # fmt: skip
    node.own = Spend(
        requests=1, unpriced=int(request.cost_pusd is None), cost_pusd=request.cost_pusd or 0,
        tokens=request.tokens or 0, output_tokens=request.output_tokens or 0,
    )  # fmt: skip
    return node


def _of_span(trace: Trace, span: Span) -> _Node:
    status = shown_status(span.status, trace.status)
    return _Node(
        f"{trace.key}/span:{span.seq}", "tool", span.seq, span.started_at_ms, span.ended_at_ms,
        name=span.tool or "unknown", status=status, status_reason=span.status_reason,
        duration_ms=span.lead_time_ms, parallel_group=span.parallel_group,
    )  # fmt: skip


def _sum_up(node: _Node) -> tuple[int | None, int | None]:
    """Orders the children, fills `subtree` from below; returns the first start and the last end in the subtree."""
    first, last, total = node.start, node.end if node.end is not None else node.start, node.own
    for child in node.children:
        start, end = _sum_up(child)
        first = start if first is None else first if start is None else min(first, start)
        last = end if last is None else last if end is None else max(last, end)
        if child.subtree.requests:
            total = total + child.subtree
    node.children.sort(key=_place)
    node.subtree = total
    node.fields["subtree_duration_ms"] = _between(first, last)
    return first, last


def _place(node: _Node) -> tuple[bool, int, int, str]:
    start = node.start if node.start is not None else node.end
    return start is None, start or 0, node.seq, node.key


def _frozen(node: _Node, depth: int, total_pusd: int, percent: int, is_told: bool) -> SpanNode:
    """`is_told`: a node above is flagged, so that this one costs much is no news."""
    is_flagged = depth > 0 and not is_told and 0 < percent * total_pusd < node.subtree.cost_pusd * 100
    return SpanNode(
        key=node.key, kind=node.kind, depth=depth, seq=node.seq if node.seq >= 0 else None,
        started_at_ms=node.start, ended_at_ms=node.end, own=node.own, subtree=node.subtree,
        cost_share=node.subtree.cost_pusd / total_pusd if total_pusd > 0 else None, is_flagged=is_flagged,
        children=tuple(_frozen(c, depth + 1, total_pusd, percent, is_told or is_flagged) for c in node.children),
        **node.fields,  # type: ignore[arg-type]  # the fields a kind has beside the common ones
    )  # fmt: skip


def _between(start: int | None, end: int | None) -> int | None:
    return None if start is None or end is None else max(0, end - start)
