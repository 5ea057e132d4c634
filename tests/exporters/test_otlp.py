"""A backend decodes what we send with the protocol's own classes, and the spans of a turn form a tree."""

import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from kaizen.wire.genai import provider
from kaizen.wire.ingest import Envelope, Item, Turn
from kaizen.wire.sink import Again, Done, Refused
from loopback import Received, Reply, Server, reply

from .genai_names import ATTRIBUTES_1_36, ATTRIBUTES_2026, DOUBLES, INTS, METRICS
from .made import ENVELOPE, SALT, T0, asked, batch, cost, every_item, hashed, problem, sent, session, tool

MS = 1_000_000
TURN = Turn(turn=1, started_at_ms=T0 + 1_000, ended_at_ms=T0 + 9_000, requests=1, tool_calls=1, errors=0, tokens_in=100,
            tokens_out=40, cache_read_tokens=1_000, cache_creation_tokens=20, cost_usd_e6=12_345)


def plain(value: AnyValue) -> Any:
    field = value.WhichOneof("value")
    found = getattr(value, str(field))
    return [plain(one) for one in found.values] if field == "array_value" else found


def attributes(pairs: Sequence[KeyValue]) -> dict[str, Any]:
    found = {pair.key: plain(pair.value) for pair in pairs}
    assert len(found) == len(pairs), "a name twice"
    return found


def decoded(one: Received) -> Any:
    kind = {"/v1/traces": ExportTraceServiceRequest, "/v1/metrics": ExportMetricsServiceRequest,
            "/v1/logs": ExportLogsServiceRequest}[one.path]
    return kind.FromString(one.body)


def spans(server: Server, path: str = "/v1/traces") -> list[Span]:
    found = []
    for one in server.received:
        if one.path == path:
            for resource in ExportTraceServiceRequest.FromString(one.body).resource_spans:
                for scope in resource.scope_spans:
                    found.extend(scope.spans)
    for span in found:
        assert len(span.trace_id) == 16 and any(span.trace_id)
        assert len(span.span_id) == 8 and any(span.span_id)
        assert len(span.parent_span_id) in (0, 8)
        assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano
    return found


def metrics(server: Server) -> dict[str, Any]:
    """The last request's."""
    request = [decoded(one) for one in server.received if one.path == "/v1/metrics"][-1]
    return {one.name: one for one in request.resource_metrics[0].scope_metrics[0].metrics}


def exported(server: Server, home: Path, *items: Item, **row: Any) -> list[Span]:
    batches = [batch(item, batch_id=f"b{number}") for number, item in enumerate(items)]
    assert set(sent(home, {"type": "otlp", "endpoint": server.url, **row}, *batches)) == {Done()}
    return spans(server)


def test_a_turn_is_a_tree_although_its_parts_come_apart(server: Server, tmp_path: Path) -> None:
    inner = tool("t2", parent_span_id_hash=hashed("t1"), tool="mcp:1234:search", status="error")
    chat, outer, below, root = exported(server, tmp_path, cost(), tool(), inner, session(turns=[TURN]))
    assert [one.name for one in (chat, outer, below, root)] == [
        "chat claude-opus-4-8", "execute_tool Bash", "execute_tool mcp:1234:search", "invoke_agent claude"]
    assert len({one.trace_id for one in (chat, outer, below, root)}) == 1
    assert root.parent_span_id == b""
    assert {chat.parent_span_id, outer.parent_span_id} == {root.span_id}
    assert below.parent_span_id == outer.span_id
    assert [one.kind for one in (chat, outer, root)] == [Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_INTERNAL,
                                                         Span.SPAN_KIND_INTERNAL]
    assert (chat.start_time_unix_nano, chat.end_time_unix_nano) == ((T0 + 3_000) * MS, (T0 + 5_000) * MS)
    assert (outer.start_time_unix_nano, outer.end_time_unix_nano) == ((T0 + 5_100) * MS, (T0 + 6_100) * MS)
    for child in (chat, outer, below):
        assert root.start_time_unix_nano <= child.start_time_unix_nano
        assert child.end_time_unix_nano <= root.end_time_unix_nano
    assert [one.status.code for one in (chat, outer, below, root)] == [0, 0, 2, 0]


def test_what_spans_say(server: Server, tmp_path: Path) -> None:
    chat, ran, root = (attributes(one.attributes) for one in exported(
        server, tmp_path, cost(reasoning_tokens=7, ts_exact=False, context_used_tokens=5, retry_count=0), tool(),
        session(turns=[TURN])))
    shared = {"gen_ai.conversation.id": hashed("s1"), "session.id": hashed("s1"), "kaizen.turn.index": 1}
    assert chat == {
        **shared, "gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude-opus-4-8", "gen_ai.response.model": "claude-opus-4-8",
        "gen_ai.response.finish_reasons": ["tool_use"], "gen_ai.request.stream": True,
        "gen_ai.response.time_to_first_chunk": 0.35, "gen_ai.usage.input_tokens": 1_120,
        "gen_ai.usage.output_tokens": 40, "gen_ai.usage.cache_read.input_tokens": 1_000,
        "gen_ai.usage.cache_creation.input_tokens": 20, "gen_ai.usage.reasoning.output_tokens": 7,
        "kaizen.cost_usd": 0.012345, "kaizen.context.used_tokens": 5, "kaizen.retry_count": 0,
        "kaizen.agent": "claude", "kaizen.ts_exact": False,
    }
    assert ran == {
        **shared, "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "Bash", "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": hashed("t1"), "kaizen.tool.status": "ok", "kaizen.path_count": 1,
        "kaizen.lead_time_ms": 1_000,
    }
    assert root == {
        **shared, "gen_ai.operation.name": "invoke_agent", "gen_ai.provider.name": "anthropic",
        "gen_ai.agent.name": "claude", "gen_ai.agent.version": "2.1.0", "gen_ai.request.model": "claude-opus-4-8",
        "gen_ai.usage.input_tokens": 1_120, "gen_ai.usage.output_tokens": 40,
        "gen_ai.usage.cache_read.input_tokens": 1_000, "gen_ai.usage.cache_creation.input_tokens": 20,
        "kaizen.cost_usd": 0.012345, "kaizen.requests": 1, "kaizen.tool_calls": 1, "kaizen.errors": 0,
    }


@pytest.mark.parametrize(("semconv", "known"), [("genai-2026", ATTRIBUTES_2026), ("genai-1.36", ATTRIBUTES_1_36)])
def test_every_name_and_type_is_in_the_conventions(
    semconv: str, known: set[str], server: Server, tmp_path: Path
) -> None:
    items = [*every_item().values(), cost(reasoning_tokens=1), tool(tool="mcp:a:b"), session(turns=[TURN])]
    items = [item for item in items if batch(item).kind not in ("workspace_facts", "repo_snapshots")]
    exported(server, tmp_path, *items, semconv=semconv)
    pairs: list[KeyValue] = []
    for one in map(decoded, server.received):
        for resource in (*getattr(one, "resource_spans", ()), *getattr(one, "resource_metrics", ()),
                         *getattr(one, "resource_logs", ())):
            for scope in (*getattr(resource, "scope_spans", ()), *getattr(resource, "scope_metrics", ()),
                          *getattr(resource, "scope_logs", ())):
                assert scope.scope.name == "kaizen" and scope.schema_url.startswith("https://opentelemetry.io/schemas/")
                for found in (*getattr(scope, "spans", ()), *getattr(scope, "log_records", ())):
                    pairs += found.attributes
                for metric in getattr(scope, "metrics", ()):
                    assert metric.name in METRICS | {"kaizen.cost"}
                    for point in getattr(metric, metric.WhichOneof("data")).data_points:
                        pairs += point.attributes
    used = {pair.key for pair in pairs if pair.key.startswith("gen_ai.")}
    assert used - known == set()
    assert len(used) > 12
    for pair in pairs:
        kind = pair.value.WhichOneof("value")
        if pair.key.startswith("gen_ai."):
            expected = ("double_value" if pair.key in DOUBLES else "int_value" if pair.key in INTS else
                        "array_value" if pair.key.endswith("finish_reasons") else
                        "bool_value" if pair.key.endswith("stream") else "string_value")
            assert (pair.key, kind) == (pair.key, expected)


def test_ids_are_the_same_whenever_and_wherever(server: Server, tmp_path: Path) -> None:
    one, other = exported(server, tmp_path, cost(), cost())
    assert (one.trace_id, one.span_id) == (other.trace_id, other.span_id)
    key = blake3(SALT, derive_key_context="otlp trace v1").digest()
    assert one.trace_id == blake3(f"{hashed('s1')}|1".encode(), key=key).digest(16)
    assert one.trace_id.hex() == "41ec37401e30382ed54d39777d4914b0"
    others = exported(server, tmp_path, cost(5), cost(turn=2), cost(session_id_hash=hashed("s2")))[2:]
    assert len({span.span_id for span in (one, *others)}) == 3  # the same event of another turn is the same event
    assert len({span.trace_id for span in (one, *others)}) == 3


def test_turns_are_linked(server: Server, tmp_path: Path) -> None:
    first, second = exported(server, tmp_path, session(turns=[
        TURN, Turn(turn=2, started_at_ms=T0 + 10_000, ended_at_ms=T0 + 20_000)]))
    assert first.trace_id != second.trace_id
    (link,) = second.links
    assert (link.trace_id, link.span_id) == (first.trace_id, first.span_id)


def test_without_turns_a_session_is_one_trace(server: Server, tmp_path: Path) -> None:
    chat, ran, root = exported(server, tmp_path, cost(turn=None), tool(turn=None), session())
    assert chat.parent_span_id == ran.parent_span_id == root.span_id
    assert len({chat.trace_id, ran.trace_id, root.trace_id}) == 1
    assert (root.start_time_unix_nano, root.end_time_unix_nano) == (T0 * MS, (T0 + 60_000) * MS)


def test_a_trace_can_be_a_session(server: Server, tmp_path: Path) -> None:
    one, other, root = exported(server, tmp_path, cost(4, turn=1), cost(9, turn=2),
                                session(turns=[TURN], parent_session_id_hash=hashed("s0")), trace_per="session")
    assert one.trace_id == other.trace_id == root.trace_id
    assert one.parent_span_id == other.parent_span_id == root.span_id
    assert attributes(root.attributes)["kaizen.parent.conversation.id"] == hashed("s0")
    assert len(root.links) == 1


@pytest.mark.parametrize(
    "item",
    [
        cost(is_void=True), cost(kind="message"), tool(status="open", ended_at_ms=None), session(status="running"),
        session(status="running", ended_at_ms=None, turns=[]),
        tool(status="open", started_at_ms=None, ended_at_ms=None),
    ],
    ids=str,
)
def test_what_is_not_ready_or_does_not_count_is_no_span(item: Item, server: Server, tmp_path: Path) -> None:
    assert exported(server, tmp_path, item) == []


def test_odd_times(server: Server, tmp_path: Path) -> None:
    backwards, lost, instant = exported(
        server, tmp_path, tool(started_at_ms=T0 + 9, ended_at_ms=T0), tool(status="lost", ended_at_ms=None),
        cost(latency_ms=None))
    assert backwards.start_time_unix_nano == backwards.end_time_unix_nano == (T0 + 9) * MS
    assert lost.start_time_unix_nano == lost.end_time_unix_nano
    assert instant.start_time_unix_nano == instant.end_time_unix_nano


def test_items_without_any_time_are_counted(server: Server, tmp_path: Path) -> None:
    row = {"type": "otlp", "endpoint": server.url}
    undated = tool("t3", started_at_ms=None, ended_at_ms=None, status="lost", lead_time_ms=None)
    assert sent(tmp_path, row, batch(tool(), undated)) == [Done(1, "1 without any time")]


def test_the_resource_says_who_and_where(server: Server, tmp_path: Path) -> None:
    row = {"type": "otlp", "endpoint": server.url, "signals": ["traces"]}
    named = Envelope(team_id="team", workspace_hash=ENVELOPE.workspace_hash, project_name="api")
    env = {"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=ci,team=a%20b"}
    sent(tmp_path, row, batch(cost()), env=env)
    sent(tmp_path, row, batch(cost(), envelope=named))
    sent(tmp_path, row, batch(cost(), envelope=named), env={"OTEL_SERVICE_NAME": "mine"})
    first, second, third = (attributes(decoded(one).resource_spans[0].resource.attributes) for one in server.received)
    assert [one["service.name"] for one in (first, second, third)] == ["kaizen", "api", "mine"]
    assert first["deployment.environment.name"] == "ci" and first["team"] == "a b"
    assert first["kaizen.workspace_hash"] == ENVELOPE.workspace_hash
    assert "vcs.repository.name" not in first and second["vcs.repository.name"] == "api"
    assert platform.node() not in str(first)


def test_openinference_names(server: Server, tmp_path: Path) -> None:
    chat, ran, root = (attributes(one.attributes) for one in exported(
        server, tmp_path, cost(), tool(), session(turns=[TURN]), compat=["openinference"]))
    assert [one["openinference.span.kind"] for one in (chat, ran, root)] == ["LLM", "TOOL", "AGENT"]
    assert {name: value for name, value in chat.items() if name.startswith("llm.")} == {
        "llm.model_name": "claude-opus-4-8", "llm.provider": "anthropic", "llm.token_count.prompt": 1_120,
        "llm.token_count.completion": 40, "llm.token_count.total": 1_160}
    assert ran["tool.name"] == "Bash"


def test_langfuse_names(server: Server, tmp_path: Path) -> None:
    chat, ran, root = (attributes(one.attributes) for one in exported(
        server, tmp_path, cost(), tool(), session(turns=[TURN]), compat=["langfuse"]))
    assert [one["langfuse.observation.type"] for one in (chat, ran, root)] == ["generation", "tool", "agent"]
    assert {one["langfuse.session.id"] for one in (chat, ran, root)} == {hashed("s1")}
    assert root["langfuse.trace.name"] == "invoke_agent claude"
    assert json.loads(chat["langfuse.observation.cost_details"]) == {"total": 0.012345}


@pytest.mark.parametrize("row", [{"compat": ["langfuse"]}, {"root_sums": False}])
def test_a_backend_that_adds_up_all_spans_gets_every_number_once(
    row: dict[str, Any], server: Server, tmp_path: Path
) -> None:
    whole = session(turns=None, tokens_out=40, cost_usd_e6=12_345)
    chat, root, session_root = (attributes(one.attributes) for one in exported(
        server, tmp_path, cost(), session(turns=[TURN]), whole, **row))
    numbers = {name for name in chat if name.startswith("gen_ai.usage.") or name == "kaizen.cost_usd"}
    assert len(numbers) == 5
    assert numbers & (set(root) | set(session_root)) == set()


def test_metrics_as_delta(server: Server, tmp_path: Path) -> None:
    row = {"type": "otlp", "endpoint": server.url, "temporality": "delta"}
    sent(tmp_path, row, batch(cost(1), cost(2, ts_ms=T0 + 7_000, tokens_out=5)), batch(tool(), batch_id="b-2"))
    first = next(decoded(one) for one in server.received if one.path == "/v1/metrics")
    found = {one.name: one for one in first.resource_metrics[0].scope_metrics[0].metrics}
    usage = {attributes(point.attributes)["gen_ai.token.type"]: point
             for point in found["gen_ai.client.token.usage"].histogram.data_points}
    assert found["gen_ai.client.token.usage"].histogram.aggregation_temporality == 1
    assert (usage["input"].count, usage["input"].sum) == (2, 2_240)
    assert (usage["output"].count, usage["output"].sum, usage["output"].min) == (2, 45, 5)
    assert list(usage["output"].explicit_bounds)[:4] == [1, 4, 16, 64]
    assert [place for place, count in enumerate(usage["output"].bucket_counts) if count] == [2, 3]
    assert usage["input"].start_time_unix_nano == (T0 + 5_000) * MS
    assert usage["input"].time_unix_nano == (T0 + 7_000) * MS
    (money,) = found["kaizen.cost"].sum.data_points
    assert money.as_double == pytest.approx(0.02469) and found["kaizen.cost"].sum.is_monotonic
    (took,) = metrics(server)["gen_ai.execute_tool.duration"].histogram.data_points
    assert took.sum == 1 and took.start_time_unix_nano < took.time_unix_nano
    assert sum(took.bucket_counts) == took.count and len(took.bucket_counts) == len(took.explicit_bounds) + 1


def test_metrics_as_sums_grow_only_when_the_backend_has_them(server: Server, tmp_path: Path) -> None:
    row = {"type": "otlp", "endpoint": server.url, "signals": ["metrics"]}
    server.replies = [reply(), reply(503), reply(), reply()]
    other = Envelope(team_id="team", workspace_hash=hashed("elsewhere"))
    again = batch(cost(2), batch_id="b-2", now_ms=T0 + 70_000)
    found = sent(tmp_path, row, batch(cost(1)), again, again, batch(cost(3), batch_id="b-3", envelope=other))
    assert [type(one) for one in found] == [Done, Again, Done, Done]
    counts, starts = [], []
    for one in map(decoded, server.received):
        (scope,) = one.resource_metrics[0].scope_metrics
        (money,) = [metric for metric in scope.metrics if metric.name == "kaizen.cost"]
        assert money.sum.aggregation_temporality == 2
        counts.append(round(money.sum.data_points[0].as_double / 0.012345))
        starts.append(money.sum.data_points[0].start_time_unix_nano)
    assert counts == [1, 2, 2, 1]
    assert len(set(starts[:3])) == 1


def test_scores_are_log_records(server: Server, tmp_path: Path) -> None:
    items = every_item()
    exported(server, tmp_path, items["session_evals"], items["session_feedback"])
    first, second = (decoded(one).resource_logs[0].scope_logs[0].log_records[0] for one in server.received)
    assert first.event_name == second.event_name == "gen_ai.evaluation.result"
    assert attributes(first.attributes)["gen_ai.evaluation.name"] == "tool-efficiency-v1"
    assert attributes(first.attributes)["gen_ai.evaluation.score.value"] == 0.75
    assert attributes(second.attributes)["gen_ai.evaluation.name"] == "user_feedback"
    assert attributes(second.attributes)["gen_ai.evaluation.score.label"] == "good"


def test_large_batches_are_cut(server: Server, tmp_path: Path) -> None:
    found = sent(tmp_path, {"type": "otlp", "endpoint": server.url, "signals": ["traces"]},
                 batch(*(cost(n) for n in range(1_100))))
    assert found == [Done()]
    sizes = [len(decoded(one).resource_spans[0].scope_spans[0].spans) for one in server.received]
    assert sizes == [512, 512, 76]


def test_no_request_is_larger_than_two_mebibytes(server: Server, tmp_path: Path) -> None:
    row = {"type": "otlp", "endpoint": server.url, "signals": ["traces"], "compression": "none", "trace_per": "session"}
    long = [tool(str(n), tool="\U0001f600" * 128, status="w" * 32) for n in range(400)]
    sent(tmp_path, {**row, "compat": ["openinference", "langfuse"]}, batch(*(tool(str(n), **{
        "tool": "\U0001f600" * 2_000, "status": "ok"}) for n in range(500))), batch(*long, batch_id="b-2"))
    assert len(server.received) > 2
    assert all(len(one.raw) <= 2 << 20 for one in server.received)
    assert len({span.span_id for span in spans(server)}) == 500


def test_what_was_taken_is_not_sent_again(server: Server, tmp_path: Path) -> None:
    server.replies = [reply(), reply(429, retry_after="3"), reply()]
    one = batch(*(cost(n) for n in range(600)))
    found = sent(tmp_path, {"type": "otlp", "endpoint": server.url, "signals": ["traces"]}, one, one)
    assert isinstance(found[0], Again) and found[0].after_s == 3
    assert found[1] == Done()
    sizes = [len(decoded(each).resource_spans[0].scope_spans[0].spans) for each in server.received]
    assert sizes == [512, 88, 88]


@pytest.mark.parametrize(
    ("status", "kind"),
    [(200, Done), (202, Done), *((status, Again) for status in (429, 502, 503, 504)),
     *((status, Refused) for status in (400, 401, 403, 404, 408, 413, 500, 501))],
)
def test_statuses(status: int, kind: type, server: Server, tmp_path: Path) -> None:
    server.default = reply(status)
    (found,) = sent(tmp_path, {"type": "otlp", "traces_endpoint": f"{server.url}/v1/traces"}, batch(cost()))
    assert isinstance(found, kind)


def test_partial_success_is_counted_and_not_sent_again(server: Server, tmp_path: Path) -> None:
    said = ExportTraceServiceResponse(
        partial_success=ExportTracePartialSuccess(rejected_spans=2, error_message="too old"))
    server.default = Reply(200, said.SerializeToString(), {"Content-Type": "application/x-protobuf"})
    row = {"type": "otlp", "endpoint": server.url, "signals": ["traces"]}
    assert sent(tmp_path, row, batch(cost(1), cost(2), cost(3))) == [Done(2, "too old")]


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff\xff garbage"])
def test_odd_acknowledgements_are_acknowledgements(body: bytes, server: Server, tmp_path: Path) -> None:
    server.default = Reply(200, body, {"Content-Type": "application/x-protobuf"})
    assert sent(tmp_path, {"type": "otlp", "endpoint": server.url}, batch(cost())) == [Done()]


def test_a_backend_without_metrics_is_not_asked_again(server: Server, tmp_path: Path) -> None:
    server.by_path = {"/v1/metrics": reply(404)}
    found = sent(tmp_path, {"type": "otlp", "endpoint": server.url}, batch(cost()), batch(cost(9), batch_id="b-2"))
    assert [type(one) for one in found] == [Done, Done]
    assert "takes no metrics" in found[0].detail  # type: ignore[union-attr]
    assert [one.path for one in server.received] == ["/v1/traces", "/v1/metrics", "/v1/traces"]


@pytest.mark.parametrize(
    ("row", "env", "paths"),
    [
        ({"endpoint": "{}/base/"}, {}, ["/base/v1/traces", "/base/v1/metrics"]),
        ({"endpoint": "{}/v1/traces"}, {}, ["/v1/traces"]),
        ({"traces_endpoint": "{}/api/public/otel/v1/traces"}, {}, ["/api/public/otel/v1/traces"]),
        ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "{}"}, ["/v1/traces", "/v1/metrics"]),
        ({"endpoint": "http://localhost:1"}, {"KAIZEN_OTEL_EXPORTER_OTLP_ENDPOINT": "{}"},
         ["/v1/traces", "/v1/metrics"]),
        ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "{}", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "{}/own"},
         ["/own", "/v1/metrics"]),
        ({"endpoint": "{}", "signals": ["metrics"]}, {}, ["/v1/metrics"]),
    ],
)
def test_addresses(row: dict[str, Any], env: dict[str, str], paths: list[str], server: Server, tmp_path: Path) -> None:
    filled = {key: value.format(server.url) if isinstance(value, str) else value for key, value in row.items()}
    around = {key: value.format(server.url) for key, value in env.items()}
    assert sent(tmp_path, {"type": "otlp", **filled}, batch(cost()), env=around) == [Done()]
    assert [one.path for one in server.received] == paths


def test_headers_compression_and_content_type(server: Server, tmp_path: Path) -> None:
    env = {"OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Basic%20abc%3D, x-team = blue"}
    sent(tmp_path, {"type": "otlp", "endpoint": server.url, "signals": ["traces"]}, batch(cost()), env=env)
    sent(tmp_path, {"type": "otlp", "traces_endpoint": f"{server.url}/x", "headers_env": "MINE"}, batch(cost()),
         env={"MINE": "a=b", "OTEL_EXPORTER_OTLP_COMPRESSION": "none"})
    one, other = server.received
    assert (one.headers["authorization"], one.headers["x-team"]) == ("Basic abc=", "blue")
    assert one.headers["content-type"] == "application/x-protobuf"
    assert one.headers["content-encoding"] == "gzip" and "content-encoding" not in other.headers
    assert other.headers["a"] == "b"


@pytest.mark.parametrize(
    ("row", "env", "said"),
    [
        ({}, {}, "endpoint is missing"),
        ({"endpoint": "localhost:4318"}, {}, "no http(s) URL"),
        ({"endpoint": "http://localhost:1", "compat": ["jaeger"]}, {}, "compat[0]: invalid enum value 'jaeger'"),
        ({"endpoint": "http://localhost:1"}, {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "protocol: invalid enum value"),
        ({"endpoint": "http://localhost:1"}, {"OTEL_EXPORTER_OTLP_HEADERS": "secret-thing"}, "cannot be understood"),
        ({"endpoint": "http://localhost:1"}, {"OTEL_EXPORTER_OTLP_TIMEOUT": "soon"}, "cannot be understood"),
        ({"endpoint": "http://collector:4318", "headers": {"a": "secret-thing"}}, {}, "not encrypted"),
    ],
)
def test_what_cannot_work(row: dict[str, Any], env: dict[str, str], said: str, tmp_path: Path) -> None:
    found = problem(tmp_path, {"type": "otlp", **row}, env)
    assert said in found and "secret-thing" not in found


def test_a_collector_nearby_may_be_plain(tmp_path: Path) -> None:
    from .made import opened

    assert opened(tmp_path, {"type": "otlp", "endpoint": "http://collector:4318"})


def test_scores_need_a_backend_with_logs(server: Server, tmp_path: Path) -> None:
    from .made import opened

    (sink,) = opened(tmp_path, {"type": "otlp", "traces_endpoint": f"{server.url}/v1/traces"})
    assert sink.accepts("events") and not sink.accepts("session_evals") and not sink.accepts("workspace_facts")
    server.by_path = {"/v1/logs": reply(404)}
    found = sent(tmp_path, {"type": "otlp", "endpoint": server.url}, batch(every_item()["session_evals"]))
    assert found == [Done(1, f"{server.url.removeprefix('http://')} takes no logs")]


def test_health_sends_an_empty_request(server: Server, tmp_path: Path) -> None:
    row = {"type": "otlp", "endpoint": server.url}
    assert asked(tmp_path, row).is_ok
    assert decoded(server.received[0]) == ExportTraceServiceRequest()
    server.by_path = {"/v1/metrics": reply(404)}
    assert asked(tmp_path, row).is_ok
    server.default = reply(401)
    assert not asked(tmp_path, row).is_ok


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("claude-opus-4-8", "anthropic"), ("gpt-5-codex", "openai"), ("o3", "openai"), ("o1-mini", "openai"),
        ("gemini-3-pro", "gcp.gemini"), ("us.anthropic.claude-opus-4-8-v1:0", "aws.bedrock"), ("grok-4", "x_ai"),
        ("deepseek-v3", "deepseek"), ("kimi-k2", "moonshot_ai"), ("custom:0123456789abcdef", "_OTHER"),
        ("unknown", "_OTHER"), (None, "_OTHER"), ("ollama/llama3", "ollama"), ("codestral-2", "mistral_ai"),
    ],
)
def test_providers(model: str | None, name: str) -> None:
    assert provider(model) == name
