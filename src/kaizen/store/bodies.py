"""Payloads as stored: JSON, in compressed blocks that several share. Each event says where its own is."""

import sqlite3
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterable
from functools import cache
from typing import Any, cast

import msgspec

# Of a session that is read from end to end most bodies lie in the block that the one before was in.
KEPT_BLOCKS = 8
PLAIN, ZSTD = 0, 1
# The payload of a row of `events`, in SQL; NULL when there is none, or it was deleted by `gc`.
BODY = "body_of(body_block, body_start, body_length)"

_decode = msgspec.json.Decoder().decode


def payload(body: bytes | None) -> dict[str, Any] | None:
    """None when there is none, or it was deleted by `gc`."""
    return None if body is None else cast("dict[str, Any]", _decode(body))


class Connection(sqlite3.Connection):
    """Knows `body_of`, see `BODY`. Who reads many bodies asks it directly: SQLite would copy each one twice."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.body_of = _Reader(weakref.ref(self))
        self.create_function("body_of", 3, self.body_of, deterministic=True)


class _Reader:
    """Keeps the last blocks open. Does not keep its connection alive."""

    def __init__(self, db: "weakref.ref[Connection]") -> None:
        self._db = db
        self._kept: OrderedDict[int, bytes] = OrderedDict()

    def __call__(self, block_id: int | None, start: int, length: int) -> bytes | None:
        return None if block_id is None else self.block(block_id)[start : start + length]

    def block(self, block_id: int) -> bytes:
        block = self._kept.get(block_id)
        if block is None:
            db = self._db()
            assert db is not None
            block = opened(*db.execute("SELECT codec, block FROM blocks WHERE id = ?", (block_id,)).fetchone())
            self._kept[block_id] = block
            if len(self._kept) > KEPT_BLOCKS:
                self._kept.popitem(last=False)
        return block


def opened(codec: int, block: bytes) -> bytes:
    return _local().decompress(block) if codec == ZSTD else block


def columns(names: Iterable[str], alias: str = "") -> str:
    """Columns of `events` to SELECT; the one named `body` is the payload."""
    return ", ".join(BODY if name == "body" else alias + name for name in names)


def add_block(db: sqlite3.Connection, codec: int, block: bytes) -> int:
    return int(db.execute("INSERT INTO blocks (codec, block) VALUES (?, ?) RETURNING id", (codec, block)).fetchone()[0])


def alone(db: sqlite3.Connection, body: bytes) -> tuple[int, int, int]:
    """Block, start and length of a payload in a block of its own."""
    return add_block(db, PLAIN, body), 0, len(body)


def put(db: sqlite3.Connection, event_id: int, body: bytes) -> None:
    """Replace an event's payload."""
    db.execute("UPDATE events SET body_block = ?, body_start = ?, body_length = ? WHERE id = ?",
               (*alone(db, body), event_id))


def body(db: sqlite3.Connection, event_id: int) -> bytes | None:
    found = db.execute(f"SELECT {BODY} FROM events WHERE id = ?", (event_id,)).fetchone()
    return None if found is None else found[0]


def sweep(db: sqlite3.Connection) -> None:
    """Delete blocks that hold no event's body any more."""
    db.execute("DELETE FROM blocks WHERE id NOT IN (SELECT body_block FROM events WHERE body_block IS NOT NULL)")


class _Local(threading.local):
    """zstd's contexts are not for two threads at once; an import indexes in a thread of its own."""

    def __init__(self) -> None:
        import zstandard

        self.decompress = zstandard.ZstdDecompressor().decompress


@cache
def _local() -> _Local:
    return _Local()
