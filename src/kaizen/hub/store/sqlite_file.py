"""One file of SQLite as a hub uses it: who writes and who reads, what its errors mean."""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import msgspec

from kaizen.hub.store.packing import unpack
from kaizen.hub.store.protocol import SCHEMA_VERSION, Full, Unavailable, check_version
from kaizen.wire.ingest import SnapshotChunk


class TeamFile:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer, self._write_lock = open_file(path, "team.sql"), threading.Lock()
        self._reader, self._read_lock = connect(path), threading.Lock()

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        with self._write_lock, readable_errors():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:  # a full disk ends it by itself
                    self._writer.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        with self._read_lock, readable_errors():
            yield self._reader

    def close(self) -> None:
        with self._write_lock, self._read_lock:
            self._reader.close()
            self._writer.close()


def open_file(path: Path, schema: str) -> sqlite3.Connection:
    """Makes the tables where they are missing. Raises `StoreTooNew`, `Unavailable`."""
    db = connect(path)
    try:
        with readable_errors():
            check_version(db.execute("PRAGMA user_version").fetchone()[0], str(path))
            db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -32768;")
            db.executescript(files("kaizen.hub.store").joinpath(schema).read_text(encoding="utf-8"))
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    except BaseException:
        db.close()
        raise
    db.create_function("chunk_total", 1, _chunk_total, deterministic=True)
    path.chmod(0o600)
    return db


def connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)


def _chunk_total(body: bytes) -> int:
    return msgspec.json.decode(unpack(body), type=SnapshotChunk).chunk_total


@contextlib.contextmanager
def readable_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        if not isinstance(error, sqlite3.OperationalError) and type(error) is not sqlite3.DatabaseError:
            raise  # a wrong statement or value: a bug of ours
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            raise Full from error
        raise Unavailable from error
