"""Reading transcripts for the store, here or in processes of their own: cursors in, batches out."""

import os
from collections.abc import Iterable, Iterator

import msgspec

from kaizen.capture.ledger import Ledger
from kaizen.capture.pipes import serve
from kaizen.capture.tail import Batch, Cursor, chunks
from kaizen.sources import by_name
from kaizen.sources.shapes import DocumentSource, LineSource


class Task(msgspec.Struct, array_like=True):
    cursor: Cursor
    ledger: Ledger
    now_ms: int


class Unreadable(msgspec.Struct, array_like=True, tag=1):
    path: str
    reason: str


class Read(msgspec.Struct, array_like=True, tag=2):
    batch: Batch


Frame = Unreadable | Read


def frames(tasks: Iterable[Task], *, parallel: bool) -> Iterator[Frame]:
    """The frames of all tasks; those of one file stay in order."""
    if not parallel:
        for task in tasks:
            yield from perform(task)
        return
    from kaizen.capture.workers import Workers

    with Workers(__name__) as workers:
        yield from workers.frames(tasks, Frame)  # type: ignore[arg-type]


def perform(task: Task) -> Iterator[Frame]:
    """Read one file to its end."""
    source = by_name(task.cursor.source)
    if not isinstance(source, LineSource | DocumentSource):
        raise TypeError(f"{source.name} is not a file source")
    try:
        for batch in chunks(source, task.cursor, task.ledger, now_ms=task.now_ms):
            yield Read(batch)
    except OSError as error:
        yield Unreadable(task.cursor.path, error.strerror or str(error))


def main() -> None:
    if hasattr(os, "nice"):
        os.nice(5)  # behind the writer and the index: an import ends when the last of them does
    serve(Task, perform)
