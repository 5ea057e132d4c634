"""Small facts about the store itself."""

from sqlite3 import Connection


def get(db: Connection, key: str) -> str | None:
    found = db.execute("SELECT v FROM meta WHERE k = ?", (key,)).fetchone()
    return None if found is None else str(found[0])


def put(db: Connection, key: str, value: str) -> None:
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def rev(db: Connection) -> int:
    """Number of the last write transaction."""
    return int(db.execute("SELECT rev FROM clock").fetchone()[0])


def counts(db: Connection) -> tuple[int, int]:
    """(sessions that did something, events)."""
    found: tuple[int, int] = db.execute(
        "SELECT count(*), ifnull(sum(events), 0) FROM sessions WHERE events > 0").fetchone()
    return found
