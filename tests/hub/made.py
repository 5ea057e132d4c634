"""Items and batches for the hub's tests, and a hub in this process."""

import uuid
from typing import Any

import msgspec
from blake3 import blake3

from kaizen.hub import accept
from kaizen.hub.item_rules import Rules
from kaizen.hub.store.protocol import Batch
from kaizen.wire.ingest import KINDS

NOW = 1_790_000_000_000
TEAM = "acme"


def hashed(name: object) -> str:
    return f"blake3:{blake3(str(name).encode()).hexdigest()}"


WORKSPACE = hashed("workspace")


def event(seq: int = 0, session: str = "s", **more: Any) -> dict[str, Any]:
    return {"session_id_hash": hashed(session), "event_seq": seq, "ts_ms": NOW - 60_000 + seq, "agent": "claude",
            "model": "claude-opus-4", "kind": "message", "source": "tail", **more}  # fmt: skip


def cost(seq: int = 0, session: str = "s", **more: Any) -> dict[str, Any]:
    used = {"tokens_in": 10, "tokens_out": 20, "reasoning_tokens": 5, "cache_read_tokens": 100,
            "cache_creation_tokens": 30, "cache_creation_1h_tokens": 7, "cost_pusd": 1_500_000}  # fmt: skip
    return event(seq, session, kind="cost", **{**used, **more})


def span(name: str = "p", session: str = "s", **more: Any) -> dict[str, Any]:
    return {"session_id_hash": hashed(session), "span_id_hash": hashed(name), "tool": "Bash", "status": "done",
            "started_at_ms": NOW - 50_000, "ended_at_ms": NOW - 40_000, "lead_time_ms": 3, "tokens_in": None,
            "tokens_out": None, "reasoning_tokens": None, "cost_usd_e6": None, "path_hashes": [hashed("f")],
            **more}  # fmt: skip


def session(name: str = "s", **more: Any) -> dict[str, Any]:
    return {"session_id_hash": hashed(name), "agent": "claude", "started_at_ms": NOW - 100_000, "status": "running",
            **more}  # fmt: skip


def chunk(index: int = 0, total: int = 1, name: str = "snap", **more: Any) -> dict[str, Any]:
    return {"snapshot_id_hash": hashed(name), "commit_hash": None, "indexed_at_ms": NOW - 1000, "dirty": False,
            "chunk_index": index, "chunk_total": total, "file_facts": [], "edges": [], **more}  # fmt: skip


def facts(*skills: str, **more: Any) -> dict[str, Any]:
    return {"skill_slugs": [hashed(one) for one in skills], "rule_slugs": [], **more}


def evaluation(name: str = "e", **more: Any) -> dict[str, Any]:
    return {"eval_id_hash": hashed(name), "session_id_hash": hashed("s"), "judge_model": "m", "rubric_id": "r",
            "score": 0.5, "flagged": False, "created_at_ms": NOW - 1000, **more}  # fmt: skip


def feedback(name: str = "f", **more: Any) -> dict[str, Any]:
    return {"feedback_id_hash": hashed(name), "session_id_hash": hashed("s"), "score": 3, "label": None,
            "created_at_ms": NOW - 1000, **more}  # fmt: skip


MAKE = {
    "sessions": session,
    "events": event,
    "tool_spans": span,
    "session_feedback": feedback,
    "session_evals": evaluation,
    "workspace_facts": lambda **more: facts("a", **more),
    "repo_snapshots": lambda **more: chunk(**more),
}


def body(kind: str, *items: Any, team: str = TEAM, workspace: str = WORKSPACE, **more: Any) -> bytes:
    said = {"team_id": team, "workspace_hash": workspace, "project_name": "shop", **more}
    return msgspec.json.encode({**said, KINDS[kind].list_name: list(items)})


def batch(kind: str, *items: Any, key: str | None = None, now_ms: int = NOW, is_partial: bool = False,
          workspace: str = WORKSPACE) -> Batch:  # fmt: skip
    text = body(kind, *items, workspace=workspace)
    taken = accept.batch(KINDS[kind], text, Rules(now_ms, allows_free_text=True))
    return Batch(KINDS[kind].path, kind, KINDS[kind].list_name, key or str(uuid.uuid4()), blake3(text).digest(),
                 taken.envelope, taken.entries, taken.received, taken.rejected, is_partial)  # fmt: skip
