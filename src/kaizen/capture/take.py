"""From what is new to rows: readers, in processes when there is much, and the one writer."""

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from itertools import chain

import msgspec

from kaizen.capture import discover, tables
from kaizen.capture import ledger as ledgers
from kaizen.capture.coverage import FileError, LoadReport
from kaizen.capture.ingest import Ingest
from kaizen.capture.ledger import Ledger
from kaizen.capture.look import News, compared, now_ms
from kaizen.capture.tail import Batch, Cursor, packed
from kaizen.capture.worker import Read, Task, Unreadable, frames
from kaizen.capture.workers import PARALLEL_ABOVE
from kaizen.sources import by_name
from kaizen.sources.shapes import Malformed, TableSource
from kaizen.store import files
from kaizen.store.open import transaction

Progress = Callable[[int, int], None]

# Batches share transactions: an import touches the index of keys at random, and each commit writes every touched page.
# Committed batch by batch, 1 GB of transcripts made SQLite write 9 GB.
MAX_EVENTS, MAX_S = 40_000, 2.0
# Between two transactions the store is free for others: as long as SQLite lets them wait for a second look.
FREE_S = 0.1


def take(db: sqlite3.Connection, news: News, ingest: Ingest, report: LoadReport,
         progress: Progress | None = None) -> None:
    """Store what is new. The caller holds the lock."""
    read_lines(db, news.plan.read, news.plan.new_bytes, ingest, report, progress)
    if ingest.rewound:
        _read_again(db, ingest, report)
    for file in news.tables:
        read_table(db, file, ingest, report)
    report.new_events = ingest.new_events
    if news.plan.gone:
        with transaction(db):
            files.mark_gone(db, news.plan.gone, now_ms())


def _read_again(db: sqlite3.Connection, ingest: Ingest, report: LoadReport) -> None:
    """A batch of a rewound file that was already under way may have set its cursor again: rewind for good, and read."""
    rewound = sorted(ingest.rewound)
    with transaction(db):
        files.rewind(db, rewound, ledgers.encode(Ledger()))
    ingest.rewound.clear()
    there = []
    for source, path in files.named(db, rewound):
        with contextlib.suppress(OSError):
            there.append(discover.found(source, path, os.lstat(path)))
    read_lines(db, compared(db, there, []).plan.read, 0, ingest, report, None)


def read_lines(db: sqlite3.Connection, todo: list[discover.Found], new_bytes: int, ingest: Ingest, report: LoadReport,
                progress: Progress | None) -> None:
    incoming = _incoming(db, todo, new_bytes, report, progress)
    while gathered := list(_some(incoming, seconds=FREE_S)):
        # The rest of a transaction is stored as it comes, so that readers and the writer keep each other busy.
        ingest.store(chain(gathered, _some(incoming, seconds=MAX_S)))


def _incoming(db: sqlite3.Connection, todo: list[discover.Found], new_bytes: int, report: LoadReport,
              progress: Progress | None) -> Iterator[tuple[Batch, str]]:
    """Batches, each with its agent; what they read is reported."""
    offsets: dict[str, int] = {}

    def tasks() -> Iterator[Task]:
        for file in todo:
            cursor, ledger = resume(db, file)
            offsets[file.path] = cursor.offset
            yield Task(cursor, ledger, now_ms())

    for frame in frames(tasks(), parallel=new_bytes > PARALLEL_ABOVE):
        if isinstance(frame, Read):
            batch = frame.batch
            path, at = batch.cursor.path, batch.cursor.offset
            report.new_files += path in offsets and offsets[path] == 0
            report.new_bytes += at - offsets[path] if at >= offsets[path] and not batch.replaces else at
            offsets[path] = at
            if progress:
                progress(report.new_bytes, new_bytes)
            yield batch, by_name(batch.cursor.source).agent
        elif isinstance(frame, Unreadable):
            report.errors.append(FileError(frame.path, None, frame.reason))


def _some(incoming: Iterator[tuple[Batch, str]], *, seconds: float) -> Iterator[tuple[Batch, str]]:
    """The next batches, for so long, and of no more than about `MAX_EVENTS`."""
    until, events = time.monotonic() + seconds, 0
    for batch, agent in incoming:
        yield batch, agent
        events += len(batch.items)
        if events >= MAX_EVENTS or time.monotonic() >= until:
            return


def resume(db: sqlite3.Connection, file: discover.Found) -> tuple[Cursor, Ledger]:
    """Where a file was left, or its beginning."""
    row = files.get(db, file.path)
    if row is None:
        return Cursor(file.path, file.source), Ledger()
    cursor = Cursor(row.path, file.source, row.dev, row.inode, row.size, row.mtime_ns, row.offset, bool(row.rest),
                    row.head_hash or b"", row.tail_hash or b"", row.state or b"")
    return cursor, ledgers.decode(row.ledger)


def read_table(db: sqlite3.Connection, file: discover.Found, ingest: Ingest, report: LoadReport) -> None:
    """An agent's database that changed, read from the last conversation on."""
    source = by_name(file.source)
    assert isinstance(source, TableSource)
    row = files.get(db, file.path)
    ledger, since = Ledger(), None if row is None else msgspec.msgpack.decode(row.state or b"\xc0")
    cursor = Cursor(file.path, file.source, file.dev, file.inode, file.size, file.mtime_ns, file.size, True)
    stamp = b""
    try:
        stamp = tables.stamp(file.path)
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
