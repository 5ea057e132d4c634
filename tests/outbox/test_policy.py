"""sync.md 10.8, 10.9, 10.13: each row of the tables, and what must hold for any answer."""

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen.outbox import policy
from kaizen.outbox.policy import Answer, Bury, Limits, Pause, Plain, Rejection, Reseal, Retire, Split, Tried, Wait

NOW = 1_760_000_000_000


def decide(status: int | None, code: str | None = None, *, items: int = 10, **more: object) -> policy.Decision:
    fields = set(Answer.__struct_fields__)
    answer = Answer(status=status, code=code, **{name: value for name, value in more.items() if name in fields})  # type: ignore[arg-type]
    tried = Tried(items=items, **{name: value for name, value in more.items() if name not in fields})  # type: ignore[arg-type]
    return policy.decide(answer, tried, NOW)


DONE = Retire(False, 10, 0)


@pytest.mark.parametrize(("found", "expected"), [
    *[(decide(status), DONE) for status in (200, 201, 202, 204)],
    (decide(202, received=10, deduped=4), Retire(False, 10, 4)),
    (decide(202, received=7), Retire(False, 7, 0, is_short=True)),
    (decide(202, received=10, rejected=(Rejection(3, "x", "why"), Rejection(99, "x")), rejected_total=1),
     Retire(False, 10, 0, ((3, "rejected:x", "why"),))),
    (decide(409, "idempotent_replay", received=10, deduped=2), Retire(True, 10, 2)),
    (decide(409, has_body=False), Retire(True, 10, 0)),
    (decide(409, "other"), Wait("batch", "conflict:other")),
    (decide(409, "other", conflicts=2, items=2), Bury((0, 1), "conflict:other")),
    (decide(413), Split(is_too_large=True)),
    (decide(413, items=1), Bury((0,), "too_large")),
    (decide(400), Split(is_too_large=False)),
    (decide(400, "item_invalid", field="events[4].ts_ms"), Bury((4,), "rejected:item_invalid")),
    (decide(400, "item_invalid", field="events[10].ts_ms"), Split(is_too_large=False)),
    (decide(400, "item_invalid", field="spans[4]"), Split(is_too_large=False)),
    (decide(422, "x", field="events[0]"), Bury((0,), "rejected:x")),
    (decide(400, items=1), Bury((0,), "rejected:400")),
    (decide(418), Split(is_too_large=False)),
    (decide(422, "idempotency_key_reused"), Reseal()),
    (decide(422, "idempotency_key_reused", rekeyed=2), Split(is_too_large=False)),
    (decide(401), Pause("all", "auth", 900)),
    (decide(403, "team_mismatch"), Pause("all", "auth", 900)),
    *[(decide(status), Pause("lane", "unsupported_by_server", 3600)) for status in (404, 405, 501)],
    (decide(302, location="elsewhere.example"), Pause("lane", "redirect:elsewhere.example", 3600)),
    (decide(426), Pause("all", "client_too_old", 3600)),
    (decide(415), Plain()),
    (decide(415, is_compressed=False), Split(is_too_large=False)),
    (decide(429, "in_progress", retry_after="1"), Wait("batch", "in_progress", 1)),
    (decide(429, "rate_limited", retry_after="7"), Wait("all", "rate_limited", 7)),
    (decide(429), Wait("all", "rate_limited")),
    *[(decide(status), Wait("lane", f"http {status}")) for status in (408, 425, 500, 502, 503, 504, 599)],
    (decide(503, retry_after="9"), Wait("lane", "http 503", 9)),
    (decide(507), Wait("lane", "http 507", 60)),
    (decide(503, "storage_full", retry_after="5"), Wait("lane", "http 503", 60)),
    (decide(None, message="cannot connect"), Wait("lane", "cannot connect")),
    (decide(500, is_overtaken=True), Wait("batch", "http 500")),
    (decide(500, is_overtaken=True, server_errors=7), Split(is_too_large=False)),
    (decide(500, server_errors=99, first_error_ms=0), Wait("lane", "http 500")),
    (decide(500, items=1, is_overtaken=True, server_errors=23, first_error_ms=NOW - 3_600_000),
     Bury((0,), "server_error:500")),
    (decide(500, items=1, is_overtaken=True, server_errors=23, first_error_ms=NOW - 3_599_000),
     Wait("batch", "http 500")),
])  # fmt: skip
def test_what_an_answer_means(found: policy.Decision, expected: policy.Decision) -> None:
    assert found == expected


answers = st.builds(
    Answer, status=st.none() | st.integers(100, 999), code=st.none() | st.text(max_size=30),
    message=st.text(max_size=9), has_body=st.booleans(), retry_after=st.none() | st.text(max_size=30),
    field=st.none() | st.text(max_size=20) | st.from_regex(r"events\[\d+\]", fullmatch=True),
    received=st.none() | st.integers(), deduped=st.integers(), rejected_total=st.integers(),
    rejected=st.lists(st.builds(Rejection, st.integers(), st.text(max_size=5)), max_size=5),
)  # fmt: skip
trieds = st.builds(
    Tried, items=st.integers(1, 9), is_compressed=st.booleans(), conflicts=st.integers(0, 9),
    rekeyed=st.integers(0, 9), server_errors=st.integers(0, 50), first_error_ms=st.none() | st.integers(0, NOW),
    is_overtaken=st.booleans(),
)  # fmt: skip


@given(answers, trieds)
def test_only_a_2xx_or_a_replay_retires(answer: Answer, tried: Tried) -> None:
    decision = policy.decide(answer, tried, NOW)
    accepted = answer.status is not None and (200 <= answer.status < 300 or answer.status == 409)
    assert accepted or not isinstance(decision, Retire)
    if isinstance(decision, Split):
        assert tried.items > 1
    if isinstance(decision, Bury):
        assert all(0 <= index < tried.items for index in decision.indexes)
        assert answer.status is not None and answer.status >= 400
    if isinstance(decision, Wait) and decision.at_least_s is not None:
        assert 0 <= decision.at_least_s <= 300


@pytest.mark.parametrize(("value", "seconds"), [
    (None, None), ("0", 0), ("1", 1), ("999999999", 300), ("9" * 400, 300), (" 5 ", 5), ("soon", None), ("", None),
    ("-1", None), ("1.5", None), (formatdate(NOW / 1000 + 90, usegmt=True), 90), (formatdate(0, usegmt=True), 0),
    (formatdate(NOW / 1000 + 9e6, usegmt=True), 300), ("Fri, 99 Foo 2026", None),
])  # fmt: skip
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert policy.retry_after_s(value, NOW) == seconds


@given(st.text(max_size=60))
def test_retry_after_is_never_out_of_bounds(value: str) -> None:
    found = policy.retry_after_s(value, NOW)
    assert found is None or 0 <= found <= 300


@given(st.integers(0, 10**6), st.none() | st.floats(0, 300), st.floats(0, 1, exclude_max=True))
def test_delays(previous_ms: int, asked_s: float | None, chance: float) -> None:
    delay = policy.delay_ms(previous_ms, asked_s, lambda: chance)
    if asked_s is None:
        assert policy.BASE_MS <= delay <= policy.CAP_MS
    else:
        assert asked_s * 1000 <= delay <= asked_s * 1100 + 2


@given(st.lists(st.integers(1, 1000), min_size=2, max_size=50))
def test_halves_are_about_even_and_never_empty(lengths: list[int]) -> None:
    cut = policy.halves(lengths)
    assert 0 < cut < len(lengths)
    assert abs(sum(lengths[:cut]) - sum(lengths[cut:])) <= max(lengths) or min(cut, len(lengths) - cut) == 1


def test_limits_shrink_and_grow_back() -> None:
    most = Limits(500, 10**6)
    learned = policy.shrunk(500, 600_000)
    assert learned == Limits(250, 300_000)
    steps = 0
    while learned is not None:
        grown = policy.grown(learned, most)
        assert grown is None or (grown.items, grown.bytes) > (learned.items, learned.bytes)
        learned, steps = grown, steps + 1
    assert steps < 20
    assert policy.shrunk(1, 10) == Limits(1, policy.MIN_LIMIT_BYTES)


def test_exit_status_in_order() -> None:
    flags = {"configuration": 78, "auth": 77, "dead": 65, "pending": 75}
    for index, expected in enumerate((78, 77, 65, 75, 0)):
        given = {name: place >= index for place, name in enumerate(flags)}
        assert policy.exit_status(**given) == expected


def test_a_silent_endpoint_is_asked_less_and_less() -> None:
    waits = [policy.probe_after_s(failures) for failures in range(5, 15)]
    assert waits[:3] == [5, 10, 20] and waits[-1] == 300
