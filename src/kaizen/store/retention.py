"""Deleting what is old, by last activity. The caller owns the transaction.

Numbers stay: sessions, roll-ups and every `cost` row, because a request that a later file shows again must be known to
have been counted. What can go is text, and with `events` the rows of messages and tools and what is derived
from them.
"""

from sqlite3 import Connection

import msgspec

from kaizen.store import bodies
from kaizen.store.open import transaction
from kaizen.store.rows import scalar


class Plan(msgspec.Struct):
    """What a deletion would take away."""

    sessions: int
    bodies: int
    body_bytes: int
    events: int


_OLD = "SELECT id FROM sessions WHERE ended_at_ms < ?"


def plan(db: Connection, before_ms: int, *, with_events: bool) -> Plan:
    bodies, size = db.execute(
        f"SELECT count(body_block), ifnull(sum(body_length), 0) FROM events WHERE session_id IN ({_OLD})", (before_ms,)
    ).fetchone()
    events = scalar(db, f"SELECT count(*) FROM events WHERE kind <> 'cost' AND session_id IN ({_OLD})", (before_ms,))
    return Plan(scalar(db, f"SELECT count(*) FROM ({_OLD})", (before_ms,)), bodies, size, events if with_events else 0)


def delete_bodies(db: Connection, before_ms: int, limit: int) -> int:
    """At most `limit` rows; returns how many it were."""
    return db.execute(
        f"""UPDATE events SET body_block = NULL, body_start = NULL, body_length = NULL WHERE id IN
              (SELECT id FROM events WHERE body_block IS NOT NULL AND session_id IN ({_OLD}) LIMIT ?)""",
        (before_ms, limit),
    ).rowcount


def delete_events(db: Connection, before_ms: int, limit: int) -> int:
    return db.execute(
        f"""DELETE FROM events WHERE id IN
              (SELECT id FROM events WHERE kind <> 'cost' AND session_id IN ({_OLD}) LIMIT ?)""",
        (before_ms, limit),
    ).rowcount


def delete_derived(db: Connection, before_ms: int) -> None:
    for table in ("spans", "turns", "tools_used"):
        db.execute(f"DELETE FROM {table} WHERE session_id IN ({_OLD})", (before_ms,))


def shrink(db: Connection) -> None:
    """Give what is free back to the file system. Outside a transaction."""
    with transaction(db):
        bodies.sweep(db)
    db.execute("PRAGMA incremental_vacuum").fetchall()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
