"""Reading and writing `events` (all kinds but `cost`). The caller owns the transaction."""

from collections.abc import Iterable, Iterator, Mapping
from sqlite3 import Connection

import msgspec

from kaizen.store.bodies import BODY
from kaizen.store.rows import listed

NAMES = ("id", "session_id", "seq", "agent", "key", "ts_ms", "ts_exact", "kind", "role", "tool", "call_id", "request",
         "model", "is_error", "is_sidechain", "latency_ms", "stop_reason", "retry_count", "is_copy", "flag", "file_id",
         "file_offset", "rev", "key_hash", "body_block", "body_start", "body_length")
_OF_FILE = "session_id IN (SELECT session_id FROM file_sessions WHERE file_id = ?1) AND file_id = ?1"
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
    file_id: int | None


def reserve_ids(db: Connection, count: int) -> int:
    """The first of `count` fresh event ids."""
    return int(db.execute("UPDATE clock SET next_event_id = next_event_id + ? RETURNING next_event_id - ?",
                          (count, count)).fetchone()[0])


def known(db: Connection, agent: str, keys: Mapping[str, int]) -> dict[str, Known]:
    """Those of the keys that are there. Each comes with its `key_hash`."""
    found = db.execute(
        """SELECT e.key, e.id, e.session_id, e.seq, e.kind, e.is_copy, e.is_error, e.latency_ms, e.file_id
             FROM json_each(?) AS wanted CROSS JOIN events AS e ON e.key_hash = wanted.value AND e.agent = ?""",
        (listed(sorted(set(keys.values()))), agent))
    return {row[0]: Known(*row) for row in found if row[0] in keys}


def insert(db: Connection, rows: Iterable[tuple[object, ...]]) -> None:
    """Rows in the order of `NAMES`. None of their keys may be there: see `known`."""
    db.executemany(_INSERT, rows)


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
    body: bytes | None


def of_session(db: Connection, session_id: int) -> Iterator[Stored]:
    """Everything a fold looks at, in `seq` order."""
    for row in db.execute(
        f"""SELECT seq, ts_ms, ts_exact, kind, role, tool, call_id, request, is_error, latency_ms, stop_reason, {BODY}
             FROM events WHERE session_id = ? AND kind <> 'cost' ORDER BY seq""", (session_id,)):
        yield Stored(*row)


def has_before(db: Connection, session_id: int, seq: int) -> bool:
    """Does the session have events, other than requests, before `seq`?"""
    return db.execute("SELECT 1 FROM events WHERE session_id = ? AND seq < ? AND kind <> 'cost' LIMIT 1",
                      (session_id, seq)).fetchone() is not None


def sessions_of_file(db: Connection, file_id: int) -> list[int]:
    return [row[0] for row in db.execute(f"SELECT DISTINCT session_id FROM events WHERE {_OF_FILE}", (file_id,))]


def places(db: Connection, event_ids: Iterable[int]) -> list[tuple[int, int]]:
    """(session id, seq) of each."""
    return [db.execute("SELECT session_id, seq FROM events WHERE id = ?", (one,)).fetchone() for one in event_ids]


def places_of_file(db: Connection, file_id: int) -> list[tuple[int, int]]:
    return list(db.execute(f"SELECT session_id, seq FROM events WHERE {_OF_FILE}", (file_id,)))


def places_of_session(db: Connection, session_id: int) -> list[tuple[int, int]]:
    return list(db.execute("SELECT session_id, seq FROM events WHERE session_id = ?", (session_id,)))


def touch(db: Connection, session_id: int, rev: int) -> None:
    """As if all events of the session, and its spans, had just changed."""
    db.execute("UPDATE events SET rev = ? WHERE session_id = ?", (rev, session_id))
    db.execute("UPDATE spans SET rev = ? WHERE session_id = ?", (rev, session_id))


def delete_of_file(db: Connection, file_id: int) -> None:
    delete(db, [row[0] for row in db.execute(f"SELECT id FROM events WHERE {_OF_FILE}", (file_id,))])
    db.execute("DELETE FROM file_sessions WHERE file_id = ?", (file_id,))
    db.execute("DELETE FROM sightings WHERE file_id = ?", (file_id,))
    db.execute("DELETE FROM repeats WHERE teller_id = ?", (file_id,))


def add_file_sessions(db: Connection, pairs: Iterable[tuple[int, int]]) -> None:
    """(file id, session id) of events that were stored or changed. Without its pair an event outlives its file."""
    db.executemany("INSERT OR IGNORE INTO file_sessions VALUES (?, ?)", sorted(pairs))


def add_repeats(db: Connection, teller_ids: Iterable[int], repeater_id: int) -> None:
    db.executemany("INSERT OR IGNORE INTO repeats VALUES (?, ?)", [(teller, repeater_id) for teller in teller_ids])


def files_sharing(db: Connection, file_id: int) -> list[int]:
    """Other files that showed a request which this one showed, too, or told again what it told first."""
    return [row[0] for row in db.execute(
        """SELECT other.file_id FROM sightings AS mine JOIN sightings AS other USING (event_id)
            WHERE mine.file_id = ?1 AND other.file_id <> ?1
            UNION SELECT repeater_id FROM repeats WHERE teller_id = ?1""", (file_id,))]


def alternates(db: Connection, session_id: int) -> list[tuple[int, str]]:
    """(id, key) of the session's second-hand rows (`alt1:` ... `alt9:`)."""
    return list(db.execute("SELECT id, key FROM events WHERE session_id = ? AND key >= 'alt' AND key < 'alu'",
                           (session_id,)))


def has_first_hand(db: Connection, session_id: int) -> bool:
    return db.execute("""SELECT 1 FROM events WHERE session_id = ? AND kind <> 'cost'
                          AND NOT (key >= 'alt' AND key < 'alu') LIMIT 1""", (session_id,)).fetchone() is not None


def delete(db: Connection, event_ids: Iterable[int]) -> None:
    """With their sightings: ingest runs without SQLite's cascades, see `store.open.trust`."""
    rows = [(event_id,) for event_id in event_ids]
    db.executemany("DELETE FROM sightings WHERE event_id = ?", rows)
    db.executemany("DELETE FROM events WHERE id = ?", rows)
