"""What a capture of a run printed beside what the run recorded itself: which counts are the same calls.

`codex exec --json` prints a usage per turn, and the rollout of the same thread has one per model call. Both name the
thread, so they are rows of one session. What was printed is proven to be the rollout's when it equals, in every bucket,
the sum of some of its turns that follow each other: one turn, or all so far where the capture counts cumulatively, or
all since the thread was resumed. Such a row does not count. What no turns add up to counts: the rollout does not have
it.

The verdict is a function of the rows that are there, so the order in which the files come does not matter.
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import add, sub

from kaizen.model.request import Request

MARK = ":exec"
_Sum = tuple[int, ...]
_ZERO: _Sum = (0, 0, 0, 0)


def group_of(thread: str) -> str:
    """What the requests of a capture are called, before `:<n>`."""
    return thread + MARK


def is_captured(row: Request) -> bool:
    return MARK in row.request and row.request.rpartition(":")[0].endswith(MARK)


def judge_captured(rows: Iterable[Request]) -> dict[str, str | None]:
    """Key of each captured row of one session -> the key of the last call that it repeats; None: it counts."""
    own: list[Request] = []
    printed: list[Request] = []
    for row in rows:
        (printed if is_captured(row) else own).append(row)
    turns = _turns([row for row in own if row.duplicate_of is None]) if printed else []
    ends = {_ZERO: -1}
    so_far = _ZERO
    sums = []
    for number, (amounts, _) in enumerate(turns):
        so_far = tuple(map(add, so_far, amounts))
        sums.append(so_far)
        ends.setdefault(so_far, number)
    return {row.key: _repeated(_amounts(row), sums, ends, turns) for row in printed}


def _repeated(
    amounts: _Sum, sums: Sequence[_Sum], ends: Mapping[_Sum, int], turns: Sequence[tuple[_Sum, str]]
) -> str | None:
    for number, so_far in enumerate(sums):
        if ends.get(tuple(map(sub, so_far, amounts)), number) < number:
            return turns[number][1]
    return None


def _turns(rows: Sequence[Request]) -> list[tuple[_Sum, str]]:
    """(sum, key of its last call) of each turn, in time."""
    by_turn: dict[str, list[Request]] = {}
    for row in sorted(rows, key=lambda row: (row.ts_ms, row.key)):
        by_turn.setdefault(row.request.rpartition(":")[0], []).append(row)
    return [(tuple(map(sum, zip(*map(_amounts, calls), strict=True))), calls[-1].key) for calls in by_turn.values()]


def _amounts(row: Request) -> _Sum:
    return (row.input_tokens or 0, row.cache_read_tokens or 0, row.cache_write_tokens or 0, row.output_tokens or 0)
