"""A machine with agents' files on it, and what Kaizen makes of them: for tests of the whole pipeline."""

import os
import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from kaizen.capture.coverage import LoadReport
from kaizen.capture.load import load
from kaizen.config.model import Config
from kaizen.store import integrity, usage
from kaizen.store.bodies import BODY
from kaizen.store.open import open_store

FIXTURES = Path(__file__).parent / "fixtures"
LONG_AGO = 1_780_000_000  # 2026-05-28: whatever was written then is finished
TOKENS = (
    "input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
)
Row = tuple[Any, ...]


class Machine:
    """`user` is HOME, `home` is KAIZEN_HOME. Files are old (silent) unless told otherwise."""

    def __init__(self, folder: Path, prices: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self.user, self.home = folder / "user", folder / "kaizen"
        self.user.mkdir(parents=True)
        self.env = {"HOME": str(self.user), "KAIZEN_HOME": str(self.home)}
        self.config = Config(prices={model: dict(rates) for model, rates in (prices or {}).items()})

    def claude(self, name: str) -> Path:
        return self.user / ".claude/projects" / name

    def codex(self, name: str) -> Path:
        return self.user / ".codex/sessions" / name

    def write(self, path: Path, content: bytes, *, age_rank: int = 0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        settle(path, age_rank)
        return path

    def copy(self, source: Path, target: Path) -> None:
        """A file or a folder, as it is in the fixtures."""
        for file in sorted(source.rglob("*")) if source.is_dir() else [source]:
            if file.is_file():
                self.write(target / file.relative_to(source) if source.is_dir() else target, file.read_bytes())

    def load(self, *, index: bool = False) -> LoadReport:
        return load(self.home, self.env, self.config, index=index)

    def store(self) -> sqlite3.Connection:
        return open_store(self.home)

    def rows(self, sql: str, *values: object) -> list[Row]:
        db = self.store()
        try:
            return db.execute(sql, values).fetchall()
        finally:
            db.close()

    def dump(self) -> dict[str, list[Row]]:
        db = self.store()
        try:
            return dump(db)
        finally:
            db.close()

    def totals(self, agent: str = "claude") -> dict[str, dict[str, int]]:
        """By model ('unknown' for none): what `usage_by_quarter` says."""
        sums = ", ".join(f"sum({name})" for name in ("requests", *TOKENS))
        return {
            model or "unknown": dict(zip(("requests", *TOKENS), values, strict=True))
            for model, *values in self.rows(
                f"SELECT model, {sums} FROM usage_by_quarter WHERE agent = ? GROUP BY model", agent
            )
        }

    def wipe(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)


def settle(path: Path, age_rank: int = 0) -> None:
    os.utime(path, (LONG_AGO - 60 * age_rank, LONG_AGO - 60 * age_rank))


_SESSION = (
    "agent",
    "host_id",
    "model",
    "branch",
    "parent_host_id",
    "relation",
    "parent_call_id",
    "label",
    "agent_version",
    "title",
    "started_at_ms",
    "ended_at_ms",
    "status",
    "status_reason",
    "events",
    "prompts",
    "tool_calls",
    "errors",
)
_EVENT = (
    "key",
    "ts_ms",
    "ts_exact",
    "kind",
    "role",
    "tool",
    "call_id",
    "request",
    "model",
    "is_error",
    "is_sidechain",
    "latency_ms",
    "stop_reason",
    "duplicate_of",
    "is_copy",
    *TOKENS,
    "web_search_requests",
    "service_tier",
    "speed",
    "context_max_tokens",
    "retry_count",
    "reported_cost_usd_e6",
    "cost_pusd",
    "cost_source",
    "flag",
)


def dump(db: sqlite3.Connection) -> dict[str, list[Row]]:
    """Everything the store says, without the numbers that depend on when it was said."""
    assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    assert integrity.outliving(db) == []
    name = {one: f"{agent}/{host}" for one, agent, host in db.execute("SELECT id, agent, host_id FROM sessions")}
    key = {(session, seq): key for session, seq, key in db.execute("SELECT session_id, seq, key FROM events")}
    found: dict[str, list[Row]] = {
        "sessions": db.execute(f"""SELECT {", ".join(f"s.{one}" for one in _SESSION)}, w.path FROM sessions s
                                   LEFT JOIN workspaces w ON w.id = s.workspace_id WHERE s.events > 0""").fetchall(),
        "events": [
            (name[row[0]], *row[1:]) for row in db.execute(f"SELECT session_id, {', '.join(_EVENT)} FROM events")
        ],
        "bodies": [
            (key, msgspec.json.encode(msgspec.json.decode(body), order="sorted"))
            for key, body in db.execute(f"SELECT key, {BODY} FROM events WHERE body_block IS NOT NULL")
        ],
        "order": [
            (
                name[session],
                [
                    key
                    for (key,) in db.execute(
                        "SELECT key FROM events WHERE session_id = ? AND kind <> 'cost' ORDER BY seq", (session,)
                    )
                ],
            )
            for session in name
        ],
        "spans": [
            (name[s], key.get((s, seq)), turn, key.get((s, group)), *rest)
            for s, seq, turn, group, *rest, _rev in db.execute("SELECT * FROM spans")
        ],
        "turns": [
            (name[s], turn, key.get((s, prompt)), *rest) for s, turn, prompt, *rest in db.execute("SELECT * FROM turns")
        ],
        "files_touched": _named(db, "files_touched", name),
        "guidance_used": _named(db, "guidance_used", name),
        "tools_used": _named(db, "tools_used", name),
        "usage_by_session": _named(db, "usage_by_session", name),
        "usage_by_quarter": [
            (quarter, path, *rest)
            for quarter, path, *rest in db.execute(
                """SELECT quarter, ifnull(path, ''), agent, model, requests, input_tokens, output_tokens,
                      reasoning_tokens, cache_read_tokens, cache_write_tokens,
                      cache_write_1h_tokens, cost_pusd, unpriced_requests
                 FROM usage_by_quarter LEFT JOIN workspaces ON id = workspace_id"""
            )
        ],
    }
    found["order"] = [(one, keys) for one, keys in found["order"] if keys]
    return {table: sorted(rows, key=repr) for table, rows in found.items()}


def _named(db: sqlite3.Connection, table: str, name: dict[int, str]) -> list[Row]:
    return [(name[session], *rest) for session, *rest in db.execute(f"SELECT * FROM {table}")]


def assert_rolled_up(machine: Machine) -> None:
    """The roll-ups equal what the events and the spans say."""
    db = machine.store()
    try:
        assert usage.stored(db) == usage.rebuilt(db)
        assert integrity.rollup_drift(db) == []
    finally:
        db.close()


def assert_every_byte_booked(machine: Machine) -> None:
    """parsed + ignored + error = the file's bytes up to its cursor, and the report adds up to all of them."""
    from kaizen.capture import ledger as ledgers
    from kaizen.capture.coverage import coverage
    from kaizen.store import files

    db = machine.store()
    try:
        for _, path, _, offset, _, encoded in files.ledgers(db):
            assert ledgers.decode(encoded).total == offset, path
        report = coverage(db)
        assert report.bytes_total == sum(size for (size,) in db.execute("SELECT max(size, 0) FROM files"))
    finally:
        db.close()
