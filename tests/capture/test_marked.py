"""Lines found by a mark: the same as by splitting the file, wherever the pieces end."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen.capture import marked
from kaizen.capture.marked import marked_lines

WORDS = st.lists(st.sampled_from([b"A", b"B", b"x", b"yy", b"\n", b"\r\n", b'"A"']), max_size=60).map(b"".join)


def read(path: Path, marks: tuple[bytes, ...], *, offset: int = 0, max_line: int = 1 << 20) -> list[tuple[bytes, int]]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return list(marked_lines(descriptor, offset, lambda: marks, max_line=max_line))
    finally:
        os.close(descriptor)


@settings(max_examples=300, deadline=None)
@given(content=WORDS, buffer=st.integers(1, 40), marks=st.sampled_from([(b"A",), (b"A", b"B"), (b'"A"', b"B"), ()]))
def test_the_lines_before_the_first_mark_and_those_with_one(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, buffer: int, marks: tuple[bytes, ...]
) -> None:
    path = tmp_path_factory.mktemp("marked") / "file"
    path.write_bytes(content)
    wanted, at, is_opening = [], 0, True
    for line in content.split(b"\n"):
        is_marked = any(mark in line for mark in marks)
        is_opening = is_opening and not is_marked
        if line and (is_opening or is_marked):
            wanted.append((line, at))
        at += len(line) + 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(marked, "BUFFER", buffer)
        assert read(path, marks) == wanted


def test_marks_may_change_from_line_to_line(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"B1\nA1\nB2\nA2\nB3\nA3\n")
    seen: list[bytes] = []
    descriptor = os.open(path, os.O_RDONLY)
    for line, _ in marked_lines(descriptor, 0, lambda: (b"A", b"B") if b"A2" in seen else (b"A",), max_line=100):
        seen.append(line)
    os.close(descriptor)
    assert seen == [b"B1", b"A1", b"A2", b"B3", b"A3"]


def test_a_line_beyond_all_bounds_costs_no_more_than_the_bound(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"A" + b"x" * 100_000 + b"\nA after\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(marked, "BUFFER", 64)
        assert read(path, (b"A",), max_line=1_000)[-1] == (b"A after", 100_002)


def test_reading_goes_on_from_an_offset(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"A1\nx\nA2\n")
    assert read(path, (b"A",), offset=5) == [(b"A2", 5)]
