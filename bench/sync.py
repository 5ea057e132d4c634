"""How fast a full outbox empties into a hub on the same machine.

    python bench/sync.py [ITEMS] [--posts-only]

Fills a new store with events of about 600 bytes, starts `kaizen hub serve` on SQLite, sends everything, and prints the
rate, the queue's own time per batch (sealing and retiring, without the network), and how the sender's memory grew.
"""

import argparse
import gzip
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from kaizen.config.model import Config, Sync
from kaizen.outbox import run, seal
from kaizen.outbox.answers import Answers
from kaizen.outbox.deliver import Engine
from kaizen.outbox.gate import Gate
from kaizen.redact.guard import leaks
from kaizen.redact.hashes import Salt
from kaizen.store import outbox
from kaizen.store.open import open_store, transaction

HASH = "blake3:" + "a" * 64


def item(number: int, rev: int) -> bytes:
    found = {
        "rev": rev, "session_id_hash": f"blake3:{number // 300:064x}", "event_seq": number % 300,
        "ts_ms": rev, "agent": "claude", "model": "claude-sonnet-4-5", "kind": "tool_call", "source": "tail",
        "tool": "Bash", "tool_call_id": f"blake3:{number * 7919:064x}", "ts_exact": True,
        "payload": {"tool_class": "shell", "args_bytes": number % 977, "path_hash": f"blake3:{number * 31337:064x}",
                    "path_depth": 3, "path_ext": "py", "argc": 3, "pipe_count": 0, "redirects": 0, "program": "git",
                    "flags": ["--all", "--stat"], "timeout_ms": 120_000, "background": False},
    }  # fmt: skip
    return msgspec.json.encode(found)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("items", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--store", help="postgresql://... instead of SQLite")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="kaizen-bench-"))
    try:
        bench(folder, given.items, given.store or str(folder / "hub"))
    finally:
        shutil.rmtree(folder)


def bench(folder: Path, items: int, store: str) -> None:
    db = open_store(folder / "home", write=True)
    now_ms = time.time_ns() // 1_000_000
    envelope = msgspec.json.encode({"team_id": "team", "workspace_hash": HASH})
    for start in range(0, items, 20_000):
        with transaction(db):
            envelope_id = outbox.envelope(db, envelope)
            outbox.put(db, [("events", envelope_id, "s", None, item(number, now_ms + number), None, now_ms)
                            for number in range(start, min(items, start + 20_000))])
    print(f"{items:,} items of {len(item(1, now_ms))} bytes wait")
    hub = subprocess.Popen(
        [sys.executable, "-m", "kaizen", "hub", "serve", "--listen", "127.0.0.1:0", "--store", store, "--json",
         "--requests-per-minute", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={**os.environ, "KAIZEN_HOME": str(folder / "hubhome")})  # fmt: skip
    assert hub.stdout is not None
    try:
        said = b""
        while not said.endswith(b"\n}\n"):
            said += hub.stdout.readline()
        made = msgspec.json.decode(said)["data"]
        gate = Gate(Config(sync=Sync(team_id="team")), Salt(b"\x07" * 32), made["url"], made["token"], "team")
        queue, work = [0.0], [0.0]
        for part, name in ((Engine, "_sealed"), (Answers, "apply")):
            setattr(part, name, timed(getattr(part, name), queue))
        seal.gzip.compress = timed(gzip.compress, work)
        seal.gzip.decompress = timed(gzip.decompress, work)
        seal._is_batch = timed(seal._is_batch, work)
        guard = timed(lambda data: not leaks(data), work)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.monotonic()
        report = run.send(db, gate, [], guard)
        seconds = time.monotonic() - began
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert report.retired == items, report
        print(f"{items / seconds:,.0f} events/s end to end in {seconds:.1f} s, {report.posts} posts")
        print(f"a batch: queue {(queue[0] - work[0]) / report.batches * 1000:.2f} ms, "
              f"checking and compressing {work[0] / report.batches * 1000:.2f} ms")
        print(f"memory of the sender grew by {(after - before) / 1024:.1f} MB to {after / 1024:.0f} MB")
    finally:
        hub.terminate()
        hub.wait()


def timed(function: Callable[..., Any], total: list[float]) -> Callable[..., Any]:
    """The function, and how long it took in all."""

    def call(*args: Any, **more: Any) -> Any:
        began = time.perf_counter()
        try:
            return function(*args, **more)
        finally:
            total[0] += time.perf_counter() - began

    return call


if __name__ == "__main__":
    main()
