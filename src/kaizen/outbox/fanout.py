"""Batches to sinks: each sink gets each batch once, whatever becomes of the POST beside it.

A sink's state lives in `batch_sinks`; only who is being fed right now is in memory. A batch that is split while a sink
has it hands the sink's answer down to its parts.
"""

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Iterator, Sequence
from sqlite3 import Connection
from typing import Any

import msgspec

from kaizen.outbox import policy, seal
from kaizen.outbox.clock import Clock
from kaizen.outbox.settings import Report, Settings
from kaizen.store import outbox, outbox_batches, outbox_sinks
from kaizen.store.open import transaction
from kaizen.store.outbox_batches import Batch
from kaizen.store.outbox_sinks import SinkState
from kaizen.wire import ingest, sink
from kaizen.wire.ingest import KINDS

PER_SINK = 2
TIMEOUT_S = 30.0
MAX_BYTES = 64 << 20
NAMESPACE = uuid.UUID("6f0f6a52-3a0f-5c39-9f0e-0a6c2c6f8f11")

Spawn = Callable[[Coroutine[Any, Any, None]], None]


class Fanout:
    """Part of one engine's run. `retired(kind, items)` is told what only the sinks held up."""

    def __init__(self, db: Connection, settings: Settings, sinks: Sequence[sink.Sink], clock: Clock,
                 chance: Callable[[], float], at: Callable[[str], None], spawn: Spawn,
                 retired: Callable[[str, int], None], report: Report) -> None:
        self._db, self._settings, self._clock, self._chance, self._at = db, settings, clock, chance, at
        self._spawn, self._count_retired, self._report = spawn, retired, report
        self._sinks = {one.name: one for one in sinks}
        self._feeding: set[tuple[str, str]] = set()  # (batch id, sink)
        self._fed: set[tuple[str, str]] = set()  # tried in this run
        self._parts: dict[str, list[str]] = {}  # batches that became others while a sink had them

    @property
    def busy(self) -> int:
        return len(self._feeding)

    def is_strict(self, name: str) -> bool:
        return not self._settings.fail_open_of.get(name, self._settings.fail_open)

    def holds(self, batch_id: str) -> bool:
        """Is the batch owed to a sink without which it is not done?"""
        states = outbox_sinks.sinks_of(self._db, batch_id)
        return any(one.state == "owed" and self.is_strict(one.sink) for one in states)

    def replaced(self, batch_id: str, parts: Sequence[str]) -> None:
        """The batch is gone; its items are in these."""
        self._parts[batch_id] = list(parts)
        for part in parts:
            self._feeding |= {(part, name) for one, name in self._feeding if one == batch_id}
            self._fed |= {(part, name) for one, name in self._fed if one == batch_id}

    def times(self, *, is_once: bool) -> Iterator[int]:
        """When each owed delivery may be tried."""
        for state, *_ in outbox_sinks.owed(self._db):
            key = (state.batch_id, state.sink)
            if state.sink in self._sinks and key not in self._feeding and not (is_once and key in self._fed):
                yield state.next_attempt_ms

    def owe(self, batch: Batch, now_ms: int) -> None:
        names = [name for name, one in self._sinks.items() if one.accepts(batch.kind)]
        outbox_sinks.owe(self._db, batch.id, names, now_ms)

    def start(self, now_ms: int, *, is_once: bool) -> None:
        if not self._sinks:
            return
        busy = dict.fromkeys(self._sinks, 0)
        for _, name in self._feeding:
            busy[name] = busy.get(name, 0) + 1
        for state, *_ in outbox_sinks.owed(self._db):
            key = (state.batch_id, state.sink)
            if (state.sink not in self._sinks or key in self._feeding or state.next_attempt_ms > now_ms
                    or (is_once and key in self._fed) or busy[state.sink] >= PER_SINK):
                continue
            busy[state.sink] += 1
            self._feeding.add(key)
            self._fed.add(key)
            self._spawn(self._feed(state))

    async def _feed(self, state: SinkState) -> None:
        sink_ = self._sinks[state.sink]
        try:
            batch = outbox_batches.batch(self._db, state.batch_id)
            if batch is None:
                return
            try:
                given = self._for_sink(batch)
                async with asyncio.timeout(TIMEOUT_S):
                    result = await sink_.send(given)
            except TimeoutError:
                result = sink.Again("no answer in time")
            except Exception as error:  # a crash inside an exporter is a failure of that sink
                result = sink.Again(f"{type(error).__name__}")
            self._at("CP11")
            self._settle(state, result)
        finally:
            for one in self._heirs(state.batch_id):
                self._feeding.discard((one, state.sink))
            self._feeding.discard((state.batch_id, state.sink))

    def _for_sink(self, batch: Batch) -> sink.Batch:
        content = seal.content_of(self._db, batch)
        kind = KINDS[batch.kind]
        raw = outbox.envelope_body(self._db, batch.envelope_id)
        envelope = msgspec.json.decode(raw, type=ingest.Envelope)
        items = [msgspec.json.decode(payload, type=kind.item) for _, payload in content.items(raw, kind)]
        ids = [item_id(envelope, batch.kind, item) for item in items]
        return sink.Batch(batch.id, batch.kind, envelope, items, ids, content.body, self._clock.now_ms())

    def _heirs(self, batch_id: str) -> list[str]:
        """What became of a batch: itself, or the batches its items are in now."""
        parts = self._parts.get(batch_id)
        return [batch_id] if parts is None else [heir for one in parts for heir in self._heirs(one)]

    def _settle(self, state: SinkState, result: sink.Result) -> None:
        now_ms = self._clock.now_ms()
        with transaction(self._db):
            first = True
            for batch_id in self._heirs(state.batch_id):
                batch = outbox_batches.batch(self._db, batch_id)
                if batch is not None:
                    self._settle_one(batch, state.sink, result, now_ms, counts_rejected=first)
                    first = False

    def _settle_one(self, batch: Batch, name: str, result: sink.Result, now_ms: int, *, counts_rejected: bool) -> None:
        state = next((one for one in outbox_sinks.sinks_of(self._db, batch.id) if one.sink == name), None)
        if state is None or state.state != "owed":
            return
        state.attempts += 1
        if isinstance(result, sink.Done):
            state.state, state.last_error = "done", None
            rejected = result.rejected if counts_rejected else 0
            outbox_sinks.count_sink(self._db, name, done=1, items=batch.item_count - rejected, rejected=rejected,
                                    error=result.detail or None, now_ms=now_ms)
        else:
            self._report.sink_failures[name] = state.last_error = result.reason
            asked = result.after_s if isinstance(result, sink.Again) else None
            state.delay_ms = policy.delay_ms(state.delay_ms, asked, self._chance)
            state.next_attempt_ms = now_ms + state.delay_ms
            is_over = isinstance(result, sink.Refused) and not self.is_strict(name)
            if is_over:
                state.state = "abandoned"
            outbox_sinks.count_sink(self._db, name, abandoned=int(is_over), error=result.reason, now_ms=now_ms)
        outbox_sinks.save_sink(self._db, state)
        self._let_go(batch, name)

    def _let_go(self, batch: Batch, name: str) -> None:
        """A sink is done with a batch, in whatever way: it may be retired, and it may be gone."""
        if not batch.is_delivered:
            return
        states = {one.sink: one.state for one in outbox_sinks.sinks_of(self._db, batch.id)}
        if states[name] != "owed" and self.is_strict(name) and not self.holds(batch.id):
            self._count_retired(batch.kind, batch.item_count)
        if "owed" not in states.values():
            outbox_batches.drop_batch(self._db, batch.id)

    def give_up(self, now_ms: int) -> None:
        """What `fail_open` owes a sink is kept for a day and 64 MiB. So is what any sink is owed that is not there now:
        it may be back in the next run, when its key is set again."""
        kept = 0
        for state, is_delivered, delivered_ms, size in reversed(outbox_sinks.owed(self._db)):
            kept += size
            is_patient = self.is_strict(state.sink) and state.sink in self._sinks
            is_old = now_ms - (delivered_ms or now_ms) > self._settings.sink_max_age_ms or kept > MAX_BYTES
            if is_patient or not is_delivered or not is_old:
                continue
            state.state = "abandoned"
            outbox_sinks.save_sink(self._db, state)
            outbox_sinks.count_sink(self._db, state.sink, abandoned=1, now_ms=now_ms)
            batch = outbox_batches.batch(self._db, state.batch_id)
            if batch is not None:
                self._let_go(batch, state.sink)


def item_id(envelope: ingest.Envelope, kind: str, item: ingest.Item) -> str:
    identity = [getattr(item, name) for name in KINDS[kind].identity] or [msgspec.json.encode(item).hex()]
    return str(uuid.uuid5(NAMESPACE, "|".join(map(str, (kind, envelope.team_id, envelope.workspace_hash,
                                                         *identity)))))
