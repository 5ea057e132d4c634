"""Times as people write them, windows, and the local days, weeks and months that numbers are grouped by.

Pure: the caller hands in `now_ms` and the time zone. Windows are half-open, so two that touch add up.

    30m 12h           that long ago, exactly
    7d 2w 3mo         so many local days, weeks, months ago, same time of day
    now today yesterday monday ... sunday     the last midnight that began such a day
    2026-02 2026-02-01 2026-02-01T10:00[:30][Z|+02:00]

A local day begins at the first instant that has its date, and ends where the next one begins: days of 23, 24 and 25
hours follow each other without gap or overlap, also where the clock jumps at midnight.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Literal

import msgspec

from kaizen.errors import BadTime

DAY_MS = 86_400_000
# The roll-up's resolution. Every zone in use is a whole number of these away from UTC.
QUARTER_MS = 900_000

Period = Literal["day", "week", "month"]

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_AGO = re.compile(r"(\d{1,6})\s*(m|min|h|d|w|mo)", re.ASCII)
_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)


class Window(msgspec.Struct, frozen=True):
    """`start_ms <= ts_ms < end_ms`; None is unbounded."""

    start_ms: int | None = None
    end_ms: int | None = None

    @property
    def is_all(self) -> bool:
        return self.start_ms is None and self.end_ms is None

    def __contains__(self, ts_ms: int) -> bool:
        return (self.start_ms is None or self.start_ms <= ts_ms) and (self.end_ms is None or ts_ms < self.end_ms)


ALL_TIME = Window()


def parse_time(typed: str, now_ms: int, tz: tzinfo) -> int:
    """Epoch milliseconds of what a person typed. Raises `BadTime`."""
    text = typed.strip().lower()
    try:
        found = _ago(text, now_ms, tz) or _named_day(text, now_ms, tz) or _written(text, tz)
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise BadTime(typed)
    return found


def parse_window(since: str | None, until: str | None, now_ms: int, tz: tzinfo, *, days: int | None = None) -> Window:
    """`days` is short for `since=<days>d`. Raises `BadTime` for a bound that is no time, or an empty window."""
    start = f"{days}d" if days is not None else since
    window = Window(
        parse_time(start, now_ms, tz) if start is not None else None,
        parse_time(until, now_ms, tz) if until is not None else None,
    )
    if window.start_ms is not None and window.end_ms is not None and window.start_ms >= window.end_ms:
        error = BadTime(f"{start} .. {until}")
        error.args = (f"The window from {start} until {until} is empty.",)
        error.hint = "--since must lie before --until; a date means the midnight that begins it."
        raise error
    return window


def previous(window: Window, now_ms: int, tz: tzinfo) -> Window:
    """The window just as long that ends where this one begins; one without an end goes up to now.

    Calendar months are preceded by as many calendar months, whole local days by as many local days (also where the
    clock changes in between), everything else by as many milliseconds. Raises `BadTime` for a window without a start.
    """
    start_ms, end_ms = window.start_ms, window.end_ms if window.end_ms is not None else now_ms
    if start_ms is None or start_ms >= end_ms:
        error = BadTime("previous")
        error.args = ("All time has nothing before it." if start_ms is None else "This period has not begun yet.",)
        error.hint = "Name a period, such as --days 7, or --since 2026-02-01 --until 2026-03-01."
        raise error
    first, last = (datetime.fromtimestamp(ts_ms / 1000, tz) for ts_ms in (start_ms, end_ms))
    before_ms = start_ms - (end_ms - start_ms)
    if (months := _months(start_ms, end_ms, tz)) is not None:
        number = first.year * 12 + first.month - 1 - months
        before_ms = day_start_ms(date(number // 12, number % 12 + 1, 1), tz)
    elif _is_midnight(start_ms, tz) and _is_midnight(end_ms, tz):
        days = local_date(end_ms, tz) - local_date(start_ms, tz)
        before_ms = day_start_ms(local_date(start_ms, tz) - days, tz)
    elif first.time() == last.time() and first.date() < last.date():
        then = datetime.combine(first.date() - (last.date() - first.date()), first.time().replace(fold=0), tz)
        before_ms = _ms(then)
    return Window(before_ms, start_ms)


def _is_midnight(ts_ms: int, tz: tzinfo) -> bool:
    return day_start_ms(local_date(ts_ms, tz), tz) == ts_ms


def _months(start_ms: int, end_ms: int, tz: tzinfo) -> int | None:
    """How many calendar months this is, when it is whole ones."""
    first, last = local_date(start_ms, tz), local_date(end_ms, tz)
    if not (first.day == last.day == 1 and _is_midnight(start_ms, tz) and _is_midnight(end_ms, tz)):
        return None
    return (last.year - first.year) * 12 + last.month - first.month


def _ago(text: str, now_ms: int, tz: tzinfo) -> int | None:
    if not (match := _AGO.fullmatch(text)):
        return now_ms if text == "now" else None
    count, unit = int(match[1]), match[2]
    if unit in ("m", "min", "h"):
        return now_ms - count * (3_600_000 if unit == "h" else 60_000)
    now = datetime.fromtimestamp(now_ms / 1000, tz)
    if unit == "mo":
        months = now.year * 12 + now.month - 1 - count
        first = now.date().replace(year=months // 12, month=months % 12 + 1, day=1)
        day = min(now.day, ((first + timedelta(days=31)).replace(day=1) - timedelta(days=1)).day)
        then = first.replace(day=day)
    else:
        then = now.date() - timedelta(days=count * (7 if unit == "w" else 1))
    return _ms(datetime.combine(then, now.time().replace(fold=0), tz))


def _named_day(text: str, now_ms: int, tz: tzinfo) -> int | None:
    today = local_date(now_ms, tz)
    if text == "today":
        return day_start_ms(today, tz)
    if text == "yesterday":
        return day_start_ms(today - timedelta(days=1), tz)
    if text in _WEEKDAYS:
        return day_start_ms(today - timedelta(days=(today.weekday() - _WEEKDAYS.index(text)) % 7), tz)
    return None


def _written(text: str, tz: tzinfo) -> int | None:
    if match := _MONTH.fullmatch(text):
        return day_start_ms(date(int(match[1]), int(match[2]), 1), tz)
    if len(text) < len("2026-02-01") or text[4:5] != "-":
        return None
    if len(text) == len("2026-02-01"):
        return day_start_ms(date.fromisoformat(text), tz)
    moment = datetime.fromisoformat(text.upper())
    return _ms(moment if moment.tzinfo else moment.replace(tzinfo=tz))


def _ms(moment: datetime) -> int:
    delta = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return delta // timedelta(milliseconds=1)


def local_date(ts_ms: int, tz: tzinfo) -> date:
    """The local day `ts_ms` falls in, by the rule of `day_start_ms`."""
    day = datetime.fromtimestamp(ts_ms // 1000, tz).date()
    # Where a clock was set back across midnight, the repeated minutes show yesterday's date but belong to today.
    return day + timedelta(days=1) if ts_ms >= day_start_ms(day + timedelta(days=1), tz) else day


def day_start_ms(day: date, tz: tzinfo) -> int:
    """The first instant of a local day. A midnight that the clock skips is the instant of the jump."""
    return _ms(datetime.combine(day, time(), tz))


def period_of(day: date, by: Period) -> tuple[str, date, date]:
    """Key, first day and the day after the last: `2026-02-01`, ISO week `2026-W05`, `2026-02`."""
    if by == "day":
        return day.isoformat(), day, day + timedelta(days=1)
    if by == "week":
        year, week, weekday = day.isocalendar()
        monday = day - timedelta(days=weekday - 1)
        return f"{year}-W{week:02}", monday, monday + timedelta(days=7)
    first = day.replace(day=1)
    return f"{day:%Y-%m}", first, (first + timedelta(days=32)).replace(day=1)


def offset_runs(start_ms: int, end_ms: int, tz: tzinfo) -> list[tuple[int, int, int]]:
    """Stretches of one distance from UTC: `(start_ms, end_ms, offset_ms)`, without gaps, in whole quarter hours.

    Looks once a week and closes in where it differs; no zone changes its clock twice within a week.
    """
    start, end = start_ms // QUARTER_MS, -(-end_ms // QUARTER_MS)
    runs: list[tuple[int, int, int]] = []
    at, begun = start, start
    while at < end:
        after = min(at + 7 * 96, end)
        if _offset_ms(after, tz) != _offset_ms(at, tz):
            low, high = at, after
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset_ms(middle, tz) == _offset_ms(at, tz) else (low, middle)
            runs.append((begun * QUARTER_MS, high * QUARTER_MS, _offset_ms(at, tz)))
            begun = after = high
        at = after
    return [*runs, (begun * QUARTER_MS, end * QUARTER_MS, _offset_ms(begun, tz))] if begun < end else runs


def _offset_ms(quarter: int, tz: tzinfo) -> int:
    offset = datetime.fromtimestamp(quarter * (QUARTER_MS // 1000), tz).utcoffset() or timedelta()
    return offset // timedelta(milliseconds=1)


class Periods:
    """Which local day, week or month an instant falls in. Remembers what it worked out: more of the same day is cheap.

    >>> Periods("day", UTC).key(0)
    '1970-01-01'
    """

    def __init__(self, by: Period, tz: tzinfo) -> None:
        self._by, self.tz = by, tz
        self._starts: list[int] = []
        self._found: list[tuple[int, str]] = []

    def key(self, ts_ms: int) -> str:
        at = bisect_right(self._starts, ts_ms) - 1
        if at >= 0 and ts_ms < self._found[at][0]:
            return self._found[at][1]
        key, first, after = period_of(local_date(ts_ms, self.tz), self._by)
        self._starts.insert(at + 1, day_start_ms(first, self.tz))
        self._found.insert(at + 1, (day_start_ms(after, self.tz), key))
        return key


def whole_quarters(window: Window) -> tuple[int | None, int | None, list[Window]]:
    """Splits a window for the roll-up: quarters `first <= q < last` lie wholly inside, the windows are what is left.

    None is unbounded. Without any whole quarter `first == last`.
    """
    start, end = window.start_ms, window.end_ms
    first = None if start is None else -(-start // QUARTER_MS)
    last = None if end is None else end // QUARTER_MS
    if first is not None and last is not None and first >= last:
        return first, first, [window]
    edges = []
    if first is not None and start is not None and start < first * QUARTER_MS:
        edges.append(Window(start, first * QUARTER_MS))
    if last is not None and end is not None and last * QUARTER_MS < end:
        edges.append(Window(last * QUARTER_MS, end))
    return first, last, edges


def days_of(window: Window, tz: tzinfo, *, limit: int = 400) -> Iterable[str]:
    """The keys of every local day a bounded window touches, oldest first."""
    if window.start_ms is None or window.end_ms is None:
        return []
    day, last = local_date(window.start_ms, tz), local_date(window.end_ms - 1, tz)
    return [(day + timedelta(days=i)).isoformat() for i in range(min((last - day).days + 1, limit))]
