"""spans.md section 10, properties 5, 6 and 11's predicate."""

import time

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from derive.worlds import T0, folded, sessions
from kaizen.derive.seen import Seen
from kaizen.derive.tree import runs, session_tree, walk
from kaizen.model.span import Request, Span, SpanNode, Trace, Turn

BILLION = 10**9


def span(seq: int, turn: int = 1, **more: object) -> Span:
    fields = {"parallel_group": seq, "tool": "Read", "status": "ok", "started_at_ms": T0 + seq} | more
    return Span(seq=seq, turn=turn, **fields)  # type: ignore[arg-type]


def request(key: str, seq: int, cost: int | None = 1, **more: object) -> Request:
    return Request(key=f"req:{key}", request=key, seq=seq, ts_ms=T0 + seq, cost_pusd=cost, tokens=10, **more)  # type: ignore[arg-type]


def turn(number: int, seq: int) -> Turn:
    return Turn(turn=number, prompt_seq=seq, started_at_ms=T0 + seq, ended_at_ms=T0 + seq + 5)


def shape(node: SpanNode) -> object:
    name = node.key.rpartition("/")[2]
    return {name: [shape(child) for child in node.children]} if node.children else name


@st.composite
def traces(draw: st.DrawFn, depth: int = 2, key: str = "s") -> Trace:
    events: list[Seen] = draw(sessions(max_size=20))
    tables, _ = folded([events])
    children = [draw(traces(depth - 1, f"{key}.{at}")) for at in range(draw(st.integers(0, 2)))] if depth else []
    return Trace(
        key=key, name="x", status=tables.status[0],
        spans=tuple(tables.spans.values()), turns=tuple(tables.turns.values()),
        requests=tuple(draw(st.lists(st.builds(
            Request, key=st.sampled_from(["req:r1", "req:r2", "req:r3", f"req:{key}"]), seq=st.integers(0, 40),
            ts_ms=st.integers(T0, T0 + 10_000), request=st.sampled_from([None, "r1", "r2"]),
            cost_pusd=st.none() | st.integers(0, 9), tokens=st.none() | st.integers(0, 9),
        ), max_size=5))),
        relation=draw(st.sampled_from([None, "subagent", "fork"])),
        parent_call_id=draw(st.sampled_from([None, "c1", "c2"])), children=tuple(children),
    )  # fmt: skip


def everything(trace: Trace) -> list[Trace]:
    return [trace, *(below for child in trace.children for below in everything(child))]


@given(traces())
def test_one_root_true_depths_and_each_span_once(trace: Trace) -> None:
    root = session_tree(trace)
    nodes = list(walk(root))
    assert root.depth == 0
    assert all(child.depth == node.depth + 1 for node in nodes for child in node.children)
    assert len({node.key for node in nodes}) == len(nodes)
    assert sum(node.kind == "tool" for node in nodes) == sum(len(part.spans) for part in everything(trace))


@given(traces())
def test_the_root_totals_unique_requests(trace: Trace) -> None:
    root = session_tree(trace)
    nodes = [node for node in walk(root) if node.kind == "request"]
    assert {node.key for node in nodes} == {r.key for part in everything(trace) for r in part.requests}
    assert root.subtree.requests == len(nodes)
    assert root.subtree.cost_pusd == sum(node.own.cost_pusd for node in nodes)
    for node in walk(root):
        assert node.subtree.tokens == node.own.tokens + sum(child.subtree.tokens for child in node.children)


@given(traces(), st.randoms(use_true_random=False))
def test_input_order_does_not_matter(trace: Trace, rng: object) -> None:
    # Keys of requests must be unique inside a session, as they are in the store.
    trace = msgspec.structs.replace(trace, requests=tuple({r.key: r for r in trace.requests}.values()))
    shuffled = {}
    for field in ("spans", "turns", "requests", "children"):
        rows = list(getattr(trace, field))
        rng.shuffle(rows)  # type: ignore[attr-defined]
        shuffled[field] = tuple(rows)
    assert session_tree(msgspec.structs.replace(trace, **shuffled)) == session_tree(trace)


@given(traces(), st.integers(1, 99))
def test_flags_are_where_the_predicate_holds(trace: Trace, percent: int) -> None:
    root = session_tree(trace, flag_above_percent=percent)

    def check(node: SpanNode, is_told: bool) -> None:
        above = node.subtree.cost_pusd * 100 > percent * root.subtree.cost_pusd > 0
        assert node.is_flagged == (above and node.depth > 0 and not is_told)
        for child in node.children:
            check(child, is_told or node.is_flagged)

    check(root, False)


@given(traces())
def test_runs_put_together_are_the_children(trace: Trace) -> None:
    for node in walk(session_tree(trace)):
        assert tuple(child for run in runs(node.children) for child in run) == node.children


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=9))
def test_spans_of_a_turn_have_one_parent_whatever_their_times(starts: list[int]) -> None:
    spans = tuple(span(at, started_at_ms=T0 + start) for at, start in enumerate(starts))
    root = session_tree(Trace(key="s", name="x", spans=spans, turns=(turn(1, 0),)))
    assert {child.kind for child in root.children[0].children} == {"tool"}
    assert len(root.children[0].children) == len(starts)


def test_parents_come_from_evidence() -> None:
    sub = Trace(key="sub", name="Explore", relation="subagent", parent_call_id="c3", requests=(request("q", 1),))
    fork = Trace(key="fork", name="fork", relation="fork")
    trace = Trace(
        key="s", name="x", turns=(turn(1, 0), turn(2, 10)),
        requests=(request("r", 2), request("free", 12)),
        spans=(span(3, request="r", call_id="c3"), span(4, request="gone"), span(5, turn=9)),
        children=(sub, fork),
    )  # fmt: skip
    root = session_tree(trace)
    assert shape(root) == {"s": [
        {"turn:1": [{"req:r": [{"span:3": [{"sub": ["req:q"]}]}]}, "span:4"]},
        "span:5", {"turn:2": ["req:free"]}, "fork"]}  # fmt: skip
    assert [node.kind for node in walk(root)].count("subagent") == 1
    assert root.subtree.requests == 3


def test_a_request_of_two_sessions_counts_once() -> None:
    child = Trace(key="c", name="c", relation="subagent", requests=(request("r", 0, 5),))
    root = session_tree(Trace(key="s", name="x", requests=(request("r", 0, 5),), children=(child,)))
    assert (root.subtree.requests, root.subtree.cost_pusd) == (1, 5)


def test_unknown_cost_is_counted_not_guessed() -> None:
    root = session_tree(Trace(key="s", name="x", requests=(request("a", 0, None), request("b", 1, 7))))
    assert (root.subtree.cost_pusd, root.subtree.requests, root.subtree.unpriced) == (7, 2, 1)


def test_a_session_below_itself_is_cut() -> None:
    inner = Trace(key="s", name="again", spans=(span(1),))
    assert len(list(walk(session_tree(Trace(key="s", name="x", children=(inner,)))))) == 1


def test_like_siblings_are_one_row() -> None:
    spans = tuple(span(at, tool="Bash" if at == 37 else "Read") for at in range(40))
    children = session_tree(Trace(key="s", name="x", spans=spans)).children
    assert [(run[0].name, len(run)) for run in runs(children)] == [("Read", 37), ("Bash", 1), ("Read", 2)]


def test_ten_thousand_spans_take_less_than_half_a_second() -> None:
    spans = tuple(span(at, turn=at // 10, request=f"r{at // 3}") for at in range(10_000))
    requests = tuple(request(f"r{at}", at * 3) for at in range(3_334))
    turns = tuple(turn(at, at * 10) for at in range(1_000))
    trace = Trace(key="s", name="x", spans=spans, turns=turns, requests=requests)
    took = []
    for _ in range(3):
        begun = time.process_time()
        assert session_tree(trace).subtree.cost_pusd == 3_334
        took.append(time.process_time() - begun)
    assert min(took) < 0.5
