"""A window beside the one before it: both, and what changed, in total and row by row.

Both windows are the same view of the same scope, so each adds up by itself, and the changes of the rows add up to the
change of the total. A cost that is unknown in one window has no change; one that is partial has a change of what is
priced, and says so.
"""

from collections.abc import Callable, Mapping
from datetime import date, tzinfo
from sqlite3 import Connection

import msgspec

from kaizen.model.times import Window, period_of
from kaizen.model.times import local_date as day_of
from kaizen.model.times import previous as before
from kaizen.views.cost import PERIODS, By, Cost, CostRow, cost
from kaizen.views.scope import Scope
from kaizen.views.summary import Share, Summary, summary
from kaizen.views.usage import NOTHING, Usage, usage

# Where a row stands: the number of its period in the window, or its key.
Place = int | str
_COUNTS = tuple(name for name in Usage.__struct_fields__ if name not in ("cost_usd_e6", "unpriced_requests"))


class Span(msgspec.Struct, frozen=True):
    """`start_ms <= ts_ms < end_ms`."""

    start_ms: int | None
    end_ms: int | None


class Change(msgspec.Struct, kw_only=True):
    """Now less before. `cost_share` is relative to the cost before, None where that is 0 or unknown; `is_partial`: some
    of the requests of either window have no price and are in no cost."""

    requests: int
    input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    cost_usd_e6: int | None
    cost_share: float | None
    is_partial: bool


class Row(msgspec.Struct, kw_only=True):
    """What has one key in both windows. For days, weeks and months it is what stands at the same place of each, and
    `previous_key` says which one that is."""

    key: str | None
    previous_key: str | None
    label: str | None
    current: Usage
    previous: Usage
    change: Change


class Comparison(msgspec.Struct, kw_only=True):
    """`rows`: the largest change of cost first; periods in time."""

    current_window: Span
    previous_window: Span
    current: Usage
    previous: Usage
    change: Change
    rows: list[Row]


class ComparedCost(Cost, kw_only=True):
    compared: Comparison


class Counts(msgspec.Struct, kw_only=True):
    session_count: int
    root_sessions: int
    prompts: int
    tool_calls: int
    errors: int


class SummaryComparison(msgspec.Struct, kw_only=True):
    """`rows` of agents and of models, the largest change of cost first."""

    current_window: Span
    previous_window: Span
    current: Usage
    previous: Usage
    change: Change
    previous_counts: Counts
    count_changes: Counts
    by_agent: list[Row]
    by_model: list[Row]


class ComparedSummary(Summary, kw_only=True):
    compared: SummaryComparison


def compared_cost(db: Connection, scope: Scope, window: Window, by: By, tz: tzinfo, now_ms: int) -> ComparedCost:
    """The costs of `window`, and how they compare with the window before. Raises `BadTime` when there is none."""
    past = before(window, now_ms, tz)
    current, previous = cost(db, scope, window, by, tz), cost(db, scope, past, by, tz)
    here, there = (
        {_place(row.key, by, one, tz): row for row in found.rows}
        for found, one in ((current, window), (previous, past))
    )
    rows = _paired(here, there)
    return ComparedCost(
        **{name: getattr(current, name) for name in Cost.__struct_fields__},
        compared=Comparison(
            current_window=_span(window, now_ms),
            previous_window=_span(past, now_ms),
            current=current.total,
            previous=previous.total,
            change=change(current.total, previous.total),
            rows=rows if by in PERIODS else sorted(rows, key=_weight),
        ),
    )


def compared_summary(db: Connection, scope: Scope, window: Window, tz: tzinfo, now_ms: int) -> ComparedSummary:
    """The summary of `window`, and how it compares with the window before. Raises `BadTime` when there is none."""
    past = before(window, now_ms, tz)
    current, previous = summary(db, scope, window, tz, now_ms), summary(db, scope, past, tz, now_ms)
    counts = Counts.__struct_fields__
    return ComparedSummary(
        **{name: getattr(current, name) for name in Summary.__struct_fields__},
        compared=SummaryComparison(
            current_window=_span(window, now_ms),
            previous_window=_span(past, now_ms),
            current=current.usage,
            previous=previous.usage,
            change=change(current.usage, previous.usage),
            previous_counts=Counts(**{name: getattr(previous, name) for name in counts}),
            count_changes=Counts(**{name: getattr(current, name) - getattr(previous, name) for name in counts}),
            by_agent=_movers(current.by_agent, previous.by_agent),
            by_model=_movers(current.by_model, previous.by_model),
        ),
    )


def _span(window: Window, now_ms: int) -> Span:
    return Span(window.start_ms, window.end_ms if window.end_ms is not None else now_ms)


def change(now: Usage, past: Usage) -> Change:
    known = now.cost_usd_e6 is not None and past.cost_usd_e6 is not None
    delta = (now.cost_usd_e6 or 0) - (past.cost_usd_e6 or 0) if known else None
    return Change(
        **{name: getattr(now, name) - getattr(past, name) for name in _COUNTS},
        cost_usd_e6=delta,
        cost_share=delta / past.cost_usd_e6 if delta is not None and past.cost_usd_e6 else None,
        is_partial=now.is_partial or past.is_partial,
    )


def _movers(current: list[Share], previous: list[Share]) -> list[Row]:
    here, there = (_by_name(found) for found in (current, previous))
    return sorted(_paired(here, there), key=_weight)


def _by_name(found: list[Share]) -> dict[Place, CostRow]:
    return {one.name: CostRow(**msgspec.structs.asdict(_plain(one)), key=one.name) for one in found if one.requests}


def _paired(here: Mapping[Place, CostRow], there: Mapping[Place, CostRow]) -> list[Row]:
    """A row for every place of either window, in order of the places."""
    rows = []
    for place in sorted({*here, *there}, key=lambda place: (isinstance(place, str), place)):
        now, then = here.get(place), there.get(place)
        left, right = now or usage(NOTHING), then or usage(NOTHING)
        rows.append(
            Row(
                key=now.key if now else place if isinstance(place, str) else None,
                previous_key=then.key if then else None,
                label=(now and now.label) or (then and then.label) or None,
                current=_plain(left),
                previous=_plain(right),
                change=change(left, right),
            )
        )
    return rows


def _weight(row: Row) -> tuple[int, int, str]:
    delta = row.change.cost_usd_e6
    return -abs(delta or 0), -abs(row.change.requests), row.key or row.previous_key or ""


def _plain(row: Usage) -> Usage:
    return Usage(**{name: getattr(row, name) for name in Usage.__struct_fields__})


def _place(key: str, by: By, window: Window, tz: tzinfo) -> Place:
    """Which period of the window this is, from 0; for anything else its key."""
    if by not in PERIODS or window.start_ms is None:
        return key
    number = _NUMBERS[by]
    first = period_of(day_of(window.start_ms, tz), by)[0]  # type: ignore[arg-type]
    return number(key) - number(first)


def _week(key: str) -> int:
    year, _, week = key.partition("-W")
    return date.fromisocalendar(int(year), int(week), 1).toordinal() // 7


_NUMBERS: dict[str, Callable[[str], int]] = {
    "day": lambda key: date.fromisoformat(key).toordinal(),
    "week": _week,
    "month": lambda key: int(key[:4]) * 12 + int(key[5:]),
}
