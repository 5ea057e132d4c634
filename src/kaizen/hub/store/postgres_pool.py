"""Connections to PostgreSQL, a transaction at a time, and what its errors mean."""

import contextlib
from collections.abc import Iterator
from queue import Empty, LifoQueue
from typing import Any

import psycopg

from kaizen.hub.store.protocol import Full, Unavailable

Connection = psycopg.Connection[tuple[Any, ...]]
# Of what all processes must not do at the same time.
LOCK = 7879


class Pool:
    """Some connections, made when needed; one that the server closed meanwhile is made again."""

    def __init__(self, url: str, size: int) -> None:
        self._url = url
        self._free: LifoQueue[Connection | None] = LifoQueue()
        for _ in range(size):
            self._free.put(None)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        with readable_errors():
            held = self._free.get()
            try:
                held = self._alive(held)
                with held.transaction():
                    yield held
            finally:
                self._free.put(held)

    def close(self) -> None:
        with contextlib.suppress(Empty):
            while True:
                if held := self._free.get_nowait():
                    held.close()

    def _alive(self, held: Connection | None) -> Connection:
        """A question and its answer cost 50 us; a client's batch that fails for nothing costs more."""
        if held is not None and not held.closed:
            try:
                held.execute("SELECT")
                return held
            except psycopg.OperationalError:
                held.close()
        return psycopg.connect(self._url, connect_timeout=5, autocommit=True)


@contextlib.contextmanager
def readable_errors() -> Iterator[None]:
    try:
        yield
    except psycopg.errors.DiskFull as error:
        raise Full from error
    except psycopg.OperationalError as error:
        raise Unavailable from error


def only_row(cursor: "psycopg.Cursor[tuple[Any, ...]]") -> tuple[Any, ...]:
    row = cursor.fetchone()
    assert row is not None
    return row
