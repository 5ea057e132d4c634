"""The one row of `listing`. The caller owns the transaction.

Files that are in it are not looked at as long as they stay as they are, so whoever changes what is to be done with such
a file forgets it in the same transaction.
"""

from sqlite3 import Connection


def get(db: Connection, key: str) -> bytes | None:
    found = db.execute("SELECT body FROM listing WHERE key = ?", (key,)).fetchone()
    return None if found is None else found[0]


def put(db: Connection, key: str, body: bytes) -> None:
    db.execute("INSERT OR REPLACE INTO listing VALUES (1, ?, ?)", (key, body))


def forget(db: Connection) -> None:
    db.execute("DELETE FROM listing")
