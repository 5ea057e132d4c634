"""Numbers and tables as people read them."""

import pytest

from kaizen.cli import ink
from kaizen.cli.ink import Column, Ink, bar, cells, fit, table


@pytest.mark.parametrize(
    ("usd_e6", "shown"),
    [
        (None, "-"),
        (0, "$0.00"),
        (50, "$0.000050"),
        (17_204, "$0.0172"),
        (999_999, "$1.0000"),
        (12_400_000, "$12.40"),
        (1_234_567_890_000, "$1,234,567.89"),
        (-5_000_000, "-$5.00"),
    ],
)
def test_money(usd_e6: int | None, shown: str) -> None:
    assert ink.usd(usd_e6) == shown


def test_partial_money_says_so() -> None:
    assert ink.usd(12_400_000, is_partial=True) == "$12.40+"


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (None, "-"),
        (0, "0"),
        (999, "999"),
        (1000, "1.00k"),
        (12_345, "12.3k"),
        (4_560_000, "4.56M"),
        (1_200_000_000, "1.20B"),
        (123_456, "123k"),
    ],
)
def test_short_counts(number: int | None, shown: str) -> None:
    assert ink.short_count(number) == shown


@pytest.mark.parametrize(
    ("ms", "shown"),
    [
        (None, "-"),
        (0, "0ms"),
        (999, "999ms"),
        (4_200, "4.2s"),
        (59_960, "1m 00s"),
        (185_000, "3m 05s"),
        (7_800_000, "2h 10m"),
        (273_600_000, "3d 4h"),
    ],
)
def test_durations(ms: int | None, shown: str) -> None:
    assert ink.duration(ms) == shown


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [(1, 1, "100 %"), (999_999, 1_000_000, "99.9 %"), (0, 5, "0.0 %"), (1, 3, "33 %"), (1, 0, "-")],
)
def test_percent_is_whole_only_when_it_is(part: int, whole: int, shown: str) -> None:
    assert ink.percent(part, whole) == shown


def test_wide_characters_take_two_columns() -> None:
    assert cells("日本語") == 6
    assert fit("日本語のテスト", 7) == "日本語…"
    assert fit("short", 7) == "short"


def test_a_transcript_s_control_characters_are_gone() -> None:
    assert ink.one_line("a\x1b[31mb\n\tc\x07") == "a [31mb c"
    assert ink.printable("a\x1b[2Jb\n\tc") == "a\ufffd[2Jb\n\tc"


def test_bars_show_anything_above_nothing() -> None:
    assert (bar(0), bar(0.0001), bar(0.5, 4), bar(1, 4), bar(2, 4)) == ("", "▏", "██", "████", "████")


def test_tables_fit_the_terminal_by_shortening_what_may_be() -> None:
    columns = [Column("Id"), Column("Title", flexible=True, least=6), Column("N", right=True)]
    rows = [["abcdefgh", "a very long title indeed", "7"], ["x", "short", "1,000"]]
    for width in (80, 40, 30, 25):
        lines = list(table(columns, rows, Ink(width=width)))
        assert max(map(cells, lines)) <= width
        assert "abcdefgh" in lines[1]
        assert lines[2].endswith("1,000")
    assert "a very long title indeed" in "\n".join(table(columns, rows, Ink()))


def test_colors_change_no_width() -> None:
    columns = [Column("A", style="red"), Column("B", right=True, style="bold")]
    plain = list(table(columns, [["x", "1"]], Ink(), total=["y", "22"]))
    painted = list(table(columns, [["x", "1"]], Ink(color=True), total=["y", "22"]))
    import re

    assert [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in painted] == plain
