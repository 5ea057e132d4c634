"""A text as it reads after decoding or normalising, and where each part of it came from."""

from bisect import bisect_right
from collections.abc import Sequence

# Characters from start up to end, and what stands for them.
Piece = tuple[int, int, str]


class Mapped:
    """`text` is the original with `pieces` put in, which are in order and do not overlap."""

    def __init__(self, original: str, pieces: Sequence[Piece]) -> None:
        parts: list[str] = []
        # Per piece: its place in `text`, its end there, and both ends in the original.
        self._starts: list[int] = []
        self._pieces: list[tuple[int, int, int]] = []
        at = length = 0
        for start, end, new in pieces:
            parts += original[at:start], new
            length += start - at
            self._starts.append(length)
            self._pieces.append((length + len(new), start, end))
            length += len(new)
            at = end
        parts.append(original[at:])
        self.text = "".join(parts)

    def source(self, start: int, end: int) -> tuple[int, int]:
        """Where characters came from; a piece that is touched came from all of its characters."""
        return self._at(start)[0], max(self._at(start)[1], self._at(end - 1)[1])

    def touches(self, start: int, end: int) -> bool:
        """Whether a piece has a part in these characters."""
        last = bisect_right(self._starts, end - 1) - 1
        return last >= 0 and self._pieces[last][0] > start

    def _at(self, position: int) -> tuple[int, int]:
        number = bisect_right(self._starts, position) - 1
        if number < 0:
            return position, position + 1
        new_end, start, end = self._pieces[number]
        if position < new_end:
            return start, end
        return end + position - new_end, end + position - new_end + 1
