"""The delivery engine: one loop that seals, posts, feeds the sinks and writes down what happened.

One process at a time drives it (`sync.lock`). All state that matters is in the store, so a kill at any moment leaves
what the next run needs; only which requests are in flight is in memory. At most `max_in_flight` POSTs run at once, two
of a lane, lanes in the order of `KINDS`, the workspaces of a lane in turn. What an answer changes is in `answers`.

Sinks are independent of the primary: each gets a batch once, beside the first POST (`fan_out` parallel) or after the
primary took it. A batch that the primary has stays only for the sinks that are still owed.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from sqlite3 import Connection
from typing import Any

from kaizen.outbox import policy, seal
from kaizen.outbox.answers import USER, Answers, Counts, limits, resume
from kaizen.outbox.client import Post
from kaizen.outbox.clock import Clock, RealClock
from kaizen.outbox.fanout import Fanout
from kaizen.outbox.seal import Damaged
from kaizen.outbox.settings import Report, Settings
from kaizen.outbox.uuid7 import Keys
from kaizen.store import outbox, outbox_batches, outbox_sinks
from kaizen.store.open import transaction
from kaizen.store.outbox import EVERY, Lane
from kaizen.store.outbox_batches import Batch
from kaizen.wire.ingest import KINDS
from kaizen.wire.sink import Sink

PER_LANE = 2
RECEIPTS_DAYS = 90


class Engine:
    """`post` None: no primary, only sinks. A run that is not `is_once` calls `on_look` when it looks for new items.
    `at` is told the crash points of the model; tests kill the process there."""

    def __init__(self, db: Connection, settings: Settings, post: Post | None, sinks: Sequence[Sink] = (), *,
                 guard: seal.Guard = lambda _: True, is_alive: Callable[[], Awaitable[bool]] | None = None,
                 clock: Clock | None = None, chance: Callable[[], float] = random.random,
                 at: Callable[[str], None] = lambda _: None, on_look: Callable[[], None] = lambda: None,
                 on_progress: Callable[[Report], None] = lambda _: None) -> None:
        self._db, self._settings, self._post = db, settings, post
        self._guard, self._is_alive, self._clock, self._at = guard, is_alive, clock or RealClock(), at
        self._on_look, self._on_progress = on_look, on_progress
        self._new_key = Keys()
        self._tasks: set[asyncio.Task[None]] = set()
        self._posting: dict[str, str] = {}  # batch id -> kind
        self._turn: dict[str, int] = {}  # lane -> envelope served last
        self._stuck: set[str] = set()  # lanes in which all that waits is behind its own older versions
        self._stop = asyncio.Event()
        self.report = Report()
        self._counts = Counts(db, self.report)
        self._fanout = Fanout(db, settings, sinks, self._clock, chance, at, self._spawn, self._counts.retired,
                              self.report)
        self._answers = Answers(db, settings, self._fanout, self._counts, self.report, clock=self._clock,
                                chance=chance, at=at, new_key=self._new_key)

    def stop(self) -> None:
        """Ends the run soon; what is in flight is dropped and sent again by the next."""
        self._stop.set()

    async def run(self, *, deadline_ms: int | None = None, is_once: bool = True) -> Report:
        """Until nothing more may be sent before the deadline or, if not `is_once`, until stopped."""
        began = time.monotonic()
        self._begin()
        stop: asyncio.Task[None] = asyncio.create_task(_until_set(self._stop))
        try:
            while not self._stop.is_set():
                self._start(is_once=is_once)
                if self._tasks:
                    await self._clock.wait({*self._tasks, stop}, self._next_ms(is_once=is_once))
                    self._collect()
                    continue
                next_ms = self._next_ms(is_once=is_once)
                if not is_once:
                    look_ms = self._clock.now_ms() + self._settings.flush_interval_ms
                    next_ms = look_ms if next_ms is None else min(next_ms, look_ms)
                if next_ms is None or (deadline_ms is not None and next_ms > deadline_ms):
                    break
                await self._clock.wait({stop}, next_ms)
                if not is_once and not self._stop.is_set():
                    self._on_look()
        finally:
            for task in (*self._tasks, stop):
                task.cancel()
            await asyncio.gather(*self._tasks, stop, return_exceptions=True)
            self._collect(strict=False)
        self._end()
        self.report.seconds = round(time.monotonic() - began, 3)
        return self.report

    # Beginning and end of a run

    def _begin(self) -> None:
        now_ms = self._clock.now_ms()
        with transaction(self._db):
            if outbox.get(self._db, "fingerprint") != self._settings.fingerprint:
                for lane in outbox.lanes(self._db):
                    if lane.pause_reason != USER:
                        resume(lane)
                    lane.learned_max_items = lane.learned_max_bytes = None
                    outbox.save_lane(self._db, lane)
                outbox.set_(self._db, "fingerprint", self._settings.fingerprint)
                outbox.set_(self._db, "is_plain", None)
                self._answers.is_plain = False
            for kind in KINDS:
                died = 1
                while died:
                    died = seal.expire(self._db, kind, now_ms - self._settings.max_age_ms, now_ms)
                    self._counts.died(kind, died)
            outbox_batches.drop_receipts(self._db, now_ms - RECEIPTS_DAYS * 86_400_000)
            self._fanout.give_up(now_ms)

    def _end(self) -> None:
        report, now_ms = self.report, self._clock.now_ms()
        waiting, sealed = outbox.pending(self._db), outbox_batches.sealed(self._db)
        report.unknown_kinds = {kind: count for kind, (count, _) in waiting.items() if kind not in KINDS}
        lanes = {lane.kind: lane for lane in outbox.lanes(self._db)}
        report.paused = {kind: lane.pause_reason or "" for kind, lane in lanes.items()
                         if (lane.paused_until_ms or 0) > now_ms}
        due = 0
        for kind in self._kinds():
            count = waiting.get(kind, (0, None))[0] + sealed.get(kind, (0, 0))[1]
            report.pending += count
            due += 0 if report.paused.get(kind, report.paused.get(EVERY)) == USER else count
        held = {state.batch_id for state, is_delivered, *_ in outbox_sinks.owed(self._db)
                if is_delivered and self._fanout.is_strict(state.sink)}
        report.awaiting_sinks = sum(
            batch.item_count for one in held if (batch := outbox_batches.batch(self._db, one)) is not None)
        reasons = [reason for kind, reason in report.paused.items() if kind in ("", *self._kinds())] if due else []
        report.exit_status = policy.exit_status(
            configuration=any(one.startswith("redirect:") or one == "client_too_old" for one in reasons),
            auth="auth" in reasons, dead=report.died > 0, pending=due > 0 or report.awaiting_sinks > 0)

    def _kinds(self) -> list[str]:
        return [kind for kind in KINDS if not self._settings.kinds or kind in self._settings.kinds]

    # What to do next

    def _start(self, *, is_once: bool) -> None:
        now_ms = self._clock.now_ms()
        self._stuck.clear()
        self._fanout.start(now_ms, is_once=is_once)
        lanes = {lane.kind: lane for lane in outbox.lanes(self._db)}
        every = lanes.get(EVERY, Lane(EVERY))
        if (every.paused_until_ms or 0) > now_ms:
            return
        if every.failures >= policy.BREAKER_AFTER and self._post is not None and self._is_alive is not None:
            if not self._posting:
                self._posting["probe"] = EVERY
                self._spawn(self._probe())
            return
        open_ = [batch for batch in outbox_batches.open_batches(self._db) if batch.id not in self._posting]
        waiting: dict[str, list[int]] = {}
        for kind, envelope_id, _ in outbox.lanes_waiting(self._db):
            waiting.setdefault(kind, []).append(envelope_id)
        for kind in self._kinds():
            if (lanes.get(kind, Lane(kind)).paused_until_ms or 0) > now_ms:
                continue
            due = [batch for batch in open_ if batch.kind == kind and batch.next_attempt_ms <= now_ms]
            while self._has_slot(kind):
                batch = due.pop(0) if due else self._sealed(kind, waiting.get(kind, ()), now_ms)
                if batch is None:
                    self._stuck.add(kind)
                    break
                if self._post is None:
                    self._answers.only_sinks(batch, now_ms)
                    self._fanout.start(now_ms, is_once=is_once)
                    if self._fanout.busy >= self._settings.max_in_flight:
                        return
                    continue
                self._posting[batch.id] = kind
                self._spawn(self._deliver(batch))

    def _has_slot(self, kind: str) -> bool:
        busy = list(self._posting.values())
        return len(busy) < self._settings.max_in_flight and busy.count(kind) < PER_LANE

    def _next_ms(self, *, is_once: bool) -> int | None:
        """When something may be done that may not be done now."""
        lanes = {lane.kind: lane for lane in outbox.lanes(self._db)}
        every_ms = self._until(lanes.get(EVERY))
        times: list[int] = []
        open_by_kind: dict[str, int] = {}
        for batch in outbox_batches.open_batches(self._db):
            if batch.id not in self._posting:
                known = open_by_kind.get(batch.kind, policy.FOREVER_MS)
                open_by_kind[batch.kind] = min(known, batch.next_attempt_ms)
        for kind in {kind for kind, *_ in outbox.lanes_waiting(self._db)}:
            if kind not in self._stuck and (not self._tasks or self._has_slot(kind)):
                open_by_kind[kind] = 0
        if lanes.get(EVERY, Lane(EVERY)).pause_reason != USER:
            times = [max(open_by_kind[kind], self._until(lanes.get(kind)), every_ms) for kind in self._kinds()
                     if kind in open_by_kind and lanes.get(kind, Lane(kind)).pause_reason != USER]
        times += self._fanout.times(is_once=is_once)
        return min(times) if times else None

    @staticmethod
    def _until(lane: Lane | None) -> int:
        return 0 if lane is None else lane.paused_until_ms or 0

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(asyncio.create_task(work))

    def _collect(self, *, strict: bool = True) -> None:
        for task in [task for task in self._tasks if task.done()]:
            self._tasks.discard(task)
            if strict and not task.cancelled():
                task.result()  # a bug of ours is loud
        self._on_progress(self.report)

    # Sealing

    def _sealed(self, kind: str, envelopes: Sequence[int], now_ms: int) -> Batch | None:
        """A new batch of the lane, from the workspace whose turn it is of those that had items waiting."""
        last = self._turn.get(kind, 0)
        for envelope in sorted(envelopes, key=lambda one: (one <= last, one)):
            with transaction(self._db):
                lane = outbox.lane(self._db, kind)
                batch, died = seal.seal(self._db, KINDS[kind], envelope, limits(lane, self._settings),
                                        self._settings.hard_bytes, now_ms, self._new_key, self._guard)
                if batch is not None:
                    lane.sealed += 1
                    lane.bytes_raw += batch.body_bytes
                lane.died += died
                self.report.died += died
                outbox.save_lane(self._db, lane)
                self._at("CP3")
            self._turn[kind] = envelope
            if batch is not None:
                self._at("CP4")
                return batch
        return None

    # The primary

    async def _deliver(self, batch: Batch) -> None:
        assert self._post is not None
        try:
            try:
                content = seal.content_of(self._db, batch)
            except Damaged:
                self._answers.repair(batch)
                return
            now_ms = self._clock.now_ms()
            with transaction(self._db):
                lane = outbox.lane(self._db, batch.kind)
                if batch.accepted_before is None:
                    batch.accepted_before = lane.accepted
                batch.attempts += 1
                batch.last_attempt_ms = now_ms
                lane.posted += 1
                outbox_batches.save(self._db, batch)
                if self._settings.fan_out == "parallel":
                    self._fanout.owe(batch, now_ms)
                is_gzip = not self._answers.is_plain and len(content.compressed) <= 0.9 * len(content.body)
                body = content.compressed if is_gzip else content.body
                lane.bytes_sent += len(body)
                outbox.save_lane(self._db, lane)
            self._at("CP5")
            self._fanout.start(now_ms, is_once=True)
            self.report.posts += 1
            answer = await self._post(KINDS[batch.kind].path, batch.id, body, batch.digest.hex(), is_gzip)
            self._at("CP8")
            self._answers.apply(batch, content, answer, is_gzip=is_gzip)
            self._at("CP10")
        finally:
            self._posting.pop(batch.id, None)

    async def _probe(self) -> None:
        assert self._is_alive is not None
        try:
            lives = await self._is_alive()
            self._answers.probed(lives=lives)
        finally:
            self._posting.pop("probe", None)


async def _until_set(event: asyncio.Event) -> None:
    await event.wait()

