"""`otlp`: OTLP over HTTP with protobuf, for Jaeger, Tempo, Phoenix, Langfuse, Grafana, Honeycomb, Datadog, a collector.

What becomes of items: `wire.otlp` (spans, scores) and `wire.otlp_metrics`. This module reads the usual `OTEL_*`
variables, cuts requests to 512 spans and 2 MiB, and reads answers: 429, 502, 503 and 504 are tried again, everything
else is final; `partialSuccess` is counted and never sent again. A backend that takes no metrics or no logs (404, 405,
501) is not asked for them again.

With `temporality = "cumulative"` the sums since the sink was opened are kept in memory, by workspace, and grow only
when the backend has them.
"""

import gzip
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Literal
from urllib.parse import unquote

import msgspec
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # it ships no types
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from kaizen import __version__
from kaizen.config.secret import Secret
from kaizen.errors import BadConfig
from kaizen.exporters.http import TIMEOUT_S, Answer, Http, checked, headers, result
from kaizen.exporters.machine import machine
from kaizen.exporters.requests import Request, Requests
from kaizen.exporters.rows import env
from kaizen.wire.chunks import cut
from kaizen.wire.genai import Semconv
from kaizen.wire.otlp import Ids, Style, scores, spans
from kaizen.wire.otlp_compat import Compat
from kaizen.wire.otlp_metrics import Points, added, metrics_request, points
from kaizen.wire.otlp_proto import logs_request, resource, traces_request
from kaizen.wire.sink import Batch, Done, Exporter, Health, Result, Sink

MAX_SPANS = 512
MAX_BYTES = 2 << 20
RETRY = frozenset({429, 502, 503, 504})
SPAN_KINDS = frozenset({"sessions", "events", "tool_spans"})
SCORE_KINDS = frozenset({"session_evals", "session_feedback"})
_NOT_THERE = frozenset({404, 405, 501})

Signal = Literal["traces", "metrics", "logs"]


def _variables(name: str) -> tuple[str, str]:
    return f"KAIZEN_OTEL_{name}", f"OTEL_{name}"


def _pairs(text: str) -> dict[str, str]:
    """`k=v,k=v`, percent-encoded. Raises `ValueError`."""
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise ValueError("a pair without '='")
        found[unquote(key.strip())] = unquote(value.strip())
    return found


def _seconds(ms: str) -> float:
    return float(ms) / 1000


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    endpoint: Annotated[str | None, env(*_variables("EXPORTER_OTLP_ENDPOINT"))] = None
    """Base address; `/v1/traces`, `/v1/metrics` and `/v1/logs` are appended. One that ends with `/v1/traces` is a
    `traces_endpoint`."""
    traces_endpoint: Annotated[str | None, env(*_variables("EXPORTER_OTLP_TRACES_ENDPOINT"))] = None
    """Taken as it is. Without `endpoint`, signals that have no address of their own are not sent."""
    metrics_endpoint: Annotated[str | None, env(*_variables("EXPORTER_OTLP_METRICS_ENDPOINT"))] = None
    logs_endpoint: Annotated[str | None, env(*_variables("EXPORTER_OTLP_LOGS_ENDPOINT"))] = None
    headers: Annotated[dict[str, Secret], env(*_variables("EXPORTER_OTLP_HEADERS"), parse=_pairs)] = {}
    """Such as an authorization."""
    headers_env: str | None = None
    """The variable that holds headers, as `k=v,k=v`."""
    protocol: Annotated[Literal["http/protobuf"], env(*_variables("EXPORTER_OTLP_PROTOCOL"))] = "http/protobuf"
    compression: Annotated[Literal["gzip", "none"], env(*_variables("EXPORTER_OTLP_COMPRESSION"))] = "gzip"
    timeout_s: Annotated[float, msgspec.Meta(gt=0), env(*_variables("EXPORTER_OTLP_TIMEOUT"), parse=_seconds)] = \
        TIMEOUT_S
    """The variable is in milliseconds."""
    service_name: Annotated[str | None, env(*_variables("SERVICE_NAME"))] = None
    """Default: the project's name where it may leave the machine, else `kaizen`."""
    resource_attributes: Annotated[dict[str, str], env(*_variables("RESOURCE_ATTRIBUTES"), parse=_pairs)] = {}
    temporality: Annotated[Literal["cumulative", "delta", "lowmemory"],
                           env(*_variables("EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"), parse=str.lower)] = \
        "cumulative"
    signals: tuple[Signal, ...] = ("traces", "metrics", "logs")
    semconv: Semconv = "genai-2026"
    """Which names attributes have."""
    trace_per: Literal["turn", "session"] = "turn"
    root_sums: bool = True
    """A root repeats the tokens and the cost of its requests. Off for a backend that adds up all spans."""
    compat: list[Compat] = []
    """Attributes for these as well: `openinference` (Phoenix), `langfuse`."""


class Otlp:
    def __init__(self, name: str, urls: Mapping[Signal, str], http_headers: Mapping[str, str], settings: Settings,
                 salt: bytes) -> None:
        import asyncio

        self.name = name
        self._urls, self._settings = dict(urls), settings
        zipped = {"Content-Encoding": "gzip"} if settings.compression == "gzip" else {}
        self._headers = {**http_headers, "Content-Type": "application/x-protobuf", **zipped}
        self._ids = Ids(salt, settings.trace_per)
        self._style = Style(settings.semconv, settings.compat, settings.root_sums)
        self._instance = machine(salt)
        self._http, self._requests = Http([*settings.headers.values()], settings.timeout_s), Requests()
        # By workspace: from when it counts, and what was counted. One batch at a time, or sums would be lost.
        self._sums: dict[str, tuple[int, Points]] = {}
        self._sums_lock = asyncio.Lock()

    def accepts(self, kind: str) -> bool:
        if kind in SCORE_KINDS:
            return "logs" in self._urls
        return kind in SPAN_KINDS and ("traces" in self._urls or "metrics" in self._urls)

    async def send(self, batch: Batch) -> Result:
        requests, before = self._traces(batch)
        requests += self._metrics(batch) + self._logs(batch)
        return await self._requests.send(batch.batch_id, requests, before)

    async def health(self) -> Health:
        """An empty request: an answer in the 200s means that address and credentials are right."""
        found: Result = Done()
        for signal, url in self._urls.items():
            found = result(await self._http.post(url, self._packed(b""), self._headers), retry=RETRY)
            if not isinstance(found, Done) and signal == "traces":
                return Health(False, found.reason)
        if len(self._urls) == 1 and not isinstance(found, Done):
            return Health(False, found.reason)
        return Health(True, f"takes {', '.join(self._urls)}")

    async def close(self) -> None:
        await self._http.close()

    def _traces(self, batch: Batch) -> tuple[list[Request], Done]:
        made = spans(batch.items, self._ids, self._style)
        undated = Done(made.undated, f"{made.undated} without any time" if made.undated else "")
        if "traces" not in self._urls:
            return [], undated
        # Four bytes more than a span has: its tag and its length.
        chunks = cut([span.ByteSize() + 4 for span in made.spans], max_items=MAX_SPANS, max_bytes=MAX_BYTES,
                     frame_bytes=8_192, between_bytes=0)
        resource = self._resource(batch)
        return [
            Request(("traces", number), len(places), partial(self._post_traces, traces_request(
                [made.spans[place] for place in places], resource, self._settings.semconv, __version__)))
            for number, places in enumerate(chunks.requests)
        ], Done(undated.rejected + len(chunks.too_large), undated.detail)

    async def _post_traces(self, body: bytes) -> Result:
        answer = await self._http.post(self._urls["traces"], self._packed(body), self._headers)
        found = result(answer, retry=RETRY)
        if not isinstance(answer, Answer) or not isinstance(found, Done):
            return found
        said = ExportTraceServiceResponse()
        if not _parsed(said, answer):
            return found
        return Done(said.partial_success.rejected_spans, said.partial_success.error_message[:200])

    def _metrics(self, batch: Batch) -> list[Request]:
        found = points(batch.items)
        if not found or "metrics" not in self._urls:
            return []
        return [Request("metrics", 0, partial(self._post_metrics, batch, found))]

    async def _post_metrics(self, batch: Batch, found: Points) -> Result:
        resource = self._resource(batch)
        if self._settings.temporality != "cumulative":
            body = metrics_request(found, resource, self._settings.semconv, __version__)
            return await self._post_optional("metrics", body, ExportMetricsServiceResponse())
        async with self._sums_lock:
            workspace = batch.envelope.workspace_hash
            since_ms, before = self._sums.get(workspace, (batch.now_ms - 1, {}))
            total = added(before, found)
            body = metrics_request(total, resource, self._settings.semconv, __version__,
                                   cumulative=(since_ms, max(batch.now_ms, since_ms + 1)))
            done = await self._post_optional("metrics", body, ExportMetricsServiceResponse())
            if isinstance(done, Done):
                self._sums[workspace] = since_ms, total
            return done

    def _logs(self, batch: Batch) -> list[Request]:
        made = scores(batch.items)
        if not made or "logs" not in self._urls:
            return []
        body = logs_request(made, self._resource(batch), self._settings.semconv, __version__)
        return [Request("logs", len(made), partial(self._post_optional, "logs", body, ExportLogsServiceResponse(),
                                                   len(made)))]

    async def _post_optional(
        self, signal: Signal, body: bytes, said: ExportMetricsServiceResponse | ExportLogsServiceResponse,
        items: int = 0,
    ) -> Result:
        """For a signal that not every backend takes. `items`: how many are lost then."""
        if signal not in self._urls:
            return Done()
        answer = await self._http.post(self._urls[signal], self._packed(body), self._headers)
        if isinstance(answer, Answer) and answer.status in _NOT_THERE and len(self._urls) > 1:
            del self._urls[signal]
            return Done(items, f"{answer.host} takes no {signal}")
        found = result(answer, retry=RETRY)
        if isinstance(answer, Answer) and isinstance(found, Done) and _parsed(said, answer):
            return Done(detail=said.partial_success.error_message[:200])
        return found

    def _resource(self, batch: Batch) -> Resource:
        envelope = batch.envelope
        return resource({
            "service.name": self._settings.service_name or envelope.project_name or "kaizen",
            "service.version": __version__,
            "service.instance.id": self._instance,
            "telemetry.sdk.name": "kaizen",
            "telemetry.sdk.language": "python",
            "telemetry.sdk.version": __version__,
            "kaizen.workspace_hash": envelope.workspace_hash,
            "kaizen.team_id": envelope.team_id,
            **({"vcs.repository.name": envelope.project_name} if envelope.project_name else {}),
            **self._settings.resource_attributes,
        })

    def _packed(self, body: bytes) -> bytes:
        return gzip.compress(body, 6, mtime=0) if self._settings.compression == "gzip" else body


def _parsed(
    into: ExportTraceServiceResponse | ExportMetricsServiceResponse | ExportLogsServiceResponse, answer: Answer
) -> bool:
    """Some backends acknowledge with JSON or nothing; that is as good."""
    try:
        into.ParseFromString(answer.body if "protobuf" in answer.content_type else b"")
    except DecodeError:
        return False
    return True


def addresses(name: str, settings: Settings) -> dict[Signal, str]:
    """Where each signal goes. Raises `BadConfig` when none has an address."""
    base, own = settings.endpoint, settings.traces_endpoint
    if base and base.rstrip("/").endswith("/v1/traces"):
        base, own = None, own or base
    given: Sequence[tuple[Signal, str | None]] = (
        ("traces", own), ("metrics", settings.metrics_endpoint), ("logs", settings.logs_endpoint))
    found: dict[Signal, str] = {}
    for signal, url in given:
        if signal not in settings.signals or not (url or base):
            continue
        key = f"{signal}_endpoint" if url else "endpoint"
        # A collector in the same network seldom has a certificate, and nothing is sent there but what is redacted.
        address = checked(name, key, url or base or "", is_plain_allowed=not settings.headers)
        found[signal] = address if url else f"{address}/v1/{signal}"
    if not found:
        raise BadConfig(f"Exporter {name}: endpoint is missing.",
                        hint="Set endpoint, or OTEL_EXPORTER_OTLP_ENDPOINT, such as http://localhost:4318.",
                        key="endpoint")
    return found


def _open(name: str, settings: Settings, env: Mapping[str, str], home: str, salt: bytes) -> Sink:
    return Otlp(name, addresses(name, settings), headers(name, settings.headers), settings, salt)


EXPORTER = Exporter("otlp", "OpenTelemetry: spans, metrics and scores over HTTP.", Settings, _open)
