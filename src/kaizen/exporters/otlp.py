"""OpenTelemetry over HTTP: a collector, Jaeger, Tempo, Phoenix, Langfuse, or a vendor. See docs/otlp.md.

A batch is sent as traces, then logs, then metrics, and is done when all three are. Only what may be repeated comes
before something that may fail: spans and logs have the same ids or contents again, and differences come last.

    200                            done; what `partialSuccess` rejects is counted and not sent again
    429, 502, 503, 504, transport  later, at the time that Retry-After says
    404, 405, 501 of metrics/logs  this destination does not take that signal: not asked again
    anything else                  never

The codecs and `opentelemetry.proto` are imported by the first sink that is opened, so a program without one does
without them.
"""

import socket
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from kaizen.config.secret import Secret
from kaizen.exporters.http import Http, Outcome
from kaizen.exporters.otlp_answers import is_unknown, meaning
from kaizen.exporters.otlp_settings import (
    Settings,
    Signal,
    is_cumulative,
    resource_attributes,
    service_name,
    targets,
)
from kaizen.wire.sink import Batch, Done, Exporter, Health, Refused, Result, Sink

if TYPE_CHECKING:
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource

    from kaizen.exporters.otlp_metrics import Key

ACCEPTS = frozenset({"sessions", "events", "tool_spans", "session_evals", "session_feedback"})
MAX_COUNTED = 100_000
# Shorter values of headers (a version, a number) are not taken out of what a service says.
SHORTEST_SECRET = 8


class _Message(Protocol):
    """A request of protobuf."""

    def SerializeToString(self) -> bytes: ...


class Otlp:
    """One destination. Remembers turns, and what it has counted, within bounds."""

    def __init__(self, name: str, settings: Settings, env: Mapping[str, str], home: str, salt: bytes) -> None:
        from kaizen.exporters.otlp_metrics import Totals
        from kaizen.exporters.otlp_turns import Memory
        from kaizen.exporters.otlp_words import Ids

        self.name = name
        self._targets = targets(settings, env)
        self._compat = frozenset[str](settings.compat)
        self._service_name, self._about = service_name(settings, env), resource_attributes(env)
        self._ids = Ids(salt, is_per_session=settings.trace_per == "session")
        self._instance = self._ids.word("instance", socket.gethostname(), home)
        self._memory = Memory()
        self._counted: OrderedDict[Key, None] = OrderedDict()
        self._totals = Totals() if is_cumulative(settings, env) else None
        self._is_older = settings.semconv == "genai-1.36"
        self._unknown: set[Signal] = set()
        secrets = {text for target in self._targets.values() for text in target.headers.values()}
        self._http = Http([Secret(text) for text in secrets if len(text) >= SHORTEST_SECRET])

    def accepts(self, kind: str) -> bool:
        return kind in ACCEPTS

    async def send(self, batch: Batch) -> Result:
        done = Done()
        for signal, send in (("traces", self._traces), ("logs", self._logs), ("metrics", self._metrics)):
            if signal not in self._targets or signal in self._unknown:
                continue
            result = await send(batch)
            if isinstance(result, Done):
                done = Done(done.rejected + result.rejected, done.detail or result.detail)
            else:
                return result
        return done

    async def health(self) -> Health:
        """An empty request, which every receiver answers."""
        signal = next(iter(self._targets))
        result = meaning(signal, await self._post(signal, None), 0)
        if isinstance(result, Done):
            return Health(True, self._targets[signal].url)
        return Health(False, result.reason)

    async def close(self) -> None:
        await self._http.close()

    # Signals

    async def _traces(self, batch: Batch) -> Result:
        from kaizen.exporters import otlp_spans

        made = otlp_spans.spans(batch.items, self._ids, self._memory, self._compat)
        rejected, detail = 0, ""
        for request in otlp_spans.requests(made, self._resource(batch)):
            result = meaning("traces", await self._post("traces", request), batch.now_ms)
            if not isinstance(result, Done):
                return result
            rejected, detail = rejected + result.rejected, detail or result.detail
        # More spans than items may be rejected: a root is nobody's item.
        return Done(min(rejected, len(batch.items)), detail)

    async def _logs(self, batch: Batch) -> Result:
        from kaizen.exporters import otlp_logs

        made = otlp_logs.records(batch.items, self._ids, self._memory, batch.now_ms)
        return await self._optional("logs", otlp_logs.request(made, self._resource(batch)), batch.now_ms)

    async def _metrics(self, batch: Batch) -> Result:
        from kaizen.exporters import otlp_metrics

        found = otlp_metrics.count(batch.items, self._counted.keys())
        points = found.points if self._totals is None else self._totals.with_(found.points, batch.now_ms)
        request = otlp_metrics.request(points, self._resource(batch), is_cumulative=self._totals is not None)
        result = await self._optional("metrics", request, batch.now_ms)
        if isinstance(result, Done):
            if self._totals is not None:
                self._totals.take(points)
            self._counted.update(dict.fromkeys(found.keys))
            while len(self._counted) > MAX_COUNTED:
                self._counted.popitem(last=False)
        return result

    async def _optional(self, signal: Signal, request: _Message | None, now_ms: int) -> Result:
        """A destination need not have it, and what it rejects of it is no loss of items."""
        if request is None:
            return Done()
        outcome = await self._post(signal, request)
        result = meaning(signal, outcome, now_ms)
        if isinstance(result, Refused) and "traces" in self._targets:
            if is_unknown(outcome):
                self._unknown.add(signal)
                return Done(detail=f"{signal} are not taken there ({result.reason})")
            return Done(detail=f"{signal} were refused: {result.reason}")
        return Done(detail=result.detail) if isinstance(result, Done) else result

    def _resource(self, batch: Batch) -> "Resource":
        from kaizen.exporters.otlp_words import resource

        return resource(batch.envelope, self._service_name, self._instance, self._about)

    async def _post(self, signal: Signal, request: _Message | None) -> Outcome:
        """None is an empty request."""
        target = self._targets[signal]
        if request is not None and self._is_older:
            from kaizen.exporters.otlp_older import rename

            rename(request)
        if target.is_json:
            from kaizen.exporters.otlp_json import encode

            body = b"{}" if request is None else encode(request)
        else:
            body = b"" if request is None else request.SerializeToString()
        kind = "application/json" if target.is_json else "application/x-protobuf"
        return await self._http.post(target.url, body, {**target.headers, "content-type": kind},
                                     is_gzip=target.is_gzip, timeout_s=target.timeout_s)


def _open(name: str, settings: Any, env: Mapping[str, str], home: str, salt: bytes) -> Sink:
    return Otlp(name, settings, env, home, salt)


EXPORTER = Exporter("otlp", "OpenTelemetry: a collector, Jaeger, Tempo, Phoenix, Langfuse, or a vendor.", Settings,
                    _open)
