"""Messages over a pipe, each a 4-byte length and MessagePack, and the process at its far end.

It reads tasks from stdin, answers each with any number of frames and an empty message, and ends when its stdin does,
however its parent ended. It imports what its tasks need and nothing else: it starts while somebody waits.
"""

import contextlib
import os
import select
import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import IO, TypeVar

import msgspec

T = TypeVar("T")
GONE = "a parser process ended unexpectedly"
# A commit of the parent takes 0.2 s, in which a worker makes some 2 MB.
AHEAD_BYTES = 4 << 20
_LENGTH = struct.Struct(">I")


def serve(task: type[T], perform: Callable[[T], Iterable[object]]) -> None:
    """The whole life of a worker."""
    import gc
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle; it then closes our stdin
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    gc.disable()  # drafts hold no cycles
    encode, decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(task).decode
    ends = _Ends(0, 1)
    with contextlib.suppress(BrokenPipeError):
        for message in ends.messages():
            for frame in perform(decode(message)):
                ends.send(encode(frame))
            ends.send(b"")


class _Ends:
    """A worker's ends of the pipes to and from its parent. Neither waits for the other: up to `AHEAD_BYTES` are kept
    of what the parent does not take just now, and whatever it sends is taken at once."""

    def __init__(self, source: int, sink: int) -> None:
        os.set_blocking(sink, False)
        self._source, self._sink, self._is_over = source, sink, False
        self._incoming, self._outgoing, self._kept = bytearray(), deque[memoryview](), 0

    def messages(self) -> Iterator[bytes]:
        """Until the parent ends them. At the end everything is sent."""
        while (head := self._taken(_LENGTH.size)) and (message := self._taken(*_LENGTH.unpack(head))) is not None:
            yield message
        while self._outgoing:
            self._wait()

    def _taken(self, size: int) -> bytes | None:
        """The next `size` bytes; None when fewer are left at the end."""
        while len(self._incoming) < size:
            if self._is_over:
                return None
            self._wait()
        taken = bytes(self._incoming[:size])
        del self._incoming[:size]
        return taken

    def send(self, data: bytes) -> None:
        self._outgoing.append(framed := _framed(data))
        self._kept += len(framed)
        self._write()
        while self._kept > AHEAD_BYTES:
            self._wait()

    def _wait(self) -> None:
        """Until something can be read or written, and do that."""
        ready, free, _ = select.select([] if self._is_over else [self._source],
                                       [self._sink] if self._outgoing else [], [])
        if free:
            self._write()
        if ready:
            data = os.read(self._source, 1 << 16)
            self._incoming += data
            self._is_over = not data

    def _write(self) -> None:
        """What the pipe takes."""
        with contextlib.suppress(BlockingIOError):
            while self._outgoing:
                count = os.write(self._sink, self._outgoing[0])
                self._kept -= count
                if rest := self._outgoing.popleft()[count:]:
                    self._outgoing.appendleft(rest)


def send(pipe: IO[bytes], data: bytes) -> None:
    rest = _framed(data)
    while rest:  # a raw pipe may take a part
        rest = rest[pipe.write(rest):]


def _framed(data: bytes) -> memoryview:
    return memoryview(_LENGTH.pack(len(data)) + data)


def receive(pipe: IO[bytes]) -> bytearray:
    """Raises ChildProcessError when the other side is gone."""
    return _exactly(pipe, _LENGTH.unpack(_exactly(pipe, _LENGTH.size))[0])


def _exactly(pipe: IO[bytes], size: int) -> bytearray:
    data = bytearray(size)
    view, filled = memoryview(data), 0
    while filled < size:
        count = pipe.readinto(view[filled:])  # type: ignore[attr-defined]
        if not count:
            raise ChildProcessError(GONE)
        filled += count
    return data
