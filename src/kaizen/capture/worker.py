"""Parser processes: bytes in, batches out, over two pipes.

A worker is `python -m kaizen.capture.worker`: it reads tasks from stdin and writes frames to stdout, each a 4-byte
length and MessagePack. It opens transcripts and nothing else, and ends when its stdin does, however its parent ended.
"""

import contextlib
import os
import selectors
import struct
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import msgspec

from kaizen.capture.ledger import Ledger
from kaizen.capture.skim import Counted, skim
from kaizen.capture.tail import Batch, Cursor, chunks
from kaizen.sources import by_name
from kaizen.sources.shapes import DocumentSource, LineSource

# Below this many new bytes starting processes costs more than it saves (two workers: about 120 ms).
PARALLEL_ABOVE = 8 << 20
# Tasks that a worker has at once: it need not wait for the writer between two files.
AHEAD = 4
_LENGTH = struct.Struct(">I")


class Task(msgspec.Struct, array_like=True):
    cursor: Cursor
    ledger: Ledger
    now_ms: int
    usage_only: bool = False


class Unreadable(msgspec.Struct, array_like=True, tag=1):
    path: str
    reason: str


class Read(msgspec.Struct, array_like=True, tag=2):
    batch: Batch


class Finished(msgspec.Struct, array_like=True, tag=3):
    path: str


Frame = Unreadable | Read | Finished | Counted


def perform(task: Task) -> Iterator[Frame]:
    """Read one file to its end."""
    source = by_name(task.cursor.source)
    if not isinstance(source, LineSource | DocumentSource):
        raise TypeError(f"{source.name} is not a file source")
    try:
        if task.usage_only and isinstance(source, LineSource):
            yield skim(source, task.cursor.path, now_ms=task.now_ms)
        else:
            for batch in chunks(source, task.cursor, task.ledger, now_ms=task.now_ms):
                yield Read(batch)
    except OSError as error:
        yield Unreadable(task.cursor.path, error.strerror or str(error))
    yield Finished(task.cursor.path)


def frames(tasks: Iterable[Task], *, parallel: bool) -> Iterator[Frame]:
    """The frames of all tasks; those of one file stay in order. With `parallel`, from as many processes as cores."""
    if not parallel:
        for task in tasks:
            yield from perform(task)
        return
    with contextlib.ExitStack() as stack:
        yield from _from_workers(iter(tasks), stack)


def _from_workers(tasks: Iterator[Task], stack: contextlib.ExitStack) -> Iterator[Frame]:
    encoder, decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(Frame)
    waiting = selectors.DefaultSelector()
    unfinished: dict[subprocess.Popen[bytes], int] = {}
    stack.callback(waiting.close)
    for _ in range(max(1, min(os.cpu_count() or 1, 8))):
        process = subprocess.Popen([sys.executable, "-m", "kaizen.capture.worker"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, bufsize=0)  # select() must see what we have not read
        stack.callback(_end, process)
        _widen(process)
        given = sum(_next(process, tasks, encoder) for _ in range(AHEAD))
        if not given:
            break
        waiting.register(process.stdout, selectors.EVENT_READ, process)  # type: ignore[arg-type]
        unfinished[process] = given
    while waiting.get_map():
        for ready, _ in waiting.select():
            process = ready.data
            frame = decoder.decode(_receive(process.stdout))
            yield frame
            if isinstance(frame, Finished):
                unfinished[process] += _next(process, tasks, encoder) - 1
                if not unfinished[process]:
                    waiting.unregister(process.stdout)


def _next(process: "subprocess.Popen[bytes]", tasks: Iterator[Task], encoder: msgspec.msgpack.Encoder) -> bool:
    task = next(tasks, None)
    if task is None:
        return False
    _send(process.stdin, encoder.encode(task))  # type: ignore[arg-type]
    return True


def _end(process: "subprocess.Popen[bytes]") -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    process.terminate()
    process.wait()


def _widen(process: "subprocess.Popen[bytes]") -> None:
    """A larger pipe lets a worker run ahead of the writer by a batch."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import fcntl

        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 1 << 20)  # type: ignore[arg-type]


def _send(pipe: BinaryIO, data: bytes) -> None:
    rest = memoryview(_LENGTH.pack(len(data)) + data)
    while rest:  # a raw pipe may take a part
        rest = rest[pipe.write(rest):]
    pipe.flush()


def _receive(pipe: BinaryIO) -> bytearray:
    return _exactly(pipe, _LENGTH.unpack(_exactly(pipe, _LENGTH.size))[0])


def _exactly(pipe: BinaryIO, size: int) -> bytearray:
    data = bytearray(size)
    view, filled = memoryview(data), 0
    while filled < size:
        count = pipe.readinto(view[filled:])  # type: ignore[attr-defined]
        if not count:
            raise ChildProcessError("a parser process ended unexpectedly")
        filled += count
    return data


def main() -> None:
    import gc
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle; it then closes our stdin
    gc.disable()  # drafts hold no cycles
    encoder, decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(Task)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    with contextlib.suppress(BrokenPipeError):
        while head := source.read(_LENGTH.size):
            task = decoder.decode(source.read(_LENGTH.unpack(head)[0]))
            for frame in perform(task):
                _send(sink, encoder.encode(frame))


if __name__ == "__main__":
    main()
