"""Sync against a model: whatever happens in whatever order, the hub ends with what was enqueued, once (sync.md G1, G2).

A walk of random steps: enqueue, flush, a crash at any point of a flush, a hub that restarts, forgets its keys, or takes
less than before. KAIZEN_MODEL_STEPS says how many; `make crash` walks 10,000.
"""

import asyncio
import contextlib
import json
import os
import random
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from kaizen.hub.app import make
from kaizen.hub.auth import new_token
from kaizen.hub.hub import Hub
from kaizen.hub.limits import Limits
from kaizen.hub.store.protocol import SCOPES, Settings, Team
from kaizen.hub.store.sqlite import SqliteStore
from kaizen.outbox import client
from kaizen.outbox.deliver import Engine
from kaizen.outbox.settings import Settings as Engine_settings
from kaizen.store import outbox, outbox_dead
from kaizen.store.open import empty_store, transaction
from kaizen.wire.ingest import KINDS
from outbox.world import T0, Clock

STEPS = int(os.environ.get("KAIZEN_MODEL_STEPS", "600"))
HASHES = [f"blake3:{number:064x}" for number in range(8)]
POINTS = ("CP3", "CP4", "CP5", "CP8", "CP9", "CP10", "CP12", "CP13")


class Killed(BaseException):
    pass


class Walk:
    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.folder = folder
        self.db: sqlite3.Connection = empty_store()
        self.clock = Clock()
        self.rev = 0
        self.seq = 0
        # What the hub must have: (kind, workspace, identity) -> the newest version's number.
        self.model: dict[tuple[str, str, str], int] = {}
        self.limits = Limits(requests_per_minute=0)
        self._open_hub()

    def _open_hub(self) -> None:
        self.store = SqliteStore(self.folder)
        self.store.add_team(Team("core", 1, Settings(retention_days=10_000)))
        _, self.token = new_token(self.store, "core", list(SCOPES), "", 1)
        self.hub = Hub(self.store, self.limits, clock=self.clock.now_ms)

    async def step(self) -> None:
        self.clock.ms += self.random.randrange(1, 5_000)
        await self.random.choices(
            [self.enqueue, self.flush, self.crash, self.restart, self.expire, self.shrink], [10, 4, 4, 1, 1, 1])[0]()

    async def enqueue(self) -> None:
        rows: list[tuple[str, int, str, str | None, bytes, bytes | None, int]] = []
        with transaction(self.db):
            for _ in range(self.random.randrange(1, 12)):
                self.rev += 1
                workspace = self.random.choice(HASHES[:3])
                said = {"team_id": "core", "workspace_hash": workspace}
                envelope = outbox.envelope(self.db, msgspec.json.encode(said))
                kind = self.random.choice(("events", "cost", "sessions", "tool_spans"))
                number = self.rev
                if kind == "events":
                    self.seq += 1
                    item, key, identity = self._event(self.seq, "message", number), None, f"{HASHES[0]}/{self.seq}"
                elif kind == "cost":
                    seq = 1_000_000 + self.random.randrange(20)
                    item, key, identity = self._event(seq, "cost", number), f"c{workspace}{seq}", f"{HASHES[0]}/{seq}"
                elif kind == "sessions":
                    session = self.random.choice(HASHES)
                    item = {"rev": number, "session_id_hash": session, "agent": "claude", "started_at_ms": 1,
                            "status": "done", "tokens_in": number}  # fmt: skip
                    key, identity = f"s{workspace}{session}", session
                else:
                    span = self.random.choice(HASHES)
                    item = {"rev": number, "session_id_hash": HASHES[0], "span_id_hash": span, "status": "ok",
                            "started_at_ms": number, "ended_at_ms": None, "lead_time_ms": None,
                            "tokens_in": None, "tokens_out": None, "reasoning_tokens": None, "cost_usd_e6": None,
                            "path_hashes": []}  # fmt: skip
                    key, identity = f"t{workspace}{span}", span
                lane = "events" if kind == "cost" else kind
                self.model[lane, workspace, identity] = number
                rows.append((lane, envelope, "s", key, json.dumps(item).encode(), None, self.clock.ms))
            outbox.put(self.db, rows)

    def _event(self, seq: int, kind: str, number: int) -> dict[str, Any]:
        return {"rev": number, "session_id_hash": HASHES[0], "event_seq": seq, "ts_ms": T0, "agent": "claude",
                "kind": kind, "source": "tail", "payload": {}, "tokens_in": number}  # fmt: skip

    async def flush(self, kill_at: str | None = None, nth: int = 0) -> None:
        left = nth

        def at(point: str) -> None:
            nonlocal left
            if point == kill_at:
                left -= 1
                if left < 0:
                    raise Killed

        transport = httpx.ASGITransport(make(self.hub, lambda _: None))
        hub = client.Hub("http://localhost", self.token, transport=transport)
        engine = Engine(
            self.db, Engine_settings(max_items=self.random.choice((3, 20, 500)), fingerprint=self.token), hub.post,
            is_alive=hub.is_alive, clock=self.clock, chance=self.random.random, at=at)  # fmt: skip
        try:
            await engine.run(deadline_ms=self.clock.ms + 60_000)
        finally:
            await hub.close()

    async def crash(self) -> None:
        with contextlib.suppress(Killed):
            await self.flush(self.random.choice(POINTS), self.random.randrange(3))

    async def restart(self) -> None:
        await self.hub.close()
        self.store.close()
        self._open_hub()

    async def expire(self) -> None:
        """All keys are past their window: what protects us now is the identity of items."""
        with contextlib.closing(sqlite3.connect(self.folder / "teams" / "core.db")) as db, db:
            db.execute("DELETE FROM answers")

    async def shrink(self) -> None:
        self.limits = Limits(requests_per_minute=0, max_items=self.random.choice((2, 7, 5_000)),
                             max_body_bytes=self.random.choice((2_000, 8 << 20)))  # fmt: skip
        await self.restart()

    async def check(self) -> None:
        self.limits = Limits(requests_per_minute=0)
        await self.restart()
        self.clock.ms += 3_600_000
        await self.flush()
        assert outbox.is_empty(self.db)
        assert outbox_dead.dead(self.db) == []
        found = {}
        for row in self.store.export("core"):
            item = msgspec.json.decode(row.body)
            names = [str(item[name]) for name in KINDS[row.kind].identity]
            identity = "/".join(names) if row.kind == "events" else names[-1]
            found[row.kind, row.workspace_hash, identity] = item["rev"]
        assert found == self.model


@pytest.mark.parametrize("seed", range(3))
def test_hub_equals_model(seed: int, tmp_path: Path) -> None:
    async def go() -> None:
        walk = Walk(tmp_path, seed)
        try:
            for number in range(1, STEPS // 3 + 1):
                await walk.step()
                if number % 100 == 0:
                    await walk.check()
            await walk.check()
        finally:
            await walk.hub.close()
            walk.store.close()

    asyncio.run(go())


