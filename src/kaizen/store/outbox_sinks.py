"""What is owed to each exporter, and what each has taken. The caller owns the transaction."""

from collections.abc import Iterable
from sqlite3 import Connection

import msgspec

from kaizen.store.rows import rows, scalar


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
