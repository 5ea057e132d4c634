"""The queue: items that wait, and the lanes they wait in. `outbox_batches`, `outbox_sinks` and `outbox_dead` hold what
becomes of them. The caller owns the transaction.
"""

from collections.abc import Iterable, Iterator, Sequence
from sqlite3 import Connection
from typing import Any

import msgspec

from kaizen.store.bodies import columns
from kaizen.store.rows import all_of, row, rows, scalar

FOREVER_MS = 9_000_000_000_000_000
# The lane of what all lanes share: credentials, rate limits, the endpoint.
EVERY = ""


class Waiting(msgspec.Struct, frozen=True, gc=False):
    """A row of `outbox`."""

    id: int
    owner: str
    item_key: str | None
    payload: bytes
    origin: bytes | None
    enqueued_ms: int


class Lane(msgspec.Struct):
    kind: str
    paused_until_ms: int | None = None
    pause_reason: str | None = None
    learned_max_items: int | None = None
    learned_max_bytes: int | None = None
    accepted_in_row: int = 0
    failures: int = 0
    last_status: int | None = None
    last_success_ms: int | None = None
    last_error: str | None = None
    last_error_ms: int | None = None
    sealed: int = 0
    posted: int = 0
    accepted: int = 0
    replayed: int = 0
    retired: int = 0
    received: int = 0
    deduped: int = 0
    shortfalls: int = 0
    bisects: int = 0
    key_conflicts: int = 0
    died: int = 0
    bytes_raw: int = 0
    bytes_sent: int = 0


_LANE = ", ".join(Lane.__struct_fields__)


# Queue


def envelope(db: Connection, body: bytes) -> int:
    """The id of an envelope, added if new."""
    found = db.execute("SELECT id FROM envelopes WHERE body = ?", (body,)).fetchone()
    if found is None:
        found = db.execute("INSERT INTO envelopes (body) VALUES (?) RETURNING id", (body,)).fetchone()
    return int(found[0])


def envelope_body(db: Connection, envelope_id: int) -> bytes:
    return bytes(scalar(db, "SELECT body FROM envelopes WHERE id = ?", (envelope_id,)))


def put(db: Connection, items: Iterable[tuple[str, int, str, str | None, bytes, bytes | None, int]]) -> None:
    """(kind, envelope id, owner, item key, payload, origin, time) each. A version that still waits is replaced and goes
    to the end of the queue."""
    db.executemany("""INSERT OR REPLACE INTO outbox (kind, envelope_id, owner, item_key, payload, origin, enqueued_ms)
                      VALUES (?, ?, ?, ?, ?, ?, ?)""", items)


def lanes_waiting(db: Connection) -> list[tuple[str, int, int]]:
    """(kind, envelope id, first id) of everything that waits; as many index look-ups as there are rows returned."""
    return list(db.execute(
        """WITH RECURSIVE lane (kind, envelope_id, first) AS (
             SELECT * FROM (SELECT kind, envelope_id, id FROM outbox ORDER BY 1, 2, 3 LIMIT 1)
             UNION ALL
             SELECT n.kind, n.envelope_id, n.id FROM lane JOIN outbox AS n ON n.id = coalesce(
               (SELECT id FROM outbox AS o WHERE o.kind = lane.kind AND o.envelope_id > lane.envelope_id
                 ORDER BY o.kind, o.envelope_id, o.id LIMIT 1),
               (SELECT id FROM outbox AS o WHERE o.kind > lane.kind ORDER BY o.kind, o.envelope_id, o.id LIMIT 1)))
           SELECT kind, envelope_id, first FROM lane"""))


def waiting(db: Connection, kind: str, envelope_id: int, limit: int) -> list[Waiting]:
    """The oldest items of a lane and workspace."""
    return rows(Waiting, db.execute(
        """SELECT id, owner, item_key, payload, origin, enqueued_ms FROM outbox
            WHERE kind = ? AND envelope_id = ? ORDER BY id LIMIT ?""", (kind, envelope_id, limit)))


class Peeked(msgspec.Struct, frozen=True):
    id: int
    kind: str
    owner: str
    payload: bytes


def peek(db: Connection, kind: str | None, limit: int) -> list[Peeked]:
    """The oldest waiting items."""
    where, args = all_of(("kind = ?", kind))
    return rows(Peeked, db.execute(f"SELECT id, kind, owner, payload FROM outbox {where} ORDER BY id LIMIT ?",
                                   (*args, limit)))


def waiting_item(db: Connection, item_id: int) -> Peeked | None:
    return row(Peeked, db.execute("SELECT id, kind, owner, payload FROM outbox WHERE id = ?", (item_id,)))


_LOCAL = ("key", "seq", "ts_ms", "kind", "role", "tool", "call_id", "model", "input_tokens", "output_tokens",
          "reasoning_tokens", "cache_read_tokens", "cache_write_tokens", "cost_pusd", "body")


def local_event(db: Connection, host_id: str, seq: int | None) -> dict[str, Any] | None:
    """The stored row of an item of kind `events`."""
    found = db.execute(
        f"""SELECT {columns(_LOCAL, "e.")}
              FROM sessions AS s JOIN events AS e ON e.session_id = s.id
             WHERE s.host_id = ? AND e.seq = ?""", (host_id, seq)).fetchone()
    return None if found is None else dict(zip(_LOCAL, found, strict=True))


class WaitingBytes(msgspec.Struct, frozen=True):
    kind: str
    items: int
    bytes: int


def waiting_bytes(db: Connection, kind: str | None) -> list[WaitingBytes]:
    where, args = all_of(("kind = ?", kind))
    return rows(WaitingBytes, db.execute(
        f"SELECT kind, count(*), sum(length(payload)) FROM outbox {where} GROUP BY 1 ORDER BY 1", args))


def payloads(db: Connection) -> Iterator[Peeked]:
    """Everything that waits."""
    for found in db.execute("SELECT id, kind, owner, payload FROM outbox ORDER BY id"):
        yield Peeked(*found)


def remove(db: Connection, ids: Sequence[int]) -> None:
    db.executemany("DELETE FROM outbox WHERE id = ?", ((one,) for one in ids))


def remove_between(db: Connection, kind: str, envelope_id: int, first: int, last: int) -> None:
    db.execute("DELETE FROM outbox WHERE kind = ? AND envelope_id = ? AND id BETWEEN ? AND ?",
               (kind, envelope_id, first, last))


def older_than(db: Connection, kind: str, enqueued_ms: int, limit: int) -> list[tuple[int, int]]:
    """(id, envelope id) of the oldest items of a lane, as far as they are older."""
    found = db.execute("""SELECT id, envelope_id, enqueued_ms FROM outbox WHERE kind = ? ORDER BY id LIMIT ?""",
                       (kind, limit)).fetchall()
    return [(one, envelope_id) for one, envelope_id, at in found if at < enqueued_ms]


# Lanes


def lane(db: Connection, kind: str) -> Lane:
    return row(Lane, db.execute(f"SELECT {_LANE} FROM lanes WHERE kind = ?", (kind,))) or Lane(kind)


def lanes(db: Connection) -> list[Lane]:
    return rows(Lane, db.execute(f"SELECT {_LANE} FROM lanes ORDER BY kind"))


def save_lane(db: Connection, one: Lane) -> None:
    db.execute(f"INSERT OR REPLACE INTO lanes ({_LANE}) VALUES ({', '.join('?' * len(Lane.__struct_fields__))})",
               msgspec.structs.astuple(one))


def forget_all(db: Connection) -> None:
    """Everything that waits, as if nothing had ever been enqueued. Dead letters and counters stay."""
    for table in ("outbox", "batches", "batch_sinks"):
        db.execute(f"DELETE FROM {table}")
    db.execute("DELETE FROM sync_state WHERE k LIKE 'facts:%'")


# Counts


def pending(db: Connection) -> dict[str, tuple[int, int | None]]:
    """(items that wait, time of the oldest) by kind."""
    return {found[0]: (found[1], found[2]) for found in db.execute(
        "SELECT kind, count(*), min(enqueued_ms) FROM outbox GROUP BY kind")}


def is_empty(db: Connection) -> bool:
    return not (scalar(db, "SELECT EXISTS (SELECT 1 FROM outbox)")
                or scalar(db, "SELECT EXISTS (SELECT 1 FROM batches WHERE is_delivered = 0)"))


# Small state


def get(db: Connection, key: str) -> str | None:
    return scalar(db, "SELECT v FROM sync_state WHERE k = ?", (key,))  # type: ignore[no-any-return]


def set_(db: Connection, key: str, value: str | None) -> None:
    if value is None:
        db.execute("DELETE FROM sync_state WHERE k = ?", (key,))
    else:
        db.execute("INSERT OR REPLACE INTO sync_state VALUES (?, ?)", (key, value))
