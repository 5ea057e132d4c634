"""Stored rows of a window, once more through the exporters: for a sink that is new, or had lost something.

Neither the hub nor the outbox takes part. Items and their ids are those that the first sending had, so a sink that goes
by ids keeps one of two.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from itertools import groupby
from sqlite3 import Connection

import msgspec

from kaizen.outbox import items
from kaizen.outbox.enqueue import envelope_of, turn_of
from kaizen.outbox.fanout import NAMESPACE, TIMEOUT_S, item_id
from kaizen.outbox.gate import Gate
from kaizen.outbox.seal import Guard
from kaizen.store import bodies, outgoing
from kaizen.wire.ingest import KINDS, Envelope, Item, body
from kaizen.wire.sink import Again, Batch, Done, Refused, Result, Sink

KINDS_REPLAYED = ("sessions", "events", "tool_spans")
TRIES = 4
LONGEST_WAIT_S = 60.0
REFUSALS = 3


class Part(msgspec.Struct, frozen=True):
    """A batch, and whose it is; `workspace` stays here."""

    workspace: str
    batch: Batch


class Window(msgspec.Struct, frozen=True):
    """`now_ms` is the time of the replay."""

    start_ms: int
    end_ms: int
    now_ms: int


def parts(db: Connection, gate: Gate, guard: Guard, window: Window, *,
          session_id: int | None = None, on_refused: Callable[[], None] = lambda: None) -> Iterator[Part]:
    """Workspace by workspace: sessions, events, spans. `session_id`: of this one only. `on_refused`: the guard let an
    item not through."""
    sync = gate.config.sync
    active = [one for one in outgoing.active_between(db, window.start_ms, window.end_ms)
              if session_id is None or one.id == session_id]
    for workspace_id, group in groupby(active, key=lambda one: one.workspace_id):
        root, name = outgoing.workspace(db, workspace_id)
        envelope = envelope_of(gate, root, name)
        sampled = [one for one in group if gate.salt.sample(one.host_id) < sync.sample_rate]
        for kind in KINDS_REPLAYED:
            chunk, size = list[tuple[Item, bytes]](), 0
            for item in _items(db, gate, kind, sampled, root, window):
                data = msgspec.json.encode(item)
                if not guard(data):
                    on_refused()
                    continue
                if chunk and (len(chunk) == sync.events_per_batch_max or size + len(data) > sync.max_body_bytes):
                    yield Part(root, _batch(envelope, kind, chunk, window.now_ms))
                    chunk, size = [], 0
                chunk.append((item, data))
                size += len(data) + 1
            if chunk:
                yield Part(root, _batch(envelope, kind, chunk, window.now_ms))


def _items(db: Connection, gate: Gate, kind: str, sessions: Sequence[outgoing.Session], root: str,
           window: Window) -> Iterator[Item]:
    for session in sessions:
        if kind == "sessions":
            yield items.session_item(session, outgoing.sums(db, session.id), gate.salt, window.now_ms, window.now_ms)
        elif kind == "tool_spans":
            for span in outgoing.spans_between(db, session.id, window.start_ms, window.end_ms):
                yield items.span(span, session, gate.salt, window.now_ms)
        else:
            turns = outgoing.turns(db, session.id)
            for event in outgoing.events_between(db, session.id, window.start_ms, window.end_ms):
                payload = bodies.payload(event.body) or {}
                item = items.event(event, session, payload, gate.salt, root, window.now_ms, turn_of(event.seq, turns))
                if not item.is_void:  # a correction of something that this window need not hold
                    yield item


def _batch(envelope: Envelope, kind: str, chunk: Sequence[tuple[Item, bytes]], now_ms: int) -> Batch:
    ids = [item_id(envelope, kind, item) for item, _ in chunk]
    sent = body(msgspec.json.encode(envelope), KINDS[kind].list_name, [data for _, data in chunk])
    return Batch(str(uuid.uuid5(NAMESPACE, "|".join(ids))), kind, envelope, [item for item, _ in chunk], ids, sent,
                 now_ms)


class Pushed(msgspec.Struct):
    """What one sink took. `error`: its last; `is_stopped`: it got nothing any more after that."""

    name: str
    batches: int = 0
    items: int = 0
    rejected: int = 0
    failed: int = 0
    error: str = ""
    is_stopped: bool = False
    refusals_in_row: int = 0


async def push(given: Iterable[Part], sinks: Sequence[Sink], *, on_part: Callable[[Part], None] = lambda _: None,
               wait: Callable[[float], Awaitable[None]] = asyncio.sleep) -> list[Pushed]:
    """Each batch to every sink that takes its kind, and is still alive. Closes the sinks."""
    found = [Pushed(sink.name) for sink in sinks]
    try:
        for part in given:
            live = [(sink, one) for sink, one in zip(sinks, found, strict=True)
                    if not one.is_stopped and sink.accepts(part.batch.kind)]
            if sinks and all(one.is_stopped for one in found):
                break
            on_part(part)
            results = await asyncio.gather(*(_give(sink, part.batch, wait) for sink, _ in live))
            for (_, one), result in zip(live, results, strict=True):
                _count(one, part.batch, result)
    finally:
        for sink in sinks:
            await sink.close()
    return found


async def _give(sink: Sink, batch: Batch, wait: Callable[[float], Awaitable[None]]) -> Result:
    for attempt in range(TRIES):
        try:
            async with asyncio.timeout(TIMEOUT_S):
                result = await sink.send(batch)
        except TimeoutError:
            result = Again("no answer in time")
        except Exception as error:  # a crash inside an exporter is a failure of that sink
            result = Again(type(error).__name__)
        if not isinstance(result, Again) or attempt == TRIES - 1:
            return result
        await wait(min(2.0**attempt if result.after_s is None else result.after_s, LONGEST_WAIT_S))
    raise AssertionError


def _count(one: Pushed, batch: Batch, result: Result) -> None:
    match result:
        case Done(rejected=rejected, detail=detail):
            one.batches += 1
            one.items += len(batch.items) - rejected
            one.rejected += rejected
            one.refusals_in_row, one.error = 0, detail or one.error
        case Again(reason=reason):
            one.failed += len(batch.items)
            one.error, one.is_stopped = reason, True
        case Refused(reason=reason):
            one.failed += len(batch.items)
            one.refusals_in_row += 1
            one.error, one.is_stopped = reason, one.refusals_in_row >= REFUSALS
