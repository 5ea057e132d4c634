"""Codex rollouts: golden totals, forks, and the contract every line source keeps."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kaizen.model.event import Draft, Ignored, Item, SessionDraft, Unknown
from kaizen.sources.codex import MARKS, begin, parse, usage
from kaizen.sources.codex_document import INDEX
from kaizen.sources.codex_files import DOCUMENTS, ROLLOUTS
from kaizen.sources.codex_state import State, uuid7_ms
from kaizen.sources.shapes import Malformed

FIXTURES = Path(__file__).parent.parent / "fixtures"
CODEX = FIXTURES / "codex"
EXPECTED = json.loads((FIXTURES / "_expected_codex.json").read_text())
FILES = sorted(CODEX.rglob("*.jsonl"))
FORKS = sorted((CODEX / "synthetic/codex_fork").rglob("*.jsonl"))
PARENT, CHILD = "0199aaaa-0000-7000-8000-000000000001", "0199aaaa-0000-7000-8000-000000000002"
T0 = 1_770_000_000_000
Line = dict[str, Any]
name_of = lambda path: str(path.relative_to(CODEX))  # noqa: E731


# Reading


def read(content: bytes, path: str = "rollout-x.jsonl", by: Callable[..., Iterable[Item]] = parse,
         cut: int | None = None) -> list[Item]:
    """All items of a file; at `cut` the state is saved and a new process goes on."""
    state, at = begin(path), 0
    items: list[Item] = []
    for line in content.split(b"\n"):
        if cut is not None and at >= cut:
            state, cut = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=State), None
        stripped = line.strip(b"\r\n\x00 \t")
        if stripped and (by is parse or any(mark in line for mark in MARKS)):
            with suppress(Malformed):
                items += by(stripped, at, state)
        at += len(line) + 1
    return items


def lines(*records: Line) -> bytes:
    return b"".join(json.dumps(one, separators=(",", ":")).encode() + b"\n" for one in records)


def drafts(items: Iterable[Item], kind: str | None = None) -> list[Draft]:
    return [item for item in items if type(item) is Draft and kind in (None, item.kind)]


def buckets(draft: Draft) -> tuple[int | None, ...]:
    return (draft.input_tokens, draft.cache_read_tokens, draft.cache_write_tokens, draft.output_tokens,
            draft.reasoning_tokens)


def merged(files: Iterable[list[Item]]) -> dict[str, Draft]:
    """What counts of several files: one row per key, first hand; a replay only hints at one."""
    rows: dict[str, Draft] = {}
    for items in files:
        for row in drafts(items, "cost"):
            if not row.is_replay and (row.key not in rows or rows[row.key].is_copy):
                rows[row.key] = row
    return rows


def said(kind: str, at: float = 0.0, /, **payload: Any) -> Line:
    return {"timestamp": (T0 + round(at * 1000)) / 1000, "type": kind, "payload": payload}


def event(kind: str, at: float = 0.0, /, **payload: Any) -> Line:
    return said("event_msg", at, type=kind, **payload)


def item(kind: str, at: float = 0.0, /, **payload: Any) -> Line:
    return said("response_item", at, type=kind, **payload)


def tokens(given: int, cached: int = 0, written: int = 0, output: int = 0, reasoning: int = 0) -> Line:
    return {"input_tokens": given, "cached_input_tokens": cached, "cache_write_input_tokens": written,
            "output_tokens": output, "reasoning_output_tokens": reasoning, "total_tokens": given + output}


def counted(total: Line | None, last: Line | None = None, at: float = 0.0) -> Line:
    info = {"total_token_usage": total, "last_token_usage": last, "model_context_window": 258_400}
    return event("token_count", at, info={name: value for name, value in info.items() if value is not None})


def costs(*records: Line) -> list[tuple[tuple[int | None, ...], str | None]]:
    context = said("turn_context", 0, turn_id="t1", model="gpt-5.4")
    return [(buckets(row), row.flag) for row in drafts(read(lines(context, *records)), "cost")]


# Golden totals


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("by", [parse, usage], ids=["parse", "usage"])
def test_totals_are_golden(name: str, by: Callable[..., Iterable[Item]]) -> None:
    found: dict[str, list[int]] = defaultdict(lambda: [0] * 6)
    for row in drafts(read((CODEX / name).read_bytes(), name, by), "cost"):
        sums = found["unknown" if row.flag == "model_guess" else row.model or ""]
        for place, amount in enumerate((1, *buckets(row))):
            sums[place] += amount or 0
    assert found == EXPECTED[name]


def test_every_line_of_the_fixtures_is_accounted_for() -> None:
    for path in FILES:
        for line in path.read_bytes().splitlines():
            if line.strip().startswith(b"{"):
                found = list(parse(line, 0, begin(str(path))))
                assert found or b"token_count" in line, line
                assert not [one for one in found if type(one) is Unknown], line


# What one token_count says


def test_a_repeated_total_is_not_a_request() -> None:
    once = counted(tokens(100, output=10), tokens(100, output=10))
    assert len(costs(once, once, once)) == 1


def test_buckets_are_disjoint() -> None:
    used = tokens(1000, cached=400, written=100, output=50, reasoning=30)
    assert costs(counted(used, used)) == [((500, 400, 100, 50, 30), None)]


def test_without_last_the_difference_counts() -> None:
    assert costs(counted(tokens(100, output=10)), counted(tokens(250, output=15))) == [
        ((100, 0, 0, 10, 0), None), ((150, 0, 0, 5, 0), None)]


def test_a_counter_that_was_reset_counts_from_zero() -> None:
    assert costs(counted(tokens(1000, output=10)), counted(tokens(300, output=5))) == [
        ((1000, 0, 0, 10, 0), None), ((300, 0, 0, 5, 0), None)]


def test_a_counter_that_began_anew_in_a_new_turn_counts_in_full() -> None:
    bigger = tokens(5000, output=90)
    assert costs(counted(tokens(1000, output=10)), said("turn_context", 5, turn_id="t2", model="gpt-5.4"),
                 counted(bigger, bigger))[1] == ((5000, 0, 0, 90, 0), None)


def test_of_a_request_partly_counted_only_the_rest_counts() -> None:
    assert costs(counted(tokens(100, output=10), tokens(100, output=10)),
                 counted(tokens(150, output=15), tokens(100, output=10)))[1] == ((50, 0, 0, 5, 0), None)


def test_a_missing_count_is_a_row_of_its_own() -> None:
    assert costs(counted(tokens(100, output=10), tokens(100, output=10)),
                 counted(tokens(1000, output=40), tokens(200, output=20)))[1:] == [
        ((200, 0, 0, 20, 0), None), ((700, 0, 0, 10, 0), "gap")]


@pytest.mark.parametrize("records", [
    [event("token_count", info=None)],
    [event("token_count", info={})],
    [event("token_count", info={"prompt": 1420, "completion": 910})],
    [counted({"total_tokens": 258_400}, {"total_tokens": 258_400})],
    [counted(tokens(0) | {"total_tokens": 258_400}, tokens(0) | {"total_tokens": 258_400})],
])
def test_what_uses_nothing_counts_nothing(records: list[Line]) -> None:
    assert costs(*records) == []


def test_totals_missing_altogether_count_each_new_last() -> None:
    assert costs(counted(None, tokens(100, output=1)), counted(None, tokens(100, output=1)),
                 counted(None, tokens(120, output=1))) == [((100, 0, 0, 1, 0), None), ((120, 0, 0, 1, 0), None)]


def test_a_part_above_its_whole_is_taken_as_disjoint_and_flagged() -> None:
    assert costs(counted(tokens(100, cached=400, output=10, reasoning=30))) == [
        ((100, 400, 0, 40, 30), "usage_convention_guess")]


def test_an_implausible_request_is_flagged() -> None:
    assert costs(counted(tokens(3_000_000)))[0][1] == "implausible"


def test_counts_of_any_type_are_read_or_left_out() -> None:
    odd = {"input_tokens": "100", "cached_input_tokens": -5, "output_tokens": 7.0, "reasoning_output_tokens": [1]}
    assert costs(counted(odd)) == [((100, 0, 0, 7, 0), None)]


def test_a_request_knows_model_tier_and_window() -> None:
    used = tokens(10, output=1)
    [row] = drafts(read(lines(said("turn_context", turn_id="t", model="gpt-5.4", service_tier="priority"),
                              counted(used, used))), "cost")
    assert (row.model, row.service_tier, row.context_used_tokens, row.context_max_tokens) == (
        "gpt-5.4", "priority", 11, 258_400)


# Forks


def test_of_the_fork_pair_each_request_counts_once_at_its_owner() -> None:
    for files in (FORKS, FORKS[::-1]):
        rows = merged(read(path.read_bytes(), str(path)) for path in files)
        assert Counter(row.session for row in rows.values()) == {PARENT: 2, CHILD: 1}
        assert sum(row.output_tokens or 0 for row in rows.values()) == 190


def test_a_child_alone_counts_only_its_own() -> None:
    rows = drafts(read(FORKS[1].read_bytes(), str(FORKS[1])), "cost")
    assert [(row.is_replay, row.is_copy, row.output_tokens) for row in rows] == [
        (True, True, 50), (True, True, 80), (False, False, 60)]


def test_copied_history_yields_no_rows() -> None:
    found = read(FORKS[1].read_bytes(), str(FORKS[1]))
    assert [row.payload["text"] for row in drafts(found, "message") if row.payload] == ["and the docs"]
    assert not drafts(found, "tool_call")
    assert next((one.parent, one.relation) for one in found if type(one) is SessionDraft) == (PARENT, "fork")


def test_a_fresh_subagent_keeps_its_prompt() -> None:
    spawn = {"subagent": {"thread_spawn": {"parent_thread_id": PARENT, "agent_nickname": "Euler"}}}
    found = read(lines(said("session_meta", 0, id=CHILD, source=spawn), said("turn_context", 0.1, model="gpt-5.4"),
                       event("user_message", 0.2, message="look"), counted(tokens(10, output=1), at=4)))
    assert [row.role for row in drafts(found, "message")] == ["prompt"]
    assert [row.is_replay for row in drafts(found, "cost")] == [False]
    meta = next(one for one in found if type(one) is SessionDraft)
    assert (meta.parent, meta.relation, meta.title) == (PARENT, "subagent", "Euler")


def uuid7(ms: int, n: int = 0) -> str:
    digits = f"{ms:012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-{n:012d}"


def test_uuids_tell_a_long_copy_and_a_quick_first_turn() -> None:
    old, own, child = uuid7(T0 - 60_000), uuid7(T0 + 5), uuid7(T0)
    found = read(lines(
        said("session_meta", 0, id=child, forked_from_id=PARENT), said("turn_context", 0, turn_id=old, model="m"),
        counted(tokens(10, output=1), at=9), event("task_started", 9.1, turn_id=own),
        event("user_message", 9.1, message="go"), counted(tokens(30, output=3), at=9.2)))
    assert [row.is_replay for row in drafts(found, "cost")] == [True, False]
    assert [row.kind for row in drafts(found)][-3:] == ["lifecycle", "message", "cost"]
    quick = read(lines(said("session_meta", 0, id=child, forked_from_id=PARENT),
                       said("turn_context", 0.1, turn_id=own, model="m"), event("user_message", 0.1, message="go"),
                       counted(tokens(30, output=3), at=0.5)))
    assert [row.is_replay for row in drafts(quick, "cost")] == [False]


@given(st.text())
@example("0199aaaa-0000-7000-8000-000000000001")
@example("٣" * 14 + "7" + "٣" * 21)
def test_any_text_may_be_asked_for_its_time(text: str) -> None:
    assert uuid7_ms(text) is None or text.isascii()


@st.composite
def forests(draw: st.DrawFn) -> tuple[list[bytes], int]:
    """Sessions forked from prefixes of each other, and the output tokens of all turns together."""
    names_parent = draw(st.sampled_from(("field", "meta", "both", "never")))
    has_uuids, spread = draw(st.booleans()), draw(st.sampled_from((0.9, 30.0)))
    files: list[list[Line]] = []
    total, turns, now = 0, 0, 0.0
    for number in range(draw(st.integers(1, 6))):
        now += 100
        session = uuid7(T0 + round(now * 1000), number)
        meta = said("session_meta", now, id=session)
        body: list[Line] = [meta]
        if files and (above := draw(st.integers(-1, len(files) - 1))) >= 0:
            copied = files[above][1:draw(st.integers(1, len(files[above])))]
            if names_parent in ("field", "both"):
                meta["payload"]["forked_from_id"] = files[above][0]["payload"]["id"]
            if names_parent in ("meta", "both"):
                copied = [files[above][0], *copied]
            if draw(st.booleans()):
                copied = [one for one in copied if one["type"] != "response_item"]
            step = spread / (len(copied) + 1)
            body += [{**one, "timestamp": (T0 + round((now + place * step) * 1000)) / 1000}
                     for place, one in enumerate(copied)]
            now += spread
        sums = next((one["payload"]["info"]["total_token_usage"] for one in reversed(body)
                     if one["payload"].get("type") == "token_count"), tokens(0))
        for _ in range(draw(st.integers(0, 3))):
            now += 10
            turns += 1
            turn = uuid7(T0 + round(now * 1000), turns) if has_uuids else f"t{turns}"
            body += [event("task_started", now, turn_id=turn), said("turn_context", now, turn_id=turn, model="m"),
                     event("user_message", now, message="same words")]
            for _ in range(draw(st.integers(0, 3))):
                now += 2
                size = draw(st.sampled_from((1, 1, 5)))
                last = tokens(10 * size, output=size)
                sums = {name: sums[name] + last[name] for name in sums}
                total += size
                body += [item("function_call", now, name="shell", call_id=f"c{turns}", arguments="{}"),
                         *[counted(sums, last, now)] * draw(st.integers(1, 2)),
                         item("function_call_output", now + 1, call_id=f"c{turns}", output="ok")]
        files.append(body)
    return [lines(*body) for body in files], total


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(forests(), st.randoms())
def test_any_fork_tree_counts_every_turn_once(forest: tuple[list[bytes], int], random: Any) -> None:
    files, total = forest
    random.shuffle(files)
    for by in (parse, usage):
        rows = merged(read(content, by=by) for content in files)
        assert sum(row.output_tokens or 0 for row in rows.values()) == total


def test_equal_turns_of_siblings_stay_two() -> None:
    def sibling(name: str, turn: str) -> list[Item]:
        return read(lines(said("session_meta", 0, id=name), said("turn_context", 0, turn_id=turn, model="m"),
                          counted(tokens(10, output=1), tokens(10, output=1))))
    assert len(merged([sibling("a", "t1"), sibling("b", "t2")])) == 2


# Other rows


def test_active_and_archived_copies_have_the_same_keys() -> None:
    content = FORKS[0].read_bytes()
    assert read(content, f"a/rollout-2026-02-01T10-00-00-{PARENT}.jsonl") == read(content, "archived/other.jsonl")


@pytest.mark.parametrize(("path", "session"), [
    (f"/x/rollout-2026-02-01T10-00-00-{PARENT}.jsonl", PARENT), ("C:\\x\\capture.jsonl", "capture")])
def test_a_session_without_meta_is_named_after_its_file(path: str, session: str) -> None:
    assert begin(path).session == session


@pytest.mark.parametrize("order", [("item", "event"), ("event", "item")])
def test_a_prompt_told_twice_is_one(order: tuple[str, str]) -> None:
    def twice(text: str) -> list[Line]:
        both = {"item": item("message", role="user", content=[{"type": "input_text", "text": text}]),
                "event": event("user_message", message=text)}
        return [both[order[0]], both[order[1]]]
    found = drafts(read(lines(*twice("a"), *twice("a"), *twice("b"))), "message")
    assert [(row.role, row.payload) for row in found] == [("prompt", {"text": text}) for text in ("a", "a", "b")]


@pytest.mark.parametrize("text", ["<environment_context>\n<cwd>/x</cwd>", "# AGENTS.md instructions for /x",
                                  "<user_instructions>be kind", "<turn_aborted>", "<permissions instructions>"])
def test_injected_text_is_context(text: str) -> None:
    [row] = drafts(read(lines(item("message", role="user", content=[{"type": "input_text", "text": text}]))))
    assert row.role == "context"


def call(name: str) -> list[Line]:
    return [item("function_call", name="shell", call_id=name, arguments='{"cmd":"ls"}')]


def output(name: str) -> list[Line]:
    return [item("function_call_output", call_id=name, output="ok")]


@pytest.mark.parametrize("order", ["call count output", "call output count", "count call output"])
def test_calls_join_the_request_that_bills_them(order: str) -> None:
    records = [said("turn_context", turn_id="t", model="m")]
    for n in (1, 2, 3):
        parts = {"call": call(f"c{n}"), "output": output(f"c{n}"), "count": [counted(tokens(n * 10), tokens(10))]}
        records += [one for part in order.split() for one in parts[part]]
    found = read(lines(*records))
    assert [row.request for row in drafts(found, "tool_call")] == ["t:0", "t:1", "t:2"]
    assert [row.request for row in drafts(found, "cost")] == ["t:0", "t:1", "t:2"]


@pytest.mark.parametrize(("given", "text", "code", "latency"), [
    ("plain", "plain", None, None),
    ('{"output":"x","metadata":{"exit_code":2,"duration_seconds":0.5}}', "x", 2, 500),
    ([{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": "data:"}], "a", None, None),
    ({"type": "input_text", "text": "a.txt"}, "a.txt", None, None),
    ({"stdout": "line", "stderr": "", "exitCode": 0}, "line", 0, None),
    ("Exit code: 1\nWall time: 0.1 seconds\nOutput:\nno", "Exit code: 1\nWall time: 0.1 seconds\nOutput:\nno", 1, 100),
    ("see Exit code: 1", "see Exit code: 1", None, None),
])
def test_outputs_of_every_shape(given: Any, text: str, code: int | None, latency: int | None) -> None:
    [row] = drafts(read(lines(item("function_call_output", call_id="c", output=given))))
    assert row.payload is not None
    assert (row.payload["output"], row.payload.get("exit_code"), row.latency_ms) == (text, code, latency)
    assert row.is_error == (None if code is None else code != 0)


def test_an_end_event_adds_to_the_result_of_its_call() -> None:
    found = read(lines(*call("c"), event("exec_command_end", call_id="c", exit_code=1, aggregated_output="no",
                                         duration={"secs": 1, "nanos": 500_000_000}), *output("c")))
    ends = drafts(found, "tool_result")
    assert {row.key for row in ends} == {"result:rollout-x:c"}
    assert (ends[0].latency_ms, ends[0].is_error, ends[0].payload) == (1500, True, {"exit_code": 1, "output": "no"})
    assert {row.key for row in drafts(found, "tool_call")} == {"call:rollout-x:c"}


def test_a_patch_inside_another_call_becomes_a_call() -> None:
    found = drafts(read((CODEX / "vibecodingtracker/codex.jsonl").read_bytes()))
    patch = next(row for row in found if row.call_id == "call_patch_apply_ok01" and row.kind == "tool_call")
    assert patch.tool == "apply_patch"
    assert patch.payload is not None
    assert "*** Add File: /proj/ds906659/gai/claude-code/docs/RELEASE_NOTES.md" in patch.payload["input"]["input"]
    failed = next(row for row in found if row.call_id == "call_patch_apply_fail01" and row.kind == "tool_result")
    assert failed.is_error is True


def test_secrets_of_the_provider_and_old_history_are_not_kept() -> None:
    found = read(lines(item("reasoning", summary=[], encrypted_content="ENC"),
                       said("compacted", message="sum", replacement_history=[{"type": "message", "text": "OLD"}]),
                       event("context_compacted"),
                       said("session_meta", id="s", base_instructions={"text": "BASE"})))
    stored = msgspec.json.encode(drafts(found)).decode()
    assert not [word for word in ("ENC", "OLD", "BASE") if word in stored]
    assert [row.payload and row.payload["event"] for row in drafts(found)] == ["compaction", "session_start"]


def test_a_change_of_model_is_told_once() -> None:
    found = drafts(read(lines(*[said("turn_context", turn_id=str(n), model=model)
                                for n, model in enumerate(("a", "a", "b", "b"))])))
    assert [row.payload for row in found] == [{"event": "model_change", "before": "a", "model": "b"}]


def test_a_spawned_agent_is_linked_to_its_call() -> None:
    found = read(lines(event("collab_agent_spawn_end", call_id="c", new_thread_id=CHILD)), f"rollout-1-{PARENT}.jsonl")
    assert found[0] == SessionDraft(CHILD, parent=PARENT, relation="subagent", parent_call_id="c")


def test_bare_rollouts_are_read() -> None:
    found = read(lines(
        {"id": PARENT, "timestamp": "2025-09-01T10:00:00Z", "instructions": None, "git": {"branch": "main"}},
        {"record_type": "state"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        {"type": "function_call", "name": "shell", "arguments": '{"command":["ls"]}', "call_id": "c"},
        {"type": "function_call_output", "call_id": "c", "output": "ok"}), "stem.jsonl")
    assert [row.kind for row in drafts(found)] == ["lifecycle", "message", "tool_call", "tool_result"]
    assert {row.session for row in drafts(found)} == {PARENT}
    assert Ignored("record_state") in found


CAPTURE = lines(
    {"type": "thread.started", "thread_id": CHILD}, {"type": "turn.started"},
    {"type": "item.started", "item": {"id": "item_1", "type": "command_execution", "command": "ls"}},
    {"type": "item.completed", "item": {"id": "item_1", "type": "command_execution", "command": "ls",
                                        "aggregated_output": "a", "exit_code": 1, "status": "failed"}},
    {"type": "item.completed", "item": {"id": "item_2", "type": "agent_message", "text": "done"}},
    {"type": "turn.completed", "usage": {"input_tokens": 24763, "cached_input_tokens": 24448, "output_tokens": 122}},
    {"type": "turn.failed", "error": {"message": "no"}})


@pytest.mark.parametrize("by", [parse, usage])
def test_a_capture_counts_per_turn_and_says_that_it_guesses(by: Callable[..., Iterable[Item]]) -> None:
    [row] = drafts(read(CAPTURE, "capture.jsonl", by), "cost")
    assert (row.session, buckets(row), row.flag) == (CHILD, (315, 24448, 0, 122, 0), "usage_convention_guess")


def test_a_capture_tells_calls_and_results() -> None:
    found = drafts(read(CAPTURE, "capture.jsonl"))
    assert {row.key for row in found if row.call_id} == {f"call:{CHILD}:item_1", f"result:{CHILD}:item_1"}
    assert [row.payload for row in found if row.kind == "error"] == [{"text": "no"}]


def test_the_oldest_documents_are_read() -> None:
    content = json.dumps({"session": {"id": "s", "timestamp": "2025-05-01T10:00:00Z", "instructions": ""}, "items": [
        {"role": "user", "content": [{"type": "input_text", "text": "hi"}], "type": "message"}, 5]}).encode()
    found = drafts(DOCUMENTS.parse("/x/rollout-2025-05-01-s.json", content))
    assert {row.session for row in found} == {"s"}
    assert [(row.kind, row.role) for row in found] == [("lifecycle", None), ("message", "prompt")]
    with pytest.raises(Malformed):
        list(DOCUMENTS.parse("x.json", b"{}"))
    assert DOCUMENTS.wants("2025/rollout-1.json")
    assert not DOCUMENTS.wants("config.json")


def test_the_index_tells_titles() -> None:
    line = b'{"id":"s","thread_name":"Fix it","updated_at":"2026-01-01T00:00:00Z"}'
    assert list(INDEX.parse(line, 0, INDEX.begin(""))) == [SessionDraft("s", title="Fix it")]
    assert list(INDEX.parse(b"{}", 0, INDEX.begin(""))) == [Ignored("no_content")]


def test_roots_follow_codex_home() -> None:
    assert list(ROLLOUTS.roots({}, "/h")) == ["/h/.codex/sessions", "/h/.codex/archived_sessions"]
    assert list(ROLLOUTS.roots({"CODEX_HOME": "/a, ~/b/"}, "/h")) == [
        "/a/sessions", "/a/archived_sessions", "/h/b/sessions", "/h/b/archived_sessions"]
    assert ROLLOUTS.wants("2026/02/01/rollout-1.jsonl")
    assert not ROLLOUTS.wants("rollout-1.jsonl.zst")


# The contract of a line source


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_usage_equals_the_cost_drafts_of_parse(path: Path) -> None:
    content = path.read_bytes()
    assert drafts(read(content, by=usage), "cost") == drafts(read(content), "cost")


@settings(max_examples=30, deadline=None)
@given(st.data())
@pytest.mark.parametrize(
    "path", [CODEX / "agent_sessions/small.jsonl", CODEX / "vibecodingtracker/codex.jsonl", *FORKS], ids=name_of)
def test_reading_goes_on_anywhere_with_the_saved_state(path: Path, data: st.DataObject) -> None:
    content = path.read_bytes()
    cut = data.draw(st.integers(0, len(content)))
    for by in (parse, usage):
        assert read(content, by=by, cut=cut) == read(content, by=by)


JUNK = (b"", b"\x00\x00", b"null", b"[]", b'"text"', b"{", b"{}", b'{"type":5}', b'{"type":[]}', b"\xff\xfe",
        b'{"type":"event_msg"}', b'{"type":"event_msg","payload":5}', b'{"type":"event_msg","payload":{"type":{}}}',
        b'{"type":"response_item","payload":{"type":"new"}}', b'{"type":["token_count"],"payload":{}}',
        b'{"type":"turn_context","payload":{"turn_id":7,"model":[]}}',
        b'{"timestamp":"x","type":"event_msg","payload":{"type":"token_count","info":[]}}')


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_junk_between_lines_changes_nothing(data: st.DataObject) -> None:
    """Keys made of a byte offset aside: the junk moved those lines."""
    def facts(content: bytes, by: Callable[..., Iterable[Item]]) -> list[Draft]:
        found = drafts(read(content, by=by))
        for row in found:
            row.key = "" if row.key.startswith("line:") else row.key
        return found

    content = data.draw(st.sampled_from([path.read_bytes() for path in FORKS]))
    mixed = b"".join(data.draw(st.sampled_from(JUNK)) + b"\n" + line + b"\n" for line in content.splitlines())
    for by in (parse, usage):
        assert facts(mixed, by) == facts(content, by)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_bytes_never_raise_and_both_paths_agree(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from(SMALL)))
    for _ in range(data.draw(st.integers(1, 12))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    found = read(bytes(content))
    msgspec.msgpack.encode(drafts(found))
    assert drafts(read(bytes(content), by=usage), "cost") == drafts(found, "cost")


SMALL = [path.read_bytes() for path in FILES if path.stat().st_size < 5_000 and path.stat().st_size] + [CAPTURE]

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["message", "token_count", "user", "t1", PARENT, "shell", "2026-02-01T10:00:00Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=6)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_field_may_have_any_type(data: st.DataObject) -> None:
    records = data.draw(st.sampled_from(SHAPES))
    record = json.loads(records)
    for _ in range(data.draw(st.integers(1, 3))):
        holder = record
        while True:
            key = data.draw(st.sampled_from(sorted(holder)))
            if type(holder[key]) is not dict or not holder[key] or data.draw(st.booleans()):
                break
            holder = holder[key]
        holder[key] = data.draw(VALUES)
    line = json.dumps(record, separators=(",", ":")).encode()
    whole, fast = begin("x.jsonl"), begin("x.jsonl")
    try:
        found = list(parse(line, 0, whole))
    except Malformed:
        return
    assert found
    seen = list(usage(line, 0, fast)) if any(mark in line for mark in MARKS) else []
    assert drafts(seen, "cost") == drafts(found, "cost")
    msgspec.msgpack.encode(whole)


SHAPES = sorted({line for path in FILES for line in path.read_bytes().splitlines()
                 if line.startswith(b"{") and len(line) < 4000 and json.loads(line)} | set(CAPTURE.splitlines()))[::3]


def test_deep_nesting_is_malformed_at_worst() -> None:
    for depth in (100, 400, 900, 5000):
        text = b'{"type":"response_item","payload":{"type":"function_call_output","call_id":"c","output":' + (
            b'{"content":' * depth + b"1" + b"}" * depth) + b"}}"
        with suppress(Malformed):
            list(parse(text, 0, begin("x")))
