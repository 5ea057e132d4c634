"""The state of sending: what waits, what was sent, what could not be."""

from collections.abc import Iterable
from sqlite3 import Connection
from typing import Any

import msgspec

from kaizen.store import outbox, outbox_batches, outbox_dead, outbox_sinks
from kaizen.store.bodies import payload
from kaizen.store.outbox import EVERY, Lane
from kaizen.wire.ingest import KINDS


class LaneStatus(msgspec.Struct):
    kind: str
    pending: int
    sealed: int
    dead: int
    oldest_ms: int | None
    paused_until_ms: int | None
    pause_reason: str | None
    is_known: bool
    counters: Lane


class SinkStatus(msgspec.Struct):
    name: str
    done: int
    items: int
    rejected: int
    retrying: int
    abandoned: int
    last_done_ms: int | None
    last_error: str | None
    last_error_ms: int | None


class Status(msgspec.Struct):
    """`pending` counts items, sealed ones too. `is_paused`: of all lanes, with the reason."""

    endpoint: str
    pending: int
    last_success_ms: int | None
    consecutive_failures: int
    last_error: str | None
    last_error_ms: int | None
    paused_until_ms: int | None
    pause_reason: str | None
    lanes: list[LaneStatus]
    sinks: list[SinkStatus]


def status(db: Connection, endpoint: str, now_ms: int) -> Status:
    lanes = {lane.kind: lane for lane in outbox.lanes(db)}
    waiting, sealed, dead = outbox.pending(db), outbox_batches.sealed(db), outbox_dead.dead_counts(db)
    every = lanes.get(EVERY, Lane(EVERY))
    shown = []
    for kind in [*KINDS, *sorted({*waiting, *dead} - {*KINDS})]:
        lane = lanes.get(kind, Lane(kind))
        pending, oldest_ms = waiting.get(kind, (0, None))
        is_paused = (lane.paused_until_ms or 0) > now_ms
        one = LaneStatus(
            kind, pending, sealed.get(kind, (0, 0))[1], dead.get(kind, 0), oldest_ms,
            lane.paused_until_ms if is_paused else None, lane.pause_reason if is_paused else None, kind in KINDS, lane)
        if one.pending or one.sealed or one.dead or lane.sealed or is_paused:
            shown.append(one)
    failed = max(lanes.values(), key=lambda lane: lane.last_error_ms or 0, default=every)
    is_paused = (every.paused_until_ms or 0) > now_ms
    successes = [lane.last_success_ms for lane in lanes.values() if lane.last_success_ms is not None]
    return Status(
        endpoint, sum(one.pending + one.sealed for one in shown if one.is_known), max(successes, default=None),
        max((lane.failures for lane in lanes.values()), default=0),
        failed.last_error, failed.last_error_ms, every.paused_until_ms if is_paused else None,
        every.pause_reason if is_paused else None, shown, sinks(db))


def sinks(db: Connection, configured: Iterable[str] = ()) -> list[SinkStatus]:
    """Those that are `configured`, in their order, then others that took or are owed something, by name."""
    backlog = outbox_sinks.sink_backlog(db)
    totals = {one.sink: one for one in outbox_sinks.sink_totals(db)}
    found = []
    for name in dict.fromkeys((*configured, *sorted({*backlog, *totals}))):
        total = totals.get(name, outbox_sinks.SinkTotals(name, 0, 0, 0, 0, None, None, None))
        found.append(SinkStatus(name, total.done, total.items, total.rejected, backlog.get(name, (0, 0))[0],
                                total.abandoned, total.last_done_ms, total.last_error, total.last_error_ms))
    return found


class Preview(msgspec.Struct):
    """One waiting item: `leaves` is exactly what would be sent, `local` what the store holds of it."""

    id: int
    kind: str
    bytes: int
    leaves: Any
    local: Any


def preview(db: Connection, kind: str | None, limit: int) -> list[Preview]:
    """The oldest waiting items, each beside its local row."""
    found = []
    for one in outbox.peek(db, kind, limit):
        leaves = msgspec.json.decode(one.payload)
        local = None
        if one.kind == "events" and isinstance(leaves, dict):
            row = outbox.local_event(db, one.owner, leaves.get("event_seq"))
            if row is not None:
                body = row.pop("body")
                local = {**row, "payload": payload(body)}
        found.append(Preview(one.id, one.kind, len(one.payload), leaves, local))
    return found


class Receipt(msgspec.Struct):
    """Of a batch that was sent: `left_out` counts what stayed here, by key or rule; `origin` is BLAKE3 over the local
    rows its items were made of, `digest` over the bytes that were sent."""

    batch_id: str
    kind: str
    sent_ms: int
    items: int
    redaction: str
    left_out: dict[str, int]
    origin: str
    digest: str


def receipts(db: Connection, limit: int) -> list[Receipt]:
    return [Receipt(one.batch_id, one.kind, one.sent_ms, one.item_count, one.redaction,
                    msgspec.json.decode(one.left_out, type=dict[str, int]), one.origin.hex(), one.digest.hex())
            for one in outbox_batches.receipts(db, limit)]


class DeadLetter(msgspec.Struct):
    id: int
    kind: str
    owner: str
    reason: str
    detail: str
    http_status: int | None
    age_ms: int
    bytes: int
    attempts: int


def dead(db: Connection, kind: str | None, reason: str | None, now_ms: int) -> list[DeadLetter]:
    return [DeadLetter(one.id, one.kind, one.owner, one.reason, one.detail, one.http_status,
                       now_ms - one.first_enqueued_ms, len(one.payload), one.attempts)
            for one in outbox_dead.dead(db, kind=kind, reason=reason)]
