"""A process that enqueues or sends, and kills itself at a point of the crash model.

    python flusher.py HOME URL TOKEN WORKSPACE POINT NTH

POINT `none` runs to the end. `NTH`: how often the point is passed before it kills. Exit status as of `sync run --once`.
"""

import asyncio
import os
import signal
import sqlite3
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from kaizen.config.model import Config, Sync
from kaizen.outbox import run
from kaizen.outbox.client import Hub
from kaizen.outbox.gate import Gate
from kaizen.outbox.policy import Answer
from kaizen.redact.guard import leaks
from kaizen.redact.hashes import Salt
from kaizen.store import outbox
from kaizen.store.open import open_store, transaction
from kaizen.wire import sink

ITEMS = 50
SALT = Salt(b"\x07" * 32)


class Points:
    def __init__(self, point: str, nth: int) -> None:
        self.point, self.left = point, nth

    def __call__(self, name: str) -> None:
        if name == self.point:
            self.left -= 1
            if self.left < 0:
                os.kill(os.getpid(), signal.SIGKILL)


class Journal:
    """A sink that writes down which items it was given."""

    name = "journal"

    def __init__(self, path: Path) -> None:
        self._path = path

    def accepts(self, kind: str) -> bool:
        return True

    async def send(self, batch: sink.Batch) -> sink.Result:
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode([batch.batch_id, list(batch.ids)]) + b"\n")
        return sink.Done()

    async def health(self) -> sink.Health:
        return sink.Health(True, "")

    async def close(self) -> None: ...


def item(number: int, rev: int) -> bytes:
    return msgspec.json.encode({
        "session_id_hash": SALT.hash("s"), "event_seq": number, "ts_ms": time.time_ns() // 1_000_000, "agent": "claude",
        "model": "claude-sonnet-4-5", "kind": "cost", "source": "tail", "payload": {}, "tokens_in": number, "rev": rev,
        "tokens_out": 1, "cost_pusd": 1_000})  # fmt: skip


def enqueue(db: sqlite3.Connection, workspace: str, at: Points) -> None:
    """As ingest does: a row of ours and its item in one transaction. What is there already is not done again."""
    db.execute("CREATE TABLE IF NOT EXISTS done (number INTEGER PRIMARY KEY)")
    for number in range(ITEMS):
        if db.execute("SELECT 1 FROM done WHERE number = ?", (number,)).fetchone():
            continue
        with transaction(db) as rev:
            db.execute("INSERT INTO done VALUES (?)", (number,))
            envelope = outbox.envelope(db, msgspec.json.encode({"team_id": "core", "workspace_hash": workspace}))
            now_ms = time.time_ns() // 1_000_000
            outbox.put(db, [("events", envelope, "s", f"s/{number}", item(number, rev), None, now_ms)])
            at("CP1")
        at("CP2")


def half_a_body(url: str, token: str, whole: bool, at: Points) -> None:
    """Sends a part of the body, or all of it without waiting for the answer, and dies."""
    keep = Hub.post

    async def post(self: Hub, path: str, key: str, body: bytes, digest: str, is_compressed: bool) -> Answer:
        at.left -= 1
        if at.left >= 0:
            return await keep(self, path, key, body, digest, is_compressed)
        parts = urlsplit(url)
        _, writer = await asyncio.open_connection(parts.hostname, parts.port)
        encoding = "Content-Encoding: gzip\r\n" if is_compressed else ""
        head = (f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{encoding}"
                f"Content-Type: application/json\r\nX-Kaizen-Idempotency-Key: {key}\r\nX-Kaizen-Accept: partial\r\n"
                f"Content-Length: {len(body)}\r\n\r\n")
        writer.write(head.encode() + (body if whole else body[: len(body) // 2]))
        await writer.drain()
        if whole:
            await asyncio.sleep(0.1)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    Hub.post = post  # type: ignore[method-assign]


def main(home: Path, url: str, token: str, workspace: str, point: str, nth: int) -> int:
    at = Points(point, nth)
    db = open_store(home, write=True)
    enqueue(db, workspace, at)
    if point in ("CP6", "CP7"):
        half_a_body(url, token, point == "CP7", at)
    if point == "CP16":
        at = _Full(db, nth)
    config = Config(sync=Sync(endpoint=url, events_per_batch_max=10, team_id="core"))
    gate = Gate(config, SALT, url, token, "core")
    journal = Journal(home / "journal.jsonl")
    return run.send(db, gate, [journal], lambda data: not leaks(data), deadline_s=20, at=at).exit_status


class _Full(Points):
    """The disk is full when a batch is to be retired."""

    def __init__(self, db: sqlite3.Connection, nth: int) -> None:
        super().__init__("CP9", nth)
        self._db = db

    def __call__(self, name: str) -> None:
        if name == self.point:
            self.left -= 1
            if self.left < 0:
                raise sqlite3.OperationalError("database or disk is full")


if __name__ == "__main__":
    home, url, token, workspace, point, nth = sys.argv[1:]
    sys.exit(main(Path(home), url, token, workspace, point, int(nth)))
