"""`kaizen sync run` as a process: it stops at once while it waits, and picks up what is new while it runs."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopback import Reply, Server
from support import FIXTURES, Machine


@pytest.fixture
def hub() -> Iterator[Server]:
    server = Server()
    server.default = Reply(202)
    yield server
    server.close()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def start(machine: Machine, hub: Server, *argv: str) -> subprocess.Popen[str]:
    env = {**machine.env, "PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path),
           "KAIZEN_SYNC__ENDPOINT": hub.url, "KAIZEN_SYNC__TEAM_ID": "core", "KAIZEN_SYNC__TEAM_TOKEN": "x",
           "KAIZEN_SYNC__TEAM_SALT_HEX": f'"{"07" * 32}"', "KAIZEN_SYNC__FLUSH_INTERVAL_MS": "1000"}  # fmt: skip
    return subprocess.Popen([sys.executable, "-m", "kaizen", "sync", "run", *argv], env=env, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip


def posts(hub: Server) -> list[str]:
    return [one.path for one in hub.received if one.method == "POST"]


def until(is_so: object, seconds: float = 20) -> None:
    assert callable(is_so)
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("argv", [["--once"], []])
def test_a_signal_ends_a_long_wait_at_once(argv: list[str], machine: Machine, hub: Server) -> None:
    machine.copy(FIXTURES / "codex/agent_sessions/small.jsonl", machine.codex("small.jsonl"))
    hub.by_path = {path: Reply(429, b"{}", {"Retry-After": "120"}) for path in
                   ("/v1/sessions", "/v1/events", "/v1/tool-spans", "/v1/workspace-facts")}  # fmt: skip
    process = start(machine, hub, *argv)
    until(lambda: posts(hub))
    time.sleep(0.3)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)
    assert time.monotonic() - began < 1
    assert process.returncode in (0, 75)


def test_a_run_without_end_sends_what_comes(machine: Machine, hub: Server) -> None:
    process = start(machine, hub)
    try:
        time.sleep(0.5)
        machine.copy(FIXTURES / "codex/agent_sessions/small.jsonl", machine.codex("small.jsonl"))
        until(lambda: "/v1/events" in posts(hub))
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
