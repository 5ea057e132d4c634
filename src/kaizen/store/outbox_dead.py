"""Dead letters: items that will not be sent unless somebody says so. The caller owns the transaction."""

from collections.abc import Iterable, Sequence
from sqlite3 import Connection

import msgspec

from kaizen.store.rows import all_of, rows


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


_DEAD = ", ".join(Dead.__struct_fields__)


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


def dead_counts(db: Connection) -> dict[str, int]:
    return dict(db.execute("SELECT kind, count(*) FROM dead GROUP BY kind").fetchall())
