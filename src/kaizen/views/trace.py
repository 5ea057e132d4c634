"""One session as a flat trace: the session, its turns, requests and tools, as an observability tool wants it."""

from collections.abc import Iterator

import msgspec

from kaizen.views.session import Node

KINDS = {"session": "session", "turn": "step", "request": "llm", "tool": "tool", "subagent": "agent"}


class TraceSpan(msgspec.Struct):
    span_id: str
    parent_span_id: str | None
    kind: str
    name: str
    status: str | None
    depth: int
    started_at_ms: int | None
    ended_at_ms: int | None
    duration_ms: int | None
    cost_usd_e6: int | None


def trace(root: Node) -> list[TraceSpan]:
    """Each node before its children; ids are places in the tree (`0`, `0.1`, `0.1.3`), stable while it grows."""
    return list(_flat(root, "0", None))


def _flat(node: Node, span_id: str, parent: str | None) -> Iterator[TraceSpan]:
    duration = node.duration_ms if node.duration_ms is not None else node.subtree_duration_ms
    yield TraceSpan(
        span_id,
        parent,
        KINDS[node.kind],
        node.name,
        node.status,
        node.depth,
        node.started_at_ms,
        node.ended_at_ms,
        duration,
        node.cost_usd_e6,
    )
    for number, child in enumerate(node.children):
        yield from _flat(child, f"{span_id}.{number}", span_id)
