"""Redacted items -> OTLP metrics: tokens, durations and money.

A batch becomes `points`: counts by (metric, attributes). Sent as they are they are *delta*; for backends that want
*cumulative* the sender adds them to what it sent before (`added`) and sends the sum, counted from when it started.

Delta points carry the time of their items, so a backfill lands where it belongs. A request that is void is not counted;
one that was counted before cannot be taken back, and a tool span that is sent again in a newer version counts again:
histograms forget what went into them.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    Sum,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from kaizen.wire.genai import Semconv, provider
from kaizen.wire.ingest import Event, Item, Session, ToolSpan
from kaizen.wire.otlp_proto import Value, as_named, metrics_message, nanos, pairs

TOKEN_BUCKETS = tuple(4**power for power in range(14))
SECOND_BUCKETS = tuple(0.01 * 2**power for power in range(14))


class Instrument(msgspec.Struct, frozen=True):
    """A histogram, or a sum where there are no `buckets`."""

    unit: str
    buckets: Sequence[float] = ()


INSTRUMENTS = {
    "gen_ai.client.token.usage": Instrument("{token}", TOKEN_BUCKETS),
    "gen_ai.client.operation.duration": Instrument("s", SECOND_BUCKETS),
    "gen_ai.client.operation.time_to_first_chunk": Instrument("s", SECOND_BUCKETS),
    "gen_ai.execute_tool.duration": Instrument("s", SECOND_BUCKETS),
    "gen_ai.invoke_agent.duration": Instrument("s", SECOND_BUCKETS),
    "kaizen.cost": Instrument("{USD}"),
}

Said = tuple[tuple[str, Value], ...]
# A metric and its attributes.
Key = tuple[str, Said]


class Point(msgspec.Struct, frozen=True):
    """`buckets` are counts, one more than there are bounds; a sum has none."""

    count: int
    sum: float
    least: float
    most: float
    buckets: tuple[int, ...]
    start_ms: int
    end_ms: int


Points = Mapping[Key, Point]


def points(items: Iterable[Item]) -> Points:
    found: dict[Key, Point] = {}
    for item in items:
        for key, value, at_ms in _measured(item):
            _put(found, key, _one(INSTRUMENTS[key[0]], value, at_ms))
    return found


def added(before: Points, now: Points) -> Points:
    """What all items together give."""
    found = dict(before)
    for key, point in now.items():
        _put(found, key, point)
    return found


def metrics_request(found: Points, resource: Resource, semconv: Semconv, version: str, *,
                    cumulative: tuple[int, int] | None = None) -> bytes:
    """Delta, or cumulative with the times (ms) from which and until which it counts."""
    made = []
    for name, instrument in INSTRUMENTS.items():
        mine = [(key[1], point) for key, point in sorted(found.items(), key=_order) if key[0] == name]
        if mine:
            made.append(_metric(name, instrument, mine, semconv, cumulative))
    return metrics_message(made, resource, semconv, version)


def _metric(name: str, instrument: Instrument, mine: Iterable[tuple[Said, Point]], semconv: Semconv,
            cumulative: tuple[int, int] | None) -> Metric:
    temporality = (AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA if cumulative is None
                   else AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE)
    bars, numbers = [], []
    for said, point in mine:
        # A delta of one moment still needs a beginning before its end.
        start_ms, end_ms = cumulative or (min(point.start_ms, point.end_ms - 1), point.end_ms)
        attributes = pairs(as_named(dict(said), semconv))
        if instrument.buckets:
            bars.append(HistogramDataPoint(
                attributes=attributes, start_time_unix_nano=nanos(start_ms), time_unix_nano=nanos(end_ms),
                count=point.count, sum=point.sum, min=point.least, max=point.most, bucket_counts=point.buckets,
                explicit_bounds=instrument.buckets))
        else:
            numbers.append(NumberDataPoint(attributes=attributes, start_time_unix_nano=nanos(start_ms),
                                           time_unix_nano=nanos(end_ms), as_double=point.sum))
    if bars:
        return Metric(name=name, unit=instrument.unit,
                      histogram=Histogram(data_points=bars, aggregation_temporality=temporality))
    return Metric(name=name, unit=instrument.unit,
                  sum=Sum(data_points=numbers, aggregation_temporality=temporality, is_monotonic=True))


def _order(one: tuple[Key, Point]) -> str:
    return repr(one[0])


def _measured(item: Item) -> Iterable[tuple[Key, float, int]]:
    """(key, value, time) of everything an item lets us count."""
    match item:
        case Event(kind="cost", is_void=False):
            yield from _request(item)
        case ToolSpan(lead_time_ms=int(took_ms)) if item.status != "open":
            at_ms = item.ended_at_ms or item.started_at_ms
            if at_ms is not None:
                said: dict[str, Value] = {"gen_ai.tool.name": item.tool or "unknown"}
                if item.status == "error":
                    said["error.type"] = "tool_error"
                yield _key("gen_ai.execute_tool.duration", "execute_tool", said), took_ms / 1000, at_ms
        case Session():
            for turn in item.turns or ():
                took_ms = max(0, turn.ended_at_ms - turn.started_at_ms)
                said = {"gen_ai.agent.name": item.agent}
                yield _key("gen_ai.invoke_agent.duration", "invoke_agent", said), took_ms / 1000, turn.ended_at_ms


def _request(event: Event) -> Iterable[tuple[Key, float, int]]:
    said: dict[str, Value] = {
        "gen_ai.provider.name": provider(event.model),
        "gen_ai.request.model": event.model,
        "gen_ai.response.model": event.model,
    }
    at_ms = event.ts_ms
    if event.tokens_in is not None:
        tokens_in = event.tokens_in + (event.cache_read_tokens or 0) + (event.cache_creation_tokens or 0)
        yield _key("gen_ai.client.token.usage", "chat", {**said, "gen_ai.token.type": "input"}), tokens_in, at_ms
    if event.tokens_out is not None:
        key = _key("gen_ai.client.token.usage", "chat", {**said, "gen_ai.token.type": "output"})
        yield key, event.tokens_out, at_ms
    if event.latency_ms is not None:
        yield _key("gen_ai.client.operation.duration", "chat", said), event.latency_ms / 1000, at_ms
    if event.ttft_ms is not None:
        yield _key("gen_ai.client.operation.time_to_first_chunk", "chat", said), event.ttft_ms / 1000, at_ms
    if event.cost_usd_e6 is not None and event.cost_usd_e6 >= 0:
        yield _key("kaizen.cost", "chat", {**said, "kaizen.agent": event.agent}), event.cost_usd_e6 / 1e6, at_ms


def _key(metric: str, operation: str, attributes: Mapping[str, Value]) -> Key:
    return metric, tuple(sorted({"gen_ai.operation.name": operation, **attributes}.items()))


def _one(instrument: Instrument, value: float, at_ms: int) -> Point:
    place = bisect_left(instrument.buckets, value)
    counts = tuple(int(place == bucket) for bucket in range(len(instrument.buckets) + 1)) if instrument.buckets else ()
    return Point(1, value, value, value, counts, at_ms, at_ms)


def _put(found: dict[Key, Point], key: Key, new: Point) -> None:
    old = found.get(key)
    found[key] = new if old is None else Point(
        old.count + new.count, old.sum + new.sum, min(old.least, new.least), max(old.most, new.most),
        tuple(a + b for a, b in zip(old.buckets, new.buckets, strict=True)), min(old.start_ms, new.start_ms),
        max(old.end_ms, new.end_ms))
