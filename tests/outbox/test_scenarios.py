"""data/sync_scenarios.jsonl: scripted hubs and sinks, and what our engine must make of them (sync.md 15)."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from kaizen.outbox import seal
from kaizen.outbox.policy import Limits
from kaizen.outbox.uuid7 import Keys
from kaizen.store import outbox, outbox_batches, outbox_sinks
from kaizen.store.open import transaction
from kaizen.wire.ingest import KINDS
from outbox.world import ScriptedSink, World

LINES = (Path(__file__).parent / "data" / "sync_scenarios.jsonl").read_text().splitlines()[1:]
# Those of a real process and a real hub are in test_crash.py.
SCENARIOS = [one for one in map(json.loads, LINES) if "crash" not in one]


@pytest.mark.parametrize("given", SCENARIOS, ids=[one["name"] for one in SCENARIOS])
def test_scenario(given: dict[str, Any]) -> None:
    world = World(
        {path: [dict(one) for one in answers] for path, answers in given["hub"].items()},
        fail_open=given.get("fail_open", True), fan_out=given.get("fan_out", "parallel"),
        max_items=given.get("events_per_batch_max", 500),
    )  # fmt: skip
    world.sinks = [ScriptedSink(name, script, world.log) for name, script in given.get("sinks", {}).items()]
    world.has_primary = given.get("endpoint", "x") != ""
    corrupt_after_seal = fill(world, given["rows"])
    old_keys = spoil(world) if corrupt_after_seal else set()
    reports = [world.flush(given.get("deadline_s", 300)) for _ in range(given.get("passes", 1))]
    expected = {**given["expect"]}
    expected.pop("note", None)
    if "keys" in expected and corrupt_after_seal:
        assert expected.pop("keys") == "new after reseal"
        assert not old_keys & {post.key for post in world.hub.posts}
    for name, value in expected.items():
        CHECKS[name](world, reports, value)


def fill(world: World, rows: list[dict[str, Any]]) -> bool:
    is_corrupt = False
    for row in rows:
        kind, n = row["kind"], row["n"]
        is_corrupt |= "corrupt_after_seal" in row
        if kind.endswith(" interleaved"):
            for index in range(n):
                world.enqueue(kind.split()[0].split("+")[index % 2])
            continue
        marks = {row[name]: mark for name, mark in (("poison_index", "poison"), ("big_index", "big")) if name in row}
        world.enqueue(kind, n, payload=row.get("payload"), bytes=row.get("bytes", 0), marks=marks)
    return is_corrupt


def spoil(world: World) -> set[str]:
    """Seal all, then change a byte of an item behind the engine's back."""
    with transaction(world.db):
        for kind, envelope, _ in outbox.lanes_waiting(world.db):
            batch, _ = seal.seal(world.db, KINDS[kind], envelope, Limits(500, 10**6), 10**7, 0, Keys(), lambda _: True)
            assert batch is not None
            body = gzip.decompress(outbox_batches.content(world.db, batch.id)[1])
            other = body.replace(b'"ts_ms":5', b'"ts_ms":6', 1)
            assert other != body and blake3(other).digest() != batch.digest
            world.db.execute("UPDATE batches SET body = ?", (gzip.compress(other),))
    return {batch.id for batch in outbox_batches.open_batches(world.db)}


def lanes(world: World) -> dict[str, outbox.Lane]:
    return {lane.kind: lane for lane in outbox.lanes(world.db)}


def pending(world: World) -> int:
    return sum(count for count, _ in outbox.pending(world.db).values()) + sum(
        items for _, items in outbox_batches.sealed(world.db).values())


def check_keys(world: World, _: Any, value: str) -> None:
    keys = [post.key for post in world.hub.posts]
    if value == "same":
        assert len(set(keys)) == 1 and len(keys) > 1
    else:
        assert value == "distinct per part" and len(set(keys)) == len(keys)


def check_bodies(world: World, _: Any, value: str) -> None:
    assert value == "same" and len({post.raw for post in world.hub.posts}) == 1


def check_dead(world: World, _: Any, value: list[dict[str, Any]]) -> None:
    assert world.dead() == {one["reason"]: one["indexes"] for one in value}


def check_sizes_by_path(world: World, _: Any, value: dict[str, list[int]]) -> None:
    for path, sizes in value.items():
        assert [len(post.items) for post in world.hub.posts if post.path == path] == sizes


def check_sleep(world: World, _: Any, value: list[int]) -> None:
    assert value[0] <= world.clock.slept_ms <= value[1]


def check_sink_calls(world: World, _: Any, value: dict[str, int]) -> None:
    assert {one.name: len(one.batches) for one in world.sinks} == value


def check_slow_sink(world: World, _: Any, __: int) -> None:
    assert world.log.index("retired") < world.log.index("sink finished")


def check_sink_beside_post(world: World, _: Any, value: bool) -> None:
    assert (world.log.index("sink started") < world.log.index("answered")) is value


def equal(name: str) -> Any:
    def check(_: World, reports: Any, value: Any) -> None:
        assert getattr(reports[-1], name) == value

    return check


CHECKS: dict[str, Any] = {
    "posts": lambda world, _, value: _is(len(world.hub.posts), value),
    "posts_total": lambda world, _, value: _is(len(world.hub.posts), value),
    "posts_max": lambda world, _, value: _at_most(len(world.hub.posts), value),
    "sizes": lambda world, _, value: _is([len(post.items) for post in world.hub.posts], value),
    "sizes_by_path": check_sizes_by_path,
    "retired": lambda world, reports, value: _is(sum(one.retired for one in reports), value),
    "pending": lambda world, _, value: _is(pending(world), value),
    "dead": check_dead,
    "exit": equal("exit_status"),
    "keys": check_keys,
    "bodies": check_bodies,
    "hub_items": lambda world, _, value: _is(len(world.hub.stored), value),
    "sleep_ms": check_sleep,
    "max_elapsed_ms": lambda world, _, value: _at_most(world.clock.slept_ms, value),
    "lane_paused_s": lambda world, _, value: _between(
        (lanes(world)["events"].paused_until_ms or 0) - world.clock.ms, value * 1000, value * 1100 + 1),
    "lane_reason": lambda world, _, value: _is(
        {kind: lanes(world)[kind].pause_reason for kind in value}, value),
    "state_error": lambda world, _, value: _is(lanes(world)[""].last_error, value),
    "unknown_kinds": equal("unknown_kinds"),
    "sink_pending": lambda world, _, value: _is(
        {name: batches for name, (batches, _) in outbox_sinks.sink_backlog(world.db).items()}, value),
    "sink_calls": check_sink_calls,
    "awaiting_sink": equal("awaiting_sinks"),
    "retire_within_ms": check_slow_sink,
    "sink_started_before_primary_answer": check_sink_beside_post,
}  # fmt: skip


def _is(found: Any, value: Any) -> None:
    assert found == value


def _at_most(found: int, value: int) -> None:
    assert found <= value


def _between(found: int, low: int, high: int) -> None:
    assert low <= found <= high


def test_a_newer_version_waits_for_the_older_one_without_spinning() -> None:
    """Until the older one may be tried again there is nothing to do, not even to look."""
    busy = {"status": 429, "json": {"code": "in_progress"}, "headers": {"Retry-After": "1"}}
    world = World({"/v1/sessions": [busy, {"status": 202}, {"status": 202}]})
    world.enqueue("sessions", item_key="s")
    world.clock.waits_left = 20

    def newer() -> None:
        if len(world.hub.posts) == 1:
            world.enqueue("sessions", item_key="s")

    world.hub.before_answer = newer
    assert world.flush().exit_status == 0
    assert [post.items[0]["n"] for post in world.hub.posts] == [0, 0, 1]
