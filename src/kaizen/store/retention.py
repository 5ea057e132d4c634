"""Deleting what is old, by last activity. The caller owns the transaction.

Numbers stay: sessions, roll-ups and every `cost` row, because a request that a later file shows again must be known to
have been counted. What can go is text, and with `events` the rows of messages and tools and what is derived from them.
"""

from collections.abc import Sequence
from sqlite3 import Connection

import msgspec

from kaizen.store import bodies
from kaizen.store.open import transaction, trust
from kaizen.store.rows import listed, scalar


class Plan(msgspec.Struct):
    """What a deletion would take away."""

    sessions: int
    bodies: int
    body_bytes: int
    events: int


_OLD = "SELECT id FROM sessions WHERE ended_at_ms < ?"
_GIVEN = "SELECT value FROM json_each(?)"


def plan(db: Connection, before_ms: int, *, with_events: bool) -> Plan:
    bodies, size = db.execute(
        f"SELECT count(body_block), ifnull(sum(body_length), 0) FROM events WHERE session_id IN ({_OLD})", (before_ms,)
    ).fetchone()
    events = scalar(db, f"SELECT count(*) FROM events WHERE kind <> 'cost' AND session_id IN ({_OLD})", (before_ms,))
    return Plan(scalar(db, f"SELECT count(*) FROM ({_OLD})", (before_ms,)), bodies, size, events if with_events else 0)


def old_sessions(db: Connection, before_ms: int) -> list[int]:
    return [one for (one,) in db.execute(f"{_OLD} ORDER BY id", (before_ms,))]


def delete_bodies(db: Connection, session_ids: Sequence[int]) -> None:
    db.execute(f"""UPDATE events SET body_block = NULL, body_start = NULL, body_length = NULL
                    WHERE session_id IN ({_GIVEN}) AND body_block IS NOT NULL""", (listed(session_ids),))


def delete_events(db: Connection, session_ids: Sequence[int]) -> None:
    """And what is derived from them."""
    db.execute(f"DELETE FROM events WHERE session_id IN ({_GIVEN}) AND kind <> 'cost'", (listed(session_ids),))
    for table in ("spans", "turns", "tools_used"):
        db.execute(f"DELETE FROM {table} WHERE session_id IN ({_GIVEN})", (listed(session_ids),))


def shrink(db: Connection) -> None:
    """Give what is free back to the file system. Outside a transaction."""
    trust(db)  # for each block that goes SQLite would look through all events
    with transaction(db):
        bodies.sweep(db)
    db.executescript("PRAGMA incremental_vacuum")  # `execute` takes one step, which frees one page
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
