"""Messages over a pipe, each a 4-byte length and MessagePack, and the process at its far end.

It reads tasks from stdin, answers each with any number of frames and an empty message, and ends when its stdin does,
however its parent ended. It imports what its tasks need and nothing else: it starts while somebody waits.
"""

import contextlib
import struct
from collections.abc import Callable, Iterable
from typing import IO, TypeVar

import msgspec

T = TypeVar("T")
GONE = "a parser process ended unexpectedly"
_LENGTH = struct.Struct(">I")


def serve(task: type[T], perform: Callable[[T], Iterable[object]]) -> None:
    """The whole life of a worker."""
    import gc
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle; it then closes our stdin
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    gc.disable()  # drafts hold no cycles
    encode, decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(task).decode
    source, sink = open(0, "rb", closefd=False), open(1, "wb", buffering=0, closefd=False)  # noqa: SIM115
    with contextlib.suppress(BrokenPipeError):
        while head := source.read(_LENGTH.size):
            for frame in perform(decode(source.read(_LENGTH.unpack(head)[0]))):
                send(sink, encode(frame))
            send(sink, b"")


def send(pipe: IO[bytes], data: bytes) -> None:
    rest = memoryview(_LENGTH.pack(len(data)) + data)
    while rest:  # a raw pipe may take a part
        rest = rest[pipe.write(rest):]


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
