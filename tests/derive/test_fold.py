"""spans.md section 10 (1-5, 7, 10, 12), store.md section 15 (3, 10)."""

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from derive.worlds import T0, Tables, folded, sessions
from kaizen.derive.fold import State, fold, pack
from kaizen.derive.seen import Seen
from kaizen.derive.spans import shown_status
from kaizen.model.event import Facts


def call(seq: int, at_ms: int, call_id: str | None = None, tool: str = "Bash", request: str | None = None) -> Seen:
    return Seen(seq, T0 + at_ms, "tool_call", tool=tool, call_id=call_id, request=request)


def result(seq: int, at_ms: int, call_id: str | None = None, tool: str | None = "Bash", **more: Any) -> Seen:
    return Seen(seq, T0 + at_ms, "tool_result", tool=tool, call_id=call_id, **more)


def prompt(seq: int, at_ms: int, title: str | None = None) -> Seen:
    return Seen(seq, T0 + at_ms, "message", role="prompt", facts=Facts(title=title) if title else None)


def mark(seq: int, at_ms: int, event: str) -> Seen:
    return Seen(seq, T0 + at_ms, "lifecycle", event=event)


def ends(events: list[Seen]) -> dict[int, tuple[str, str | None]]:
    return {span.seq: (span.status, span.status_reason) for span in fold(State(), events, "/w").spans}


@given(sessions(), st.data())
def test_fold_in_pieces_is_fold_at_once(events: list[Seen], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(events)))))
    pieces = [events[a:b] for a, b in zip([0, *cuts], [*cuts, len(events)], strict=True)]
    assert folded(pieces) == folded([events])


@given(sessions(max_size=15))
def test_one_event_at_a_time_is_fold_at_once(events: list[Seen]) -> None:
    assert folded([[event] for event in events] or [[]]) == folded([events])


@given(sessions(), st.randoms(use_true_random=False))
def test_arrival_order_does_not_matter_when_the_store_folds_again(events: list[Seen], rng: random.Random) -> None:
    shuffled = list(events)
    rng.shuffle(shuffled)
    assert folded([sorted(shuffled, key=lambda event: event.seq)]) == folded([events])


@given(sessions())
def test_tools_count_the_spans(events: list[Seen]) -> None:
    tables, _ = folded([[event] for event in events] or [[]])
    counts: dict[str, tuple[int, int, int]] = {}
    for span in tables.spans.values():
        if span.tool:
            calls, errors, denied = counts.get(span.tool, (0, 0, 0))
            status = span.status
            counts[span.tool] = (calls + 1, errors + (status == "error"), denied + (status == "denied"))
    assert {tool: row for tool, row in tables.tools.items() if row[0]} == counts


@given(sessions())
def test_each_call_has_one_span_and_each_result_at_most_one(events: list[Seen]) -> None:
    tables, _ = folded([events])
    calls = {event.seq for event in events if event.kind == "tool_call"}
    others = {event.seq for event in events if event.kind in ("tool_result", "error")}
    assert calls <= set(tables.spans)
    assert set(tables.spans) - calls <= others
    closed_calls = sum(tables.spans[seq].ended_at_ms is not None for seq in calls)
    results = sum(e.kind == "tool_result" or (e.kind == "error" and e.call_id is not None) for e in events)
    assert closed_calls + len(tables.spans) - len(calls) == results


@given(sessions(ids=("c1", "c2", "c3")))
def test_a_result_never_touches_a_call_of_another_id(events: list[Seen]) -> None:
    """Results of one id, sent to an id nobody called, leave the spans of all others as they were."""
    is_result = {"tool_result", "error"}
    stray = [replace(e, call_id="z") if e.kind in is_result and e.call_id == "c1" else e for e in events]
    left, right = folded([events])[0].spans, folded([stray])[0].spans
    for seq, span in left.items():
        if span.call_id != "c1":
            assert right[seq] == span


@given(sessions(), sessions())
def test_interleaved_sessions_do_not_meet(one: list[Seen], two: list[Seen]) -> None:
    alone = folded([one])
    states = {0: State(), 1: State()}
    mixed = [(0, event) for event in one] + [(1, event) for event in two]
    mixed.sort(key=lambda pair: (pair[1].seq, pair[0]))
    tables = {0: Tables(), 1: Tables()}
    tables[0].apply(fold(states[0], [], "/w"))
    for which, event in mixed:
        tables[which].apply(fold(states[which], [event], "/w"))
    assert tables[0] == alone[0]


@given(sessions())
def test_lead_time_is_never_negative_and_never_from_an_inexact_clock(events: list[Seen]) -> None:
    by_seq = {event.seq: event for event in events}
    for span in folded([events])[0].spans.values():
        if span.lead_time_ms is None:
            continue
        assert span.lead_time_ms >= 0
        if by_seq[span.seq].ts_exact and span.started_at_ms is not None and span.ended_at_ms is not None:
            passed = span.ended_at_ms - span.started_at_ms
            latencies = {e.latency_ms for e in events if e.ts_ms == span.ended_at_ms and not e.ts_exact}
            assert span.lead_time_ms == passed or span.lead_time_ms in latencies


@given(sessions())
def test_an_ended_session_has_no_open_span(events: list[Seen]) -> None:
    end = Seen(len(events) * 2, max([e.ts_ms for e in events], default=T0) + 1, "lifecycle", event="SessionEnd")
    tables, state = folded([[*events, end]])
    assert all(span.status != "open" for span in tables.spans.values())
    assert state.calls.open == []
    assert tables.status == ("done", "ended")


@given(st.integers(0, 300), st.integers(0, 400))
def test_state_is_bounded_by_open_calls_plus_a_constant(open_calls: int, turns: int) -> None:
    events = [prompt(0, 0)]
    for at in range(turns):
        events += [call(len(events), at, f"lost{at}"), prompt(len(events) + 1, at)]
    events += [call(len(events) + at, turns, f"c{at}") for at in range(open_calls)]
    state = State()
    fold(state, events, "/w")
    assert len(state.calls.open) == open_calls
    assert len(pack(state)) < 60 * open_calls + 6_000


@given(sessions(), st.integers(-(10**9), -1))
def test_an_older_event_changes_no_status(events: list[Seen], earlier: int) -> None:
    tables, state = folded([events])
    old = Seen(10_000, (tables.ended_at_ms or T0) + earlier, "tool_call", tool="Read", call_id="late")
    if tables.ended_at_ms is not None:
        changes = fold(state, [old], "/w")
        assert (changes.status, changes.status_reason) == tables.status


@given(sessions())
def test_done_is_left_only_through_a_newer_event(events: list[Seen]) -> None:
    state, before, newest = State(), "running", 0
    for event in events:
        after = fold(state, [event], "/w").status
        if before == "done" and after != "done":
            assert event.ts_ms > newest
        before, newest = after, max(newest, event.ts_ms)


def test_parallel_calls_share_a_group_and_end_apart() -> None:
    spans = fold(
        State(),
        [
            prompt(0, 0),
            call(1, 1, "a", request="r"),
            call(2, 2, "b", request="r"),
            result(3, 9, "b"),
            result(4, 7, "a"),
        ],
        "/w",
    ).spans
    assert [(s.seq, s.parallel_group, s.turn, s.lead_time_ms, s.status) for s in spans] == [
        (1, 1, 1, 6, "ok"),
        (2, 1, 1, 7, "ok"),
    ]


def test_a_group_survives_an_interleaved_request() -> None:
    events = [call(0, 0, "a", request="r"), call(1, 1, "x", request="q"), call(2, 2, "b", request="r")]
    assert [s.parallel_group for s in fold(State(), events, "/w").spans] == [0, 1, 0]


def test_result_without_id_takes_the_oldest_of_its_tool_in_its_turn() -> None:
    events = [call(0, 0), call(1, 1), result(2, 5), result(3, 6, tool="Read"), prompt(4, 7), result(5, 8)]
    assert ends(events) == {0: ("ok", None), 1: ("lost", "newer_turn"), 3: ("ok", "no_call"), 5: ("ok", "no_call")}


def test_unknown_id_closes_nothing() -> None:
    assert ends([call(0, 0, "a"), result(1, 1, "b")]) == {0: ("open", None), 1: ("ok", "no_call")}


def test_how_calls_end() -> None:
    table: list[tuple[dict[str, Any], tuple[str, str | None]]] = [
        ({}, ("ok", None)),
        ({"is_error": True}, ("error", None)),
        ({"facts": Facts(exit_code=2)}, ("error", None)),
        ({"facts": Facts(exit_code=0)}, ("ok", None)),
        ({"is_error": True, "facts": Facts(reason="denied")}, ("denied", "denied")),
        ({"is_error": True, "facts": Facts(reason="interrupted")}, ("interrupted", "interrupted")),
        ({"facts": Facts(reason="timeout")}, ("error", "timeout")),
        ({"facts": Facts(reason="sandbox")}, ("error", "sandbox")),
        ({"is_error": False, "facts": Facts(reason="denied")}, ("ok", None)),
    ]
    for more, expected in table:
        assert ends([call(0, 0, "a"), result(1, 1, "a", **more)]) == {0: expected}


def test_denied_is_no_error() -> None:
    changes = fold(State(), [call(0, 0, "a"), result(1, 1, "a", is_error=True, facts=Facts(reason="denied"))], "/w")
    assert changes.errors == 0


def test_a_lost_call_comes_back_with_its_result() -> None:
    events = [call(0, 0, "a"), prompt(1, 10), result(2, 20, "a")]
    assert ends(events[:2]) == {0: ("lost", "newer_turn")}
    assert ends(events) == {0: ("ok", None)}


def test_an_hour_without_result_is_lost_and_two_hours_with_one_are_not() -> None:
    hour = 3_600_000
    assert ends([call(0, 0, "a"), call(1, hour + 1, "b")])[0] == ("lost", "no_result_for_1h")
    assert ends([call(0, 0, "a"), result(1, 2 * hour, "a")]) == {0: ("ok", None)}


def test_interrupt_closes_what_is_open() -> None:
    assert ends([call(0, 0, "a"), mark(1, 1, "turn_aborted")]) == {0: ("interrupted", "interrupted")}
    late = [call(0, 0, "a"), mark(1, 1, "interrupted"), result(2, 2, "a", is_error=True)]
    assert ends(late) == {0: ("interrupted", "interrupted")}


def test_lead_time_prefers_clocks_then_the_hosts_own_figure() -> None:
    inexact = Seen(0, T0, "tool_call", ts_exact=False, tool="Bash", call_id="a")
    assert fold(State(), [inexact, result(1, 50, "a", latency_ms=7)], "/w").spans[0].lead_time_ms == 7
    assert fold(State(), [inexact, result(1, 50, "a")], "/w").spans[0].lead_time_ms is None
    assert fold(State(), [call(0, 0, "a"), result(1, 50, "a", latency_ms=7)], "/w").spans[0].lead_time_ms == 50
    assert fold(State(), [call(0, 50, "a"), result(1, 0, "a")], "/w").spans[0].lead_time_ms is None


def test_turns_and_titles() -> None:
    events = [
        mark(0, 0, "session_start"),
        prompt(1, 5),
        call(2, 6, "a"),
        result(3, 9, "a", is_error=True),
        prompt(4, 20, "b"),
    ]
    changes = fold(State(), [*events, prompt(5, 30, "c")], "/w")
    assert [
        (t.turn, t.prompt_seq, t.started_at_ms - T0, t.ended_at_ms - T0, t.tool_calls, t.errors) for t in changes.turns
    ] == [
        (0, None, 0, 0, 0, 0),
        (1, 1, 5, 9, 1, 1),
        (2, 4, 20, 20, 0, 0),
        (3, 5, 30, 30, 0, 0),
    ]
    assert (changes.prompts, changes.tool_calls, changes.errors, changes.title) == (3, 1, 1, "b")


def test_texts_of_one_record_are_one_prompt() -> None:
    changes = fold(State(), [prompt(0, 5), prompt(1, 5, "a"), prompt(2, 6), call(3, 6, "x"), prompt(4, 6)], "/w")
    assert [(t.turn, t.prompt_seq) for t in changes.turns] == [(1, 0), (2, 2), (3, 4)]
    assert (changes.prompts, changes.title) == (3, "a")


def test_a_span_open_in_a_done_session_is_shown_as_lost() -> None:
    assert shown_status("open", "done") == "lost"
    assert shown_status("open", "waiting") == "open"
    assert shown_status("ok", "done") == "ok"
