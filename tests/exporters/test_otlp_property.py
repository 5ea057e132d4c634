"""Whatever a valid item says, what is made of it is valid OTLP."""

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from kaizen.wire.ingest import MAX_INT, Item, Turn
from kaizen.wire.otlp import Ids, Style, spans
from kaizen.wire.otlp_metrics import added, metrics_request, points
from kaizen.wire.otlp_proto import resource, traces_request

from .made import SALT, cost, hashed, session, tool

NUMBER = st.one_of(st.integers(0, 10_000), st.integers(0, MAX_INT))
MAYBE = st.none() | NUMBER
TEXT = st.text(max_size=20)
COSTS = st.builds(cost, NUMBER, ts_ms=NUMBER, latency_ms=MAYBE, ttft_ms=MAYBE, tokens_in=MAYBE, tokens_out=MAYBE,
                  cache_read_tokens=MAYBE, reasoning_tokens=MAYBE,
                  cost_usd_e6=st.none() | st.integers(-MAX_INT, MAX_INT), turn=MAYBE, model=TEXT,
                  stop_reason=st.none() | TEXT, is_void=st.booleans())
TOOLS = st.builds(tool, st.sampled_from("abc"), started_at_ms=MAYBE, ended_at_ms=MAYBE, lead_time_ms=MAYBE, turn=MAYBE,
                  status=st.sampled_from(["ok", "error", "open", "lost"]), tool=st.none() | TEXT,
                  parent_span_id_hash=st.none() | st.just(hashed("a")))
TURNS = st.builds(Turn, turn=NUMBER, started_at_ms=NUMBER, ended_at_ms=NUMBER, tokens_in=MAYBE)
SESSIONS = st.builds(session, started_at_ms=NUMBER, ended_at_ms=MAYBE, turns=st.none() | st.lists(TURNS, max_size=3))
ITEMS = st.lists(COSTS | TOOLS | SESSIONS, max_size=6)
IDS = {how: Ids(SALT, how) for how in ("turn", "session")}  # type: ignore[arg-type]


@settings(max_examples=40)
@given(ITEMS, st.sampled_from(["turn", "session"]), st.sampled_from([(), ("openinference", "langfuse")]))
def test_spans_are_valid(items: list[Item], how: str, compat: tuple[str, ...]) -> None:
    made = spans(items, IDS[how], Style(compat=compat))  # type: ignore[arg-type]
    body = traces_request(made.spans, resource({}), "genai-2026", "1")
    (group,) = ExportTraceServiceRequest.FromString(body).resource_spans
    for span in group.scope_spans[0].spans:
        assert (len(span.trace_id), len(span.span_id)) == (16, 8)
        assert span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.span_id != span.parent_span_id or span.name.startswith("execute_tool")
        assert len({pair.key for pair in span.attributes}) == len(span.attributes)


@settings(max_examples=40)
@given(ITEMS, ITEMS)
def test_sums_in_pieces_are_sums_at_once(first: list[Item], second: list[Item]) -> None:
    whole, pieces = points([*first, *second]), added(points(first), points(second))
    assert {key: (one.count, one.buckets) for key, one in whole.items()} == {
        key: (one.count, one.buckets) for key, one in pieces.items()}
    request = ExportMetricsServiceRequest.FromString(metrics_request(whole, resource({}), "genai-2026", "1"))
    for metric in request.resource_metrics[0].scope_metrics[0].metrics:
        for bar in metric.histogram.data_points:
            assert sum(bar.bucket_counts) == bar.count
            assert len(bar.bucket_counts) == len(bar.explicit_bounds) + 1
            assert bar.start_time_unix_nano <= bar.time_unix_nano
