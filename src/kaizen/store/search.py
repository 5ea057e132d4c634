"""The full-text index: `search.db` beside the store, rebuildable from it at any time.

`words` is a contentless FTS5 table: it knows which words are in which event, not the text, which is in the store.
Its rowid is the event's id. An event indexed before and changed since gets a second row, whose rowid has the change's
`rev` above bit 40: text of an event only ever grows, so the old row stays true. Rows of deleted events stay until the
next rebuild and are never shown, because every look-up joins `events`.

`meta` holds how far the index is: the last `(rev, id)` of the store's change feed, and which store and which settings
it belongs to. Rows and position are written in one transaction, so a crash repeats work and never loses it.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from sqlite3 import Connection
from typing import Literal, NamedTuple

import msgspec

from kaizen.errors import SearchUnavailable
from kaizen.store import grams
from kaizen.store.bodies import BODY, body
from kaizen.store.open import database_of
from kaizen.store.rows import listed

SCHEMA = 1
ID_BITS = 40
ID_MASK = (1 << ID_BITS) - 1

# A row at a time: FTS5 writes out what it has gathered at the end of each INSERT of several rows.
_INSERT = "INSERT INTO words (rowid, prompt, text, tool, path) VALUES (?, ?, ?, ?, ?)"
# prompt, text, tool, path
_RANK = {"words": "bm25(words, 5.0, 1.0, 2.0, 3.0)", "grams": grams.RANK}
_FTS5 = "fts5(prompt, text, tool, path, {content}tokenize = 'unicode61 remove_diacritics 2')"
# A word in more events than twice this is ranked among the first and the last indexed ones only.
HALF = 10_000

Row = tuple[int, str, str, str, str]
Table = Literal["words", "grams"]


class Position(msgspec.Struct, frozen=True):
    """Everything up to this row of the change feed is indexed. `max_id`: greatest event id that is."""

    rev: int = 0
    id: int = 0
    max_id: int = 0


class Waiting(NamedTuple):
    """An event to be indexed."""

    rev: int
    id: int
    kind: str
    role: str | None
    tool: str | None
    session_id: int
    # Where its payload is.
    block_id: int
    start: int
    length: int


class Candidate(NamedTuple):
    """A matching event. `rank` is FTS5's: the smaller, the better; 0 when nothing ranks."""

    id: int
    rank: float
    ts_ms: int
    session_id: int


class Found(NamedTuple):
    id: int
    session_id: int
    host_id: str
    seq: int
    ts_ms: int
    agent: str
    kind: str
    role: str | None
    tool: str | None
    body: bytes


class SessionFacts(NamedTuple):
    id: int
    host_id: str
    agent: str
    title: str | None
    started_at_ms: int | None


def path_of(home: Path) -> Path:
    return home / "search.db"


def unavailable() -> SearchUnavailable:
    return SearchUnavailable(f"Search needs FTS5, and this Python's SQLite {sqlite3.sqlite_version} is built without.",
                             hint="Use a Python from python.org, your distribution, or uv. All else works.")


def damaged(home: Path) -> SearchUnavailable:
    return SearchUnavailable(f"The search index {path_of(home)} is damaged.", hint="Rebuild it: kaizen search reindex")


def has_fts5() -> bool:
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        return db.execute("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'").fetchone() is not None


# Writing

def open_index(home: Path, *, timeout_s: float = 5.0) -> Connection:
    """The index, to write to, made if there is none. Raises `SearchUnavailable` without FTS5."""
    if not has_fts5():
        raise unavailable()
    path = path_of(home)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), 0o600))
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=timeout_s,
                         check_same_thread=False)
    try:
        _prepare(db)
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: Connection) -> None:
    if db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        db.execute("PRAGMA journal_mode=WAL")
    # It can be rebuilt, but not told from a good one after a power cut: NORMAL costs nothing measurable.
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute("PRAGMA cache_size=-16384")
    db.execute("PRAGMA wal_autocheckpoint=4000")
    db.execute("PRAGMA secure_delete=FAST")
    if db.execute("PRAGMA user_version").fetchone()[0] == SCHEMA:
        return
    with writing(db):
        if db.execute("PRAGMA user_version").fetchone()[0] == SCHEMA:
            return
        db.execute("DROP TABLE IF EXISTS words")
        db.execute("DROP TABLE IF EXISTS grams")
        db.execute("DROP TABLE IF EXISTS meta")
        db.execute(f"CREATE VIRTUAL TABLE words USING {_FTS5.format(content='content = , ')}")
        for name, value in grams.SETTINGS:
            db.execute("INSERT INTO words (words, rank) VALUES (?, ?)", (name, value))
        db.execute("CREATE TABLE meta (k TEXT PRIMARY KEY, v TEXT NOT NULL) STRICT, WITHOUT ROWID")
        db.execute(f"PRAGMA user_version={SCHEMA}")


def remove(home: Path) -> None:
    """Only for a damaged index."""
    for end in ("", "-wal", "-shm"):
        path_of(home).with_name(f"search.db{end}").unlink(missing_ok=True)


@contextlib.contextmanager
def writing(db: Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def position(db: Connection, identity: str, *, schema: str = "main") -> Position:
    """How far the index of this very store is; the beginning, when it is the index of another one."""
    found = dict(db.execute(f"SELECT k, v FROM {schema}.meta"))
    if found.get("identity") != identity:
        return Position()
    return Position(int(found["rev"]), int(found["id"]), int(found["max_id"]))


def is_of(db: Connection, identity: str) -> bool:
    return db.execute("SELECT 1 FROM meta WHERE k = 'identity' AND v = ?", (identity,)).fetchone() is not None


def put_position(db: Connection, at: Position, identity: str) -> None:
    db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", [
        ("identity", identity), ("rev", str(at.rev)), ("id", str(at.id)), ("max_id", str(at.max_id))])


def clear(db: Connection) -> None:
    db.execute("INSERT INTO words (words) VALUES ('delete-all')")
    db.execute("DELETE FROM meta")


def insert(db: Connection, rows: Iterable[Row]) -> None:
    db.executemany(_INSERT, rows)


def shrink(db: Connection) -> None:
    """Give back the room of the old rows after a rebuild. A reader or a full disk may forbid it, and then it stays."""
    with contextlib.suppress(sqlite3.OperationalError):
        db.execute("VACUUM")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def end_of(rev: int, max_id: int) -> Position:
    """Behind all rows of this transaction."""
    return Position(rev, ID_MASK, max_id)


# The store's side

def identity(db: Connection, home: Path, exclude: Sequence[str]) -> str:
    """Which store, and which choice of its workspaces, an index belongs to. The store's file is part of it: a backup
    put in its place starts another history."""
    store_id = db.execute("SELECT v FROM meta WHERE k = 'store_id'").fetchone()
    return msgspec.json.encode([store_id and store_id[0], database_of(home).stat().st_ino, sorted(exclude)]).decode()


def is_behind(db: Connection, at: Position) -> bool:
    return end_of(last_rev(db), at.max_id) != at


def last_rev(db: Connection) -> int:
    return int(db.execute("SELECT rev FROM clock").fetchone()[0])


def excluded_sessions(db: Connection, exclude: Sequence[str]) -> frozenset[int]:
    """Sessions of workspaces that match one of these path globs, or lie below one."""
    from fnmatch import fnmatchcase

    patterns = [os.path.expanduser(one).rstrip("/") for one in exclude]
    ids = [one for one, *paths in db.execute("SELECT id, path, root FROM workspaces")
           if any(fnmatchcase(path, pattern) or fnmatchcase(path, f"{pattern}/*")
                  for path in paths for pattern in patterns)]
    return frozenset(one for (one,) in db.execute(
        "SELECT id FROM sessions WHERE workspace_id IN (SELECT value FROM json_each(?))",
        (listed(ids),)))


# Of an import tens of thousands of events share a `rev`: (rev, id) > (?, ?) would seek the first and step from there.
_WAITING = """SELECT e.rev, e.id, e.kind, e.role, e.tool, e.session_id, e.body_block, e.body_start, e.body_length
                FROM events AS e INDEXED BY events_by_rev
               WHERE {} AND e.body_block IS NOT NULL ORDER BY e.rev, e.id LIMIT ?"""


def waiting(db: Connection, at: Position, limit: int) -> list[Waiting]:
    """The next events after a position, in the order of the change feed."""
    found = db.execute(_WAITING.format("e.rev = ? AND e.id > ?"), (at.rev, at.id, limit)).fetchall()
    if len(found) < limit:
        found += db.execute(_WAITING.format("e.rev > ?"), (at.rev, limit - len(found)))
    return list(map(Waiting._make, found))


def count_waiting(db: Connection, at: Position, limit: int = 1_000_000) -> int:
    """Events with text after a position, counted up to `limit`."""
    return int(db.execute(
        """SELECT count(*) FROM (SELECT 1 FROM events AS e INDEXED BY events_by_rev
                                  WHERE e.rev >= ? AND (e.rev, e.id) > (?, ?) AND e.body_block IS NOT NULL LIMIT ?)""",
        (at.rev, at.rev, at.id, limit)).fetchone()[0])


# Reading

@contextlib.contextmanager
def attached(db: Connection, home: Path) -> Iterator[bool]:
    """The index as `found` beside the store, read-only; False when there is none."""
    path = path_of(home)
    if not path.exists() or not db.execute("PRAGMA database_list").fetchone()[2]:
        yield False
        return
    if not has_fts5():
        raise unavailable()
    try:
        db.execute("ATTACH ? AS found", (f"{path.absolute().as_uri()}?mode=ro",))
    except sqlite3.DatabaseError as error:
        raise damaged(home) from error
    try:
        yield bool(db.execute("SELECT 1 FROM found.sqlite_master WHERE name = 'words'").fetchone())
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            raise damaged(home) from error
        raise
    finally:
        with contextlib.suppress(sqlite3.OperationalError):
            db.execute("DETACH found")


def candidates(db: Connection, match: str | None, where: str, args: Sequence[object], *, table: Table = "words"
               ) -> tuple[list[Candidate], bool]:
    """Events that match, each once, and whether these are all of them. `where` is on `events AS e`, `sessions AS s`."""
    if match is None:
        rows = db.execute(f"""
            SELECT e.id, 0.0, e.ts_ms, e.session_id
              FROM sessions AS s CROSS JOIN events AS e ON e.session_id = s.id
             WHERE {where} AND e.body_block IS NOT NULL
             ORDER BY s.started_at_ms DESC, s.id DESC, e.seq DESC LIMIT ?""", (*args, 2 * HALF + 1)).fetchall()
        return [Candidate(*row) for row in rows[: 2 * HALF]], len(rows) <= 2 * HALF

    def some(order: str) -> list[tuple[int, float, int, int]]:
        return db.execute(f"""
            SELECT w.rowid, {_RANK[table]}, e.ts_ms, e.session_id
              FROM found.{table} AS w CROSS JOIN events AS e ON e.id = (w.rowid & {ID_MASK})
             CROSS JOIN sessions AS s ON s.id = e.session_id
             WHERE {table} MATCH ? AND {where} AND e.body_block IS NOT NULL
             ORDER BY w.rowid {order} LIMIT ?""", (match, *args, HALF)).fetchall()

    rows = some("ASC")
    is_all = len(rows) < HALF
    if not is_all:
        last = rows[-1][0]
        rows += (rest := some("DESC"))
        is_all = rest[-1][0] <= last
    best: dict[int, Candidate] = {}
    for rowid, rank, ts_ms, session_id in rows:
        event_id = rowid & ID_MASK
        if event_id not in best or rank < best[event_id].rank:
            best[event_id] = Candidate(event_id, rank, ts_ms, session_id)
    return list(best.values()), is_all


def bodies(db: Connection, ids: Iterable[int]) -> Iterator[tuple[int, bytes]]:
    """(event id, body), in the order of the ids."""
    for event_id in ids:
        if (text := body(db, event_id)) is not None:
            yield event_id, text


def found(db: Connection, ids: Sequence[int]) -> dict[int, Found]:
    return {row[0]: Found(*row) for row in db.execute(
        f"""SELECT e.id, s.id, s.host_id, e.seq, e.ts_ms, e.agent, e.kind, e.role, e.tool, {BODY}
             FROM json_each(?) AS wanted CROSS JOIN events AS e ON e.id = wanted.value
             JOIN sessions AS s ON s.id = e.session_id WHERE e.body_block IS NOT NULL""",
        (listed(ids),))}


def sessions(db: Connection, ids: Sequence[int]) -> dict[int, SessionFacts]:
    return {row[0]: SessionFacts(*row) for row in db.execute(
        """SELECT s.id, s.host_id, s.agent, s.title, s.started_at_ms
             FROM json_each(?) AS wanted CROSS JOIN sessions AS s ON s.id = wanted.value""",
        (listed(ids),))}


def marked(texts: dict[int, tuple[str, str, str, str]], match: str, start: str, end: str
           ) -> dict[int, tuple[str, str, str, str]]:
    """The texts that match, with every match between `start` and `end`: FTS5 itself says what matched."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.execute(f"CREATE VIRTUAL TABLE words USING {_FTS5.format(content='')}")
        db.executemany(_INSERT, [(key, *text) for key, text in texts.items()])
        columns = ", ".join(f"highlight(words, {i}, ?, ?)" for i in range(4))
        return {row[0]: row[1:] for row in db.execute(
            f"SELECT rowid, {columns} FROM words WHERE words MATCH ?", (*(start, end) * 4, match))}
