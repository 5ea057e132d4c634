"""Stores of earlier schemas become current ones, with all that is in them."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from kaizen.store import integrity, migrate
from kaizen.store.open import database_of, open_store
from support import FIXTURES, Machine, assert_rolled_up

_AS_IT_WAS = {
    # Columns of a table that went, from where they are now.
    "body_places": """(SELECT id AS event_id, body_block AS block_id, body_start AS start, body_length AS length
                         FROM current.events WHERE body_block IS NOT NULL)""",
}

Columns = dict[str, list[str]]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Sessions of two agents: billed requests with variants, copies, subagents, bodies and sightings."""
    made = Machine(tmp_path)
    made.copy(FIXTURES / "claude_code", made.claude("all"))
    made.copy(FIXTURES / "codex", made.codex("2026/05"))
    made.load()
    return made


def schema(db: sqlite3.Connection) -> dict[str, str]:
    """Without quotes: SQLite writes them around the name of a table that was renamed."""
    found = db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {name: sql.replace('"', "") for name, sql in found}


def columns(db: sqlite3.Connection) -> Columns:
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {table: [row[1] for row in db.execute(f"PRAGMA table_info({table})")] for table in tables}


def downgrade(machine: Machine, version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rows in a store as a program that knew only `version` would have made it."""
    current = database_of(machine.home).rename(machine.home / "current.db")
    with monkeypatch.context() as then:
        then.setattr(migrate, "_FILES", [file for file in migrate._FILES if int(file.name[:4]) <= version])
        then.setattr(migrate, "LATEST", version)
        with closing(open_store(machine.home, write=True)) as old:
            old.execute("PRAGMA foreign_keys=OFF")
            old.execute("ATTACH ? AS current", (str(current),))
            for table, names in columns(old).items():
                old.execute(f"DELETE FROM {table}")
                listed, source = ", ".join(names), _AS_IT_WAS.get(table, f"current.{table}")
                old.execute(f"INSERT INTO {table} ({listed}) SELECT {listed} FROM {source}")
            if 4 <= version < 8:
                old.execute("UPDATE events SET key_hash = id")  # numbers that are given otherwise now
            old.execute("DETACH current")
    current.unlink()


@pytest.mark.parametrize("version", range(1, migrate.LATEST))
def test_everything_is_kept(machine: Machine, version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(machine.store()) as db:
        made, counts = schema(db), {table: db.execute(f"SELECT * FROM {table}").fetchall() for table in columns(db)}
    before = machine.dump()
    downgrade(machine, version, monkeypatch)
    assert machine.rows("PRAGMA user_version") == [(migrate.LATEST,)]  # a reader has it brought up to date
    with closing(machine.store()) as db:
        assert schema(db) == made
        assert integrity.problems(db) == []
        for table in ("events", "sightings", "spans", "sessions", "files", "blocks", "folds"):
            assert db.execute(f"SELECT * FROM {table}").fetchall() == counts[table], table
    assert_rolled_up(machine)
    assert machine.dump() == before
    report = machine.load()
    assert (report.new_bytes, report.new_events) == (0, 0)


def test_what_is_read_again_is_known(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    before = machine.dump()
    downgrade(machine, 3, monkeypatch)
    with closing(open_store(machine.home, write=True)) as db:
        db.execute("UPDATE files SET offset = 0, size = 0, mtime_ns = 0, rest = 0, state = NULL, head_hash = NULL,"
                   " tail_hash = NULL")
    assert machine.load().new_events == 0
    assert sorted(machine.dump()["events"]) == sorted(before["events"])


def test_references_are_enforced_afterwards(tmp_path: Path) -> None:
    with closing(open_store(tmp_path, write=True)) as db:
        assert db.execute("PRAGMA foreign_keys").fetchone() == (1,)
