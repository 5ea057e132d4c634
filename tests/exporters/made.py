"""Items and batches to send, and sinks to send them with."""

import asyncio
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from kaizen.exporters import open_sinks
from kaizen.wire import ingest
from kaizen.wire.ingest import KINDS, Envelope, Event, Item, Session, ToolSpan
from kaizen.wire.sink import Batch, Result, Sink

T0 = 1_790_000_000_000
SALT = bytes(range(32))
ENVELOPE = Envelope(team_id="team", workspace_hash="blake3:" + "0a" * 32, redaction="metrics/1")


def hashed(name: str) -> str:
    return "blake3:" + name.encode().hex().rjust(64, "0")


def cost(seq: int = 4, **given: Any) -> Event:
    return Event(**{
        "session_id_hash": hashed("s1"), "event_seq": seq, "ts_ms": T0 + 5_000, "agent": "claude",
        "model": "claude-opus-4-8", "kind": "cost", "source": "tail", "tokens_in": 100, "tokens_out": 40,
        "cache_read_tokens": 1_000, "cache_creation_tokens": 20, "cost_usd_e6": 12_345, "latency_ms": 2_000,
        "ttft_ms": 350, "stop_reason": "tool_use", "turn": 1, **given,
    })


def tool(name: str = "t1", **given: Any) -> ToolSpan:
    return ToolSpan(**{
        "session_id_hash": hashed("s1"), "span_id_hash": hashed(name), "tool": "Bash", "status": "ok",
        "started_at_ms": T0 + 5_100, "ended_at_ms": T0 + 6_100, "lead_time_ms": 1_000, "tokens_in": None,
        "tokens_out": None, "reasoning_tokens": None, "cost_usd_e6": None, "path_hashes": [hashed("p")], "turn": 1,
        **given,
    })


def session(**given: Any) -> Session:
    return Session(**{
        "session_id_hash": hashed("s1"), "agent": "claude", "model": "claude-opus-4-8", "started_at_ms": T0,
        "ended_at_ms": T0 + 60_000, "status": "done", "agent_version": "2.1.0", "prompts": 2, **given,
    })


def every_item() -> dict[str, Item]:
    return {
        "sessions": session(),
        "events": cost(),
        "tool_spans": tool(),
        "session_feedback": ingest.Feedback(feedback_id_hash=hashed("f"), session_id_hash=hashed("s1"), score=4,
                                            label="good", created_at_ms=T0),
        "session_evals": ingest.Evaluation(eval_id_hash=hashed("e"), session_id_hash=hashed("s1"), judge_model="m",
                                           rubric_id="tool-efficiency-v1", score=0.75, flagged=False, created_at_ms=T0),
        "workspace_facts": ingest.WorkspaceFact(skill_slugs=[hashed("skill")]),
        "repo_snapshots": ingest.SnapshotChunk(snapshot_id_hash=hashed("r"), commit_hash=None, indexed_at_ms=T0,
                                               dirty=False, chunk_index=0, chunk_total=1, file_facts=[], edges=[]),
    }


def batch(*items: Item, kind: str | None = None, now_ms: int = T0 + 60_000, batch_id: str = "b-1",
          envelope: Envelope = ENVELOPE) -> Batch:
    kind = kind or next(one.name for one in KINDS.values() if isinstance(items[0], one.item))
    encoded = [msgspec.json.encode(item) for item in items]
    ids = [str(uuid.uuid5(uuid.NAMESPACE_OID, f"{kind}{number}")) for number in range(len(items))]
    body = ingest.body(msgspec.json.encode(envelope), KINDS[kind].list_name, encoded)
    return Batch(batch_id, kind, envelope, items, ids, body, now_ms)


def opened(home: Path, *tables: Mapping[str, Any], env: Mapping[str, str] | None = None) -> list[Sink]:
    sinks, problems = open_sinks(tables, env or {}, str(home), SALT)
    assert problems == []
    return sinks


def sent(home: Path, table: Mapping[str, Any], *batches: Batch, env: Mapping[str, str] | None = None) -> list[Result]:
    """What one sink answers to each batch."""

    async def run() -> list[Result]:
        (sink,) = opened(home, table, env=env)
        try:
            return [await sink.send(one) for one in batches]
        finally:
            await sink.close()

    return asyncio.run(run())


def asked(home: Path, table: Mapping[str, Any], env: Mapping[str, str] | None = None) -> Any:
    async def run() -> Any:
        (sink,) = opened(home, table, env=env)
        try:
            return await sink.health()
        finally:
            await sink.close()

    return asyncio.run(run())


def problem(home: Path, table: Mapping[str, Any], env: Mapping[str, str] | None = None) -> str:
    sinks, problems = open_sinks([table], env or {}, str(home), SALT)
    assert sinks == []
    (one,) = problems
    return f"{one.message} {one.hint}"
