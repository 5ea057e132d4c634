"""Killed, in a hurry, without space, without rights: nothing lost, nothing twice, one sentence about it."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from test_tail import NAME, answer

from kaizen.capture import load as loading
from kaizen.errors import DiskFull, StoreCorrupt, StoreReadOnly, StoreTooNew
from kaizen.store import search
from kaizen.store.migrate import LATEST
from support import FIXTURES, Machine, assert_every_byte_booked, assert_rolled_up


def filled(folder: Path) -> Machine:
    machine = Machine(folder)
    machine.copy(FIXTURES / "claude_code/claude_code_viewer/projects", machine.claude(""))
    machine.copy(FIXTURES / "claude_code/sniffly/projects", machine.claude(""))
    machine.copy(FIXTURES / "synthetic/claude_fork/projects", machine.claude(""))
    machine.copy(FIXTURES / "codex", machine.codex(""))
    return machine


def start(machine: Machine, *program: str) -> "subprocess.Popen[bytes]":
    env = {**os.environ, **machine.env}
    argv = [sys.executable, *(program or ("-m", "kaizen", "load"))]
    return subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    machine = filled(tmp_path_factory.mktemp("clean"))
    machine.load()
    return machine.dump()


# Some fifty transactions instead of one.
IN_STEPS = "from kaizen.capture import take; take.MAX_EVENTS = 25; from kaizen.cli import main; main()"


def started(machine: Machine) -> "subprocess.Popen[bytes]":
    """An import that has made its store."""
    process = start(machine, "-c", IN_STEPS, "load")
    while process.poll() is None and not (machine.home / "kaizen.db").exists():
        time.sleep(0.001)
    return process


@pytest.fixture(scope="module")
def took_s(tmp_path_factory: pytest.TempPathFactory) -> float:
    process = started(filled(tmp_path_factory.mktemp("timed")))
    began = time.monotonic()
    process.communicate()
    return time.monotonic() - began


@pytest.mark.parametrize("seed", range(20))
def test_killed_and_loaded_again_is_a_clean_import(
    tmp_path: Path, clean: dict[str, Any], took_s: float, seed: int
) -> None:
    machine = filled(tmp_path)
    process = started(machine)
    time.sleep(random.Random(seed).uniform(0, took_s))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    machine.load()
    assert machine.dump() == clean
    assert_rolled_up(machine)
    assert_every_byte_booked(machine)


@pytest.mark.parametrize("batch", [1, 4, 9, 15])
def test_an_error_in_the_middle_of_a_batch_leaves_the_store_before_it(
    tmp_path: Path, clean: dict[str, Any], monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    from kaizen.store import events

    machine, left, insert = filled(tmp_path), [batch], events.insert

    def failing(*given: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise RuntimeError("pulled the plug")
        insert(*given)

    monkeypatch.setattr(events, "insert", failing)
    with pytest.raises(RuntimeError):
        machine.load()
    assert_rolled_up(machine)
    assert_every_byte_booked(machine)
    machine.load()
    assert machine.dump() == clean


def test_two_loads_at_once(tmp_path: Path, clean: dict[str, Any]) -> None:
    machine = filled(tmp_path)
    both = [start(machine), start(machine)]
    outputs = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert machine.dump() == clean


def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(tmp_path)
    path = machine.write(machine.claude(f"w/{NAME}.jsonl"), answer(1))
    machine.load()
    before = machine.dump(), machine.rows("SELECT path, offset FROM files")
    with path.open("ab") as file:
        file.write(b"".join(answer(n, text=os.urandom(3000).hex()) for n in range(2, 60)))
    opened = loading.open_store

    def without_space(*given: Any, **named: Any) -> sqlite3.Connection:
        db = opened(*given, **named)
        db.execute(f"PRAGMA max_page_count={db.execute('PRAGMA page_count').fetchone()[0]}")
        return db

    with monkeypatch.context() as patch:
        patch.setattr(loading, "open_store", without_space)
        with pytest.raises(DiskFull) as caught:
            machine.load()
    assert "nothing is lost" in caught.value.hint
    assert (machine.dump(), machine.rows("SELECT path, offset FROM files")) == before
    machine.load()
    assert machine.totals()["claude-sonnet-4-20250514"]["requests"] == 59
    assert_rolled_up(machine)


def test_a_store_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.load()
    with sqlite3.connect(machine.home / "kaizen.db") as db:
        db.execute(f"PRAGMA user_version={LATEST + 1}")
    db.close()
    for attempt in (machine.load, machine.store):
        with pytest.raises(StoreTooNew) as caught:
            attempt()
        assert "Update kaizen" in caught.value.hint


@pytest.mark.parametrize(
    "damage",
    [b"not a database at all, " * 400, b"SQLite format 3\x00" + b"\xff" * 9000],
    ids=["another file", "a broken header"],
)
def test_a_damaged_store_is_named(tmp_path: Path, damage: bytes) -> None:
    machine = Machine(tmp_path)
    machine.home.mkdir()
    (machine.home / "kaizen.db").write_bytes(damage)
    with pytest.raises(StoreCorrupt) as caught:
        machine.load()
    assert "--rebuild" in caught.value.hint
    loading.load(machine.home, machine.env, machine.config, rebuild=True, index=False)
    assert [file.read_bytes() for file in machine.home.glob("kaizen.db.*")] == [damage]


def test_without_fts5_all_is_stored_and_only_the_index_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "has_fts5", lambda: False)
    machine = filled(tmp_path)
    report = loading.load(machine.home, machine.env, machine.config)
    assert report.events > 0
    assert [error.file for error in report.errors] == [str(machine.home / "search.db")]


def test_damage_inside_the_store_is_named(tmp_path: Path) -> None:
    machine = filled(tmp_path)
    machine.load()
    with sqlite3.connect(machine.home / "kaizen.db") as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    content = (machine.home / "kaizen.db").read_bytes()
    (machine.home / "kaizen.db").write_bytes(content[:16_384] + b"\xa5" * (len(content) - 16_384))
    machine.write(machine.claude("w/new.jsonl"), answer(1, session="new"))
    with pytest.raises(StoreCorrupt):
        machine.load()


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.home.mkdir()
    machine.home.chmod(0o500)
    with pytest.raises(StoreReadOnly) as caught:
        machine.load()
    assert "KAIZEN_HOME" in caught.value.hint


def test_a_home_that_is_a_file(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.home.write_bytes(b"")
    process = start(machine)
    said = process.communicate(timeout=30)[0].decode()
    assert process.returncode in (1, 2) and said.startswith("Error: ") and "Hint: " in said


def test_the_store_is_private(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.load()
    assert (machine.home / "kaizen.db").stat().st_mode & 0o777 == 0o600
    assert machine.home.stat().st_mode & 0o777 == 0o700


def test_lines_without_end_take_bounded_memory(tmp_path: Path) -> None:
    """A line of 200 MB, which is skipped, and one of 40 MB, which is read: what stands around them counts."""
    machine = Machine(tmp_path)
    said = b'{"type":"user","uuid":"u1","timestamp":"2026-02-01T10:00:00Z","message":{"role":"user","content":"'
    path = machine.claude(f"p/{NAME}.jsonl")
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.write(answer(1))
        for size in (200 << 20, 40 << 20):
            file.write(said)
            for _ in range(size >> 20):
                file.write(b"word " * ((1 << 20) // 5))
            file.write(b'"}}\n' + answer(size))
    process = start(machine)
    assert process.stdout is not None
    with process.stdout as stdout:
        out = stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, out
    assert used.ru_maxrss < 350 << 10  # KiB
    assert machine.rows("SELECT count(*) FROM events WHERE kind = 'cost'") == [(3,)]
    assert_every_byte_booked(machine)
