"""Sealed batches, and the receipts of those that were sent. The caller owns the transaction."""

from sqlite3 import Connection

import msgspec

from kaizen.store.rows import row, rows


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


class Receipt(msgspec.Struct, frozen=True):
    batch_id: str
    kind: str
    sent_ms: int
    item_count: int
    redaction: str
    left_out: bytes
    origin: bytes
    digest: bytes


_BATCH = ", ".join(Batch.__struct_fields__)


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


def sealed(db: Connection) -> dict[str, tuple[int, int]]:
    """(batches, items) that the primary does not have yet, by kind."""
    return {found[0]: (found[1], found[2]) for found in db.execute(
        "SELECT kind, count(*), sum(item_count) FROM batches WHERE is_delivered = 0 GROUP BY kind")}


def add_receipt(db: Connection, values: tuple[object, ...]) -> None:
    """In the order of the table."""
    db.execute("INSERT OR REPLACE INTO receipts VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)


def drop_receipts(db: Connection, before_ms: int) -> None:
    db.execute("DELETE FROM receipts WHERE sent_ms < ?", (before_ms,))


def receipts(db: Connection, limit: int) -> list[Receipt]:
    """The newest first."""
    return rows(Receipt, db.execute("SELECT * FROM receipts ORDER BY batch_id DESC LIMIT ?", (limit,)))
