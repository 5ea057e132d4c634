"""Plain values -> the protocol's messages: attributes, times, and requests around what was made."""

from collections.abc import Iterable, Mapping, Sequence

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, ResourceMetrics, ScopeMetrics
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from kaizen.wire.genai import OLDER_NAMES, SCHEMA_URLS, Semconv

MAX_MS = 2**63 // 1_000_000

Value = str | bool | int | float | Sequence[str]
Attributes = dict[str, Value]


def traces_request(spans: Iterable[Span], resource: Resource, semconv: Semconv, version: str) -> bytes:
    scope = ScopeSpans(scope=scope_of(version), spans=spans, schema_url=SCHEMA_URLS[semconv])
    request = ExportTraceServiceRequest(resource_spans=[ResourceSpans(resource=resource, scope_spans=[scope])])
    encoded: bytes = request.SerializeToString()
    return encoded


def logs_request(records: Iterable[LogRecord], resource: Resource, semconv: Semconv, version: str) -> bytes:
    scope = ScopeLogs(scope=scope_of(version), log_records=records, schema_url=SCHEMA_URLS[semconv])
    request = ExportLogsServiceRequest(resource_logs=[ResourceLogs(resource=resource, scope_logs=[scope])])
    encoded: bytes = request.SerializeToString()
    return encoded


def metrics_message(metrics: Iterable[Metric], resource: Resource, semconv: Semconv, version: str) -> bytes:
    scope = ScopeMetrics(scope=scope_of(version), metrics=metrics, schema_url=SCHEMA_URLS[semconv])
    request = ExportMetricsServiceRequest(resource_metrics=[ResourceMetrics(resource=resource, scope_metrics=[scope])])
    encoded: bytes = request.SerializeToString()
    return encoded


def scope_of(version: str) -> InstrumentationScope:
    return InstrumentationScope(name="kaizen", version=version)


def nanos(ms: int) -> int:
    """A time as the protocol wants it. What no clock shows becomes the nearest time there is, not an error."""
    return min(max(0, ms), MAX_MS) * 1_000_000


def resource(attributes: Mapping[str, Value]) -> Resource:
    return Resource(attributes=pairs(attributes))


def pairs(attributes: Mapping[str, Value]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_any(value)) for key, value in sorted(attributes.items())]


def _any(value: Value) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, str):
        return AnyValue(string_value=value)
    return AnyValue(array_value=ArrayValue(values=[_any(one) for one in value]))


def as_named(attributes: Mapping[str, Value], semconv: Semconv) -> Attributes:
    if semconv == "genai-2026":
        return dict(attributes)
    return {new: value for name, value in attributes.items() if (new := OLDER_NAMES.get(name, name))}
