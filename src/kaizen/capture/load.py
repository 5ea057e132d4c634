"""Bringing the store up to date with the agents' files: the whole of capture, from directories to rows.

`load` does it with a report, `refresh` quietly before a read command answers. Both cost O(new bytes): a file that did
not change costs one `stat`.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from kaizen import pricing
from kaizen.capture import discover, tables
from kaizen.capture import ledger as ledgers
from kaizen.capture.git import repository_of
from kaizen.capture.index import catch_up, indexing
from kaizen.capture.ingest import Enqueue, Ingest
from kaizen.capture.ledger import Ledger
from kaizen.capture.plan import Plan, plan
from kaizen.capture.tail import Batch, Cursor, packed
from kaizen.capture.worker import PARALLEL_ABOVE, Read, Task, Unreadable, frames
from kaizen.config.model import Config
from kaizen.errors import KaizenError
from kaizen.sources import ALL, by_name
from kaizen.sources.shapes import Malformed, Source, TableSource
from kaizen.store import backup, files, meta
from kaizen.store.lock import capture_lock
from kaizen.store.open import database_of, open_store, put_aside, readable_errors, transaction

TABLES = frozenset(source.name for source in ALL if isinstance(source, TableSource))
Progress = Callable[[int, int], None]


class FileError(msgspec.Struct):
    file: str
    offset: int | None
    reason: str


class LoadReport(msgspec.Struct):
    """Coverage of everything the store knows, and what this run added. `bytes_total` is the sum of the three below."""

    files: int = 0
    sessions: int = 0
    events: int = 0
    bytes_total: int = 0
    bytes_parsed: int = 0
    bytes_ignored: int = 0
    bytes_error: int = 0
    ignored_by_reason: dict[str, int] = {}
    unknown_records: dict[str, int] = {}
    seconds: float = 0.0
    new_files: int = 0
    new_events: int = 0
    new_bytes: int = 0
    errors: list[FileError] = []
    roots: list[discover.Root] = []


def load(home: Path, env: Mapping[str, str], config: Config, *, progress: Progress | None = None,
         rebuild: bool = False, index: bool = True, enqueue: Enqueue | None = None) -> LoadReport:
    """Read all that is new, index it for search, and report. Waits for another running import to finish first.

    `enqueue` is told what each transaction changed.
    `rebuild` puts the old store aside as `kaizen.db.<time>` and reads everything again.
    """
    began = time.monotonic()
    with readable_errors(database_of(home)), capture_lock(home, wait=True):
        if rebuild:
            put_aside(home, now_ms())
        with contextlib.closing(open_store(home, write=True)) as db:
            found, todo, done = _look(db, env, config)
            is_large = todo.new_bytes > PARALLEL_ABOVE
            with indexing(home, exclude=config.search.exclude) if index and is_large else contextlib.nullcontext():
                take(db, found, todo, _ingest(db, config, enqueue), done, progress)
            if index:
                _index_rest(home, config, done)
            backup.weekly(db, home, now_ms())
            report = coverage(db)
    report.new_files, report.new_events, report.new_bytes = done.new_files, done.new_events, done.new_bytes
    report.errors = done.errors + report.errors
    report.roots = done.roots
    report.seconds = round(time.monotonic() - began, 3)
    return report


def refresh(home: Path, env: Mapping[str, str], config: Config, enqueue: Enqueue | None = None) -> LoadReport | None:
    """Read what grew, without indexing. None when another process is doing just that."""
    with readable_errors(database_of(home)), capture_lock(home, wait=False) as ours:
        if not ours:
            return None
        with contextlib.closing(open_store(home, write=True)) as db:
            found, todo, done = _look(db, env, config)
            take(db, found, todo, _ingest(db, config, enqueue), done)
            return done


def sources_of(config: Config) -> list[Source]:
    return [source for source in ALL if source.name not in config.sources.disabled]


def coverage(db: sqlite3.Connection) -> LoadReport:
    """What became of every byte of every file."""
    report = LoadReport()
    report.sessions, report.events = meta.counts(db)
    for _, path, size, offset, rest, encoded in files.ledgers(db):
        one = ledgers.decode(encoded)
        report.files += 1
        report.bytes_parsed += one.parsed
        report.bytes_error += one.error_bytes
        for reason, amount in one.ignored.items():
            _add(report.ignored_by_reason, reason, amount)
        if size > offset:
            _add(report.ignored_by_reason, "last_line_without_newline" if rest else "unfinished_line", size - offset)
        for name, count in one.unknown.items():
            _add(report.unknown_records, name, count)
        report.errors += [FileError(path, at, reason) for at, _, reason in one.errors]
    report.bytes_ignored = sum(report.ignored_by_reason.values())
    report.bytes_total = report.bytes_parsed + report.bytes_ignored + report.bytes_error
    return report


def _add(counts: dict[str, int], key: str, amount: int) -> None:
    counts[key] = counts.get(key, 0) + amount


def _look(db: sqlite3.Connection, env: Mapping[str, str], config: Config
          ) -> tuple[list[discover.Found], Plan, LoadReport]:
    """All files, what of them is to be read, and a report that knows the roots."""
    found, roots = discover.files(sources_of(config), env, user_home(env), config.sources.roots)
    return found, plan(found, files.stamps(db)), LoadReport(roots=roots)


def _ingest(db: sqlite3.Connection, config: Config, enqueue: Enqueue | None) -> Ingest:
    return Ingest(db, pricing.load(config.prices), repository_of, enqueue)


def _index_rest(home: Path, config: Config, report: LoadReport) -> None:
    """A store without its index is worth having: what is wrong with the index is one error among those of files."""
    try:
        catch_up(home, exclude=config.search.exclude)
    except KaizenError as error:
        report.errors.append(FileError(str(home / "search.db"), None, str(error)))


def take(db: sqlite3.Connection, found: list[discover.Found], todo: Plan, ingest: Ingest, report: LoadReport,
         progress: Progress | None = None) -> None:
    """Store what is new in the files of `found`, of which `todo` is the plan. The caller holds the lock."""
    read_lines(db, [file for file in todo.read if file.source not in TABLES], todo.new_bytes, ingest, report, progress)
    if ingest.rewound:
        _read_again(db, [file for file in found if file.source not in TABLES], ingest, report)
    for file in found:
        if file.source in TABLES:
            read_table(db, file, ingest, report)
    report.new_events = ingest.new_events
    if todo.gone:
        with transaction(db):
            files.mark_gone(db, todo.gone, now_ms())


def _read_again(db: sqlite3.Connection, found: list[discover.Found], ingest: Ingest, report: LoadReport) -> None:
    """A batch of a rewound file that was already under way may have set its cursor again: rewind for good, and read."""
    with transaction(db):
        files.rewind(db, sorted(ingest.rewound), ledgers.encode(Ledger()))
    ingest.rewound.clear()
    read_lines(db, plan(found, files.stamps(db)).read, 0, ingest, report, None)


def read_lines(db: sqlite3.Connection, todo: list[discover.Found], new_bytes: int, ingest: Ingest, report: LoadReport,
                progress: Progress | None) -> None:
    offsets: dict[str, int] = {}

    def tasks() -> Iterator[Task]:
        for file in todo:
            cursor, ledger = resume(db, file)
            offsets[file.path] = cursor.offset
            yield Task(cursor, ledger, now_ms())

    group = Group(ingest)
    for frame in frames(tasks(), parallel=new_bytes > PARALLEL_ABOVE):
        if isinstance(frame, Read):
            batch = frame.batch
            path, at = batch.cursor.path, batch.cursor.offset
            report.new_files += path in offsets and offsets[path] == 0
            report.new_bytes += at - offsets[path] if at >= offsets[path] and not batch.replaces else at
            offsets[path] = at
            group.add(batch, by_name(batch.cursor.source).agent)
            if progress:
                progress(report.new_bytes, new_bytes)
        elif isinstance(frame, Unreadable):
            report.errors.append(FileError(frame.path, None, frame.reason))
    group.flush()


class Group:
    """Batches that share a transaction. An import touches the index of keys at random: committed batch by batch, 1 GB
    of transcripts made SQLite write 9 GB, because each commit writes every touched page."""

    MAX_EVENTS, MAX_BYTES, MAX_S = 10_000, 16 << 20, 0.5

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest
        self._batches: list[tuple[Batch, str]] = []
        self._events = self._bytes = 0
        self._since = time.monotonic()

    def add(self, batch: Batch, agent: str) -> None:
        self._batches.append((batch, agent))
        self._events += len(batch.items)
        self._bytes += sum(len(block) for _, block in batch.blocks)
        if (self._events >= self.MAX_EVENTS or self._bytes >= self.MAX_BYTES
                or time.monotonic() - self._since >= self.MAX_S):
            self.flush()

    def flush(self) -> None:
        if self._batches:
            self._ingest.store(self._batches)
        self._batches, self._events, self._bytes, self._since = [], 0, 0, time.monotonic()


def resume(db: sqlite3.Connection, file: discover.Found) -> tuple[Cursor, Ledger]:
    """Where a file was left, or its beginning."""
    row = files.get(db, file.path)
    if row is None:
        return Cursor(file.path, file.source), Ledger()
    cursor = Cursor(row.path, file.source, row.dev, row.inode, row.size, row.mtime_ns, row.offset, bool(row.rest),
                    row.head_hash or b"", row.tail_hash or b"", row.state or b"")
    return cursor, ledgers.decode(row.ledger)


def read_table(db: sqlite3.Connection, file: discover.Found, ingest: Ingest, report: LoadReport) -> None:
    """An agent's database: opened only when it or its write-ahead log changed, read from the last conversation on."""
    source = by_name(file.source)
    assert isinstance(source, TableSource)
    row = files.get(db, file.path)
    ledger, since = Ledger(), None if row is None else msgspec.msgpack.decode(row.state or b"\xc0")
    cursor = Cursor(file.path, file.source, file.dev, file.inode, file.size, file.mtime_ns, file.size, True)
    stamp = b""
    try:
        stamp = repr(tables.stamp(file.path)).encode()
        if row is not None and row.head_hash == stamp:
            return
        with tables.open_foreign(file.path) as foreign:
            for position, items in source.read(foreign, file.path, since):
                ledger.parsed = file.size
                cursor.state = msgspec.msgpack.encode(position)
                ingest.store([(packed(items, cursor, ledger, now_ms()), source.agent)])
        if not ledger.parsed:
            ledger.ignore("no_content" if row is None else "unchanged", file.size)
    except Malformed as error:
        stamp, ledger = b"", Ledger()  # tried again next time: it may only have been busy
        ledger.fail(0, file.size, error.reason)
    except OSError as error:
        report.errors.append(FileError(file.path, None, error.strerror or str(error)))
        return
    report.new_files += row is None
    cursor.head_hash = stamp  # only now: an interrupted reading goes on from its last conversation
    cursor.state = cursor.state or msgspec.msgpack.encode(since)
    ingest.store([(packed([], cursor, ledger, now_ms()), source.agent)])


def user_home(env: Mapping[str, str]) -> str:
    return env.get("HOME") or env.get("USERPROFILE") or os.path.expanduser("~")


def now_ms() -> int:
    return time.time_ns() // 1_000_000
