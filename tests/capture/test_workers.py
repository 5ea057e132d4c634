"""Worker processes: copies of this one where that is safe, else new ones; they end when their parent does."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kaizen.capture import skim, workers
from kaizen.capture.workers import Workers

ECHO = """
from kaizen.capture.pipes import serve

def answers(task):
    if task == "die":
        raise SystemExit(3)
    yield from [task] * 2

def main():
    serve(str, answers)
"""
# Notes each answer in a file. A pipe holds no two of them.
AHEAD = """
from kaizen.capture.pipes import serve

def answers(path):
    with open(path, "a") as made:
        made.write(".")
    yield "x" * 1_000_000

def main():
    serve(str, answers)
"""
# Prints what comes of three tasks, by copies of this process and by new ones.
BOTH_WAYS = """
from kaizen.capture import workers
for may in (True, False):
    workers.may_fork = lambda: may
    with workers.Workers("echo") as pool:
        print(*sorted(pool.frames(["a", "b", "c"], str)))
"""
ENDLESS = """
import sys
from kaizen.capture import workers
workers.may_fork = lambda: sys.argv[1] == "fork"
with workers.Workers("echo") as pool:
    for number, _ in enumerate(pool.frames(iter(lambda: "again", None), str)):
        if number == 10:
            print("going", flush=True)
"""


@pytest.fixture
def echo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "echo.py").write_text(ECHO)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_both_kinds_answer_alike(echo: Path) -> None:
    done = subprocess.run([sys.executable, "-c", BOTH_WAYS], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["a a b b c c"] * 2
    assert not done.stderr


@pytest.mark.parametrize("may_fork", [True, False])
def test_neither_side_waits_for_the_other(echo: Path, monkeypatch: pytest.MonkeyPatch, may_fork: bool) -> None:
    """More tasks than their pipe holds, and more answers than theirs holds and a worker keeps."""
    monkeypatch.setattr(workers, "may_fork", lambda: may_fork)
    tasks = [str(number) * 100_000 for number in range(10)] * 10
    with Workers("echo") as pool:
        assert sorted(pool.frames(tasks, str)) == sorted(tasks * 2)


@pytest.mark.parametrize("may_fork", [True, False])
def test_a_worker_goes_on_while_its_parent_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, may_fork: bool
                                                   ) -> None:
    (tmp_path / "ahead.py").write_text(AHEAD)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(workers, "may_fork", lambda: may_fork)
    with Workers("ahead") as pool:
        frames = pool.frames([str(tmp_path / "made")] * 8, str)
        next(frames)
        until = time.monotonic() + 10
        while (tmp_path / "made").stat().st_size < 8 and time.monotonic() < until:
            time.sleep(0.01)
        assert (tmp_path / "made").stat().st_size == 8
        assert len(list(frames)) == 7


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("kind", ["fork", "spawn"])
def test_they_end_with_their_parent(echo: Path, kind: str) -> None:
    parent = subprocess.Popen([sys.executable, "-c", ENDLESS, kind], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert parent.stdout is not None
    with parent, parent.stdout:
        assert parent.stdout.readline() == b"going\n"
        pids = children(parent.pid)
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    until = time.monotonic() + 10
    while any(map(is_running, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    assert pids and not any(map(is_running, pids))


@pytest.mark.parametrize("may_fork", [True, False])
def test_a_worker_that_dies_is_an_error(echo: Path, monkeypatch: pytest.MonkeyPatch, may_fork: bool) -> None:
    monkeypatch.setattr(workers, "may_fork", lambda: may_fork)
    with Workers("echo") as pool, pytest.raises(ChildProcessError):
        list(pool.frames(["a", "die"], str))


def test_modules_do_not_come_from_the_folder_of_whoever_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An observed repository may have a `msgspec.py` of its own."""
    (tmp_path / "msgspec.py").write_text("raise SystemExit('the repository was imported')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(workers, "may_fork", lambda: False)
    with Workers(skim.__name__) as pool:
        assert list(pool.frames([skim.SkimTask([], 0, {})], list[skim.Skimmed])) == [[]]
