"""Evaluations and feedback -> log records that are events `gen_ai.evaluation.result`. Pure.

A score is of a session. With one trace per session the record names its root; with one per turn, the root of the last
turn that this sink has seen, if any: else it is found by `gen_ai.conversation.id` alone.
"""

from collections.abc import Iterable

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs, SeverityNumber
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from kaizen.exporters.otlp_turns import Memory
from kaizen.exporters.otlp_words import SCHEMA_URL, Ids, Value, attributes, nanos, scope
from kaizen.wire.ingest import Evaluation, Feedback, Item

EVENT = "gen_ai.evaluation.result"


def records(items: Iterable[Item], ids: Ids, memory: Memory, now_ms: int) -> list[LogRecord]:
    """No text of a judge or a person: `rationale` and `note` stay out."""
    made = []
    for item in items:
        if isinstance(item, Evaluation):
            made.append(_record(item.session_id_hash, item.created_at_ms, ids, memory, now_ms, {
                "gen_ai.evaluation.name": item.rubric_id,
                "gen_ai.evaluation.score.value": float(item.score),
                "gen_ai.evaluation.score.label": "flagged" if item.flagged else "ok",
                "kaizen.evaluation.id": ids.word(item.eval_id_hash),
                "kaizen.evaluation.judge_model": item.judge_model,
            }))
        elif isinstance(item, Feedback):
            made.append(_record(item.session_id_hash, item.created_at_ms, ids, memory, now_ms, {
                "gen_ai.evaluation.name": "user_feedback",
                "gen_ai.evaluation.score.value": None if item.score is None else float(item.score),
                "gen_ai.evaluation.score.label": item.label,
                "kaizen.evaluation.id": ids.word(item.feedback_id_hash),
            }))
    return made


def request(made: list[LogRecord], resource: Resource) -> ExportLogsServiceRequest | None:
    if not made:
        return None
    scoped = ScopeLogs(scope=scope(), log_records=made, schema_url=SCHEMA_URL)
    return ExportLogsServiceRequest(
        resource_logs=[ResourceLogs(resource=resource, scope_logs=[scoped], schema_url=SCHEMA_URL)])


def _record(session: str, ts_ms: int, ids: Ids, memory: Memory, now_ms: int, about: dict[str, Value | None],
            ) -> LogRecord:
    record = LogRecord(
        time_unix_nano=nanos(ts_ms), observed_time_unix_nano=nanos(now_ms), event_name=EVENT,
        severity_number=SeverityNumber.SEVERITY_NUMBER_INFO,
        attributes=attributes({**about, "gen_ai.conversation.id": session, "session.id": session}))
    turn = None if ids.is_per_session else memory.last_turn(session)
    if ids.is_per_session or turn is not None:
        record.trace_id, record.span_id = ids.trace(session, turn), ids.root(session, turn)
    return record
