"""A window beside the one before it: both add up, and so do the differences."""

from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from sqlite3 import Connection
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen.errors import BadTime
from kaizen.model.times import ALL_TIME, DAY_MS, Window, previous
from kaizen.views.compare import ComparedCost, change, compared_cost, compared_summary
from kaizen.views.cost import GROUPINGS, PERIODS, By, cost
from kaizen.views.scope import EVERYTHING, Scope
from kaizen.views.summary import summary
from kaizen.views.usage import Usage
from seeded import T0, Seed

NOW = T0 + 30 * DAY_MS
BERLIN = ZoneInfo("Europe/Berlin")
COUNTS = [name for name in Usage.__struct_fields__ if name not in ("cost_usd_e6", "unpriced_requests")]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """A month of requests; every price is known, and does not round evenly."""
    seed = Seed(tmp_path_factory.mktemp("home"))
    spaces = [seed.workspace("/a/one"), seed.workspace("/a/two")]
    for number in range(12):
        session = seed.session(
            f"session-{number:04}",
            ("claude", "codex")[number % 2],
            spaces[number % 2],
            branch=("main", None)[number % 2],
        )
        for day in range(number, 30, 3):
            seed.cost(
                session,
                T0 + day * DAY_MS + number * 3_700_000,
                1_234_567 * (number + 1) * (day + 1),
                model=f"m{(number + day) % 3}",
                tokens=(number, day, 1, 2, 3, 1),
            )
            seed.call(session, ("Read", "Bash")[day % 2], T0 + day * DAY_MS)
    yield seed.done()
    seed.db.close()


def added_up(found: ComparedCost) -> None:
    both = found.compared
    for name in COUNTS:
        assert sum(getattr(row.change, name) for row in both.rows) == getattr(both.change, name)
        assert getattr(both.current, name) - getattr(both.previous, name) == getattr(both.change, name)
    for part in ("current", "previous", "change"):
        rows = sum(getattr(row, part).cost_usd_e6 for row in both.rows)
        assert rows == getattr(both, part).cost_usd_e6
    assert (both.change.cost_usd_e6 or 0) == (both.current.cost_usd_e6 or 0) - (both.previous.cost_usd_e6 or 0)


@given(
    start=st.integers(0, 29 * 96).map(lambda quarter: T0 + quarter * 900_000 + 17),
    length=st.integers(1, 20 * DAY_MS),
    by=st.sampled_from(GROUPINGS),
    zone=st.sampled_from([UTC, BERLIN, ZoneInfo("Asia/Kathmandu")]),
)
def test_rows_and_their_changes_add_up(world: Connection, start: int, length: int, by: By, zone: ZoneInfo) -> None:
    window = Window(start, start + length)
    found = compared_cost(world, EVERYTHING, window, by, zone, NOW)
    added_up(found)
    alone, before = cost(world, EVERYTHING, window, by, zone), previous(window, NOW, zone)
    assert (found.rows, found.total) == (alone.rows, alone.total)
    assert found.compared.previous == cost(world, EVERYTHING, before, by, zone).total
    assert (found.compared.previous_window.start_ms, found.compared.previous_window.end_ms) == (before.start_ms, start)


def test_what_only_one_window_has_stands_beside_nothing(tmp_path: Path) -> None:
    seed = Seed(tmp_path)
    session = seed.session("one")
    seed.cost(session, T0 - DAY_MS, 5_000_000, model="old")
    seed.cost(session, T0 + DAY_MS, 9_000_000, model="new")
    found = compared_cost(seed.done(), EVERYTHING, Window(T0, T0 + 2 * DAY_MS), "model", UTC, NOW)
    seed.db.close()
    shown = [
        (row.key, row.previous_key, row.previous.cost_usd_e6, row.current.cost_usd_e6, row.change.cost_usd_e6)
        for row in found.compared.rows
    ]
    assert shown == [("new", None, 0, 9, 9), ("old", "old", 5, 0, -5)]
    assert found.compared.change.cost_share == pytest.approx(0.8)
    assert [row.change.cost_share for row in found.compared.rows] == [None, -1.0]


def test_the_largest_change_comes_first(world: Connection) -> None:
    rows = compared_cost(world, EVERYTHING, Window(T0 + 15 * DAY_MS, None), "session", UTC, NOW).compared.rows
    sizes = [abs(row.change.cost_usd_e6 or 0) for row in rows]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) > 5


def test_days_stand_beside_the_days_of_the_week_before(world: Connection) -> None:
    window = Window(T0 + 7 * DAY_MS, T0 + 14 * DAY_MS)
    for row in compared_cost(world, EVERYTHING, window, "day", UTC, NOW).compared.rows:
        if row.key and row.previous_key:
            assert int(row.key[-2:]) - int(row.previous_key[-2:]) in (7, 7 - 28)


def test_months_of_different_length_keep_their_days_apart(tmp_path: Path) -> None:
    """2026-01-31 has no day beside it in February, and is not lost."""
    seed = Seed(tmp_path)
    session = seed.session("one")
    for day in ("2026-01-01", "2026-01-31", "2026-02-01"):
        seed.cost(session, _ms(day) + 3_600_000, 1_000_000)
    window = Window(_ms("2026-02-01"), _ms("2026-03-01"))
    found = compared_cost(seed.done(), EVERYTHING, window, "day", UTC, NOW).compared.rows
    seed.db.close()
    assert [(row.key, row.previous_key) for row in found] == [("2026-02-01", "2026-01-01"), (None, "2026-01-31")]


def test_a_cost_without_price_has_no_change_and_a_partial_one_says_so() -> None:
    known, unknown = Usage(requests=1, cost_usd_e6=5), Usage(requests=1, cost_usd_e6=None, unpriced_requests=1)
    partial = Usage(requests=2, cost_usd_e6=7, unpriced_requests=1)
    assert (change(known, unknown).cost_usd_e6, change(known, unknown).is_partial) == (None, True)
    assert (change(partial, known).cost_usd_e6, change(partial, known).is_partial) == (2, True)
    assert (change(known, known).cost_usd_e6, change(known, known).is_partial) == (0, False)


def test_a_summary_keeps_all_it_says_and_adds_what_was_before(world: Connection) -> None:
    window = Window(T0 + 15 * DAY_MS, T0 + 30 * DAY_MS)
    found = compared_summary(world, EVERYTHING, window, UTC, NOW)
    now, past = (summary(world, EVERYTHING, one, UTC, NOW) for one in (window, previous(window, NOW, UTC)))
    assert {name: getattr(found, name) for name in now.__struct_fields__} == {
        name: getattr(now, name) for name in now.__struct_fields__
    }
    both = found.compared
    assert both.previous_counts.session_count == past.session_count
    assert both.count_changes.tool_calls == now.tool_calls - past.tool_calls
    assert sum(row.change.cost_usd_e6 or 0 for row in both.by_model) == both.change.cost_usd_e6
    assert sum(row.change.requests for row in both.by_agent) == both.change.requests


@pytest.mark.parametrize("window", [ALL_TIME, Window(None, T0), Window(NOW + 5, None)])
def test_a_window_without_a_beginning_has_nothing_before_it(world: Connection, window: Window) -> None:
    with pytest.raises(BadTime, match=r"before|begun"):
        compared_cost(world, EVERYTHING, window, PERIODS[0], UTC, NOW)


def test_the_scope_holds_for_both_windows(world: Connection) -> None:
    found = compared_cost(world, Scope(agent="codex"), Window(T0 + 15 * DAY_MS, None), "agent", UTC, NOW).compared
    assert [row.key for row in found.rows] == ["codex"]
    assert found.previous.requests > 0


def _ms(day: str) -> int:
    from datetime import datetime

    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)
