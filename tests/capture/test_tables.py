"""Reading another program's database without leaving a trace."""

import os
import sqlite3
import tempfile
from pathlib import Path

import pytest

from kaizen.capture import tables
from kaizen.sources.shapes import Malformed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a b?c#d%20é.db"


def make(path: Path, journal: str = "delete") -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute(f"PRAGMA journal_mode = {journal}")
    db.execute("CREATE TABLE t (n)")
    db.execute("INSERT INTO t VALUES (1)")
    return db


def numbers(path: Path) -> list[int]:
    with tables.open_foreign(str(path)) as db:
        return [n for (n,) in db.execute("SELECT n FROM t ORDER BY n")]


def seen(folder: Path) -> list[tuple[str, bytes, int]]:
    return [(item.name, item.read_bytes(), item.stat().st_mtime_ns) for item in sorted(folder.iterdir())]


def killed(path: Path, journal: str = "wal") -> None:
    """What a killed agent leaves: a database with a `-wal` that was not folded in."""
    origin = path.with_name("origin")
    origin.mkdir()
    db = make(origin / "x.db", journal)
    db.execute("INSERT INTO t VALUES (2)")
    for suffix in ("", "-wal"):
        Path(f"{path}{suffix}").write_bytes(Path(f"{origin / 'x.db'}{suffix}").read_bytes())
    db.close()
    for item in origin.iterdir():
        item.unlink()
    origin.rmdir()


@pytest.fixture(params=["delete", "wal", "killed"])
def closed(request: pytest.FixtureRequest, path: Path) -> Path:
    if request.param == "killed":
        killed(path)
    else:
        make(path, request.param).close()
    return path


def test_reading_leaves_no_trace(closed: Path) -> None:
    before = seen(closed.parent)
    assert 1 in numbers(closed)
    assert seen(closed.parent) == before


def test_copies_are_removed(closed: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
                            ) -> None:
    scratch = tmp_path_factory.mktemp("scratch")
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    numbers(closed)
    with pytest.raises(Malformed), tables.open_foreign(str(closed)) as db:
        db.execute("SELECT nothing FROM t")
    assert list(scratch.iterdir()) == []


def test_a_large_closed_wal_database_is_not_copied(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(path, "wal").close()
    monkeypatch.setattr(tables, "COPY_MAX_BYTES", 0)
    monkeypatch.setattr(tables, "_open_copy", None)
    before = seen(path.parent)
    assert numbers(path) == [1]
    assert seen(path.parent) == before


def test_an_immutable_reading_is_refused_when_somebody_wrote(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(path, "wal").close()
    monkeypatch.setattr(tables, "COPY_MAX_BYTES", 0)
    writer = sqlite3.connect(path, isolation_level=None)
    with pytest.raises(Malformed, match="changed_while_reading"), tables.open_foreign(str(path)):
        writer.execute("INSERT INTO t VALUES (2)")
    writer.close()


def test_a_database_being_written_is_read_up_to_date(path: Path) -> None:
    writer = make(path, "wal")
    writer.execute("INSERT INTO t VALUES (2)")
    stamp = tables.stamp(str(path))
    assert numbers(path) == [1, 2]
    writer.execute("INSERT INTO t VALUES (3)")
    assert tables.stamp(str(path)) != stamp
    assert numbers(path) == [1, 2, 3]
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("INSERT INTO t VALUES (4)")
    assert numbers(path) == [1, 2, 3]
    writer.execute("COMMIT")
    assert numbers(path) == [1, 2, 3, 4]
    writer.close()


def test_reading_a_live_database_changes_neither_it_nor_its_log(path: Path) -> None:
    writer = make(path, "wal")
    before = [one for one in seen(path.parent) if not one[0].endswith("-shm")]
    numbers(path)
    assert [one for one in seen(path.parent) if not one[0].endswith("-shm")] == before
    writer.close()


def test_what_a_killed_agent_wrote_is_there(path: Path) -> None:
    killed(path)
    assert numbers(path) == [1, 2]


def test_an_exclusive_wal_without_shared_memory_is_copied(path: Path) -> None:
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA locking_mode = EXCLUSIVE")
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("CREATE TABLE t (n)")
    writer.execute("INSERT INTO t VALUES (1)")
    assert not os.path.exists(f"{path}-shm")
    assert numbers(path) == [1]
    writer.close()


def test_a_hot_journal_is_rolled_back_in_a_copy(path: Path) -> None:
    origin = path.with_name("origin.db")
    writer = make(origin)
    writer.execute("PRAGMA cache_size = 1")
    writer.execute("PRAGMA cache_spill = 1")
    writer.execute("BEGIN")
    writer.execute("UPDATE t SET n = 9")
    writer.executemany("INSERT INTO t VALUES (?)", [("x" * 5000,)] * 50)
    for suffix in ("", "-journal"):
        Path(f"{path}{suffix}").write_bytes(Path(f"{origin}{suffix}").read_bytes())
    writer.rollback()
    writer.close()
    origin.unlink()
    before = seen(path.parent)
    assert numbers(path) == [1]
    assert seen(path.parent) == before


def test_a_folder_nobody_may_write_to(closed: Path) -> None:
    closed.parent.chmod(0o500)
    try:
        if os.access(closed.parent, os.W_OK):
            pytest.skip("we may write everywhere")
        assert 1 in numbers(closed)
    finally:
        closed.parent.chmod(0o700)


def test_nothing_can_be_written(closed: Path) -> None:
    with pytest.raises(Malformed), tables.open_foreign(str(closed)) as db:
        db.execute("INSERT INTO t VALUES (2)")


def test_a_locked_database(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "BUSY_TIMEOUT_S", 0.05)
    writer = make(path)
    writer.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Malformed, match="sqlite_busy"):
        numbers(path)
    writer.close()


@pytest.mark.parametrize(("content", "reason"), [
    (b"no database at all, but long enough to have a header" * 40, "sqlite_notadb"),
    (b"", "missing_table"),
    (b"short", "sqlite_notadb"),
])
def test_not_a_database(path: Path, content: bytes, reason: str) -> None:
    path.write_bytes(content)
    with pytest.raises(Malformed, match=reason):
        numbers(path)


def test_a_damaged_database(path: Path) -> None:
    make(path).close()
    content = bytearray(path.read_bytes())
    content[100:4096] = b"\xff" * 3996
    path.write_bytes(content)
    with pytest.raises(Malformed, match="sqlite_"):
        numbers(path)


def test_missing_things(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        numbers(path)
    with pytest.raises(FileNotFoundError):
        tables.stamp(str(path))
    assert not path.exists()
    make(path).close()
    for query, reason in (("SELECT 1 FROM u", "missing_table"), ("SELECT u FROM t", "missing_column")):
        with pytest.raises(Malformed, match=reason), tables.open_foreign(str(path)) as db:
            db.execute(query)


def test_text_that_is_not_utf8_is_no_obstacle(path: Path) -> None:
    db = make(path)
    db.execute("INSERT INTO t VALUES (CAST(x'61ff' AS TEXT))")
    db.close()
    with tables.open_foreign(str(path)) as foreign:
        assert foreign.execute("SELECT n FROM t WHERE n != 1").fetchone() == ("a\ufffd",)
