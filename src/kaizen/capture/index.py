"""Keeps the full-text index up to date with the store's change feed.

`catch_up` continues wherever it stopped, however that was. One transaction indexes some 16 MB of text and moves the
position with it, so a reader sees a consistent index at any time, two processes cannot index the same row twice, and
after a crash nothing is missing. Who waits for SQLite's lock in vain leaves the work to its holder.

`Indexer` does this in a thread beside an import. SQLite works outside the interpreter's lock; what remains in Python is
decompressing, decoding and joining strings.
"""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from kaizen.derive.text import searchable
from kaizen.errors import KaizenError
from kaizen.query.words import columns
from kaizen.store import search
from kaizen.store.open import database_of, open_store, readable_errors
from kaizen.store.search import ID_BITS, Position, Row, Waiting

CHUNK = 256
COMMIT_CHARS = 16 << 20
_IDLE_S = 0.3

_decode = msgspec.json.Decoder(dict[str, Any]).decode

Progress = Callable[[int, int], None]


class Behind(msgspec.Struct):
    """Events with text that are not indexed yet. `is_busy`: somebody else is indexing just now."""

    events: int = 0
    is_busy: bool = False


class Reindexed(msgspec.Struct):
    events: int
    seconds: float
    index_bytes: int


def catch_up(home: Path, *, budget_s: float | None = None, exclude: Sequence[str] = (), wait_s: float = 5.0) -> Behind:
    """Index what is new, for at most `budget_s` seconds. Raises `SearchUnavailable` or `StoreError`."""
    if not database_of(home).exists():
        return Behind()
    deadline = None if budget_s is None else time.monotonic() + budget_s
    with readable_errors(search.path_of(home)), _Catcher(home, exclude, wait_s if budget_s is None else 0.0) as catcher:
        try:
            while not catcher.step(deadline):
                if deadline is not None and time.monotonic() >= deadline:
                    break
        except sqlite3.OperationalError as error:
            if not _is_busy(error):
                raise
            return Behind(catcher.behind(), is_busy=True)
        return Behind(catcher.behind())


def reindex(home: Path, *, exclude: Sequence[str] = (), progress: Progress | None = None) -> Reindexed:
    """Index everything again, in one transaction: readers keep what there was until it is done, and a crash leaves it.

    Not a new file renamed over the old one: SQLite's write-ahead log belongs to the name, so whoever has the old file
    open would read the new one's log.
    """
    began = time.monotonic()
    if not database_of(home).exists():
        return Reindexed(0, 0.0, 0)
    with readable_errors(search.path_of(home)):
        try:
            events = _rebuild(home, exclude, progress)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            search.remove(home)
            events = _rebuild(home, exclude, progress)
        size = search.path_of(home).stat().st_size
    return Reindexed(events, round(time.monotonic() - began, 3), size)


def _rebuild(home: Path, exclude: Sequence[str], progress: Progress | None) -> int:
    with _Catcher(home, exclude, 60.0) as catcher:
        total = catcher.total()
        with search.writing(catcher.index):
            search.clear(catcher.index)
            at, is_done = Position(), False
            while not is_done:
                at, is_done = catcher.fill(at, None)
                if progress:
                    progress(catcher.events, max(total, catcher.events))
            search.put_position(catcher.index, at, catcher.identity)
        search.shrink(catcher.index)
        return catcher.events


class Indexer:
    """Indexes in a thread what the `with` block writes to the store, and the rest when it ends.

    A problem is kept in `problem`: the import itself goes on. After an exception in the block the rest is left to the
    next `catch_up`.
    """

    def __init__(self, home: Path, *, exclude: Sequence[str] = (), progress: Progress | None = None) -> None:
        self._home, self._exclude, self._progress = home, exclude, progress
        self._over, self._abandoned = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="kaizen-index", daemon=True)
        self._bug: BaseException | None = None
        self._catcher: _Catcher | None = None
        self.problem: KaizenError | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:
        if kind is not None:
            self._abandoned.set()
        self._over.set()
        try:
            self._join()
        except BaseException:  # Ctrl-C while waiting
            self._abandoned.set()
            self._thread.join()
            raise
        if self._bug is not None and kind is None:
            raise self._bug

    def _join(self) -> None:
        catcher = self._catcher
        total = None
        while self._thread.is_alive():
            self._thread.join(0.2)
            if self._progress and catcher is not None and self._thread.is_alive():
                total = catcher.events + catcher.left if total is None else max(total, catcher.events)
                self._progress(catcher.events, total)

    def _run(self) -> None:
        try:
            with readable_errors(search.path_of(self._home)):
                self._index()
        except KaizenError as error:
            self.problem = error
        except BaseException as error:
            self._bug = error

    def _index(self) -> None:
        while not database_of(self._home).exists():
            if self._over.wait(_IDLE_S) and not database_of(self._home).exists():
                return
        with _Catcher(self._home, self._exclude, 5.0) as self._catcher:
            tries = 0
            while not self._abandoned.is_set():
                is_last = self._over.is_set()
                try:
                    is_done = self._catcher.step(None, self._abandoned.is_set)
                    tries = 0
                except sqlite3.OperationalError as error:
                    tries += 1
                    if not _is_busy(error):
                        raise
                    if tries > 3:
                        return  # somebody else has been indexing for a while: they go on to the end
                    continue
                if is_done and is_last:
                    return
                if is_done:
                    self._over.wait(_IDLE_S)


class _Catcher:
    """The store to read from and the index to write to."""

    def __init__(self, home: Path, exclude: Sequence[str], wait_s: float) -> None:
        self._home, self._exclude, self._wait_s = home, exclude, wait_s
        self.events = self.left = 0

    def __enter__(self) -> Self:
        self._stack = contextlib.ExitStack()
        with self._stack:
            self.store = self._stack.enter_context(contextlib.closing(open_store(self._home)))
            self.identity = search.identity(self.store, self._home, self._exclude)
            try:
                index = search.open_index(self._home, timeout_s=self._wait_s)
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                search.remove(self._home)
                index = search.open_index(self._home, timeout_s=self._wait_s)
            self.index = self._stack.enter_context(contextlib.closing(index))
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def behind(self) -> int:
        at = search.position(self.index, self.identity)
        return search.count_waiting(self.store, at) if search.is_behind(self.store, at) else 0

    def total(self) -> int:
        return search.count_waiting(self.store, Position())

    def step(self, deadline: float | None, is_abandoned: Callable[[], bool] = lambda: False) -> bool:
        """One transaction. True when everything is indexed."""
        if not search.is_behind(self.store, search.position(self.index, self.identity)):
            return True
        with search.writing(self.index):
            at = search.position(self.index, self.identity)
            if at.rev > search.last_rev(self.store):
                at = Position()  # the store is younger than its index
            if at == Position():
                search.clear(self.index)
            self.left = search.count_waiting(self.store, at)
            at, is_done = self.fill(at, deadline, is_abandoned)
            search.put_position(self.index, at, self.identity)
        return is_done

    def fill(self, at: Position, deadline: float | None, is_abandoned: Callable[[], bool] = lambda: False
             ) -> tuple[Position, bool]:
        """Index what comes after `at`, some `COMMIT_CHARS` of text. The new position, and whether that is all."""
        without = search.excluded_sessions(self.store, self._exclude) if self._exclude else frozenset[int]()
        chars = 0
        while chars < COMMIT_CHARS and not is_abandoned():
            rev = search.last_rev(self.store)  # before the rows: whatever is written in between has a greater one
            chunk = search.waiting(self.store, at, CHUNK, without)
            search.insert(self.index, self._rows(chunk, at.max_id))
            chars += self._chars
            max_id = max([at.max_id, *[event.id for event in chunk]])
            self.events += len(chunk)
            self.left -= len(chunk)
            if chunk:
                at = Position(chunk[-1].rev, chunk[-1].id, max_id)
            if len(chunk) < CHUNK:
                return search.end_of(max(rev, at.rev), max_id), True
            if deadline is not None and time.monotonic() >= deadline:
                break
        return at, False

    def _rows(self, chunk: list[Waiting], max_id: int) -> Iterator[Row]:
        """One at a time: 256 texts can be 16 MB."""
        self._chars = 0
        for event in chunk:
            if event.body:
                yield (row := self._row(event, is_new=event.id > max_id))
                self._chars += len(row[1]) + len(row[2])
            max_id = max(max_id, event.id)

    def _row(self, event: Waiting, *, is_new: bool) -> Row:
        payload = _decode(event.body)
        found = searchable(event.kind, event.role, event.tool, payload)
        return (event.id if is_new else event.id | event.rev << ID_BITS, *columns(event.kind, found))


def _is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def _is_damage(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorname", "").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))
