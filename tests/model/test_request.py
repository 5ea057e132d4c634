"""Which record speaks for a request, and which requests are one: whatever the order."""

from itertools import permutations
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen.model.request import KNOWN, REPLAY, USAGE, Request, absorb, judge

COMPARED = (*USAGE, *KNOWN, "ts_ms", "ts_exact", "duplicate_of")


def request(key: str = "req:a", **values: Any) -> Request:
    nothing = dict.fromkeys(Request.__struct_fields__)
    return Request(**{
        **nothing,
        "id": 0,
        "session_id": 1,
        "key": key,
        "ts_ms": 0,
        "ts_exact": True,
        "request": "a",
        "is_sidechain": False,
        "is_copy": False,
        **values,
    })


def copy(row: Request) -> Request:
    return msgspec.structs.replace(row)


def said(row: Request) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in COMPARED if name != "file_id")


few = st.none() | st.integers(0, 2)
ROWS = st.builds(
    request,
    ts_ms=st.integers(0, 3),
    ts_exact=st.booleans(),
    output_tokens=few,
    input_tokens=few,
    reasoning_tokens=few,
    cache_write_1h_tokens=few,
    reported_cost_usd_e6=few,
    latency_ms=few,
    model=st.sampled_from([None, "m", "n"]),
    stop_reason=st.sampled_from([None, "end_turn", "tool_use"]),
    is_sidechain=st.booleans(),
    duplicate_of=st.sampled_from([None, REPLAY]),
    file_id=st.integers(1, 2),
    file_offset=st.integers(0, 3),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(ROWS, min_size=2, max_size=4))
def test_merging_does_not_depend_on_order_or_repetition(rows: list[Request]) -> None:
    outcomes = set()
    for order in permutations(rows):
        kept = copy(order[0])
        for other in (*order[1:], *order):
            absorb(kept, copy(other))
        outcomes.add(said(kept))
    assert len(outcomes) == 1


@settings(max_examples=50, deadline=None)
@given(ROWS, ROWS)
def test_merging_says_whether_it_changed_anything(one: Request, other: Request) -> None:
    kept = copy(one)
    assert absorb(kept, other) == (kept != one)
    assert not absorb(kept, other)


@pytest.mark.parametrize(
    ("one", "other", "spoken"),
    [
        (request(output_tokens=1), request(output_tokens=9), 9),
        (request(output_tokens=None), request(output_tokens=0), 0),
        (request(output_tokens=9, file_offset=0), request(output_tokens=1, file_offset=500), 9),
    ],
)
def test_the_heaviest_record_gives_the_tokens(one: Request, other: Request, spoken: int) -> None:
    absorb(one, other)
    assert one.output_tokens == spoken


def test_the_earliest_exact_time_stands() -> None:
    kept = request(ts_ms=5, ts_exact=True)
    assert not absorb(kept, request(ts_ms=1, ts_exact=False))
    assert absorb(kept, request(ts_ms=3, ts_exact=True))
    assert kept.ts_ms == 3


def test_a_replay_counts_as_soon_as_the_original_is_seen() -> None:
    kept = request(duplicate_of=REPLAY)
    absorb(kept, request())
    assert kept.duplicate_of is None


SIDE = {"is_sidechain": True}


@pytest.mark.parametrize(
    ("rows", "uncounted"),
    [
        pytest.param([request()], {}, id="alone"),
        pytest.param([request("req:a:x"), request("req:a:y")], {}, id="two request ids are two calls"),
        pytest.param(
            [request("req:a", output_tokens=1), request("req:a:x", output_tokens=5)],
            {"req:a": "req:a:x"},
            id="bare and lighter",
        ),
        pytest.param(
            [request("req:a", output_tokens=9), request("req:a:x", output_tokens=5)],
            {"req:a:x": "req:a"},
            id="bare and heavier",
        ),
        pytest.param([request("req:a:x", **SIDE), request("req:a:y")], {"req:a:x": "req:a:y"}, id="side chain repeats"),
        pytest.param([request("req:a:x", **SIDE), request("req:a:y", **SIDE)], {}, id="side chains only"),
        pytest.param([request("req:a:x", duplicate_of=REPLAY), request("req:a")], {"req:a:x": REPLAY}, id="replay"),
        pytest.param([request("req:a"), request("req:a:advisor0")], {}, id="an advisor is a call of its own"),
        pytest.param(
            [request("req:a:x", **SIDE), request("req:a:x:advisor0")], {}, id="an advisor is not the main line"
        ),
        pytest.param(
            [
                request("req:a:x"),
                request("req:a:x:advisor0"),
                request("req:a:y", **SIDE),
                request("req:a:y:advisor0", **SIDE),
            ],
            {"req:a:y": "req:a:x", "req:a:y:advisor0": "req:a:x:advisor0"},
            id="a repeated advisor",
        ),
        pytest.param([request("req:a:x", duplicate_of="req:a:gone")], {}, id="its winner is gone"),
    ],
)
def test_which_requests_count(rows: list[Request], uncounted: dict[str, str]) -> None:
    for order in permutations(rows):
        assert {key: why for key, why in judge(order).items() if why} == uncounted
