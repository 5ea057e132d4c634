"""Items -> metrics of the conventions for generative AI. Pure.

As differences (delta temporality) a batch becomes one point for each metric and set of attributes, over the time its
items cover: what happened last week is counted last week, not now. A backend that takes only recent points refuses
those. As sums (cumulative temporality) each point is what was counted since the sink was opened, at the time it is
sent: `Totals`. A program that starts anew begins at 0, as the protocol has it.

A delta that is sent twice counts twice, and what was counted cannot be taken back. So `counted` holds what a sink has
counted, as far back as its memory goes, and the first version of an answer is the one that counts. After a restart, an
answer that grows is counted again, and so is a batch whose answer was lost.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable
from math import inf

import msgspec
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from kaizen.exporters.otlp_turns import cost_usd, payload, usage
from kaizen.exporters.otlp_words import SCHEMA_URL, UNKNOWN, Value, attributes, nanos, provider, scope
from kaizen.wire.ingest import Event, Item, ToolSpan

DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
TOKENS = tuple(4.0**power for power in range(14))
SECONDS = tuple(0.01 * 2**power for power in range(14))

# Session, and what of it was counted
Key = tuple[str, int | str]


class _Kind(msgspec.Struct, frozen=True):
    unit: str
    help: str
    # Empty: a sum.
    bounds: tuple[float, ...] = ()


_KINDS = {
    "gen_ai.client.token.usage": _Kind("{token}", "Tokens of a request; input includes cached ones.", TOKENS),
    "gen_ai.client.operation.duration": _Kind("s", "Time until a request was answered.", SECONDS),
    "gen_ai.client.operation.time_to_first_chunk": _Kind("s", "Time until an answer began.", SECONDS),
    "gen_ai.execute_tool.duration": _Kind("s", "Time a tool took.", SECONDS),
    "kaizen.cost": _Kind("{USD}", "Cost of requests whose price is known."),
}


class Point(msgspec.Struct):
    """Of one metric and set of attributes: what was counted, and over which time."""

    first_ms: int
    last_ms: int
    buckets: list[int]
    count: int = 0
    sum: float = 0
    min: float = inf
    max: float = -inf

    def take(self, ts_ms: int, value: float, bounds: tuple[float, ...]) -> None:
        self.first_ms, self.last_ms = min(self.first_ms, ts_ms), max(self.last_ms, ts_ms)
        self.count += 1
        self.sum += value
        self.min, self.max = min(self.min, value), max(self.max, value)
        self.buckets[bisect_left(bounds, value)] += 1  # a value on a bound belongs below it

    def __add__(self, other: "Point") -> "Point":
        return Point(min(self.first_ms, other.first_ms), max(self.last_ms, other.last_ms),
                     [one + more for one, more in zip(self.buckets, other.buckets, strict=True)],
                     self.count + other.count, self.sum + other.sum, min(self.min, other.min),
                     max(self.max, other.max))


Series = tuple[str, tuple[tuple[str, Value], ...]]
Points = dict[Series, Point]


class Counting(msgspec.Struct):
    """What a batch adds, and the keys of what is counted with it."""

    points: Points = msgspec.field(default_factory=dict)
    keys: list[Key] = msgspec.field(default_factory=list)


class Totals:
    """What a sink has counted since it was opened; as many series as there are models, tools and agents."""

    def __init__(self) -> None:
        self._points: Points = {}
        self._since_ms: int | None = None

    def with_(self, found: Points, now_ms: int) -> Points:
        """The series of `found`, as sums. Nothing is remembered before `take`."""
        if self._since_ms is None:
            self._since_ms = now_ms - 1
        return {series: msgspec.structs.replace(
                    point if (known := self._points.get(series)) is None else known + point,
                    first_ms=self._since_ms + 1, last_ms=max(now_ms, self._since_ms + 1))
                for series, point in found.items()}

    def take(self, sums: Points) -> None:
        self._points |= sums


def count(items: Iterable[Item], counted: Collection[Key]) -> Counting:
    found = Counting()
    seen: set[Key] = set()
    for item in items:
        if isinstance(item, Event) and item.kind == "cost" and not item.is_void:
            key: Key = (item.session_id_hash, item.event_seq)
            if key not in counted and key not in seen:
                _count_request(found, item)
                seen.add(key)
        elif isinstance(item, ToolSpan) and (took_ms := _took_ms(item)) is not None:
            key = (item.session_id_hash, item.span_id_hash)
            if key not in counted and key not in seen:
                _count_tool(found, item, took_ms)
                seen.add(key)
    found.keys = sorted(seen, key=str)
    return found


def request(points: Points, resource: Resource, *, is_cumulative: bool = False) -> ExportMetricsServiceRequest | None:
    """None when there is nothing to tell."""
    if not points:
        return None
    temporality = CUMULATIVE if is_cumulative else DELTA
    metrics: dict[str, Metric] = {}
    for (name, about), point in sorted(points.items(), key=lambda one: (one[0][0], str(one[0][1]))):
        kind = _KINDS[name]
        metric = metrics.get(name)
        if metric is None:
            metric = metrics[name] = Metric(name=name, unit=kind.unit, description=kind.help)
            if kind.bounds:
                metric.histogram.CopyFrom(Histogram(aggregation_temporality=temporality))
            else:
                metric.sum.CopyFrom(Sum(aggregation_temporality=temporality, is_monotonic=True))
        if kind.bounds:
            metric.histogram.data_points.append(_histogram(dict(about), point, kind.bounds))
        else:
            begin_ns, end_ns = _times(point)
            metric.sum.data_points.append(NumberDataPoint(
                attributes=attributes(dict(about)), as_double=point.sum, start_time_unix_nano=begin_ns,
                time_unix_nano=end_ns))
    scoped = ScopeMetrics(scope=scope(), metrics=list(metrics.values()), schema_url=SCHEMA_URL)
    return ExportMetricsServiceRequest(
        resource_metrics=[ResourceMetrics(resource=resource, scope_metrics=[scoped], schema_url=SCHEMA_URL)])


def _count_request(found: Counting, item: Event) -> None:
    used = usage(item)
    about: dict[str, Value] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider(item.model, payload(item).get("provider")),
        "gen_ai.request.model": item.model,
        "gen_ai.response.model": item.model,
        "kaizen.agent": item.agent,
    }
    _add(found, "gen_ai.client.token.usage", item.ts_ms, used.input, {**about, "gen_ai.token.type": "input"})
    _add(found, "gen_ai.client.token.usage", item.ts_ms, used.output, {**about, "gen_ai.token.type": "output"})
    _add(found, "gen_ai.client.operation.duration", item.ts_ms, _seconds(item.latency_ms), about)
    _add(found, "gen_ai.client.operation.time_to_first_chunk", item.ts_ms, _seconds(item.ttft_ms), about)
    _add(found, "kaizen.cost", item.ts_ms, _not_negative(cost_usd(item)), about)


def _count_tool(found: Counting, item: ToolSpan, took_ms: int) -> None:
    about: dict[str, Value] = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": item.tool or UNKNOWN}
    if item.status == "error":
        about["error.type"] = "tool_error"
    _add(found, "gen_ai.execute_tool.duration", item.ended_at_ms or 0, took_ms / 1000, about)


def _took_ms(item: ToolSpan) -> int | None:
    """None for one that is not over, or whose times are not known."""
    if item.status == "open" or item.ended_at_ms is None:
        return None
    if item.lead_time_ms is not None:
        return item.lead_time_ms
    return None if item.started_at_ms is None else max(item.ended_at_ms - item.started_at_ms, 0)


def _add(found: Counting, metric: str, ts_ms: int, value: float | None, about: dict[str, Value]) -> None:
    if value is None:
        return
    bounds = _KINDS[metric].bounds
    series = metric, tuple(sorted(about.items()))
    point = found.points.setdefault(series, Point(ts_ms, ts_ms, [0] * (len(bounds) + 1)))
    point.take(ts_ms, value, bounds)


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000


def _not_negative(value: float | None) -> float | None:
    """A cost may be a correction; a sum that only grows cannot take it."""
    return None if value is None or value < 0 else value


def _histogram(about: dict[str, Value], point: Point, bounds: tuple[float, ...]) -> HistogramDataPoint:
    begin_ns, end_ns = _times(point)
    return HistogramDataPoint(
        attributes=attributes(about), count=point.count, sum=point.sum, min=point.min, max=point.max,
        bucket_counts=point.buckets, explicit_bounds=bounds, start_time_unix_nano=begin_ns, time_unix_nano=end_ns)


def _times(point: Point) -> tuple[int, int]:
    """A point covers some time, so one moment is the millisecond before it."""
    return nanos(point.first_ms - 1), nanos(point.last_ms)
