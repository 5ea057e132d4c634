"""What an OTLP receiver gets, over a real connection and decoded for real."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from email.utils import formatdate
from typing import Any

import msgspec
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from exporters.receiver import Answer, Receiver, plain
from kaizen.errors import BadConfig
from kaizen.exporters.http import after_s
from kaizen.exporters.otlp import EXPORTER
from kaizen.exporters.otlp_settings import Settings
from kaizen.wire.ingest import KINDS, Envelope, Evaluation, Event, Feedback, Item, Session, ToolSpan
from kaizen.wire.sink import Again, Batch, Done, Refused, Result, Sink

T0 = 1_770_000_000_000
SALT = b"s" * 32


def hashed(text: str) -> str:
    return "blake3:" + text.encode().hex().rjust(64, "0")


S, PARENT = hashed("session"), hashed("parent")
ENVELOPE = Envelope(team_id="t", workspace_hash=hashed("w"), project_name="shop")

SESSIONS = [Session(
    rev=1, session_id_hash=S, agent="claude", model="claude-sonnet-4-5", started_at_ms=T0, ended_at_ms=T0 + 60_000,
    status="done", agent_version="2.1", tokens_in=30, tokens_out=12, cost_usd_e6=1500, prompts=2, tool_calls=2,
    errors=1, parent_session_id_hash=PARENT)]


def event(seq: int, kind: str, at_s: float, **more: Any) -> Event:
    return Event(rev=1, session_id_hash=S, event_seq=seq, ts_ms=T0 + int(at_s * 1000), agent="claude", kind=kind,
                 source="tail", **{"turn": 1, **more})


def cost(seq: int, at_s: float, **more: Any) -> Event:
    values = {"model": "claude-sonnet-4-5", "tokens_in": 10, "tokens_out": 4, "cache_read_tokens": 100,
              "cache_creation_tokens": 20, "cost_pusd": 750_000_000, "stop_reason": "tool_use"}
    return event(seq, "cost", at_s, **{**values, **more})


def tool(name: str, began_s: float | None, ended_s: float | None, **more: Any) -> ToolSpan:
    def ms(at_s: float | None) -> int | None:
        return None if at_s is None else T0 + int(at_s * 1000)

    values: dict[str, Any] = {
        "rev": 1, "session_id_hash": S, "span_id_hash": hashed(f"{name}{began_s}"), "tool": name, "status": "ok",
        "started_at_ms": ms(began_s), "ended_at_ms": ms(ended_s), "lead_time_ms": None, "tokens_in": None,
        "tokens_out": None, "reasoning_tokens": None, "cost_usd_e6": None, "path_hashes": [], "turn": 1}
    return ToolSpan(**{**values, **more})


EVENTS = [
    event(0, "message", 1, payload={"role": "prompt"}),
    # Took longer than the turn is old: begins with it.
    cost(1, 3, latency_ms=5_000, ttft_ms=700, payload={"stream": True, "request_id": hashed("r")}),
    event(2, "tool_call", 3, tool="Bash"),
    event(3, "tool_result", 8, tool="Bash"),
    event(4, "error", 9, payload={"error_class": "network", "http_status": 529}),
    cost(5, 12, latency_ms=2_000, ts_exact=False, reasoning_tokens=2),
    event(6, "message", 20, payload={"role": "prompt"}, turn=2),
    cost(7, 25, turn=2, model="gpt-5", cost_pusd=None),
    cost(8, 26, turn=2, is_void=True),
]
TOOLS = [
    tool("Bash", 3, 8, status="error", lead_time_ms=4_900),
    tool("mcp:0011:2233", 9, 13),
    tool("Read", 21, None, status="lost", turn=2),
    tool("Grep", 22, None, status="open", turn=2),
    tool("Glob", None, None, turn=2),
]
SCORES: list[Item] = [Evaluation(
    rev=1, eval_id_hash=hashed("e"), session_id_hash=S, judge_model="gpt-5", rubric_id="tests-first", score=0.25,
    flagged=True, created_at_ms=T0 + 70_000, rationale="because of Alice")]
FEEDBACK: list[Item] = [Feedback(rev=1, feedback_id_hash=hashed("f"), session_id_hash=S, score=4, label="good",
                                 created_at_ms=T0 + 80_000, note="thanks, Bob")]
ALL: list[tuple[str, Sequence[Item]]] = [("sessions", SESSIONS), ("events", EVENTS), ("tool_spans", TOOLS)]

GEN_AI = set("""
    gen_ai.operation.name gen_ai.conversation.id gen_ai.provider.name gen_ai.agent.name gen_ai.agent.version
    gen_ai.request.model gen_ai.request.stream gen_ai.response.model gen_ai.response.id gen_ai.response.finish_reasons
    gen_ai.response.time_to_first_chunk gen_ai.usage.input_tokens gen_ai.usage.output_tokens
    gen_ai.usage.cache_read.input_tokens gen_ai.usage.cache_creation.input_tokens gen_ai.usage.reasoning.output_tokens
    gen_ai.tool.name gen_ai.tool.type gen_ai.token.type
    gen_ai.evaluation.name gen_ai.evaluation.score.value gen_ai.evaluation.score.label
""".split())
TYPES = {
    "gen_ai.response.finish_reasons": list, "gen_ai.response.time_to_first_chunk": float, "kaizen.cost_usd": float,
    "gen_ai.request.stream": bool, "kaizen.turn.index": int, "kaizen.lead_time_ms": int, "kaizen.ts_exact": bool,
    "kaizen.end_unknown": bool,
}  # fmt: skip


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as one:
        yield one


def batch(kind: str, items: Sequence[Item]) -> Batch:
    return Batch("b", kind, ENVELOPE, items, [str(n) for n in range(len(items))], b"", T0 + 90_000)


def opened(url: str, env: dict[str, str] | None = None, **settings: Any) -> Sink:
    made = msgspec.convert({"endpoint": url, **settings}, EXPORTER.settings)
    return EXPORTER.open("otlp", made, env or {}, "/home/x", SALT)


def sent(sink: Sink, *batches: tuple[str, Sequence[Item]]) -> list[Result]:
    async def run() -> list[Result]:
        try:
            return [await sink.send(batch(kind, items)) for kind, items in batches]
        finally:
            await sink.close()

    return asyncio.run(run())


def named(receiver: Receiver, start: str) -> list[Any]:
    return [span for span in receiver.stored().values() if span.name.startswith(start)]


@pytest.mark.parametrize("trace_per", ["turn", "session"])
def test_a_session_becomes_trees(receiver: Receiver, trace_per: str) -> None:
    assert sent(opened(receiver.url, trace_per=trace_per), *ALL) == [Done()] * 3
    stored = receiver.stored()
    roots = [span for span in stored.values() if not span.parent_span_id]
    assert len(roots) == (2 if trace_per == "turn" else 1)
    assert len({root.trace_id for root in roots}) == len(roots)
    assert len(stored) == len(roots) + 3 + 3
    for span in stored.values():
        assert (len(span.trace_id), len(span.span_id)) == (16, 8)
        assert any(span.trace_id) and any(span.span_id)
        assert T0 * 10**6 <= span.start_time_unix_nano <= span.end_time_unix_nano
        if span.parent_span_id:
            parent = stored[span.parent_span_id]
            assert parent.trace_id == span.trace_id
            assert parent.start_time_unix_nano <= span.start_time_unix_nano
            assert span.end_time_unix_nano <= parent.end_time_unix_nano
        values = plain(span.attributes)
        assert values["gen_ai.conversation.id"] == values["session.id"] == S
        assert values["gen_ai.operation.name"] == span.name.split()[0]
        assert {name for name in values if name.startswith("gen_ai.")} <= GEN_AI
        for name, value in values.items():
            kind = TYPES.get(name, int if "tokens" in name else None)
            assert type(value) is kind or kind is None, name


def test_a_turn_has_what_its_parts_have_together(receiver: Receiver) -> None:
    sent(opened(receiver.url), *ALL)
    first, second = sorted(named(receiver, "invoke_agent"), key=lambda span: span.start_time_unix_nano)
    assert (first.start_time_unix_nano, first.end_time_unix_nano) == ((T0 + 1_000) * 10**6, (T0 + 13_000) * 10**6)
    values = plain(first.attributes)
    assert first.name == "invoke_agent claude" and first.kind == Span.SPAN_KIND_INTERNAL
    assert values["gen_ai.usage.input_tokens"] == 2 * 130 and values["gen_ai.usage.output_tokens"] == 8
    assert values["kaizen.cost_usd"] == pytest.approx(0.0015)
    assert values["gen_ai.agent.version"] == "2.1" and values["kaizen.parent_session_hash"] == PARENT
    assert [plain(one.attributes)["error.type"] for one in first.events] == ["network"]
    assert first.status.code == Status.STATUS_CODE_UNSET
    assert not first.links
    assert [(link.trace_id, link.span_id) for link in second.links] == [(first.trace_id, first.span_id)]
    assert "kaizen.cost_usd" not in plain(second.attributes)


def test_a_session_root_links_to_the_session_above_it(receiver: Receiver) -> None:
    above = msgspec.structs.replace(SESSIONS[0], session_id_hash=PARENT, parent_session_id_hash=None)
    sent(opened(receiver.url, trace_per="session"), ("sessions", [above, *SESSIONS]))
    one, other = named(receiver, "invoke_agent")
    assert [(link.trace_id, link.span_id) for link in other.links] == [(one.trace_id, one.span_id)]
    assert "gen_ai.usage.input_tokens" not in plain(other.attributes)


def test_a_request_is_a_chat(receiver: Receiver) -> None:
    sent(opened(receiver.url), *ALL)
    first, second, third = sorted(named(receiver, "chat"), key=lambda span: span.end_time_unix_nano)
    assert first.name == "chat claude-sonnet-4-5" and first.kind == Span.SPAN_KIND_CLIENT
    assert first.start_time_unix_nano == (T0 + 1_000) * 10**6
    assert second.start_time_unix_nano == (T0 + 10_000) * 10**6
    assert third.start_time_unix_nano == third.end_time_unix_nano
    values = plain(first.attributes)
    assert values["gen_ai.usage.input_tokens"] == 130 and values["gen_ai.usage.cache_read.input_tokens"] == 100
    assert values["gen_ai.response.finish_reasons"] == ["tool_use"]
    assert values["gen_ai.response.time_to_first_chunk"] == 0.7 and values["gen_ai.request.stream"] is True
    assert values["gen_ai.provider.name"] == "anthropic"
    assert "kaizen.ts_exact" not in values and plain(second.attributes)["kaizen.ts_exact"] is False
    assert plain(third.attributes)["gen_ai.provider.name"] == "openai"


def test_a_tool_is_exported_when_it_is_over(receiver: Receiver) -> None:
    sent(opened(receiver.url), *ALL)
    tools = {span.name.partition(" ")[2]: span for span in named(receiver, "execute_tool")}
    assert set(tools) == {"Bash", "mcp:0011:2233", "Read"}
    failed = plain(tools["Bash"].attributes)
    assert tools["Bash"].status.code == Status.STATUS_CODE_ERROR and failed["error.type"] == "tool_error"
    assert failed["kaizen.tool.class"] == "shell" and failed["gen_ai.tool.type"] == "function"
    assert tools["Read"].status.code == Status.STATUS_CODE_UNSET
    assert plain(tools["Read"].attributes)["kaizen.end_unknown"] is True
    assert plain(tools["mcp:0011:2233"].attributes)["mcp.method.name"] == "tools/call"


def test_the_same_again_has_the_same_ids_and_contents(receiver: Receiver) -> None:
    sent(opened(receiver.url), *ALL, *ALL)
    sent(opened(receiver.url), *ALL)
    versions: dict[bytes, set[bytes]] = {}
    for span in receiver.spans():
        versions.setdefault(span.span_id, set()).add(span.SerializeToString(deterministic=True))
    changed = [span_id for span_id, found in versions.items() if len(found) > 1]
    assert all(not receiver.stored()[one].parent_span_id for one in changed), "only roots grow"
    other = msgspec.convert({"endpoint": receiver.url}, EXPORTER.settings)
    before = set(receiver.stored())
    sent(EXPORTER.open("otlp", other, {}, "/home/x", b"t" * 32), *ALL)
    assert len(receiver.stored()) == 2 * len(before)


def test_a_root_grows_over_batches(receiver: Receiver) -> None:
    sent(opened(receiver.url), ("events", EVENTS[:2]), ("events", EVENTS[2:6]), ("events", EVENTS[:2]))
    roots = [span for span in receiver.spans() if not span.parent_span_id]
    assert [root.end_time_unix_nano // 10**6 - T0 for root in roots] == [3_000, 12_000, 12_000]
    assert [plain(root.attributes)["gen_ai.usage.output_tokens"] for root in roots] == [4, 8, 8]


def test_what_is_found_not_to_count_leaves_the_sums(receiver: Receiver) -> None:
    void = event(5, "cost", 0, turn=None, is_void=True)
    sent(opened(receiver.url), ("events", EVENTS[:6]), ("events", [void]))
    (root,) = named(receiver, "invoke_agent")
    assert plain(root.attributes)["gen_ai.usage.output_tokens"] == 4


def test_resource_and_scope(receiver: Receiver) -> None:
    env = {"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=lab%20one,service.name=mine"}
    sent(opened(receiver.url), ALL[1])
    sent(opened(receiver.url, env), ALL[1])
    ours, theirs = (message.resource_spans[0] for message in receiver.of("/v1/traces"))
    values = plain(ours.resource.attributes)
    assert values["service.name"] == values["vcs.repository.name"] == "shop"
    assert values["kaizen.workspace_hash"] == ENVELOPE.workspace_hash
    assert ours.scope_spans[0].scope.name == "kaizen" and ours.scope_spans[0].schema_url.startswith("https://")
    values = plain(theirs.resource.attributes)
    assert values["service.name"] == "mine" and values["deployment.environment.name"] == "lab one"


def test_metrics_are_differences_and_nothing_counts_twice(receiver: Receiver) -> None:
    sent(opened(receiver.url), *ALL, *ALL)
    assert len(receiver.of("/v1/metrics")) == 2
    metrics = receiver.metrics()
    assert set(metrics) == {"gen_ai.client.token.usage", "gen_ai.client.operation.duration", "kaizen.cost",
                            "gen_ai.client.operation.time_to_first_chunk", "gen_ai.execute_tool.duration"}
    usage = {(found["gen_ai.request.model"], found["gen_ai.token.type"]): point
             for point in metrics["gen_ai.client.token.usage"].histogram.data_points
             if (found := plain(point.attributes))}
    point = usage["claude-sonnet-4-5", "input"]
    assert (point.count, point.sum, point.min, point.max) == (2, 260, 130, 130)
    assert list(point.explicit_bounds)[:4] == [1, 4, 16, 64] and point.explicit_bounds[-1] == 67_108_864
    assert len(point.bucket_counts) == len(point.explicit_bounds) + 1 and point.bucket_counts[5] == 0
    assert sum(point.bucket_counts) == 2 and point.bucket_counts[4] == 2
    assert usage["claude-sonnet-4-5", "output"].bucket_counts[1] == 2, "a value on a bound belongs below it"
    assert point.start_time_unix_nano < point.time_unix_nano == (T0 + 12_000) * 10**6
    spent = metrics["kaizen.cost"]
    assert spent.unit == "{USD}" and spent.sum.is_monotonic
    assert [point.as_double for point in spent.sum.data_points] == [pytest.approx(0.0015)]
    took = metrics["gen_ai.execute_tool.duration"].histogram
    assert took.aggregation_temporality == 1
    assert sorted(point.sum for point in took.data_points) == [4.0, 4.9]
    for metric in metrics.values():
        kind = metric.sum if metric.WhichOneof("data") == "sum" else metric.histogram
        for one in kind.data_points:
            assert {name for name in plain(one.attributes) if name.startswith("gen_ai.")} <= GEN_AI


def test_metrics_as_sums_since_the_beginning(receiver: Receiver) -> None:
    more = ("events", [cost(9, 30, turn=2), cost(10, 31, turn=2, model="gpt-5")])
    receiver.script["/v1/metrics"] = [Answer(), Answer(503)]
    results = sent(opened(receiver.url, temporality="cumulative"), ALL[1], more, more, ALL[1])
    assert [type(one) for one in results] == [Done, Again, Done, Done]
    first, lost, second = (message.resource_metrics[0].scope_metrics[0].metrics
                           for message in receiver.of("/v1/metrics"))
    assert [one.SerializeToString() for one in lost] == [one.SerializeToString() for one in second]
    before, after = ({metric.name: metric for metric in metrics}["gen_ai.client.token.usage"].histogram
                     for metrics in (first, second))
    assert before.aggregation_temporality == after.aggregation_temporality == 2

    def of(points: Any, model: str) -> Any:
        return next(one for one in points if plain(one.attributes)["gen_ai.request.model"] == model
                    and plain(one.attributes)["gen_ai.token.type"] == "input")

    one, other = (of(found.data_points, "claude-sonnet-4-5") for found in (before, after))
    assert (one.count, one.sum, other.count, other.sum) == (2, 260, 3, 390)
    assert list(other.bucket_counts)[4] == 3
    assert one.start_time_unix_nano == other.start_time_unix_nano < one.time_unix_nano == (T0 + 90_000) * 10**6
    assert of(after.data_points, "gpt-5").count == 2


def test_the_environment_says_how_metrics_add_up(receiver: Receiver) -> None:
    variable = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
    for told, expected in (("cumulative", 2), ("Delta", 1), ("lowmemory", 1), ("", 1)):
        sent(opened(receiver.url, {variable: told}), ALL[1])
        assert receiver.metrics()["kaizen.cost"].sum.aggregation_temporality == expected


def test_json_says_the_same(receiver: Receiver) -> None:
    batches = [*ALL, ("session_evals", SCORES), ("session_feedback", FEEDBACK)]
    assert sent(opened(receiver.url), *batches) == [Done()] * 5
    count = len(receiver.got)
    assert sent(opened(receiver.url, protocol="http/json"), *batches) == [Done()] * 5
    binary, json = receiver.got[:count], receiver.got[count:]
    assert {got.headers["content-type"] for got in json} == {"application/json"}
    assert [(got.path, got.message) for got in json] == [(got.path, got.message) for got in binary]
    env = {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "http/json"}
    sent(opened(receiver.url, env), ALL[1])
    assert {got.path: got.headers["content-type"] for got in receiver.got[-2:]} == {
        "/v1/traces": "application/x-protobuf", "/v1/metrics": "application/json"}


def test_an_empty_request_as_json(receiver: Receiver) -> None:
    async def run() -> None:
        sink = opened(receiver.url, protocol="http/json")
        assert (await sink.health()).is_ok
        await sink.close()

    asyncio.run(run())


# What version 1.36 of the conventions has of what is sent here.
GEN_AI_1_36 = set("""
    gen_ai.operation.name gen_ai.conversation.id gen_ai.system gen_ai.agent.name gen_ai.request.model
    gen_ai.response.model gen_ai.response.id gen_ai.response.finish_reasons gen_ai.usage.input_tokens
    gen_ai.usage.output_tokens gen_ai.tool.name gen_ai.tool.type gen_ai.token.type
    gen_ai.client.token.usage gen_ai.client.operation.duration
""".split())


def test_older_names(receiver: Receiver) -> None:
    sent(opened(receiver.url, semconv="genai-1.36"), *ALL, ("session_evals", SCORES))
    found = set(receiver.metrics())
    for span in receiver.spans():
        found |= set(plain(span.attributes))
    for metric in receiver.metrics().values():
        kind = metric.sum if metric.WhichOneof("data") == "sum" else metric.histogram
        found |= {name for point in kind.data_points for name in plain(point.attributes)}
    (logs,) = receiver.of("/v1/logs")
    (record,) = logs.resource_logs[0].scope_logs[0].log_records
    found |= {record.event_name, *plain(record.attributes)}
    assert {name for name in found if name.startswith("gen_ai.")} == GEN_AI_1_36
    assert {"kaizen.usage.cache_read.input_tokens", "kaizen.execute_tool.duration"} <= found
    chat = next(span for span in receiver.spans() if span.name == "chat claude-sonnet-4-5")
    assert plain(chat.attributes)["gen_ai.system"] == "anthropic"
    assert receiver.of("/v1/traces")[0].resource_spans[0].schema_url == "https://opentelemetry.io/schemas/1.36.0"
    grok = opened(receiver.url, semconv="genai-1.36")
    sent(grok, ("events", [cost(30, 40, model="grok-4", turn=3)]))
    assert plain(receiver.spans()[-1].attributes)["gen_ai.system"] == "xai"


@pytest.mark.parametrize("trace_per", ["turn", "session"])
def test_scores_are_events_of_the_last_root(receiver: Receiver, trace_per: str) -> None:
    sent(opened(receiver.url, trace_per=trace_per), *ALL, ("session_evals", SCORES), ("session_feedback", FEEDBACK))
    roots = sorted((span for span in receiver.stored().values() if not span.parent_span_id),
                   key=lambda span: span.start_time_unix_nano)
    records = [record for message in receiver.of("/v1/logs") for one in message.resource_logs
               for scoped in one.scope_logs for record in scoped.log_records]
    assert [record.event_name for record in records] == ["gen_ai.evaluation.result"] * 2
    assert {(record.trace_id, record.span_id) for record in records} == {(roots[-1].trace_id, roots[-1].span_id)}
    judged, felt = (plain(record.attributes) for record in records)
    assert set(judged) | set(felt) <= GEN_AI | {"session.id", "kaizen.evaluation.id", "kaizen.evaluation.judge_model"}
    assert (judged["gen_ai.evaluation.name"], judged["gen_ai.evaluation.score.value"]) == ("tests-first", 0.25)
    assert (felt["gen_ai.evaluation.name"], felt["gen_ai.evaluation.score.label"]) == ("user_feedback", "good")
    assert not any(b"Alice" in message.SerializeToString() or b"Bob" in message.SerializeToString()
                   for message in receiver.of("/v1/logs"))


def test_words_of_other_backends_are_added(receiver: Receiver) -> None:
    sent(opened(receiver.url, compat=["openinference", "langfuse"]), *ALL)
    found = {name: plain(named(receiver, name)[0].attributes) for name in ("invoke_agent", "chat", "execute_tool")}
    assert [one["openinference.span.kind"] for one in found.values()] == ["AGENT", "LLM", "TOOL"]
    assert [one["langfuse.observation.type"] for one in found.values()] == ["agent", "generation", "tool"]
    chat = found["chat"]
    assert (chat["llm.token_count.prompt"], chat["llm.token_count.total"]) == (130, 134)
    assert msgspec.json.decode(chat["langfuse.observation.cost_details"]) == {"total": 0.00075}
    assert found["invoke_agent"]["langfuse.trace.name"] == "invoke_agent claude"
    assert found["execute_tool"]["tool.name"] == "Bash"


def told(receiver: Receiver, results: list[Result]) -> list[Result]:
    """Without the address, which differs from run to run."""
    host = receiver.url.removeprefix("http://") + " "
    return [msgspec.structs.replace(one, **{field: getattr(one, field).replace(host, "")})
            for one in results for field in (["detail"] if isinstance(one, Done) else ["reason"])]


PARTIAL = ExportTraceServiceResponse(
    partial_success=ExportTracePartialSuccess(rejected_spans=2, error_message="too old"))
ANSWERS: list[tuple[Answer, Result]] = [
    (Answer(200), Done()),
    (Answer(202, body=b"accepted"), Done()),
    (Answer(200, {"content-type": "application/x-protobuf"}, PARTIAL.SerializeToString()), Done(2, "too old")),
    (Answer(200, {"content-type": "application/json"},
            b'{"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}}'), Done(2, "too old")),
    (Answer(200, {"content-type": "application/json"}, b"<html>"), Done()),
    (Answer(429, {"retry-after": "17"}), Again("answered 429", 17.0)),
    (Answer(503, {"retry-after": formatdate((T0 + 120_000) / 1000, usegmt=True)}), Again("answered 503", 30.0)),
    (Answer(502, {"retry-after": "soon"}), Again("answered 502")),
    (Answer(504), Again("answered 504")),
    *((Answer(status), Refused(f"answered {status}")) for status in (400, 404, 413, 422, 500, 501)),
    (Answer(401), Refused("does not accept the credentials (401)")),
    (Answer(400, {"content-type": "text/plain"}, b"no span"), Refused("answered 400: no span")),
    (Answer(301, {"location": "https://x.example/a?b"}), Refused(
        "answered 301 and points to x.example; configure that address if you trust it")),
]


@pytest.mark.parametrize(("answer", "result"), ANSWERS)
def test_what_an_answer_means(receiver: Receiver, answer: Answer, result: Result) -> None:
    receiver.script["/v1/traces"] = [answer]
    assert told(receiver, sent(opened(receiver.url, signals=["traces"]), ALL[1])) == [result]
    assert len(receiver.got) == 1


def test_what_retry_after_says() -> None:
    assert after_s(formatdate(T0 / 1000 - 5, usegmt=True), T0 / 1000) == 0.0
    assert [after_s(text, T0 / 1000) for text in (None, "", "-3", "1.5", "٣", "9" * 400)] == [None] * 6


def test_nobody_there_is_a_reason_to_try_again() -> None:
    with Receiver() as gone:
        pass
    (result,) = sent(opened(gone.url), ALL[1])
    assert result == Again(f"{gone.url.removeprefix('http://')}: cannot connect (nothing listens there)")


def test_traces_are_repeated_before_a_difference_is_sent(receiver: Receiver) -> None:
    receiver.script["/v1/traces"] = [Answer(503)]
    assert told(receiver, sent(opened(receiver.url), ALL[1], ALL[1])) == [Again("answered 503"), Done()]
    assert [got.path for got in receiver.got] == ["/v1/traces", "/v1/traces", "/v1/metrics"]


def test_differences_that_were_not_taken_are_sent_again(receiver: Receiver) -> None:
    receiver.script["/v1/metrics"] = [Answer(503)]
    assert told(receiver, sent(opened(receiver.url), ALL[1], ALL[1])) == [Again("answered 503"), Done()]
    one, other = receiver.of("/v1/metrics")
    assert one == other


def test_a_destination_for_traces_only_is_asked_once_for_more(receiver: Receiver) -> None:
    receiver.script["/v1/metrics"] = [Answer(404)]
    first, *others = told(receiver, sent(opened(receiver.url), *ALL[1:], *ALL[1:]))
    assert first == Done(detail="metrics are not taken there (answered 404)")
    assert others == [Done()] * 3
    assert len(receiver.of("/v1/metrics")) == 1


def test_chunks(receiver: Receiver) -> None:
    many = [cost(seq, 1 + seq / 1000) for seq in range(1_200)]
    receiver.script["/v1/traces"] = [Answer(), Answer(body=PARTIAL.SerializeToString())]
    assert sent(opened(receiver.url, signals=["traces"]), ("events", many)) == [Done(2, "too old")]
    counts = [len(message.resource_spans[0].scope_spans[0].spans) for message in receiver.of("/v1/traces")]
    assert counts == [512, 512, 177] and len(receiver.stored()) == 1_201


def test_chunks_of_bytes(receiver: Receiver) -> None:
    long = [cost(seq, 1, stop_reason="x" * 20_000) for seq in range(300)]
    sent(opened(receiver.url, signals=["traces"]), ("events", long))
    assert len(receiver.got) == 3 and max(got.size for got in receiver.got) <= 2 << 20
    assert len(receiver.stored()) == 301


def test_gzip_is_the_default(receiver: Receiver) -> None:
    sent(opened(receiver.url), ALL[1])
    sent(opened(receiver.url, compression="none"), ALL[1])
    sent(opened(receiver.url, {"OTEL_EXPORTER_OTLP_COMPRESSION": "none"}), ALL[1])
    assert [got.headers.get("content-encoding") for got in receiver.got] == ["gzip", "gzip", None, None, None, None]
    assert {got.headers["content-type"] for got in receiver.got} == {"application/x-protobuf"}


def test_the_environment_comes_first(receiver: Receiver) -> None:
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url + "/base/",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": receiver.url + "/other/v1/metrics",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-a=one%2Ctwo, X-B = b,",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "x-b=traces",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_SERVICE_NAME": "env-name",
        "MY_KEY": "secret",
    }
    sink = opened("http://localhost:1", env, headers={"X-A": "set", "x-c": "c"}, headers_env={"api-key": "MY_KEY"},
                  service_name="set-name")
    assert sent(sink, ALL[1]) == [Done()]
    traces, metrics = receiver.got
    assert (traces.path, metrics.path) == ("/base/v1/traces", "/other/v1/metrics")
    assert [traces.headers[name] for name in ("x-a", "x-b", "x-c", "api-key")] == ["one,two", "traces", "c", "secret"]
    assert metrics.headers["x-b"] == "b"
    assert plain(traces.message.resource_spans[0].resource.attributes)["service.name"] == "env-name"


def test_an_address_of_traces_gets_traces_only(receiver: Receiver) -> None:
    assert sent(opened(receiver.url + "/api/v1/traces"), *ALL, ("session_evals", SCORES)) == [Done()] * 4
    assert {got.path for got in receiver.got} == {"/api/v1/traces"}


@pytest.mark.parametrize(("settings", "env"), [
    ({"endpoint": "localhost:4318"}, {}),
    ({"endpoint": "http://["}, {}),
    ({"endpoint": "http://example.com", "headers": {"authorization": "x"}}, {}),
    ({"headers_env": {"api-key": "NOT_SET"}}, {}),
    ({"headers": {"x": "a\nb"}}, {}),
    ({"signals": []}, {}),
    ({}, {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}),
    ({}, {"OTEL_EXPORTER_OTLP_TIMEOUT": "10s"}),
    ({}, {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "monthly"}),
])  # fmt: skip
def test_settings_that_cannot_work_are_said_at_once(settings: dict[str, Any], env: dict[str, str]) -> None:
    with pytest.raises(BadConfig) as told:
        EXPORTER.open("otlp", msgspec.convert(settings, Settings), env, "/home/x", SALT)
    assert told.value.hint


def test_health_and_kinds(receiver: Receiver) -> None:
    async def run() -> None:
        sink = opened(receiver.url)
        receiver.script["/v1/traces"] = [Answer(), Answer(401)]
        assert (await sink.health()).is_ok
        told = await sink.health()
        assert not told.is_ok and "401" in told.detail
        assert {kind for kind in KINDS if sink.accepts(kind)} == {
            "sessions", "events", "tool_spans", "session_evals", "session_feedback"}
        await sink.close()

    asyncio.run(run())


def test_the_type_is_known_without_loading_protobuf() -> None:
    code = "import sys, kaizen.exporters.otlp; print([n for n in ('opentelemetry', 'httpx') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
