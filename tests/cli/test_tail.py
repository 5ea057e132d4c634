"""`kaizen tail` as a process: what it prints, and how it ends."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SRC = Path(__file__).parents[2] / "src"
PATIENCE_S = 30


class Tail:
    """A running tail, its lines collected by a thread."""

    def __init__(self, home: Path, *options: str) -> None:
        env = {**os.environ, "HOME": str(home), "KAIZEN_HOME": str(home / "kaizen"), "PYTHONPATH": str(SRC)}
        self.process = subprocess.Popen([sys.executable, "-m", "kaizen", "tail", "--json", *options], env=env,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.lines: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def wait_for(self, text: str) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            for line in list(self.lines):
                if line["text"] == text:
                    return line
            time.sleep(0.02)
        raise AssertionError(f"{text!r} never came; got {[line['text'] for line in self.lines]}")

    def stop(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        status = self.process.wait(PATIENCE_S)
        self._thread.join()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        return status


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / ".claude" / "projects" / "-w"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def tail(tmp_path: Path, folder: Path) -> Iterator[Tail]:
    write(folder / "old.jsonl", "before")
    running = Tail(tmp_path, "-n", "1")
    try:
        running.wait_for("before")
        yield running
    finally:
        if running.process.poll() is None:
            running.stop(signal.SIGKILL)


def write(path: Path, text: str, *, mode: str = "a") -> None:
    said = {"type": "user", "uuid": f"u-{text}", "sessionId": path.stem, "timestamp": "2026-02-01T10:00:00.000Z",
            "cwd": "/w", "message": {"role": "user", "content": text}}
    with path.open(mode) as file:
        file.write(json.dumps(said) + "\n")


def test_prints_what_is_appended_and_what_is_new(tail: Tail, folder: Path) -> None:
    write(folder / "old.jsonl", "appended")
    line = tail.wait_for("appended")
    assert (line["session_id"], line["agent"], line["kind"], line["role"]) == ("old", "claude", "message", "prompt")
    write(folder / "new.jsonl", "another session")
    assert tail.wait_for("another session")["session_id"] == "new"
    assert [line["text"] for line in tail.lines].count("before") == 1


def test_survives_a_rewritten_file(tail: Tail, folder: Path) -> None:
    write(folder / "old.jsonl", "rewritten", mode="w")
    tail.wait_for("rewritten")
    write(folder / "old.jsonl", "and on")
    tail.wait_for("and on")


def test_two_at_once_both_print(tail: Tail, folder: Path, tmp_path: Path) -> None:
    other = Tail(tmp_path, "-n", "1")
    try:
        other.wait_for("before")
        write(folder / "old.jsonl", "for both")
        tail.wait_for("for both")
        other.wait_for("for both")
    finally:
        assert other.stop() == 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stops_cleanly(tail: Tail, number: int) -> None:
    assert tail.process.stderr is not None
    assert tail.stop(number) == 130
