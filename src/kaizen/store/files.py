"""Reading and writing `files`: the cursor and the ledger of every transcript. The caller owns the transaction."""

from collections.abc import Iterable, Iterator
from sqlite3 import Connection

import msgspec

from kaizen.store import listing
from kaizen.store.rows import listed


class FileRow(msgspec.Struct, gc=False):
    id: int
    source: str
    path: str
    dev: int
    inode: int
    size: int
    mtime_ns: int
    offset: int
    rest: bool
    head_hash: bytes | None
    tail_hash: bytes | None
    state: bytes | None
    ledger: bytes


_COLUMNS = ", ".join(FileRow.__struct_fields__)


class Stamp(msgspec.Struct, gc=False):
    """What decides whether a file must be looked at."""

    id: int
    dev: int
    inode: int
    size: int
    mtime_ns: int
    offset: int
    rest: bool
    gone: bool


_STAMPS = "SELECT path, id, dev, inode, size, mtime_ns, offset, rest, gone_at_ms IS NOT NULL FROM files"


def stamps(db: Connection) -> dict[str, Stamp]:
    return {path: Stamp(*values) for path, *values in db.execute(_STAMPS)}


def stamps_of(db: Connection, paths: Iterable[str]) -> dict[str, Stamp]:
    return {path: Stamp(*values) for path, *values in db.execute(
        f"{_STAMPS} WHERE path IN (SELECT value FROM json_each(?))", (listed(paths),))}


def paths_after(db: Connection, file_id: int) -> list[str]:
    return [path for (path,) in db.execute("SELECT path FROM files WHERE id > ?", (file_id,))]


def named(db: Connection, file_ids: Iterable[int]) -> list[tuple[str, str]]:
    """(source, path) of each."""
    return [db.execute("SELECT source, path FROM files WHERE id = ?", (one,)).fetchone() for one in file_ids]


def get(db: Connection, path: str) -> FileRow | None:
    row = db.execute(f"SELECT {_COLUMNS} FROM files WHERE path = ?", (path,)).fetchone()
    return None if row is None else FileRow(*row)


def put(db: Connection, file: FileRow) -> int:
    """Insert or update by path; returns the id. `file.id` is not looked at."""
    values = [getattr(file, name) for name in FileRow.__struct_fields__[1:]]
    found = db.execute(
        f"""INSERT INTO files ({_COLUMNS.partition(', ')[2]}) VALUES ({', '.join('?' * len(values))})
            ON CONFLICT (path) DO UPDATE SET source = excluded.source, dev = excluded.dev, inode = excluded.inode,
              size = excluded.size, mtime_ns = excluded.mtime_ns, offset = excluded.offset, rest = excluded.rest,
              head_hash = excluded.head_hash, tail_hash = excluded.tail_hash, state = excluded.state,
              ledger = excluded.ledger, gone_at_ms = NULL
            RETURNING id""", values).fetchone()
    return int(found[0])


def touch(db: Connection, file_id: int, dev: int, inode: int, mtime_ns: int) -> None:
    db.execute("UPDATE files SET dev = ?, inode = ?, mtime_ns = ?, gone_at_ms = NULL WHERE id = ?",
               (dev, inode, mtime_ns, file_id))


def mark_gone(db: Connection, file_ids: list[int], now_ms: int) -> None:
    db.executemany("UPDATE files SET gone_at_ms = ? WHERE id = ? AND gone_at_ms IS NULL",
                   [(now_ms, file_id) for file_id in file_ids])
    listing.forget(db)


def ledgers(db: Connection) -> Iterator[tuple[str, str, int, int, bool, bytes]]:
    """(source, path, size, offset, rest, ledger) of every file."""
    yield from db.execute("SELECT source, path, size, offset, rest, ledger FROM files ORDER BY path")


def rewind(db: Connection, file_ids: list[int], empty_ledger: bytes) -> None:
    """Have these files read again from the start by the next scan. Their size becomes `-1 - offset`: by it and the
    hashes the scan still tells whether they were rewritten in the meantime."""
    if not file_ids:
        return
    listing.forget(db)
    db.executemany("UPDATE files SET offset = 0, size = min(size, -1 - offset), state = NULL, ledger = ? WHERE id = ?",
                   [(empty_ledger, file_id) for file_id in file_ids])
