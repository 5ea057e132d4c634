"""The queries behind warm reads use their indices, whatever the filter."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from kaizen.store import costs, rollups, session_rows
from kaizen.store.filter import Filter
from seeded import T0, small_world

FILTERS = [Filter(), Filter((1, 2)), Filter(agent="claude"), Filter((1,), "claude", "m*")]


def plan_of(db: sqlite3.Connection, call: Callable[[sqlite3.Connection], object]) -> str:
    """The plans of every statement a call runs."""
    seen: list[str] = []
    db.set_trace_callback(seen.append)
    call(db)
    db.set_trace_callback(None)
    plans = [
        row[3]
        for sql in seen
        if sql.lstrip().startswith(("SELECT", "WITH"))
        for row in db.execute(f"EXPLAIN QUERY PLAN {sql}")
    ]
    return "\n".join(plans)


@pytest.mark.parametrize("only", FILTERS)
def test_a_window_of_requests_is_a_look_up_per_session(only: Filter, tmp_path: Path) -> None:
    db = small_world(tmp_path)
    plan = plan_of(db, lambda db: list(costs.usage_of_events(db, "model", only, T0, T0 + 1000)))
    assert "SEARCH e USING INDEX costs (session_id=? AND ts_ms>? AND ts_ms<?)" in plan
    assert "SCAN e" not in plan


@pytest.mark.parametrize("only", FILTERS)
def test_quarters_and_hours_of_a_window_are_a_range(only: Filter, tmp_path: Path) -> None:
    db = small_world(tmp_path)
    quarters = "SEARCH usage_by_quarter USING PRIMARY KEY (quarter>? AND quarter<?)"
    hours = "SEARCH usage_by_hour USING PRIMARY KEY (hour>? AND hour<?)"
    for call, range_ in (
        (lambda db: list(rollups.usage_by_day(db, only, 1_966_667, None, 4)), quarters),
        (lambda db: list(rollups.usage_by_day(db, only, None, None, 22)), quarters),
        (lambda db: list(rollups.usage_by_day(db, only, None, None, 4)), quarters if only.workspace_ids else hours),
        (lambda db: list(rollups.usage_by(db, "model", only, 1_966_000, 1_967_000)), quarters),
    ):
        assert range_ in plan_of(db, call)


def test_a_page_of_sessions_reads_no_more_than_it_shows(tmp_path: Path) -> None:
    db = small_world(tmp_path)
    whole = plan_of(db, lambda db: session_rows.page(db, Filter(), limit=3))
    assert "USING INDEX sessions_by_time" in whole
    assert "TEMP B-TREE" not in whole
    mine = plan_of(db, lambda db: session_rows.page(db, Filter((1,)), limit=3))
    assert "SCAN s\n" not in mine + "\n"


def test_pages_of_sessions_join_up(tmp_path: Path) -> None:
    db = small_world(tmp_path)
    whole = session_rows.page(db, Filter(), limit=0)
    pages, after = [], None
    while page := session_rows.page(db, Filter(), limit=1, after=after):
        pages += page
        after = (page[-1].started_at_ms or 0, page[-1].id)
    assert pages == whole


@pytest.mark.parametrize("only", [Filter(), Filter(agent="claude")])
def test_sessions_of_a_window_are_counted_without_their_table(only: Filter, tmp_path: Path) -> None:
    db = small_world(tmp_path)
    plan = plan_of(db, lambda db: session_rows.counts(db, only, T0, None))
    assert "USING COVERING INDEX sessions_counted" in plan


@pytest.mark.parametrize("only", [Filter(), Filter(agent="claude")])
def test_all_time_of_all_workspaces_takes_as_long_as_there_are_agents_and_models(only: Filter, tmp_path: Path) -> None:
    db = small_world(tmp_path)
    assert "sessions_total" in plan_of(db, lambda db: session_rows.counts(db, only, None, None))
    for key in ("agent", "model", "agent_model"):
        plan = plan_of(db, lambda db, key=key: list(rollups.usage_of_all_time(db, key, only)))  # type: ignore[misc]
        assert "usage_total" in plan
        assert "usage_by" not in plan
