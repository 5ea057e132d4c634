"""Keeps the full-text index up to date with the store's change feed.

`catch_up` continues wherever it stopped, however that was. One transaction indexes some 16 MB of text and moves the
position with it, so a reader sees a consistent index at any time, two processes cannot index the same row twice, and
after a crash nothing is missing. Who waits for SQLite's lock in vain leaves the work to its holder.

`indexing` does this in another process while an import writes: in a thread the two would wait for each other's
interpreter lock at every row.
"""

import contextlib
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from kaizen.derive.text import searchable
from kaizen.query.words import columns, composed
from kaizen.store import grams, search
from kaizen.store.open import database_of, open_store, readable_errors
from kaizen.store.search import ID_BITS, Position, Row, Waiting

CHUNK = 256
# As much text as FTS5 gathers in memory (`store.search`): it writes that out at the end of a transaction, too.
COMMIT_CHARS = 32 << 20
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


def catch_up(home: Path, *, budget_s: float | None = None, exclude: Sequence[str] = (), wait_s: float = 5.0,
             substring: bool = False) -> Behind:
    """Index what is new, for at most `budget_s` seconds. `substring`: a new index also gets parts of words.

    Raises `SearchUnavailable` or `StoreError`.
    """
    if not database_of(home).exists():
        return Behind()
    deadline = None if budget_s is None else time.monotonic() + budget_s
    wait_s = wait_s if budget_s is None else 0.0
    with readable_errors(search.path_of(home)), _Catcher(home, exclude, wait_s, substring) as catcher:
        try:
            while not catcher.step(deadline):
                if deadline is not None and time.monotonic() >= deadline:
                    break
        except sqlite3.OperationalError as error:
            if not _is_busy(error):
                raise
            return Behind(catcher.behind(), is_busy=True)
        return Behind(catcher.behind())


def reindex(home: Path, *, exclude: Sequence[str] = (), progress: Progress | None = None, substring: bool = False
            ) -> Reindexed:
    """Index everything again, parts of words if `substring`.

    In one transaction: readers keep what there was until it is done, and a crash leaves it.

    Not a new file renamed over the old one: SQLite's write-ahead log belongs to the name, so whoever has the old file
    open would read the new one's log.
    """
    began = time.monotonic()
    if not database_of(home).exists():
        return Reindexed(0, 0.0, 0)
    with readable_errors(search.path_of(home)):
        try:
            events = _rebuild(home, exclude, progress, substring)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            search.remove(home)
            events = _rebuild(home, exclude, progress, substring)
        size = search.path_of(home).stat().st_size
    return Reindexed(events, round(time.monotonic() - began, 3), size)


def _rebuild(home: Path, exclude: Sequence[str], progress: Progress | None, substring: bool) -> int:
    with _Catcher(home, exclude, 60.0, substring) as catcher:
        total = catcher.total()
        with search.writing(catcher.index):
            catcher.clear()
            at, is_done = Position(), False
            while not is_done:
                at, is_done = catcher.fill(at, None)
                if progress:
                    progress(catcher.events, max(total, catcher.events))
            search.put_position(catcher.index, at, catcher.identity)
        search.shrink(catcher.index)
        return catcher.events


@contextlib.contextmanager
def indexing(home: Path, *, exclude: Sequence[str] = (), substring: bool = False) -> Iterator[None]:
    """Indexes in a process of its own what the `with` block writes to the store, and the rest when the block ends.

    It tells nobody how it went: `catch_up` afterwards does what is missing, and says why it cannot. After an exception
    in the block the rest is left to the next `catch_up`.
    """
    arguments = str(home), "substring" if substring else "words", *exclude
    process = subprocess.Popen([sys.executable, "-m", "kaizen.capture.index", *arguments], stdin=subprocess.PIPE,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert process.stdin is not None
    try:
        yield
        process.stdin.close()
        process.wait()
    finally:
        process.stdin.close()
        process.kill()  # SQLite takes back what it had not committed
        process.wait()


def main(home: Path, exclude: Sequence[str], *, substring: bool) -> None:
    """Index until stdin ends and nothing is left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    over = threading.Event()

    def listen() -> None:
        sys.stdin.buffer.read()
        over.set()

    threading.Thread(target=listen, daemon=True).start()
    while not database_of(home).exists():
        if over.wait(_IDLE_S):
            return
    while True:
        is_last = over.is_set()
        behind = catch_up(home, exclude=exclude, substring=substring)
        if behind.is_busy or (is_last and not behind.events):
            return  # somebody else is indexing: they go on to the end
        over.wait(_IDLE_S)


class _Catcher:
    """The store to read from and the index to write to."""

    def __init__(self, home: Path, exclude: Sequence[str], wait_s: float, substring: bool) -> None:
        self._home, self._exclude, self._wait_s, self._substring = home, exclude, wait_s, substring
        self.events = 0

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

    def clear(self) -> None:
        search.clear(self.index)
        grams.make(self.index, is_wanted=self._substring)

    def behind(self) -> int:
        at = search.position(self.index, self.identity)
        return search.count_waiting(self.store, at) if search.is_behind(self.store, at) else 0

    def total(self) -> int:
        return search.count_waiting(self.store, Position())

    def step(self, deadline: float | None) -> bool:
        """One transaction. True when everything is indexed."""
        if not search.is_behind(self.store, search.position(self.index, self.identity)):
            return True
        with search.writing(self.index):
            at = search.position(self.index, self.identity)
            if at.rev > search.last_rev(self.store):
                at = Position()  # the store is younger than its index
            if at == Position():
                self.clear()
            at, is_done = self.fill(at, deadline)
            search.put_position(self.index, at, self.identity)
        return is_done

    def fill(self, at: Position, deadline: float | None) -> tuple[Position, bool]:
        """Index what comes after `at`, some `COMMIT_CHARS` of text. The new position, and whether that is all."""
        without = search.excluded_sessions(self.store, self._exclude) if self._exclude else frozenset[int]()
        self._has_grams = grams.is_there(self.index)
        chars = 0
        while chars < COMMIT_CHARS:
            rev = search.last_rev(self.store)  # before the rows: whatever is written in between has a greater one
            chunk = search.waiting(self.store, at, CHUNK)
            search.insert(self.index, self._rows(chunk, at.max_id, without))
            chars += self._chars
            max_id = max([at.max_id, *[event.id for event in chunk]])
            self.events += len(chunk)
            if chunk:
                at = Position(chunk[-1].rev, chunk[-1].id, max_id)
            if len(chunk) < CHUNK:
                return search.end_of(max(rev, at.rev), max_id), True
            if deadline is not None and time.monotonic() >= deadline:
                break
        return at, False

    def _rows(self, chunk: list[Waiting], max_id: int, without: frozenset[int]) -> Iterator[Row]:
        """One at a time: 256 texts can be 16 MB."""
        self._chars = 0
        block_of, block_id, block = self.store.body_of.block, -1, memoryview(b"")
        for rev, event_id, kind, role, tool, session_id, of_block, start, length in chunk:
            is_new = event_id > max_id
            max_id = event_id if is_new else max_id
            if session_id in without:
                continue
            if of_block != block_id:
                block_id, block = of_block, memoryview(block_of(of_block))
            found = searchable(kind, role, tool, _decode(block[start : start + length]))
            self._chars += len(found[0]) + len(found[1])
            rowid = event_id if is_new else event_id | rev << ID_BITS
            if self._has_grams:
                prompt, text, _, path = found
                grams.insert(self.index, rowid, composed(prompt or text), composed(path))
            yield (rowid, *columns(kind, found))


def _is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def _is_damage(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorname", "").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[3:], substring=sys.argv[2] == "substring")
