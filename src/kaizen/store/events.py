"""Reading and writing `events` (all kinds but `cost`) and `bodies`. The caller owns the transaction."""

from collections.abc import Iterable, Iterator, Sequence
from sqlite3 import Connection

import msgspec

NAMES = ("id", "session_id", "seq", "agent", "key", "ts_ms", "ts_exact", "kind", "role", "tool", "call_id", "request",
         "model", "is_error", "is_sidechain", "latency_ms", "stop_reason", "retry_count", "is_copy", "flag", "file_id",
         "file_offset", "rev")
_INSERT = f"INSERT INTO events ({', '.join(NAMES)}) VALUES ({', '.join('?' * len(NAMES))})"


class Known(msgspec.Struct, gc=False):
    """What ingest must know of a stored event to merge another record of the same key into it."""

    key: str
    id: int
    session_id: int
    seq: int
    kind: str
    is_copy: bool
    is_error: bool | None
    latency_ms: int | None


def reserve_ids(db: Connection, count: int) -> int:
    """The first of `count` fresh event ids."""
    return int(db.execute("UPDATE clock SET next_event_id = next_event_id + ? RETURNING next_event_id - ?",
                          (count, count)).fetchone()[0])


def known(db: Connection, agent: str, keys: Sequence[str]) -> dict[str, Known]:
    found = db.execute(
        """SELECT e.key, e.id, e.session_id, e.seq, e.kind, e.is_copy, e.is_error, e.latency_ms
             FROM json_each(?) AS wanted CROSS JOIN events AS e ON e.agent = ? AND e.key = wanted.value""",
        (msgspec.json.encode(keys).decode(), agent))
    return {row[0]: Known(*row) for row in found}


def insert(db: Connection, rows: Iterable[tuple[object, ...]]) -> None:
    """Rows in the order of `NAMES`."""
    db.executemany(_INSERT, rows)


def put_bodies(db: Connection, rows: Iterable[tuple[int, int, bytes]]) -> None:
    """(event id, codec, body) each; an existing body is replaced."""
    db.executemany("INSERT OR REPLACE INTO bodies VALUES (?, ?, ?)", rows)


def body(db: Connection, event_id: int) -> tuple[int, bytes] | None:
    found: tuple[int, bytes] | None = db.execute(
        "SELECT codec, body FROM bodies WHERE event_id = ?", (event_id,)).fetchone()
    return found


def update_result(db: Connection, event_id: int, is_error: bool | None, latency_ms: int | None, rev: int) -> None:
    db.execute("UPDATE events SET is_error = ?, latency_ms = ?, rev = ? WHERE id = ?",
               (is_error, latency_ms, rev, event_id))


def move(db: Connection, event_id: int, session_id: int, seq: int, is_copy: bool, rev: int) -> None:
    db.execute("UPDATE events SET session_id = ?, seq = ?, is_copy = ?, rev = ? WHERE id = ?",
               (session_id, seq, is_copy, rev, event_id))


class Stored(msgspec.Struct, gc=False):
    """An event with its body, as folds read it back."""

    seq: int
    ts_ms: int
    ts_exact: bool
    kind: str
    role: str | None
    tool: str | None
    call_id: str | None
    request: str | None
    is_error: bool | None
    latency_ms: int | None
    stop_reason: str | None
    codec: int | None
    body: bytes | None


def of_session(db: Connection, session_id: int) -> Iterator[Stored]:
    """Everything a fold looks at, in `seq` order."""
    for row in db.execute(
        """SELECT seq, ts_ms, ts_exact, kind, role, tool, call_id, request, is_error, latency_ms, stop_reason, codec,
                  body
             FROM events LEFT JOIN bodies ON event_id = id
            WHERE session_id = ? AND kind <> 'cost' ORDER BY seq""", (session_id,)):
        yield Stored(*row)


def has_before(db: Connection, session_id: int, seq: int) -> bool:
    """Does the session have events, other than requests, before `seq`?"""
    return db.execute("SELECT 1 FROM events WHERE session_id = ? AND seq < ? AND kind <> 'cost' LIMIT 1",
                      (session_id, seq)).fetchone() is not None


def sessions_of_file(db: Connection, file_id: int) -> list[int]:
    return [row[0] for row in db.execute("SELECT DISTINCT session_id FROM events WHERE file_id = ?", (file_id,))]


def places(db: Connection, event_ids: Iterable[int]) -> list[tuple[int, int]]:
    """(session id, seq) of each."""
    return [db.execute("SELECT session_id, seq FROM events WHERE id = ?", (one,)).fetchone() for one in event_ids]


def places_of_file(db: Connection, file_id: int) -> list[tuple[int, int]]:
    return list(db.execute("SELECT session_id, seq FROM events WHERE file_id = ?", (file_id,)))


def places_of_session(db: Connection, session_id: int) -> list[tuple[int, int]]:
    return list(db.execute("SELECT session_id, seq FROM events WHERE session_id = ?", (session_id,)))


def touch(db: Connection, session_id: int, rev: int) -> None:
    """As if all events of the session, and its spans, had just changed."""
    db.execute("UPDATE events SET rev = ? WHERE session_id = ?", (rev, session_id))
    db.execute("UPDATE spans SET rev = ? WHERE session_id = ?", (rev, session_id))


def delete_of_file(db: Connection, file_id: int) -> None:
    db.execute("DELETE FROM events WHERE file_id = ?", (file_id,))
    db.execute("DELETE FROM sightings WHERE file_id = ?", (file_id,))


def files_sharing(db: Connection, file_id: int) -> list[int]:
    """Other files that showed a request this file is the source of."""
    return [row[0] for row in db.execute(
        """SELECT DISTINCT other.file_id FROM sightings AS mine JOIN sightings AS other USING (event_id)
            WHERE mine.file_id = ? AND other.file_id <> mine.file_id""", (file_id,))]


def alternates(db: Connection, session_id: int) -> list[tuple[int, str]]:
    """(id, key) of the session's second-hand rows (`alt1:` ... `alt9:`)."""
    return list(db.execute("SELECT id, key FROM events WHERE session_id = ? AND key >= 'alt' AND key < 'alu'",
                           (session_id,)))


def has_first_hand(db: Connection, session_id: int) -> bool:
    return db.execute("""SELECT 1 FROM events WHERE session_id = ? AND kind <> 'cost'
                          AND NOT (key >= 'alt' AND key < 'alu') LIMIT 1""", (session_id,)).fetchone() is not None


def delete(db: Connection, event_ids: Iterable[int]) -> None:
    db.executemany("DELETE FROM events WHERE id = ?", [(event_id,) for event_id in event_ids])
