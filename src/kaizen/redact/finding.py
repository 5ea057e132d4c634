"""What was found, and what takes its place.

    secrets    <redacted:RULE>       nothing of the value, not even its length
    paths      <path:H16.ext>        equal paths stay equal
    remotes    <remote:H16>
    others     <email> <host> <ip> <mac> <phone> <term> <user>
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter, itemgetter

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """Characters from `start` up to `end` of a text. `shown` replaces them; empty for a secret."""

    rule: str
    start: int
    end: int
    shown: str = ""

    @property
    def placeholder(self) -> str:
        return self.shown or f"<redacted:{self.rule}>"


PLACEHOLDER = re.compile(
    r"<(?:redacted:[\w.-]{1,80}|path:[0-9a-f]{16}(?:\.\w{1,12})?|remote:[0-9a-f]{16}|email|host|ip|mac|phone|term|user)>"
)
_by_place = attrgetter("start", "end")


def outside_placeholders(text: str, found: Iterable[Finding]) -> list[Finding]:
    """The findings without those that touch a placeholder from inside; what sticks out of one is kept."""
    taken = [one.span() for one in PLACEHOLDER.finditer(text)] if "<" in text else []
    return [rest for one in found for rest in _without(one, taken)] if taken else list(found)


def _without(one: Finding, taken: Sequence[tuple[int, int]]) -> Iterator[Finding]:
    start = one.start
    for number in range(bisect_right(taken, start, key=itemgetter(1)), len(taken)):
        left, right = taken[number]
        if left >= one.end:
            break
        if start < left:
            yield msgspec.structs.replace(one, start=start, end=left)
        start = right
    if start < one.end:
        yield msgspec.structs.replace(one, start=start) if start != one.start else one


def merged(found: Iterable[Finding]) -> list[Finding]:
    """In order, none overlapping: those that do become one, named after its longest secret, else its longest part."""
    groups: list[list[Finding]] = []
    end = -1
    for one in sorted(found, key=_by_place):
        if one.start < end:
            groups[-1].append(one)
        else:
            groups.append([one])
        end = max(end, one.end)
    return [group[0] if len(group) == 1 else _union(group) for group in groups]


def _union(group: Sequence[Finding]) -> Finding:
    start, end = group[0].start, max(one.end for one in group)
    best = min(group, key=lambda one: (one.shown != "", one.start - one.end, one.rule))
    # A hash of a part would not be the hash of the whole.
    shown = best.shown if best.shown and (best.start, best.end) == (start, end) else ""
    return Finding(best.rule, start, end, shown)


def replaced(text: str, found: Sequence[Finding]) -> str:
    """`found` as `merged` returns it."""
    parts: list[str] = []
    at = 0
    for one in found:
        parts += text[at : one.start], one.placeholder
        at = one.end
    return "".join((*parts, text[at:]))
