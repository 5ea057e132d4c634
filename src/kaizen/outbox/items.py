"""Rows of the store -> items of the contract, with nothing in them that the redactor does not let through. Pure."""

from collections.abc import Mapping
from typing import Any

from kaizen.model.status import status_at
from kaizen.redact import schema
from kaizen.redact.hashes import Salt
from kaizen.store.outgoing import Event, Session, Span, Sums
from kaizen.wire import ingest

PUSD_PER_E6 = 1_000_000


def event(row: Event, session: Session, payload: Mapping[str, Any], salt: Salt, workspace: str,
          rev: int, turn: int | None = None) -> ingest.Event:
    """`payload` as stored; `text` keys of level `scrubbed` are added by the caller."""
    return ingest.Event(
        rev=rev,
        session_id_hash=salt.hash(session_id(session)),
        event_seq=row.seq,
        ts_ms=max(row.ts_ms, 0),
        agent=schema.agent_name(session.agent),
        model=_model(row.model if row.kind == "cost" else row.model or session.model, salt),
        kind=row.kind,
        source="tail",
        payload=schema.payload(row.kind, row.role, row.tool, payload, salt, workspace),
        tool=None if row.tool is None else schema.tool_name(row.tool, salt),
        tool_call_id=None if row.call_id is None else schema.call_id(row.call_id, salt),
        tokens_in=row.input_tokens,
        tokens_out=row.output_tokens,
        reasoning_tokens=row.reasoning_tokens,
        cost_usd_e6=None if row.cost_pusd is None else rounded(row.cost_pusd),
        cost_pusd=row.cost_pusd,
        cache_creation_tokens=row.cache_write_tokens,
        cache_creation_1h_tokens=row.cache_write_1h_tokens,
        cache_read_tokens=row.cache_read_tokens,
        stop_reason=None if row.stop_reason is None else schema.stop_reason(row.stop_reason),
        latency_ms=_count(row.latency_ms),
        ttft_ms=_count(row.ttft_ms),
        retry_count=_count(row.retry_count),
        context_max_tokens=_count(row.context_max_tokens),
        ts_exact=bool(row.ts_exact),
        turn=turn,
        is_void=row.duplicate_of is not None,
    )


def void(session: Session, seq: int, salt: Salt, rev: int) -> ingest.Event:
    """For a place where an event no longer is."""
    return ingest.Event(
        rev=rev, session_id_hash=salt.hash(session_id(session)), event_seq=seq, ts_ms=0,
        agent=schema.agent_name(session.agent), kind="cost", source="tail", payload={}, is_void=True)  # fmt: skip


def session_item(row: Session, sums: Sums, salt: Salt, rev: int, now_ms: int) -> ingest.Session:
    """`now_ms` decides whether a session that said nothing of its end is over."""
    status, _ = status_at(row.status, row.ended_at_ms, now_ms)  # type: ignore[arg-type]
    return ingest.Session(
        rev=rev,
        session_id_hash=salt.hash(session_id(row)),
        agent=schema.agent_name(row.agent),
        model=None if row.model is None else schema.model_name(row.model, salt),
        started_at_ms=max(row.started_at_ms or 0, 0),
        ended_at_ms=_count(row.ended_at_ms),
        status=status,
        parent_session_id_hash=None if row.parent_host_id is None else salt.hash(f"{row.agent}:{row.parent_host_id}"),
        branch_hash=None if row.branch is None else salt.hash(f"branch:{row.branch}"),
        agent_version=_version(row.agent_version),
        event_count=row.events,
        tokens_in=sums.input_tokens,
        tokens_out=sums.output_tokens,
        cost_usd_e6=rounded(sums.cost_pusd),
        prompts=row.prompts,
        tool_calls=row.tool_calls,
        errors=row.errors,
    )


def span(row: Span, session: Session, salt: Salt, rev: int) -> ingest.ToolSpan:
    return ingest.ToolSpan(
        rev=rev,
        session_id_hash=salt.hash(session_id(session)),
        span_id_hash=salt.hash(f"{session_id(session)}/{row.seq}"),
        tool=None if row.tool is None else schema.tool_name(row.tool, salt),
        status=row.status,
        started_at_ms=_count(row.started_at_ms),
        ended_at_ms=_count(row.ended_at_ms),
        lead_time_ms=_count(row.lead_time_ms),
        tokens_in=None,
        tokens_out=None,
        reasoning_tokens=None,
        cost_usd_e6=None,
        path_hashes=[],
        turn=row.turn,
        event_seq=row.seq,
    )


def facts(guidance: list[tuple[str, str]], salt: Salt, rev: int) -> ingest.WorkspaceFact:
    return ingest.WorkspaceFact(
        rev=rev,
        skill_slugs=[salt.hash(f"slug:{name}") for kind, name in guidance if kind == "skill"],
        rule_slugs=[salt.hash(f"rule:{name}") for kind, name in guidance if kind == "rule"],
    )


def session_id(session: Session) -> str:
    """With the agent: two agents may use the same id, and a hub must not take their sessions for one."""
    return f"{session.agent}:{session.host_id}"


def rounded(pusd: int) -> int:
    """Micro-dollars, half up."""
    return (pusd + PUSD_PER_E6 // 2) // PUSD_PER_E6


def _model(model: str | None, salt: Salt) -> str:
    return schema.model_name(model or None, salt) or "unknown"


def _count(value: int | None) -> int | None:
    return None if value is None or value < 0 else value


def _version(text: str | None) -> str | None:
    """Digits and dots say nothing about anybody; whatever follows them might."""
    if text is None:
        return None
    head = ""
    for char in text[:32]:
        if not (char.isascii() and (char.isdigit() or char == ".")):
            break
        head += char
    return head.strip(".") or None
