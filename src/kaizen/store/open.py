"""Opening the store: where it lies, its pragmas, its version, who may read it.

One file, `kaizen.db`, for the whole machine, in WAL mode: any number of readers and one writer at a time, no server.
A reader never creates or changes anything; a missing store reads as an empty one. Files are private to the user.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

from kaizen.errors import DiskFull, StoreBusy, StoreCorrupt, StoreError, StoreReadOnly
from kaizen.store import migrate
from kaizen.store.bodies import Connection

APPLICATION_ID = 0x4B41495A  # "KAIZ"
BUSY_TIMEOUT_MS = 5_000
# The index on keys takes random inserts: a small cache and frequent checkpoints write the same pages again and again
# (1 GB import: 5.8 GB written with SQLite's defaults).
WRITER_CACHE_KIB = 64 << 10
CHECKPOINT_PAGES = 16_000
# Bodies are about 1 kB: in pages of 4 kB, 14 % of their space is slack.
PAGE_BYTES = 8_192

# For each None, bytes and bool among parameters CPython looks for an adapter, then for `__adapt__` and `__conform__`,
# and formats the AttributeError: a third of the time of an INSERT into `events`. These say: as it is.
sqlite3.register_adapter(type(None), {None: None}.get)
sqlite3.register_adapter(bytes, bytes)
sqlite3.register_adapter(bool, int)


def home_of(env: Mapping[str, str]) -> Path:
    """`KAIZEN_HOME`, else `~/.kaizen`."""
    if named := env.get("KAIZEN_HOME"):
        return Path(named).absolute()
    if user := env.get("HOME") or env.get("USERPROFILE"):
        return Path(user) / ".kaizen"
    raise StoreError("Neither HOME nor KAIZEN_HOME is set.", hint="Set KAIZEN_HOME to a folder of your own.")


def database_of(home: Path) -> Path:
    return home / "kaizen.db"


def open_store(home: Path, *, write: bool = False) -> Connection:
    """The store below `home`. Writers create and migrate it; readers get an empty in-memory one if there is none."""
    path = database_of(home)
    with readable_errors(path):
        if write:
            return _open_writer(path)
        if not path.exists():
            return empty_store()
        db = _connect(f"{path.absolute().as_uri()}?mode=ro")
        if migrate.check(db, path):
            return db
        db.close()  # older than this program: only a writer may change it
        return _open_writer(path)


def peek(home: Path, *, timeout_ms: int = 50) -> sqlite3.Connection | None:
    """The store as it is; None where there is none that this program can read at once. Changes nothing."""
    path = database_of(home)
    if not path.exists():
        return None
    db = _connect(f"{path.absolute().as_uri()}?mode=ro")
    db.execute(f"PRAGMA busy_timeout={timeout_ms:d}")
    if migrate.check(db, path):
        return db
    db.close()
    return None


def put_aside(home: Path, now_ms: int) -> None:
    """Move the store and its search index out of the way; nothing is deleted."""
    for name in ("kaizen.db", "search.db"):
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.rename(home / f"{name}{suffix}", home / f"{name}.{now_ms}{suffix}")


def empty_store() -> Connection:
    """A store in memory with the current schema and nothing in it."""
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False, factory=Connection)
    migrate.migrate(db, Path(":memory:"))
    return db


def _open_writer(path: Path) -> Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), 0o600))
    db = _connect(f"{path.absolute().as_uri()}?mode=rw")
    if db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        db.execute(f"PRAGMA page_size={PAGE_BYTES}")
        db.execute("PRAGMA auto_vacuum=INCREMENTAL")
        db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute(f"PRAGMA cache_size=-{WRITER_CACHE_KIB}")
    db.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    # Debian's SQLite writes zeros over freed pages: 0.3 ms a batch of a queue that empties. `gc` gives such pages back
    # to the file system.
    db.execute("PRAGMA secure_delete=FAST")
    if not migrate.check(db, path):
        migrate.migrate(db, path)
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
    return db


def _connect(uri: str) -> Connection:
    db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1000, check_same_thread=False,
                         cached_statements=256, factory=Connection)
    db.execute("PRAGMA foreign_keys=ON")
    db.execute("PRAGMA temp_store=MEMORY")
    db.execute("PRAGMA mmap_size=268435456")
    return db


def use_little_memory(db: sqlite3.Connection) -> None:
    """For a process that stays and touches every page once: pages are not mapped, and few are kept."""
    db.execute("PRAGMA mmap_size=0")
    db.execute("PRAGMA cache_size=-8192")


def trust(db: sqlite3.Connection) -> None:
    """For ingest, which inserts and deletes in the right order itself: its foreign keys are not checked row by row, but
    by tests and `doctor` (docs/adr/0018)."""
    db.execute("PRAGMA foreign_keys=OFF")


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[int]:
    """`BEGIN IMMEDIATE` ... `COMMIT`; yields this transaction's number of the change feed (`clock.rev`)."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db.execute("UPDATE clock SET rev = rev + 1 RETURNING rev").fetchone()[0]
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def readable_errors(path: Path) -> Iterator[None]:
    """SQLite's and the system's errors about the store as sentences a person can act on."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise _explained(path, error) from error


def _explained(path: Path, error: Exception) -> StoreError:
    text = str(error).lower()
    code = getattr(error, "sqlite_errorname", "") or ""
    number = getattr(error, "errno", None)
    if "FULL" in code or "disk is full" in text or number in (28, 122):
        return DiskFull(f"No space left for {path}.",
                        hint="Free some space and run the command again; nothing is lost.")
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or "malformed" in text or "not a database" in text:
        return StoreCorrupt(f"{path} is damaged.",
                            hint=f"Keep a copy, then rebuild it from the agents' files: kaizen load --rebuild "
                                 f"(backups: {path.parent / 'backup'}).")
    if code.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")) or number in (1, 13, 30):
        return StoreReadOnly(f"{path} cannot be written.",
                             hint="Check its owner and mode, or set KAIZEN_HOME to a folder of your own.")
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) or "locked" in text:
        return StoreBusy(f"{path} is busy.", hint="Another kaizen is writing; try again in a few seconds.")
    return StoreError(f"{path}: {error}.", hint="Look at it with: kaizen doctor")
