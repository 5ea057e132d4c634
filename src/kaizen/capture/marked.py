"""The lines of a file that hold one of some marks. All others are looked through at the speed of a byte search, in a
buffer small enough for the processor's cache, and never cut out.
"""

import os
from collections.abc import Callable, Iterator, Sequence

from stringzilla import find

BUFFER = 1 << 20

Marks = Sequence[bytes]


def marked_lines(descriptor: int, offset: int, marks: Callable[[], Marks], *, max_line: int
                 ) -> Iterator[tuple[bytes, int]]:
    """(line, its offset): those before the first marked one, and every marked one, in order; the last one may lack its
    newline. `marks` is asked again after each line. Lines longer than `max_line` may be left out."""
    is_opening = True
    for buffer, end, start in _pieces(descriptor, offset, max_line):
        at = 0
        while at < end:
            wanted = marks()
            found = _marked(buffer, at, end, wanted)
            if is_opening:
                is_opening = not found
                stop = found[0][0] if found else end
                for line in buffer[at:stop].split(b"\n"):
                    if line:
                        yield bytes(line), start + at
                    at += len(line) + 1
            at = end
            for begin, stop in found:
                yield bytes(buffer[begin:stop]), start + begin
                if marks() != wanted:
                    at = stop  # the rest of this piece, with other eyes
                    break


def _pieces(descriptor: int, offset: int, max_line: int) -> Iterator[tuple[bytearray, int, int]]:
    """(buffer, end, offset of its begin): whole lines, the last one of the file as it is. The buffer is used again."""
    buffer, held, start = bytearray(BUFFER), 0, offset
    while True:
        with memoryview(buffer) as view:
            got = os.preadv(descriptor, [view[held:]], start + held)
        end = held + got
        if not got:
            if held:
                yield buffer, held, start
            return
        cut = buffer.rfind(b"\n", held, end) + 1
        if cut:
            yield buffer, cut, start
            buffer[: end - cut] = buffer[cut:end]
            held, start = end - cut, start + cut
        elif end < len(buffer):
            held = end
        elif len(buffer) < max_line:
            buffer.extend(bytes(len(buffer)))
            held = end
        else:
            held, start = 0, start + end


def _marked(buffer: bytearray, at: int, end: int, marks: Marks) -> list[tuple[int, int]]:
    """Begin and end of the lines that hold one of the marks, in order."""
    found: dict[int, int] = {}
    for mark in marks:
        place = find(buffer, mark, at, end)
        while place >= 0:
            stop = buffer.find(b"\n", place, end)
            if stop < 0:
                stop = end
            found[buffer.rfind(b"\n", at, place) + 1 or at] = stop
            place = find(buffer, mark, stop, end)
    return sorted(found.items()) if len(marks) > 1 else list(found.items())
