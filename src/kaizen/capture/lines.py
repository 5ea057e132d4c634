"""What every reading of a transcript shares: how it is opened, the times of its lines, lines that hold several records.
"""

import contextlib
import os
from collections.abc import Iterator

import msgspec

from kaizen.model.event import Draft
from kaizen.sources.shapes import Malformed, record

MAX_LINE = 64 << 20
# Beyond its beginning, a large file is read in order, which the system notices itself.
FETCHED = 16 << 20
DAY_MS = 86_400_000


@contextlib.contextmanager
def opened(path: str) -> Iterator[int]:
    """A transcript's descriptor. Neither follows a link nor waits for who would write into a pipe."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def soon(path: str) -> None:
    """Have the system fetch a file that is going to be read, where it can be told so."""
    if hasattr(os, "posix_fadvise"):
        with contextlib.suppress(OSError), opened(path) as descriptor:
            os.posix_fadvise(descriptor, 0, FETCHED, os.POSIX_FADV_WILLNEED)


class Clock(msgspec.Struct, array_like=True):
    """What the tailer itself carries from line to line of a file."""

    origin_ms: int | None = None
    last_ms: int | None = None

    def stamp(self, draft: Draft, base_ms: int, now_ms: int) -> bool:
        """Is the draft's own time believable? If not, it gets the millisecond after its predecessor's, or `base_ms`."""
        at = draft.ts_ms
        if at is None or at > now_ms + DAY_MS:
            draft.ts_ms = self.last_ms = base_ms if self.last_ms is None else self.last_ms + 1
            return False
        self.last_ms = at
        if self.origin_ms is None:
            self.origin_ms = at
        return True


def whole(line: bytes) -> list[bytes]:
    """What can be read of a line that is not simply one object."""
    line = line.removeprefix(b"\xef\xbb\xbf").strip(b"\r\n\x00 \t")
    try:
        record(line)
    except Malformed:
        return glued(line)
    return [line]


def glued(line: bytes) -> list[bytes]:
    """The JSON objects in a line that holds several, or a broken one followed by whole ones."""
    import json

    text = line.decode("utf-8", "replace")
    decoder, found, position = json.JSONDecoder(), [], 0
    for _ in range(64):
        position = text.find("{", position)
        if position < 0:
            break
        try:
            value, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            position += 1
            continue
        if isinstance(value, dict) and ("type" in value or "role" in value):
            found.append(text[position:end].encode("utf-8", "replace"))
        position = end
    return found
