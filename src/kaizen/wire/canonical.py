"""How an item is called and dated outside a hub: schema version 1 of what exporters write."""

from collections.abc import Iterator
from typing import Any

import msgspec

from kaizen.wire import ingest
from kaizen.wire.ingest import Item
from kaizen.wire.sink import Batch

SCHEMA_VERSION = 1


class Name(msgspec.Struct, frozen=True):
    """`name` of an item, `tag` under which services list it, `field` that holds it in a record."""

    name: str
    tag: str
    field: str


NAMES = {
    "sessions": Name("session", "kaizen.session", "session"),
    "events": Name("event", "kaizen.event", "event"),
    "tool_spans": Name("tool_span", "kaizen.tool_span", "span"),
    "session_feedback": Name("feedback", "kaizen.feedback", "feedback"),
    "session_evals": Name("evaluation", "kaizen.evaluation", "evaluation"),
    "workspace_facts": Name("workspace_fact_snapshot", "kaizen.workspace_fact_snapshot", "payload"),
    "repo_snapshots": Name("repo_snapshot_chunk", "kaizen.repo_snapshot_chunk", "chunk"),
}


def records(batch: Batch) -> Iterator[dict[str, Any]]:
    """One plain JSON object an item, all that is known of it."""
    name = NAMES[batch.kind]
    envelope = {"kaizen_schema_version": SCHEMA_VERSION, **msgspec.to_builtins(batch.envelope)}
    for id, item in zip(batch.ids, batch.items, strict=True):
        yield {"kind": name.name, "id": id, "envelope": envelope, name.field: msgspec.to_builtins(item)}


def ts_ms(item: Item, now_ms: int) -> int:
    """When the fact was. Facts about a workspace have no time of their own: `now_ms`."""
    match item:
        case ingest.Event():
            return item.ts_ms
        case ingest.ToolSpan():
            return next((ms for ms in (item.started_at_ms, item.ended_at_ms) if ms is not None), now_ms)
        case ingest.Session():
            return item.started_at_ms
        case ingest.Feedback() | ingest.Evaluation():
            return item.created_at_ms
        case ingest.SnapshotChunk():
            return item.indexed_at_ms
        case _:
            return now_ms
