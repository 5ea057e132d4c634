"""What a receiver's answer to an OTLP request means. Pure."""

from importlib import import_module
from typing import Any

import msgspec

from kaizen.exporters.http import Answer, Outcome, result
from kaizen.exporters.otlp_settings import Signal
from kaizen.wire.sink import Done, Result

# Exactly those that the protocol calls retryable.
LATER = frozenset({429, 502, 503, 504})
NOT_HERE = frozenset({404, 405, 501})
_REJECTED = {"traces": "rejected_spans", "metrics": "rejected_data_points", "logs": "rejected_log_records"}


def meaning(signal: Signal, outcome: Outcome, now_ms: int) -> Result:
    found = result(outcome, retry=LATER, now_s=now_ms / 1000)
    if isinstance(found, Done) and isinstance(outcome, Answer):
        return Done(*_rejected(signal, outcome.content_type, outcome.body))
    return found


def is_unknown(outcome: Outcome) -> bool:
    """The destination has no such signal."""
    return isinstance(outcome, Answer) and outcome.status in NOT_HERE


class _Partial(msgspec.Struct, frozen=True, rename="camel"):
    rejected_spans: int = 0
    rejected_data_points: int = 0
    rejected_log_records: int = 0
    error_message: str = ""


class _Answer(msgspec.Struct, frozen=True, rename="camel"):
    partial_success: _Partial = _Partial()


_json = msgspec.json.Decoder(_Answer, strict=False).decode


def _rejected(signal: Signal, content_type: str, body: bytes) -> tuple[int, str]:
    """(how many, why). An answer that cannot be read rejected nothing: it was a 200."""
    if "json" in content_type:
        try:
            partial: Any = _json(body).partial_success
        except (msgspec.DecodeError, UnicodeDecodeError):
            return 0, ""
    else:
        partial = _protobuf(signal, body)
    if partial is None:
        return 0, ""
    return max(getattr(partial, _REJECTED[signal]), 0), str(partial.error_message)[:200]


def _protobuf(signal: Signal, body: bytes) -> Any:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    kinds: dict[str, Any] = {
        "traces": ExportTraceServiceResponse, "metrics": ExportMetricsServiceResponse,
        "logs": ExportLogsServiceResponse}  # fmt: skip
    # Comes without types.
    decode_error = import_module("google.protobuf.message").DecodeError
    try:
        return kinds[signal].FromString(body).partial_success
    except decode_error:
        return None
