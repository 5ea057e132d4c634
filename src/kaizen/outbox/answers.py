"""What an answer of the primary changes in the store: one transaction each. What it means is `policy.decide`."""

from collections.abc import Callable, Sequence
from sqlite3 import Connection

import msgspec
from blake3 import blake3

from kaizen.outbox import policy, seal
from kaizen.outbox.clock import Clock
from kaizen.outbox.fanout import Fanout
from kaizen.outbox.policy import Answer, Limits
from kaizen.outbox.seal import Content, Item
from kaizen.outbox.settings import Report, Settings
from kaizen.store import outbox, outbox_batches, outbox_sinks
from kaizen.store.open import transaction
from kaizen.store.outbox import EVERY, Lane
from kaizen.store.outbox_batches import Batch
from kaizen.wire.ingest import KINDS

USER = "user"


class Counts:
    """What became of items, for the lanes and for the report."""

    def __init__(self, db: Connection, report: Report) -> None:
        self._db, self._report = db, report

    def retired(self, kind: str, items: int) -> None:
        lane = outbox.lane(self._db, kind)
        lane.retired += items
        outbox.save_lane(self._db, lane)
        self._report.retired += items

    def died(self, kind: str, items: int) -> None:
        if items:
            lane = outbox.lane(self._db, kind)
            lane.died += items
            outbox.save_lane(self._db, lane)
            self._report.died += items


class Answers:
    """`at` is told the crash points of the model. `is_plain`: the hub does not take compressed bodies."""

    def __init__(self, db: Connection, settings: Settings, fanout: Fanout, counts: Counts, report: Report, *,
                 clock: Clock, chance: Callable[[], float], at: Callable[[str], None], new_key: Callable[[int], str]
                 ) -> None:
        self._db, self._settings, self._fanout, self._counts, self._report = db, settings, fanout, counts, report
        self._clock, self._chance, self._at, self._new_key = clock, chance, at, new_key
        self.is_plain = outbox.get(db, "is_plain") == "1"

    def repair(self, batch: Batch) -> None:
        """Its bytes are not those that were sealed: never send them under its key."""
        now_ms = self._clock.now_ms()
        with transaction(self._db):
            items = seal.salvaged(self._db, batch)
            if items is not None:
                seal.reseal(self._db, batch, [items], now_ms, self._new_key)
                return
            _, body = outbox_batches.content(self._db, batch.id)
            member = seal.Member("", None, len(body), batch.sealed_ms)
            seal.bury(self._db, batch, [((member, body), "unparseable", "the sealed batch is damaged")], now_ms)
            outbox_batches.drop_batch(self._db, batch.id)
            self._counts.died(batch.kind, 1)

    def apply(self, batch: Batch, content: Content, answer: Answer, *, is_gzip: bool) -> None:
        """One transaction for all that an answer changes."""
        now_ms = self._clock.now_ms()
        kind = KINDS[batch.kind]
        with transaction(self._db):
            lane = outbox.lane(self._db, batch.kind)
            decision = policy.decide(answer, policy.Tried(
                items=batch.item_count, list_name=kind.list_name, is_compressed=is_gzip, conflicts=batch.conflicts,
                rekeyed=batch.rekeyed, server_errors=batch.server_errors, first_error_ms=batch.first_error_ms,
                is_overtaken=lane.accepted > (batch.accepted_before or 0)), now_ms)
            lane.last_status = batch.last_status = answer.status
            every = outbox.lane(self._db, EVERY)
            if answer.status is None:
                self._report.last_error = answer.message
                every.failures += 1
                if every.failures >= policy.BREAKER_AFTER:
                    every.paused_until_ms = now_ms + int(policy.probe_after_s(every.failures) * 1000)
                    every.pause_reason = "unreachable"
                outbox.save_lane(self._db, every)
            elif every.failures:
                every.failures = 0
                if every.pause_reason == "unreachable":
                    resume(every)
                outbox.save_lane(self._db, every)
            outbox.save_lane(self._db, lane)
            match decision:
                case policy.Retire():
                    self._retire(batch, content, decision, now_ms)
                case policy.Split(is_too_large=is_too_large):
                    if is_too_large:
                        learned = policy.shrunk(batch.item_count, batch.body_bytes)
                        lane.learned_max_items, lane.learned_max_bytes = learned.items, learned.bytes
                    lane.accepted_in_row = 0
                    lane.bisects += 1
                    outbox.save_lane(self._db, lane)
                    cut = policy.halves([member.length for member in content.members])
                    items = self._items(batch, content)
                    self._replace(batch, [items[:cut], items[cut:]], now_ms)
                case policy.Bury(indexes=indexes, reason=reason, detail=detail):
                    items = self._items(batch, content)
                    seal.bury(self._db, batch, [(items[index], reason, detail) for index in indexes], now_ms)
                    self._at("CP13")
                    self._counts.died(batch.kind, len(indexes))
                    self._replace(batch, [[one for index, one in enumerate(items) if index not in indexes]], now_ms)
                case policy.Reseal():
                    batch.rekeyed += 1
                    lane.key_conflicts += 1
                    outbox.save_lane(self._db, lane)
                    self._replace(batch, [self._items(batch, content)], now_ms)
                case policy.Plain():
                    self.is_plain = True
                    outbox.set_(self._db, "is_plain", "1")
                    outbox_batches.save(self._db, batch)
                case policy.Wait():
                    self._wait(batch, lane, answer, decision, now_ms)
                case policy.Pause(scope=scope, reason=reason, for_s=for_s):
                    paused = lane if scope == "lane" else outbox.lane(self._db, EVERY)
                    if paused.pause_reason != USER:
                        paused.paused_until_ms, paused.pause_reason = now_ms + int(for_s * 1000), reason
                    self._fail(paused, reason, now_ms)
                    batch.last_error = reason
                    outbox_batches.save(self._db, batch)

    def _items(self, batch: Batch, content: Content) -> list[Item]:
        return content.items(outbox.envelope_body(self._db, batch.envelope_id), KINDS[batch.kind])

    def _retire(self, batch: Batch, content: Content, done: policy.Retire, now_ms: int) -> None:
        lane = outbox.lane(self._db, batch.kind)
        if done.dead:
            items = self._items(batch, content)
            seal.bury(self._db, batch, [(items[index], reason, detail) for index, reason, detail in done.dead], now_ms)
        lane.accepted += 1
        lane.replayed += done.is_replay
        lane.received += done.received
        lane.deduped += done.deduped
        lane.shortfalls += done.is_short
        lane.died += len(done.dead)
        lane.failures, lane.last_success_ms = 0, now_ms
        if lane.pause_reason not in (None, USER):
            resume(lane)
        self._learn(lane)
        outbox.save_lane(self._db, lane)
        outbox_batches.add_receipt(self._db, self._receipt(batch, content, now_ms))
        self._at("CP9")
        self._fanout.owe(batch, now_ms)
        batch.is_delivered, batch.delivered_ms = True, now_ms
        outbox_batches.save(self._db, batch)
        self._report.batches += 1
        self._report.replays += done.is_replay
        self._report.died += len(done.dead)
        is_owed = any(one.state == "owed" for one in outbox_sinks.sinks_of(self._db, batch.id))
        if not self._fanout.holds(batch.id):
            self._counts.retired(batch.kind, batch.item_count - len(done.dead))
        if not is_owed:
            outbox_batches.drop_batch(self._db, batch.id)

    def _receipt(self, batch: Batch, content: Content, now_ms: int) -> tuple[object, ...]:
        origin, left_out = blake3(), dict[str, int]()
        for member in content.members:
            if member.origin is None:
                continue
            digest, counts = msgspec.msgpack.decode(member.origin, type=tuple[bytes, dict[str, int]])
            origin.update(digest)
            for name, count in counts.items():
                left_out[name] = left_out.get(name, 0) + count
        return (batch.id, batch.kind, now_ms, batch.item_count, self._settings.redaction,
                msgspec.json.encode(left_out), origin.digest(), batch.digest)

    def _learn(self, lane: Lane) -> None:
        lane.accepted_in_row += 1
        if lane.learned_max_items is None or lane.accepted_in_row < policy.GROW_AFTER:
            return
        lane.accepted_in_row = 0
        grown = policy.grown(limits(lane, self._settings), configured(self._settings))
        lane.learned_max_items, lane.learned_max_bytes = (None, None) if grown is None else (grown.items, grown.bytes)

    def _wait(self, batch: Batch, lane: Lane, answer: Answer, wait: policy.Wait, now_ms: int) -> None:
        batch.delay_ms = policy.delay_ms(batch.delay_ms, wait.at_least_s, self._chance)
        batch.next_attempt_ms, batch.last_error = now_ms + batch.delay_ms, wait.failure
        batch.conflicts += answer.status == 409
        if answer.status is not None and answer.status >= 500:
            batch.server_errors += 1
            batch.first_error_ms = now_ms if batch.first_error_ms is None else batch.first_error_ms
        else:
            batch.server_errors, batch.first_error_ms = 0, None
        outbox_batches.save(self._db, batch)
        if wait.scope == "all":
            every = outbox.lane(self._db, EVERY)
            if every.pause_reason != USER:
                every.paused_until_ms, every.pause_reason = batch.next_attempt_ms, wait.failure
            self._fail(every, wait.failure, now_ms)
        # Also where everything waits: a pause that outlives the run must be seen at its lane.
        if wait.scope in ("all", "lane") and lane.pause_reason != USER:
            lane.paused_until_ms, lane.pause_reason = batch.next_attempt_ms, wait.failure
        lane.accepted_in_row = 0
        self._fail(lane, wait.failure, now_ms)

    def _fail(self, lane: Lane, failure: str, now_ms: int) -> None:
        if lane.kind != EVERY:
            lane.failures += 1
        lane.last_error, lane.last_error_ms = failure, now_ms
        outbox.save_lane(self._db, lane)

    def _replace(self, batch: Batch, parts: Sequence[Sequence[Item]], now_ms: int) -> None:
        made = seal.reseal(self._db, batch, parts, now_ms, self._new_key, lambda: self._at("CP12"))
        self._fanout.replaced(batch.id, [one.id for one in made])

    def only_sinks(self, batch: Batch, now_ms: int) -> None:
        """Without a primary a batch is delivered when it is sealed, and retired when its sinks have it."""
        with transaction(self._db):
            self._fanout.owe(batch, now_ms)
            batch.is_delivered, batch.delivered_ms = True, now_ms
            outbox_batches.save(self._db, batch)
            content = seal.content_of(self._db, batch)
            outbox_batches.add_receipt(self._db, self._receipt(batch, content, now_ms))
            is_owed = bool(outbox_sinks.sinks_of(self._db, batch.id))
            if not self._fanout.holds(batch.id):
                self._counts.retired(batch.kind, batch.item_count)
            if not is_owed:
                outbox_batches.drop_batch(self._db, batch.id)
        self._report.batches += 1

    def probed(self, *, lives: bool) -> None:
        """Whether the hub answers again, after the breaker opened."""
        now_ms = self._clock.now_ms()
        with transaction(self._db):
            every = outbox.lane(self._db, EVERY)
            if lives:
                every.failures = 0
                if every.pause_reason != USER:
                    resume(every)
            else:
                every.failures += 1
                every.paused_until_ms = now_ms + int(policy.probe_after_s(every.failures) * 1000)
                every.pause_reason = "unreachable"
            outbox.save_lane(self._db, every)


def limits(lane: Lane, settings: Settings) -> Limits:
    """Of a batch: the configured ones, or what the hub's answers taught."""
    most = configured(settings)
    return Limits(min(lane.learned_max_items or most.items, most.items),
                  min(lane.learned_max_bytes or most.bytes, most.bytes))


def configured(settings: Settings) -> Limits:
    return Limits(settings.max_items, settings.max_bytes)


def resume(lane: Lane) -> None:
    lane.paused_until_ms = lane.pause_reason = None
