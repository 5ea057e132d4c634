"""The crash model (sync.md 12): real processes, `kill -9` at each of its 16 points, a real hub.

After each: the hub has what the model has, nothing waits, nothing is dead, and a sink got at most one batch twice.
KAIZEN_CRASH_ROUNDS says how often each point is tried; `make crash` tries each 20 times.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
from blake3 import blake3

from kaizen.store import outbox, outbox_batches, outbox_dead, outbox_sinks
from kaizen.store.open import open_store

HERE = Path(__file__).parent
ROUNDS = int(os.environ.get("KAIZEN_CRASH_ROUNDS", "2"))
# How often a point is passed in a run of 50 items in batches of 10; the kill comes at any of them.
PASSES = {
    "CP1": 50, "CP2": 50, "CP3": 5, "CP4": 5, "CP5": 5, "CP6": 5, "CP7": 5, "CP8": 5, "CP9": 5, "CP11": 5, "CP12": 1,
}  # fmt: skip
# (items, bytes) that a hub takes at once
WIDE, TIGHT = (5_000, 8 << 20), (5_000, 1_500)


class HubProcess:
    def __init__(self, folder: Path, limits: tuple[int, int], *more: str) -> None:
        self.folder, self._limits = folder, limits
        self._start(*more)

    def _start(self, *more: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "hubber.py"), str(self.folder), *map(str, self._limits), *more],
            stdout=subprocess.PIPE, text=True, env=_env(self.folder))  # fmt: skip
        assert self.process.stdout is not None
        port, self.token = self.process.stdout.readline().split()
        self.url = f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def items(self, workspace: str) -> list[int]:
        answer = httpx.get(f"{self.url}/v1/query/events", params={"workspace_hash": workspace, "limit": 1000},
                           headers={"Authorization": f"Bearer {self.token}"}, timeout=20)  # fmt: skip
        return sorted(row["event_seq"] for row in answer.raise_for_status().json()["items"])


def _env(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}


@contextlib.contextmanager
def hub(folder: Path, limits: tuple[int, int] = WIDE, *more: str) -> Iterator[HubProcess]:
    process = HubProcess(folder, limits, *more)
    try:
        yield process
    finally:
        process.stop()


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    with hub(tmp_path_factory.mktemp("wide")) as process:
        yield process


@pytest.fixture(scope="module")
def tight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    with hub(tmp_path_factory.mktemp("tight"), TIGHT) as process:
        yield process


class Laptop:
    def __init__(self, home: Path, name: str) -> None:
        self.home = home
        self.workspace = f"blake3:{blake3(name.encode()).hexdigest()}"

    def start(self, to: HubProcess, point: str = "none", nth: int = 0) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, str(HERE / "flusher.py"), str(self.home), to.url, to.token, self.workspace, point,
             str(nth)], env=_env(self.home), stderr=subprocess.DEVNULL)  # fmt: skip

    def run(self, to: HubProcess, point: str = "none", nth: int = 0) -> int:
        return self.start(to, point, nth).wait(timeout=60)

    def is_consistent(self, to: HubProcess) -> None:
        assert to.items(self.workspace) == list(range(50))
        with contextlib.closing(open_store(self.home)) as db:
            assert outbox.is_empty(db)
            assert outbox_dead.dead(db) == []
            assert outbox_sinks.owed(db) == []
        given: Counter[str] = Counter()
        for line in (self.home / "journal.jsonl").read_bytes().splitlines():
            given.update(msgspec.json.decode(line)[1])
        assert len(given) == 50
        assert sum(times - 1 for times in given.values()) <= 10


@pytest.fixture
def laptop(tmp_path: Path, request: pytest.FixtureRequest) -> Laptop:
    return Laptop(tmp_path / "home", f"{request.node.name}-{os.getpid()}-{time.time_ns()}")


@pytest.mark.parametrize("nth_round", range(ROUNDS))
@pytest.mark.parametrize("point", [*PASSES, "CP10"])
def test_killed_at(point: str, nth_round: int, laptop: Laptop, request: pytest.FixtureRequest) -> None:
    to: HubProcess = request.getfixturevalue("tight" if point == "CP12" else "wide")
    nth = random.Random(f"{point}{nth_round}").randrange(PASSES.get(point, 5))
    assert laptop.run(to, point, nth) == -signal.SIGKILL
    assert laptop.run(to) == 0
    laptop.is_consistent(to)


@pytest.mark.parametrize("nth_round", range(ROUNDS))
def test_cp13_killed_while_an_item_is_put_aside(nth_round: int, laptop: Laptop, tmp_path: Path) -> None:
    """A hub that refuses the whole body refuses each item; then it is given more room."""
    with hub(tmp_path / "hub", (5_000, 200)) as small:
        assert laptop.run(small, "CP13", nth_round % 3) == -signal.SIGKILL
        with contextlib.closing(open_store(laptop.home)) as db:
            dead = len(outbox_dead.dead(db))
            waiting = sum(count for count, _ in outbox.pending(db).values())
            sealed = sum(items for _, items in outbox_batches.sealed(db).values())
            assert dead == nth_round % 3
            assert dead + waiting + sealed == 50


@pytest.mark.parametrize("nth_round", range(ROUNDS))
def test_cp14_hub_killed_between_items_and_key(nth_round: int, laptop: Laptop, tmp_path: Path) -> None:
    with hub(tmp_path / "hub", WIDE, str(nth_round % 5)) as dying:
        flusher = laptop.start(dying)
        assert dying.process.wait(timeout=30) == -signal.SIGKILL
        flusher.terminate()
        flusher.wait(timeout=30)
    with hub(tmp_path / "hub") as again:
        assert laptop.run(again) == 0
        laptop.is_consistent(again)


@pytest.mark.parametrize("nth_round", range(ROUNDS))
def test_cp15_a_second_process_takes_over(nth_round: int, laptop: Laptop, wide: HubProcess) -> None:
    """The first one is killed with its request under way; the second does not wait for anything."""
    first = laptop.start(wide, "CP7", nth_round % 5)
    assert first.wait(timeout=30) == -signal.SIGKILL
    assert laptop.run(wide) == 0
    laptop.is_consistent(wide)


@pytest.mark.parametrize("nth_round", range(ROUNDS))
def test_cp16_disk_full_at_retire(nth_round: int, laptop: Laptop, wide: HubProcess) -> None:
    assert laptop.run(wide, "CP16", nth_round % 5) == 1
    assert laptop.run(wide) == 0
    laptop.is_consistent(wide)
