"""What a hit shows."""

from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen.query.snippet import CHARS, CLOSE, OPEN, WORDS, mark, snippet, unmarked


def test_the_match_is_shown_and_not_the_beginning() -> None:
    text, ranges = snippet("filler " * 500 + f"the {OPEN}needle{CLOSE} is\nhere" + " filler" * 500)
    assert [text[a:b] for a, b in ranges] == ["needle"]
    assert "the needle is here" in text
    assert len(text.split()) <= WORDS


def test_the_stretch_with_the_most_different_matches_wins() -> None:
    text, ranges = snippet(f"{OPEN}one{CLOSE} " + "x " * 300 + f"{OPEN}one{CLOSE} {OPEN}two{CLOSE}")
    assert [text[a:b] for a, b in ranges] == ["one", "two"]


def test_terminal_commands_are_taken_out() -> None:
    assert snippet(f"a\x1b[31m\u202e {OPEN}b{CLOSE}\x07\r\n\tc") == ("a[31m b c", [[6, 7]])


def test_a_word_of_60_kilobytes_is_cut() -> None:
    text, ranges = snippet(f"{OPEN}{'x' * 60_000}{CLOSE}")
    assert len(text) == CHARS
    assert ranges == [[0, CHARS]]


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=600), st.text(alphabet="abc ", min_size=1, max_size=4).filter(str.strip), st.text(max_size=600))
def test_ranges_lie_inside_and_are_in_order(before: str, match: str, after: str) -> None:
    text, ranges = snippet(f"{unmarked(before)}{OPEN}{match}{CLOSE}{unmarked(after)}")
    assert all(char.isprintable() or char == " " or ord(char) > 0x9F for char in text)
    assert [part for pair in ranges for part in pair] == sorted(part for pair in ranges for part in pair)
    assert all(0 <= a < b <= len(text) for a, b in ranges)
    assert " ".join(match.split()) in [text[a:b].strip() for a, b in ranges]


def test_signs_are_marked_too() -> None:
    assert snippet(mark("a -> b => c", ["->", "=>"])) == ("a -> b => c", [[2, 4], [7, 9]])
