"""Claude Code transcripts: the contract every line source keeps, on real files and on damaged ones."""

import contextlib
import random
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen.model.event import Draft, Item
from kaizen.sources.claude import SOURCE, parse, usage
from kaizen.sources.claude_state import State, begin
from kaizen.sources.shapes import Malformed

FIXTURES = Path(__file__).parent.parent / "fixtures"
FILES = sorted(
    file for place in ("claude_code", "synthetic/claude_fork") for file in (FIXTURES / place).rglob("*.jsonl")
)
LINES = [line for file in FILES for line in file.read_bytes().split(b"\n") if line.strip()]


def read(
    content: bytes, path: str, by: Callable[[bytes, int, State], Iterable[Item]] = parse, cut: int | None = None
) -> list[Item]:
    """All items of a file; at `cut` the state is saved and a new process goes on."""
    state, at = begin(path, None), 0
    items: list[Item] = []
    for line in content.split(b"\n"):
        if cut is not None and at >= cut:
            state, cut = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=State), None
        stripped = line.strip(b"\r\n\x00 \t")
        if stripped and (by is parse or any(mark in line for mark in SOURCE.usage_marks)):
            with contextlib.suppress(Malformed):
                items += by(stripped, at, state)
        at += len(line) + 1
    return items


def costs(items: Iterable[Item]) -> list[Draft]:
    return [item for item in items if type(item) is Draft and item.kind == "cost"]


def owned(drafts: Iterable[Draft]) -> list[Draft]:
    """Without the session, which the fast path may learn later when the file's name does not tell it."""
    return [msgspec.structs.replace(one, session="", is_copy=False) for one in drafts]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(FIXTURES)))
def test_the_fast_path_sees_the_same_requests(file: Path) -> None:
    content = file.read_bytes()
    full, fast = costs(read(content, str(file))), costs(read(content, str(file), usage))
    assert owned(fast) == owned(full)
    if begin(str(file), None).is_named:
        assert fast == full


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_reading_in_two_pieces_is_reading_at_once(file: Path) -> None:
    content = file.read_bytes()
    whole = read(content, str(file))
    for cut in random.Random(file.name).sample(range(len(content) + 1), min(5, len(content))):
        assert read(content, str(file), cut=cut) == whole


def damaged(line: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(line) + 1)
        line = (
            chance.choice([
                lambda line=line, at=at: line[:at],
                lambda line=line, at=at: line[at:],
                lambda line=line, at=at: line[:at] + bytes([chance.randrange(256)]) + line[at + 1 :],
                lambda line=line, at=at: (
                    line[:at] + chance.choice([b"null", b"[]", b"{}", b'"', b"-1", b"1e999"]) + line[at:]
                ),
            ])()
            or b"{"
        )
    return line.replace(b"\n", b" ")


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 1 << 40))
def test_damaged_lines_raise_nothing_but_malformed(seed: int) -> None:
    chance = random.Random(seed)
    for by in (parse, usage):
        state = begin("x.jsonl", None)
        for number in range(20):
            with contextlib.suppress(Malformed):
                list(by(damaged(chance.choice(LINES), chance), number, state))
        msgspec.msgpack.encode(state)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([
                "type",
                "message",
                "usage",
                "content",
                "id",
                "role",
                "timestamp",
                "sessionId",
                "toolUseResult",
                "data",
                "attachment",
                "input_tokens",
                "cache_creation",
                "iterations",
                "x",
            ]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@settings(max_examples=200, deadline=None)
@given(
    kind=st.sampled_from(["assistant", "user", "system", "progress", "attachment", "custom-title", "summary", "new"]),
    said=st.dictionaries(
        st.sampled_from([
            "message",
            "data",
            "attachment",
            "toolUseResult",
            "uuid",
            "sessionId",
            "cwd",
            "timestamp",
            "requestId",
            "forkedFrom",
            "subtype",
            "costUSD",
        ]),
        JSON,
    ),
)
def test_fields_of_any_type(kind: str, said: dict[str, object]) -> None:
    line = msgspec.json.encode({**said, "type": kind})
    full = costs(_tolerant(parse, line))
    fast = costs(_tolerant(usage, line)) if any(mark in line for mark in SOURCE.usage_marks) else []
    assert owned(fast) == owned(full)


def _tolerant(by: Callable[[bytes, int, State], Iterable[Item]], line: bytes) -> list[Item]:
    try:
        return list(by(line, 0, begin("x.jsonl", None)))
    except Malformed:
        return []


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1 << 40))
def test_junk_between_lines_changes_no_total(seed: int) -> None:
    chance = random.Random(seed)
    file = chance.choice([one for one in FILES if one.stat().st_size < 300_000])
    lines = file.read_bytes().split(b"\n")
    expected = costs(read(b"\n".join(lines), str(file)))
    for _ in range(8):
        lines.insert(
            chance.randrange(len(lines)),
            chance.choice([
                b"junk",
                b"\x00\x01\xff",
                b'{"type":',
                b"[1,2]",
                b'{"type":"brand-new","x":1}',
                b'{"a":1}}',
                b"\xef\xbb\xbf",
            ]),
        )
    found = costs(read(b"\n".join(lines), str(file)))
    without_place = [one for one in found if ":line:" not in one.key]
    assert without_place == [one for one in expected if ":line:" not in one.key] and len(found) == len(expected)
