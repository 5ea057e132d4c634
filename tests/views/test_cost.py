"""Rows add up to the total: in every grouping, zone and window, to the token and the micro-dollar."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen.model.times import ALL_TIME, Window, local_date
from kaizen.model.usage import round_half_even
from kaizen.views import cost as views
from kaizen.views.cost import GROUPINGS, cost
from kaizen.views.scope import EVERYTHING, Scope
from kaizen.views.usage import Usage, add_up
from seeded import T0, Seed, small_world
from zones import ZONES

SUMS = tuple(name for name in Usage.__struct_fields__ if name != "cost_usd_e6")
# The weeks around clock changes of both hemispheres, and the turn of an ISO year.
MOMENTS = [
    int(datetime(*day, tzinfo=UTC).timestamp() * 1000)
    for day in [
        (2026, 3, 7),
        (2026, 3, 28),
        (2026, 4, 4),
        (2026, 9, 26),
        (2026, 10, 24),
        (2026, 10, 31),
        (2025, 12, 28),
    ]
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """Requests at odd moments around every clock change, with costs that do not round evenly."""
    draw = random.Random(7)
    seed = Seed(tmp_path_factory.mktemp("home"))
    spaces = [seed.workspace("/a/one"), seed.workspace("/a/two"), None]
    for number in range(24):
        agent = draw.choice(["claude", "codex", "cursor"])
        session = seed.session(f"session-{number:04}", agent, draw.choice(spaces), branch=draw.choice(["main", None]))
        for _ in range(30):
            ts_ms = draw.choice(MOMENTS) + draw.randrange(4 * 86_400_000)
            tokens = tuple(draw.randrange(10_000) for _ in range(6))
            pusd = draw.choice([None, draw.randrange(10**7), draw.randrange(10**12), 500_000])
            request = f"r{draw.getrandbits(60)}"
            seed.cost(session, ts_ms, pusd, tokens=tokens, model=draw.choice(["m1", "m2", None]), request=request)
            for _ in range(draw.randrange(4)):
                seed.call(session, draw.choice(["Read", "Bash", "Edit"]), ts_ms, request=request)
    yield seed.done()
    seed.db.close()


def check(found: views.Cost) -> None:
    for name in SUMS:
        assert sum(getattr(row, name) for row in found.rows) == getattr(found.total, name), name
    known = [row.cost_usd_e6 for row in found.rows if row.cost_usd_e6 is not None]
    assert (sum(known) if known or not found.rows else None) == found.total.cost_usd_e6


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("by", ["day", "week", "month"])
def test_days_add_up_in_every_zone(world: Connection, zone: str, by: views.By) -> None:
    tz = ZoneInfo(zone)
    found = cost(world, EVERYTHING, ALL_TIME, by, tz)
    check(found)
    assert found.total == cost(world, EVERYTHING, ALL_TIME, "agent", UTC).total
    if by == "day":
        expected: dict[str, int] = {}
        for (ts_ms,) in world.execute("SELECT ts_ms FROM events WHERE kind = 'cost'"):
            day = local_date(ts_ms, tz).isoformat()
            expected[day] = expected.get(day, 0) + 1
        assert {row.key: row.requests for row in found.rows} == expected


@pytest.mark.parametrize("by", GROUPINGS)
def test_every_grouping_adds_up_to_the_same_total(world: Connection, by: views.By) -> None:
    found = cost(world, EVERYTHING, ALL_TIME, by, UTC)
    check(found)
    assert found.total == cost(world, EVERYTHING, ALL_TIME, "model", UTC).total


@pytest.mark.parametrize("by", GROUPINGS)
def test_windows_that_touch_add_up(world: Connection, by: views.By) -> None:
    """Also when they begin and end within a quarter hour."""
    first, last = MOMENTS[-1], MOMENTS[-2] + 4 * 86_400_000
    whole = cost(world, EVERYTHING, Window(first, last), by, UTC)
    check(whole)
    draw = random.Random(by)
    for cut in (MOMENTS[1] + 86_400_000, *[draw.randrange(first, last) for _ in range(3)]):
        parts = [cost(world, EVERYTHING, window, by, UTC) for window in (Window(first, cut), Window(cut, last))]
        for part in parts:
            check(part)
        for name in SUMS:
            assert sum(getattr(part.total, name) for part in parts) == getattr(whole.total, name)


@pytest.mark.parametrize("by", GROUPINGS)
@pytest.mark.parametrize("scope", [Scope((1,)), Scope(agent="codex"), Scope((1, 2), model="m1"), Scope(model="m*")])
def test_filters_agree_between_groupings(world: Connection, by: views.By, scope: Scope) -> None:
    for window in (ALL_TIME, Window(MOMENTS[0] + 12_345, MOMENTS[4])):
        found = cost(world, scope, window, by, UTC)
        check(found)
        assert found.total == cost(world, scope, window, "day", UTC).total


def test_a_tool_gets_its_even_share(tmp_path: Path) -> None:
    seed = Seed(tmp_path)
    session = seed.session("one-session")
    seed.cost(session, pusd=10_000_000, request="r", tokens=(10, 5, 0, 0, 0, 0))
    for tool in ("Read", "Read", "Bash"):
        seed.call(session, tool, request="r")
    found = cost(seed.done(), EVERYTHING, ALL_TIME, "tool", UTC)
    assert found.is_estimate
    rows = {row.key: (row.requests, row.input_tokens, row.output_tokens, row.cost_usd_e6) for row in found.rows}
    assert rows == {"Read": (1, 7, 4, 7), "Bash": (0, 3, 1, 3)}


def test_what_has_no_price_is_unknown_and_named(tmp_path: Path) -> None:
    found = cost(small_world(tmp_path), EVERYTHING, ALL_TIME, "model", UTC)
    assert {row.key: row.cost_usd_e6 for row in found.rows}["house-model"] is None
    assert [(one.model, one.requests) for one in found.unpriced_models] == [("house-model", 1)]
    assert found.total.unpriced_requests == 1


def test_nothing_at_all_costs_nothing(tmp_path: Path) -> None:
    found = cost(Seed(tmp_path).done(), EVERYTHING, ALL_TIME, "day", UTC)
    assert (found.rows, found.total.cost_usd_e6, found.total.requests) == ([], 0, 0)


def test_duplicates_are_not_counted(tmp_path: Path) -> None:
    seed = Seed(tmp_path)
    session = seed.session("one-session")
    seed.cost(session, pusd=1_000_000)
    seed.cost(session, pusd=1_000_000, duplicate_of="req:other")
    for window in (ALL_TIME, Window(T0, T0 + 1)):
        assert cost(seed.done(), EVERYTHING, window, "session", UTC).total.requests == 1


def test_projects_with_one_name_are_told_apart_by_path(tmp_path: Path) -> None:
    seed = Seed(tmp_path)
    for path in ("/a/api", "/b/api", "/b/web"):
        seed.cost(seed.session(path.strip("/"), workspace=seed.workspace(path)))
    keys = [row.key for row in cost(seed.done(), EVERYTHING, ALL_TIME, "project", UTC).rows]
    assert sorted(keys) == ["/a/api", "/b/api", "web"]


@given(st.lists(st.integers(0, 3 * 10**6) | st.integers(0, 10**13), min_size=1, max_size=40))
def test_rounded_rows_add_up_and_none_is_off_by_a_micro_dollar(picos: list[int]) -> None:
    parts = [(1, 0, 0, 0, 0, 0, 0, pico, 0) for pico in picos]
    rounded, total = add_up(parts)
    assert total == round_half_even(sum(picos)) == sum(value or 0 for value in rounded)
    for value, pico in zip(rounded, picos, strict=True):
        assert value is not None
        assert abs(value * 1_000_000 - pico) < 1_000_000
    assert add_up(parts) == (rounded, total)


def test_rows_that_round_well_alone_are_left_alone() -> None:
    assert add_up([(1, 0, 0, 0, 0, 0, 0, 2_500_000, 0)]) == ([2], 2)
    assert add_up([(1, 0, 0, 0, 0, 0, 0, 400_000, 0)] * 3) == ([1, 0, 0], 1)
    assert add_up([(1, 0, 0, 0, 0, 0, 0, 0, 1), (1, 0, 0, 0, 0, 0, 0, 7_000_000, 0)]) == ([None, 7], 7)
