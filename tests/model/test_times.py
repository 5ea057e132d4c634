"""Time grammar, windows and local days."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen.errors import BadTime
from kaizen.model import times
from kaizen.model.times import (
    DAY_MS,
    QUARTER_MS,
    Periods,
    Window,
    day_start_ms,
    local_date,
    offset_runs,
    parse_time,
    parse_window,
    previous,
)
from zones import ZONES

BERLIN = ZoneInfo("Europe/Berlin")
# Monday noon after the night in which Berlin's clocks went forward.
NOW = int(datetime(2026, 3, 30, 12, 0, tzinfo=BERLIN).timestamp() * 1000)


def at(text: str, tz: object = BERLIN) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=tz).timestamp() * 1000)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("now", "2026-03-30T12:00"),
        ("30m", "2026-03-30T11:30"),
        ("30min", "2026-03-30T11:30"),
        ("12h", "2026-03-30T00:00"),
        ("36h", "2026-03-28T23:00"),  # the night had only 23 hours
        ("1d", "2026-03-29T12:00"),
        ("7d", "2026-03-23T12:00"),
        ("2w", "2026-03-16T12:00"),
        ("1mo", "2026-02-28T12:00"),
        ("13mo", "2025-02-28T12:00"),
        ("today", "2026-03-30T00:00"),
        ("Yesterday", "2026-03-29T00:00"),
        ("monday", "2026-03-30T00:00"),
        ("sunday", "2026-03-29T00:00"),
        ("tuesday", "2026-03-24T00:00"),
        ("2026-02", "2026-02-01T00:00"),
        ("2026-02-01", "2026-02-01T00:00"),
        (" 2026-02-01T10:00 ", "2026-02-01T10:00"),
        ("2026-02-01 10:00:30", "2026-02-01T10:00:30"),
        ("2026-02-01T09:00Z", "2026-02-01T10:00"),
        ("2026-02-01T04:00-05:00", "2026-02-01T10:00"),
    ],
)
def test_times_people_write(typed: str, expected: str) -> None:
    assert parse_time(typed, NOW, BERLIN) == at(expected)


@pytest.mark.parametrize(
    "typed", ["", "7", "7x", "-3d", "someday", "2026-13-01", "2026-02-30", "999999mo", "٣d", "2026"]
)
def test_what_is_no_time_says_so(typed: str) -> None:
    with pytest.raises(BadTime, match="is not a time") as caught:
        parse_time(typed, NOW, BERLIN)
    assert caught.value.exit_status == 2


def test_days_is_short_for_since() -> None:
    assert parse_window(None, None, NOW, BERLIN, days=7) == parse_window("7d", None, NOW, BERLIN)


def test_a_window_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(BadTime, match="is empty"):
        parse_window("today", "yesterday", NOW, BERLIN)


def test_windows_are_half_open() -> None:
    window = Window(10, 20)
    assert [10 in window, 19 in window, 20 in window, 9 in window] == [True, True, False, False]
    assert 0 in times.ALL_TIME


def test_days_around_a_clock_change_have_23_and_25_hours() -> None:
    def hours(day: date) -> float:
        return (day_start_ms(day + timedelta(days=1), BERLIN) - day_start_ms(day, BERLIN)) / 3_600_000

    assert [hours(date(2026, 3, 29)), hours(date(2026, 10, 25)), hours(date(2026, 3, 30))] == [23, 25, 24]


def test_a_day_without_midnight_begins_when_the_clock_jumps() -> None:
    cairo = ZoneInfo("Africa/Cairo")  # 2026-04-24 00:00 became 01:00
    start = day_start_ms(date(2026, 4, 24), cairo)
    assert datetime.fromtimestamp(start / 1000, cairo).hour == 1
    assert local_date(start, cairo) == date(2026, 4, 24)
    assert local_date(start - 1, cairo) == date(2026, 4, 23)


def test_weeks_use_the_iso_year() -> None:
    week = Periods("week", UTC)
    keys = [week.key(at(day, UTC)) for day in ("2024-12-29", "2024-12-30", "2027-01-03", "2027-01-04")]
    assert keys == ["2024-W52", "2025-W01", "2026-W53", "2027-W01"]


@pytest.mark.parametrize("name", ZONES)
def test_every_quarter_hour_falls_in_exactly_one_day_and_in_order(name: str) -> None:
    """Two years with every clock change in them, quarter hour by quarter hour around the changes."""
    tz = ZoneInfo(name)
    days = Periods("day", tz)
    start, end = at("2025-01-01", UTC), at("2027-01-01", UTC)
    changes = [begin for begin, _, _ in offset_runs(start, end, tz)]
    for change in changes:
        keys = [days.key(change + step * QUARTER_MS) for step in range(-200, 200)]
        assert keys == sorted(keys)
        fresh = [Periods("day", tz).key(change + step * QUARTER_MS) for step in range(-200, 200)]
        assert keys == fresh


def test_all_zones_are_whole_quarter_hours_from_utc_since_2020() -> None:
    """What the roll-up relies on, and that summing in the database by distance from UTC gives the same days."""
    start, end = at("2020-01-01", UTC), at("2030-01-01", UTC)
    for name in sorted(available_timezones()):
        tz = ZoneInfo(name)
        runs = offset_runs(start, end, tz)
        assert [run[0] for run in runs[1:]] == [run[1] for run in runs[:-1]], name
        for begin, stop, offset in runs:
            assert offset % QUARTER_MS == 0, name
            for ts_ms in (begin, stop - QUARTER_MS, (begin + stop) // 2 // QUARTER_MS * QUARTER_MS):
                by_offset = datetime.fromtimestamp((ts_ms + offset) / 1000, UTC).date()
                assert local_date(ts_ms, tz) == by_offset, (name, ts_ms)


@given(st.integers(1_577_836_800_000, 2_000_000_000_000), st.sampled_from(ZONES))
@settings(max_examples=300)
def test_a_day_contains_its_moments(ts_ms: int, name: str) -> None:
    tz = ZoneInfo(name)
    day = local_date(ts_ms, tz)
    assert day_start_ms(day, tz) <= ts_ms < day_start_ms(day + timedelta(days=1), tz)


@given(st.integers(0, 10**13), st.integers(0, 10**10))
def test_whole_quarters_and_edges_make_up_the_window(start: int, length: int) -> None:
    window = Window(start, start + length)
    first, last, edges = times.whole_quarters(window)
    assert first is not None
    assert last is not None
    covered = (last - first) * QUARTER_MS + sum((e.end_ms or 0) - (e.start_ms or 0) for e in edges)
    assert covered == length
    assert first <= last
    assert all((e.end_ms or 0) - (e.start_ms or 0) < 2 * QUARTER_MS for e in edges)


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        ("2026-02-01", "2026-03-01", "2026-01-01"),  # a month has a month before it
        ("2026-01-01", "2026-04-01", "2025-10-01"),
        ("2026-03-30", "2026-04-06", "2026-03-23"),  # 167 hours: the clock went forward in between
        ("2026-10-26", "2026-10-27", "2026-10-25"),  # the day of 25 hours
        ("2026-02-01T10:00", "2026-02-01T13:30", "2026-02-01T06:30"),
        ("2026-03-29T12:00", "2026-03-30T12:00", "2026-03-28T12:00"),  # 24 hours, before that 23
    ],
)
def test_the_window_before_is_as_long_by_the_calendar(since: str, until: str, expected: str) -> None:
    window = parse_window(since, until, 0, BERLIN)
    found = previous(window, 0, BERLIN)
    assert found == Window(parse_time(expected, 0, BERLIN), window.start_ms)


@given(st.integers(0, 4 * 10**12), st.integers(1, 10**11), st.sampled_from(ZONES))
def test_the_window_before_touches_this_one(start_ms: int, length: int, zone: str) -> None:
    """Never empty; as long to the millisecond but for calendar months and changes of the clock."""
    found = previous(Window(start_ms + 10**11, start_ms + 10**11 + length), 0, ZoneInfo(zone))
    assert found.end_ms == start_ms + 10**11
    assert found.start_ms is not None
    assert found.end_ms - found.start_ms > 0
    assert abs(found.end_ms - found.start_ms - length) <= 4 * DAY_MS


def test_a_window_up_to_now_is_compared_with_the_same_time_before() -> None:
    now = parse_time("2026-02-10T15:30", 0, UTC)
    assert previous(parse_window(None, None, now, UTC, days=7), now, UTC) == Window(now - 14 * DAY_MS, now - 7 * DAY_MS)


def test_an_hour_that_comes_twice_is_not_a_whole_day() -> None:
    first, second = (datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=fold) for fold in (0, 1))
    window = Window(int(first.timestamp() * 1000), int(second.timestamp() * 1000))
    assert previous(window, 0, BERLIN) == Window(int(first.timestamp() * 1000) - 3_600_000, window.start_ms)
