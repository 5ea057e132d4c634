import asyncio
from collections.abc import Iterator
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import msgspec
import pytest

from kaizen.config.model import Config, Sync, Telemetry
from kaizen.outbox.enqueue import Enqueue
from kaizen.outbox.gate import Gate
from kaizen.outbox.replay import REFUSALS, TRIES, Part, Window, parts, push
from kaizen.redact.hashes import Salt
from kaizen.store import outbox
from kaizen.wire.sink import Again, Batch, Done, Health, Refused, Result
from seeded import T0, small_world

ALL = Window(0, T0 * 2, T0)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Connection]:
    made = small_world(tmp_path)
    yield made
    made.close()


def gate(**sync: Any) -> Gate:
    config = Config(sync=Sync(**sync), telemetry=Telemetry(exporters=[{"type": "dev"}]))
    return Gate(config, Salt(b"s" * 32), "", "", "local")


def replayed(db: Connection, of: Gate, window: Window = ALL) -> list[Part]:
    return list(parts(db, of, lambda _: True, window))


def without_rev(payload: bytes) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(payload)
    return {key: value for key, value in found.items() if key != "rev"}


def key(one: tuple[str, dict[str, Any]]) -> str:
    return repr(one)


def test_a_replay_holds_what_the_first_sending_held(db: Connection) -> None:
    of = gate()
    Enqueue(of, lambda: T0).catch_up(db)
    queued = [(one.kind, without_rev(one.payload)) for one in outbox.payloads(db) if one.kind != "workspace_facts"]
    again = [(part.batch.kind, without_rev(msgspec.json.encode(item)))
             for part in replayed(db, of) for item in part.batch.items]
    assert len(again) > 20
    assert sorted(again, key=key) == sorted((one for one in queued if not one[1].get("is_void")), key=key)


def test_it_changes_nothing_and_is_the_same_every_time(db: Connection) -> None:
    before = "\n".join(db.iterdump())
    first = replayed(db, gate())
    assert replayed(db, gate()) == first
    assert "\n".join(db.iterdump()) == before
    assert len({one for part in first for one in part.batch.ids}) == sum(len(part.batch.ids) for part in first)


def test_only_what_is_in_the_window(db: Connection) -> None:
    window = Window(T0, T0 + 1, T0)
    times = [item.ts_ms for part in replayed(db, gate(), window) if part.batch.kind == "events"
             for item in part.batch.items]  # type: ignore[attr-defined]
    assert times and set(times) == {T0}
    assert replayed(db, gate(), Window(0, 1, T0)) == []


def test_batches_keep_to_the_limits_of_sync(db: Connection) -> None:
    small = replayed(db, gate(events_per_batch_max=2))
    assert max(len(part.batch.items) for part in small) == 2
    assert [one for part in small for one in part.batch.ids] == [
        one for part in replayed(db, gate()) for one in part.batch.ids]


def test_what_the_guard_refuses_stays_here(db: Connection) -> None:
    refused = []
    found = list(parts(db, gate(), lambda data: b"event_seq" not in data, ALL, on_refused=lambda: refused.append(1)))
    assert refused
    assert {part.batch.kind for part in found} == {"sessions"}


class Sink:
    def __init__(self, *answers: Result | Exception) -> None:
        self.name, self._answers, self.got, self.is_closed = "sink", list(answers), list[Batch](), False

    def accepts(self, kind: str) -> bool:
        return True

    async def send(self, batch: Batch) -> Result:
        self.got.append(batch)
        answer = self._answers.pop(0) if self._answers else Done()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def health(self) -> Health:
        return Health(True, "")

    async def close(self) -> None:
        self.is_closed = True


def pushed(db: Connection, *sinks: Sink) -> tuple[Any, list[float]]:
    waited: list[float] = []

    async def wait(seconds: float) -> None:
        waited.append(seconds)

    return asyncio.run(push(replayed(db, gate(events_per_batch_max=5)), sinks, wait=wait)), waited


def test_a_sink_gets_everything(db: Connection) -> None:
    sink = Sink(Again("HTTP 503", 7.0), RuntimeError("hush"))
    [one], waited = pushed(db, sink)
    assert (one.failed, one.is_stopped, sink.is_closed) == (0, False, True)
    assert one.items == sum(len(part.batch.items) for part in replayed(db, gate()))
    assert waited == [7.0, 2.0]


def test_one_that_is_down_does_not_hold_up_the_other(db: Connection) -> None:
    down, up = Sink(*[Again("HTTP 503")] * 99), Sink()
    [first, second], _ = pushed(db, down, up)
    assert (first.is_stopped, first.error, len(down.got)) == (True, "HTTP 503", TRIES)
    assert (second.failed, second.is_stopped) == (0, False)


def test_one_that_refuses_everything_is_left_alone(db: Connection) -> None:
    [one], waited = pushed(db, sink := Sink(*[Refused("HTTP 401")] * 99))
    assert (one.is_stopped, len(sink.got), waited) == (True, REFUSALS, [])
