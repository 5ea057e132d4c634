"""Reading and writing the queue: `outbox`, `batches`, `batch_sinks`, `dead`, `lanes`, `receipts`, `sync_state`.

Every function takes the connection; the caller owns the transaction.
"""

from collections.abc import Iterable, Iterator, Sequence
from sqlite3 import Connection
from typing import Any

import msgspec

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


class Dead(msgspec.Struct, frozen=True):
    id: int
    kind: str
    envelope_id: int
    owner: str
    item_key: str | None
    payload: bytes
    origin: bytes | None
    reason: str
    http_status: int | None
    detail: str
    first_enqueued_ms: int
    died_ms: int
    attempts: int


class Batch(msgspec.Struct):
    """A row of `batches` without its bytes."""

    id: str
    kind: str
    envelope_id: int
    item_count: int
    body_bytes: int
    digest: bytes
    sealed_ms: int
    is_delivered: bool
    delivered_ms: int | None
    attempts: int
    last_attempt_ms: int | None
    next_attempt_ms: int
    delay_ms: int
    last_status: int | None
    last_error: str | None
    conflicts: int
    rekeyed: int
    server_errors: int
    first_error_ms: int | None
    accepted_before: int | None


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


class SinkState(msgspec.Struct):
    batch_id: str
    sink: str
    state: str
    attempts: int
    next_attempt_ms: int
    delay_ms: int
    last_error: str | None


class SinkTotals(msgspec.Struct, frozen=True):
    sink: str
    done: int
    items: int
    rejected: int
    abandoned: int
    last_done_ms: int | None
    last_error: str | None
    last_error_ms: int | None


_BATCH = ", ".join(Batch.__struct_fields__)
_DEAD = ", ".join(Dead.__struct_fields__)
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
        f"""SELECT {", ".join("e." + name if name != "body" else name for name in _LOCAL)}
              FROM sessions AS s JOIN events AS e ON e.session_id = s.id LEFT JOIN bodies ON event_id = e.id
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


# Batches


def add_batch(db: Connection, batch: Batch, items: bytes, body: bytes) -> None:
    names = (*Batch.__struct_fields__, "items", "body")
    db.execute(f"INSERT INTO batches ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
               (*msgspec.structs.astuple(batch), items, body))


def batch(db: Connection, batch_id: str) -> Batch | None:
    return row(Batch, db.execute(f"SELECT {_BATCH} FROM batches WHERE id = ?", (batch_id,)))


def content(db: Connection, batch_id: str) -> tuple[bytes, bytes]:
    """(items, body) as stored."""
    found = db.execute("SELECT items, body FROM batches WHERE id = ?", (batch_id,)).fetchone()
    return bytes(found[0]), bytes(found[1])


def open_batches(db: Connection) -> list[Batch]:
    """Every batch that the primary does not have yet, oldest first."""
    return rows(Batch, db.execute(f"SELECT {_BATCH} FROM batches WHERE is_delivered = 0 ORDER BY id"))


def sealed_items(db: Connection, kind: str) -> list[bytes]:
    """The members of a lane's open batches, packed."""
    return [bytes(one[0]) for one in db.execute(
        "SELECT items FROM batches WHERE kind = ? AND is_delivered = 0", (kind,))]


def save(db: Connection, batch: Batch) -> None:
    """What changes of a batch: everything but its bytes."""
    names = Batch.__struct_fields__[7:]
    db.execute(f"UPDATE batches SET {', '.join(f'{name} = ?' for name in names)} WHERE id = ?",
               (*(getattr(batch, name) for name in names), batch.id))


def drop_batch(db: Connection, batch_id: str) -> None:
    db.execute("DELETE FROM batches WHERE id = ?", (batch_id,))


# Sinks


def owe(db: Connection, batch_id: str, sinks: Iterable[str], now_ms: int) -> None:
    db.executemany("""INSERT OR IGNORE INTO batch_sinks (batch_id, sink, state, next_attempt_ms)
                      VALUES (?, ?, 'owed', ?)""", ((batch_id, one, now_ms) for one in sinks))


def sinks_of(db: Connection, batch_id: str) -> list[SinkState]:
    return rows(SinkState, db.execute(
        """SELECT batch_id, sink, state, attempts, next_attempt_ms, delay_ms, last_error FROM batch_sinks
            WHERE batch_id = ? ORDER BY sink""", (batch_id,)))


def owed(db: Connection) -> list[tuple[SinkState, int, int | None, int]]:
    """Every delivery still owed to a sink: (state, is the batch delivered, since when, body bytes as stored)."""
    return [(SinkState(*found[:7]), found[7], found[8], found[9]) for found in db.execute(
        """SELECT s.batch_id, s.sink, s.state, s.attempts, s.next_attempt_ms, s.delay_ms, s.last_error,
                  b.is_delivered, b.delivered_ms, length(b.body)
             FROM batch_sinks AS s JOIN batches AS b ON b.id = s.batch_id WHERE s.state = 'owed'
            ORDER BY s.batch_id, s.sink""")]


def save_sink(db: Connection, one: SinkState) -> None:
    db.execute("""INSERT OR REPLACE INTO batch_sinks (batch_id, sink, state, attempts, next_attempt_ms, delay_ms,
                    last_error) VALUES (?, ?, ?, ?, ?, ?, ?)""", msgspec.structs.astuple(one))


def count_sink(db: Connection, sink: str, *, done: int = 0, items: int = 0, rejected: int = 0, abandoned: int = 0,
               error: str | None = None, now_ms: int) -> None:
    db.execute("INSERT OR IGNORE INTO sink_totals (sink) VALUES (?)", (sink,))
    db.execute("""UPDATE sink_totals SET done = done + ?, items = items + ?, rejected = rejected + ?,
                    abandoned = abandoned + ? WHERE sink = ?""", (done, items, rejected, abandoned, sink))
    if done:
        db.execute("UPDATE sink_totals SET last_done_ms = ? WHERE sink = ?", (now_ms, sink))
    if error is not None:
        db.execute("UPDATE sink_totals SET last_error = ?, last_error_ms = ? WHERE sink = ?", (error, now_ms, sink))


def sink_totals(db: Connection) -> list[SinkTotals]:
    return rows(SinkTotals, db.execute("""SELECT sink, done, items, rejected, abandoned, last_done_ms, last_error,
                                                 last_error_ms FROM sink_totals ORDER BY sink"""))


def sink_backlog(db: Connection) -> dict[str, tuple[int, int]]:
    """(batches, batches the primary has) still owed, by sink."""
    return {found[0]: (found[1], found[2]) for found in db.execute(
        """SELECT sink, count(*), sum(is_delivered) FROM batch_sinks JOIN batches ON id = batch_id
            WHERE state = 'owed' GROUP BY 1""")}


def count_owed(db: Connection, sink: str) -> int:
    return int(scalar(db, "SELECT count(*) FROM batch_sinks WHERE sink = ? AND state = 'owed'", (sink,)))


def drop_owed(db: Connection, sink: str, now_ms: int) -> None:
    """Counted as abandoned. A batch that nobody is owed any more goes, too."""
    count_sink(db, sink, abandoned=count_owed(db, sink), now_ms=now_ms)
    db.execute("UPDATE batch_sinks SET state = 'abandoned' WHERE sink = ? AND state = 'owed'", (sink,))
    db.execute("""DELETE FROM batches WHERE is_delivered = 1 AND NOT EXISTS (
                    SELECT 1 FROM batch_sinks WHERE batch_id = id AND state = 'owed')""")


# Dead letters


def bury(db: Connection, dead: Iterable[tuple[object, ...]]) -> None:
    """Rows in the order of `Dead`, without its id."""
    names = Dead.__struct_fields__[1:]
    db.executemany(f"INSERT INTO dead ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})", dead)


def dead(db: Connection, *, ids: Sequence[int] | None = None, kind: str | None = None, reason: str | None = None,
         limit: int = -1) -> list[Dead]:
    """Newest last. `reason`: whole, or what stands before its colon."""
    where, args = all_of(
        ("kind = ?", kind),
        ("(reason = ? OR substr(reason, 1, instr(reason, ':') - 1) = ?)", None if reason is None else (reason, reason)),
        (f"id IN ({', '.join('?' * len(ids or ()))})", None if ids is None else tuple(ids)),
    )
    return rows(Dead, db.execute(f"SELECT {_DEAD} FROM dead {where} ORDER BY id LIMIT ?", (*args, limit)))


def revive(db: Connection, one: Dead) -> None:
    """Back to the end of the queue, unless a newer version of the item waits there."""
    db.execute("""INSERT OR IGNORE INTO outbox (kind, envelope_id, owner, item_key, payload, origin, enqueued_ms)
                  VALUES (?, ?, ?, ?, ?, ?, ?)""",
               (one.kind, one.envelope_id, one.owner, one.item_key, one.payload, one.origin, one.first_enqueued_ms))
    db.execute("DELETE FROM dead WHERE id = ?", (one.id,))


def drop_dead(db: Connection, ids: Iterable[int]) -> None:
    db.executemany("DELETE FROM dead WHERE id = ?", ((one,) for one in ids))


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


def sealed(db: Connection) -> dict[str, tuple[int, int]]:
    """(batches, items) that the primary does not have yet, by kind."""
    return {found[0]: (found[1], found[2]) for found in db.execute(
        "SELECT kind, count(*), sum(item_count) FROM batches WHERE is_delivered = 0 GROUP BY kind")}


def dead_counts(db: Connection) -> dict[str, int]:
    return dict(db.execute("SELECT kind, count(*) FROM dead GROUP BY kind").fetchall())


def is_empty(db: Connection) -> bool:
    return not (scalar(db, "SELECT EXISTS (SELECT 1 FROM outbox)")
                or scalar(db, "SELECT EXISTS (SELECT 1 FROM batches WHERE is_delivered = 0)"))


# Receipts and small state


def add_receipt(db: Connection, values: tuple[object, ...]) -> None:
    """In the order of the table."""
    db.execute("INSERT OR REPLACE INTO receipts VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)


def drop_receipts(db: Connection, before_ms: int) -> None:
    db.execute("DELETE FROM receipts WHERE sent_ms < ?", (before_ms,))


class Receipt(msgspec.Struct, frozen=True):
    batch_id: str
    kind: str
    sent_ms: int
    item_count: int
    redaction: str
    left_out: bytes
    origin: bytes
    digest: bytes


def receipts(db: Connection, limit: int) -> list[Receipt]:
    """The newest first."""
    return rows(Receipt, db.execute("SELECT * FROM receipts ORDER BY batch_id DESC LIMIT ?", (limit,)))


def get(db: Connection, key: str) -> str | None:
    return scalar(db, "SELECT v FROM sync_state WHERE k = ?", (key,))  # type: ignore[no-any-return]


def set_(db: Connection, key: str, value: str | None) -> None:
    if value is None:
        db.execute("DELETE FROM sync_state WHERE k = ?", (key,))
    else:
        db.execute("INSERT OR REPLACE INTO sync_state VALUES (?, ?)", (key, value))
