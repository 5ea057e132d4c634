"""An OTLP receiver on this machine: decodes what comes for real, answers as told, and remembers."""

import base64
import gzip
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

MESSAGES = {"/v1/traces": ExportTraceServiceRequest, "/v1/logs": ExportLogsServiceRequest,
            "/v1/metrics": ExportMetricsServiceRequest}


LENGTHS = {"traceId": 16, "spanId": 8, "parentSpanId": 8}


class Answer(msgspec.Struct):
    status: int = 200
    headers: dict[str, str] = {}
    body: bytes = b""


class Got(msgspec.Struct):
    path: str
    headers: dict[str, str]
    size: int
    message: Any


class Receiver:
    """Use as a context. `script`: answers by path, used up from the front; then 200."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.script: dict[str, list[Answer]] = defaultdict(list)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["content-length"]))
                body = gzip.decompress(raw) if self.headers["content-encoding"] == "gzip" else raw
                kind = MESSAGES[self.path[self.path.index("/v1/"):]]
                headers = {name.lower(): value for name, value in self.headers.items()}
                is_json = headers["content-type"] == "application/json"
                message = from_json(body, kind) if is_json else kind.FromString(body)
                receiver.got.append(Got(self.path, headers, len(body), message))
                answers = receiver.script[self.path]
                answer = answers.pop(0) if answers else Answer()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Receiver":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def of(self, path: str) -> list[Any]:
        return [one.message for one in self.got if one.path == path]

    def spans(self) -> list[Any]:
        """As they came, also twice."""
        return [span for message in self.of("/v1/traces") for one in message.resource_spans
                for scoped in one.scope_spans for span in scoped.spans]

    def stored(self) -> dict[bytes, Any]:
        """As a backend has them that keeps the last version of each id."""
        return {span.span_id: span for span in self.spans()}

    def metrics(self) -> dict[str, Any]:
        return {metric.name: metric for message in self.of("/v1/metrics") for one in message.resource_metrics
                for scoped in one.scope_metrics for metric in scoped.metrics}


def from_json(body: bytes, kind: Any) -> Any:
    """Strictly: what is no field, and ids that are not hex digits of their length, are errors."""

    def with_bytes(said: Any) -> Any:
        if isinstance(said, list):
            return [with_bytes(one) for one in said]
        if not isinstance(said, dict):
            return said
        found = {}
        for name, value in said.items():
            if name in LENGTHS:
                raw = bytes.fromhex(value)
                assert len(raw) == LENGTHS[name]
                found[name] = base64.b64encode(raw).decode()
            else:
                assert name not in ("kind", "code", "aggregationTemporality", "severityNumber") or type(value) is int
                found[name] = with_bytes(value)
        return found

    return json_format.ParseDict(with_bytes(msgspec.json.decode(body)), kind())


def plain(attributes: list[KeyValue]) -> dict[str, Any]:
    found = {one.key: _value(one.value) for one in attributes}
    assert len(found) == len(attributes), "an attribute stands there twice"
    return found


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    return [_value(one) for one in value.array_value.values] if kind == "array_value" else getattr(value, kind)
