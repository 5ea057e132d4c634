"""Parts of words: a second table of the index, `grams`, that knows every run of three characters of a text.

It is there only when asked for (`[search] substring = true`), because it is several times as large as `words`. It is
made with an empty index, that is by a reindex or the first import, and from then on gets the same events as `words`,
with the same rowids (`store.search`). A reindex without the setting drops it.
"""

import sqlite3
from sqlite3 import Connection

from kaizen.errors import SearchUnavailable

# Text, path. Case is folded, accents are not: SQLite can do that only from 3.45 on.
_CREATE = "CREATE VIRTUAL TABLE IF NOT EXISTS grams USING fts5(text, path, content = '', tokenize = 'trigram')"
RANK = "bm25(grams, 1.0, 3.0)"
# Of both tables. Fewer merges: a third of the time to index for 1 % of its size. Measured, docs/performance.md.
SETTINGS = (("automerge", 16), ("crisismerge", 32), ("hashsize", 32 << 20))


def is_there(db: Connection, *, schema: str = "main") -> bool:
    return db.execute(f"SELECT 1 FROM {schema}.sqlite_master WHERE name = 'grams'").fetchone() is not None


def make(db: Connection, *, is_wanted: bool) -> None:
    """Empty, or not there. Within the transaction that empties `words`. Raises `SearchUnavailable`."""
    db.execute("DROP TABLE IF EXISTS grams")
    if not is_wanted:
        return
    try:
        db.execute(_CREATE)
    except sqlite3.OperationalError as error:
        if "trigram" not in str(error):
            raise
        raise SearchUnavailable(
            f"[search] substring needs SQLite 3.34, and this Python has {sqlite3.sqlite_version}.",
            hint="Use a newer Python, or set it to false. All else works.",
        ) from error
    for name, value in SETTINGS:
        db.execute("INSERT INTO grams (grams, rank) VALUES (?, ?)", (name, value))


def insert(db: Connection, rowid: int, text: str, path: str) -> None:
    db.execute("INSERT INTO grams (rowid, text, path) VALUES (?, ?, ?)", (rowid, text, path))
