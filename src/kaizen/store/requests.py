"""Reading and writing the `cost` rows of `events` and their `sightings`. The caller owns the transaction."""

from collections.abc import Iterable, Sequence
from sqlite3 import Connection

from msgspec.structs import astuple

from kaizen.model.request import Request
from kaizen.store.key_hash import group_hash
from kaizen.store.rows import listed

COLUMNS = Request.__struct_fields__
_COLUMNS = ", ".join(COLUMNS)
_UPDATE = f"UPDATE events SET {', '.join(f'{name} = ?' for name in COLUMNS[1:])}, rev = ? WHERE id = ?"


def of_groups(db: Connection, agent: str, groups: Iterable[str]) -> list[Request]:
    """All rows of these requests: key `req:<group>` and every `req:<group>:<variant>`."""
    wanted: dict[int, list[str]] = {}
    for group in groups:
        wanted.setdefault(group_hash(group), []).append(f"req:{group}")
    found = db.execute(
        f"""SELECT e.key_hash, {", ".join(f"e.{name}" for name in COLUMNS)}
              FROM json_each(?) AS wanted CROSS JOIN events AS e ON e.key_hash = wanted.value AND e.agent = ?""",
        (listed(wanted), agent))
    rows = [(hashed, Request(*row)) for hashed, *row in found]
    return [row for hashed, row in rows
            if any(row.key == bare or row.key.startswith(f"{bare}:") for bare in wanted[hashed])]


def of_session(db: Connection, session_id: int) -> list[Request]:
    return [Request(*row) for row in db.execute(
        f"SELECT {_COLUMNS} FROM events WHERE session_id = ? AND kind = 'cost' ORDER BY ts_ms, id", (session_id,))]


def last_model(db: Connection, session_id: int) -> str | None:
    """The model of a session's newest request."""
    found = db.execute("""SELECT model FROM events WHERE session_id = ? AND kind = 'cost' AND model IS NOT NULL
                           ORDER BY ts_ms DESC, key DESC LIMIT 1""", (session_id,)).fetchone()
    return None if found is None else found[0]


def insert(db: Connection, agent: str, rows: Iterable[tuple[Request, int]], rev: int) -> None:
    """Each row with its `seq`. None of their keys may be there: see `of_groups`."""
    names = ("agent", "kind", "seq", "rev", "key_hash", *COLUMNS)
    db.executemany(
        f"INSERT INTO events ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
        ((agent, "cost", seq, rev, group_hash(row.request), *astuple(row)) for row, seq in rows))


def update(db: Connection, rows: Sequence[Request], rev: int) -> None:
    db.executemany(_UPDATE, ((*astuple(row)[1:], rev, row.id) for row in rows))


def move(db: Connection, request: Request, seq: int) -> None:
    """Give the row to `request.session_id`, at the end of that session."""
    db.execute("UPDATE events SET session_id = ?, seq = ? WHERE id = ?", (request.session_id, seq, request.id))


def add_sightings(db: Connection, sightings: Iterable[tuple[int, int, int, int | None]]) -> None:
    """(event id, file id, file offset, output tokens) each."""
    db.executemany("INSERT OR IGNORE INTO sightings VALUES (?, ?, ?, ?)", sightings)
