"""What stands out in a window: when work happened, slow and failing tools, sessions with errors, files, guidance."""

from datetime import tzinfo
from math import ceil
from sqlite3 import Connection

import msgspec

from kaizen.model.times import Periods, Window
from kaizen.store import session_rows, used
from kaizen.store.filter import Filter
from kaizen.views.cost import cost
from kaizen.views.scope import Scope
from kaizen.views.sessions import SessionLine, lines, status_of

ROWS = 10
# Below this many values a 95th percentile is a single value's chance.
P95_ABOVE = 20


class Tool(msgspec.Struct):
    """`p50_ms`, `p95_ms` of the `timed` calls whose clocks are exact."""

    tool: str
    calls: int
    errors: int
    denied: int
    timed: int
    p50_ms: int | None
    p95_ms: int | None
    cost_usd_e6: int | None


class File(msgspec.Struct):
    workspace: str | None
    path: str
    sessions: int
    reads: int
    writes: int
    added_lines: int | None
    removed_lines: int | None


class Guidance(msgspec.Struct):
    kind: str
    name: str
    scope: str
    loaded_sessions: int
    mentioned_sessions: int


class Day(msgspec.Struct):
    day: str
    sessions: int


class Insights(msgspec.Struct, kw_only=True):
    session_count: int
    running: int
    days: list[Day]
    # Sessions started by hour of the local day.
    hours: list[int]
    tools: list[Tool]
    error_sessions: list[SessionLine]
    costliest: list[SessionLine]
    files: list[File]
    guidance: list[Guidance]


def insights(db: Connection, scope: Scope, window: Window, tz: tzinfo, now_ms: int) -> Insights:
    only, start, end = scope.filter, window.start_ms, window.end_ms
    days, hours, running, sessions = _activity(db, only, window, tz, now_ms)
    return Insights(
        session_count=sessions,
        running=running,
        days=days,
        hours=hours,
        tools=_tools(db, scope, window, tz),
        error_sessions=lines(db, session_rows.with_errors(db, only, start, end, ROWS), now_ms),
        costliest=_costliest(db, scope, window, tz, now_ms),
        files=[File(root or None, *row) for root, *row in used.top_files(db, only, start, end, ROWS)],
        guidance=[Guidance(*row) for row in used.top_guidance(db, only, start, ROWS)],
    )


def _activity(
    db: Connection, only: Filter, window: Window, tz: tzinfo, now_ms: int
) -> tuple[list[Day], list[int], int, int]:
    from datetime import datetime

    counts: dict[str, int] = {}
    hours, running, total = [0] * 24, 0, 0
    periods = Periods("day", tz)
    for started_ms, status, ended_ms, _ in session_rows.starts(db, only, window.start_ms, window.end_ms):
        total += 1
        running += status_of(status, ended_ms, now_ms) in ("running", "waiting")
        if started_ms is not None:
            day = periods.key(started_ms)
            counts[day] = counts.get(day, 0) + 1
            hours[datetime.fromtimestamp(started_ms / 1000, tz).hour] += 1
    return [Day(day, counts[day]) for day in sorted(counts)], hours, running, total


def _tools(db: Connection, scope: Scope, window: Window, tz: tzinfo) -> list[Tool]:
    times: dict[str, list[int]] = {}
    for tool, took_ms in used.lead_times(db, scope.filter, window.start_ms, window.end_ms):
        times.setdefault(tool, []).append(took_ms)
    spent = {row.key: row.cost_usd_e6 for row in cost(db, scope, window, "tool", tz).rows}
    return [
        Tool(
            tool,
            calls,
            errors,
            denied,
            len(took := times.get(tool, [])),
            percentile(took, 50),
            percentile(took, 95) if len(took) >= P95_ABOVE else None,
            spent.get(tool),
        )
        for tool, calls, errors, denied in used.span_tools(db, scope.filter, window.start_ms, window.end_ms)[:ROWS]
    ]


def percentile(ordered: list[int], percent: int) -> int | None:
    """Nearest rank of ascending values: always a value that occurred."""
    return ordered[ceil(percent / 100 * len(ordered)) - 1] if ordered else None


def _costliest(db: Connection, scope: Scope, window: Window, tz: tzinfo, now_ms: int) -> list[SessionLine]:
    top = [row.key for row in cost(db, scope, window, "session", tz).rows if row.cost_usd_e6][:5]
    known = {f"{agent}:{host_id}": one for one, agent, host_id in session_rows.ids(db, scope.filter)}
    known |= {key.partition(":")[2]: one for key, one in known.items()}
    return lines(db, [session_rows.get(db, known[key]) for key in top], now_ms)
