"""Claude Code transcripts: the contract every line source keeps, on real files and on damaged ones."""

import contextlib
import json
import random
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen.model.event import Draft, Ignored, Item, SessionDraft, Unknown
from kaizen.sources.claude import parse, usage, usage_marks
from kaizen.sources.claude_files import SUBAGENTS, TRANSCRIPTS
from kaizen.sources.claude_state import State, begin
from kaizen.sources.shapes import Malformed, as_time_ms

FIXTURES = Path(__file__).parent.parent / "fixtures"
FILES = sorted(
    file for place in ("claude_code", "synthetic/claude_fork") for file in (FIXTURES / place).rglob("*.jsonl")
)
LINES = [line for file in FILES for line in file.read_bytes().split(b"\n") if line.strip()]


def read(
    content: bytes, path: str, by: Callable[[bytes, int, State], Iterable[Item]] = parse, cut: int | None = None
) -> list[Item]:
    """All items of a file; at `cut` the state is saved and a new process goes on."""
    state, at = begin(path), 0
    items: list[Item] = []
    for line in content.split(b"\n"):
        if cut is not None and at >= cut:
            state, cut = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=State), None
        stripped = line.strip(b"\r\n\x00 \t")
        if stripped and (by is parse or any(mark in line for mark in usage_marks(state))):
            with contextlib.suppress(Malformed):
                items += by(stripped, at, state)
        at += len(line) + 1
    return items


def costs(items: Iterable[Item]) -> list[Draft]:
    return [item for item in items if type(item) is Draft and item.kind == "cost"]


def owned(drafts: Iterable[Draft]) -> list[Draft]:
    """Without the session, which the fast path may learn later when the file's name does not tell it."""
    return [msgspec.structs.replace(one, session="", is_copy=False) for one in drafts]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(FIXTURES)))
def test_the_fast_path_sees_the_same_requests(file: Path) -> None:
    content = file.read_bytes()
    full, fast = costs(read(content, str(file))), costs(read(content, str(file), usage))
    assert owned(fast) == owned(full)
    if begin(str(file)).is_named:
        assert fast == full


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_reading_in_two_pieces_is_reading_at_once(file: Path) -> None:
    content = file.read_bytes()
    whole = read(content, str(file))
    for cut in random.Random(file.name).sample(range(len(content) + 1), min(5, len(content))):
        assert read(content, str(file), cut=cut) == whole


def damaged(line: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(line) + 1)
        line = (
            chance.choice([
                lambda line=line, at=at: line[:at],
                lambda line=line, at=at: line[at:],
                lambda line=line, at=at: line[:at] + bytes([chance.randrange(256)]) + line[at + 1 :],
                lambda line=line, at=at: (
                    line[:at] + chance.choice([b"null", b"[]", b"{}", b'"', b"-1", b"1e999"]) + line[at:]
                ),
            ])()
            or b"{"
        )
    return line.replace(b"\n", b" ")


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 1 << 40))
def test_damaged_lines_raise_nothing_but_malformed(seed: int) -> None:
    chance = random.Random(seed)
    for by in (parse, usage):
        state = begin("x.jsonl")
        for number in range(20):
            with contextlib.suppress(Malformed):
                list(by(damaged(chance.choice(LINES), chance), number, state))
        msgspec.msgpack.encode(state)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([
                "type",
                "message",
                "usage",
                "content",
                "id",
                "role",
                "timestamp",
                "sessionId",
                "toolUseResult",
                "data",
                "attachment",
                "input_tokens",
                "cache_creation",
                "iterations",
                "x",
            ]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@settings(max_examples=200, deadline=None)
@given(
    kind=st.sampled_from(["assistant", "user", "system", "progress", "attachment", "custom-title", "summary", "new"]),
    said=st.dictionaries(
        st.sampled_from([
            "message",
            "data",
            "attachment",
            "toolUseResult",
            "uuid",
            "sessionId",
            "cwd",
            "timestamp",
            "requestId",
            "forkedFrom",
            "subtype",
            "costUSD",
        ]),
        JSON,
    ),
)
def test_fields_of_any_type(kind: str, said: dict[str, object]) -> None:
    line = msgspec.json.encode({**said, "type": kind})
    full = costs(_tolerant(parse, line))
    fast = costs(_tolerant(usage, line)) if any(mark in line for mark in usage_marks(State("s"))) else []
    assert owned(fast) == owned(full)


def _tolerant(by: Callable[[bytes, int, State], Iterable[Item]], line: bytes) -> list[Item]:
    try:
        return list(by(line, 0, begin("x.jsonl")))
    except Malformed:
        return []


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1 << 40))
def test_junk_between_lines_changes_no_total(seed: int) -> None:
    chance = random.Random(seed)
    file = chance.choice([one for one in FILES if one.stat().st_size < 300_000])
    lines = file.read_bytes().split(b"\n")
    expected = costs(read(b"\n".join(lines), str(file)))
    for _ in range(8):
        lines.insert(
            chance.randrange(len(lines)),
            chance.choice([
                b"junk",
                b"\x00\x01\xff",
                b'{"type":',
                b"[1,2]",
                b'{"type":"brand-new","x":1}',
                b'{"a":1}}',
                b"\xef\xbb\xbf",
            ]),
        )
    found = costs(read(b"\n".join(lines), str(file)))
    without_place = [one for one in found if ":line:" not in one.key]
    assert without_place == [one for one in expected if ":line:" not in one.key] and len(found) == len(expected)


# What each record becomes

HERE = "11111111-1111-4111-8111-111111111111"
THERE = "22222222-2222-4222-8222-222222222222"
UUID = "aaaaaaaa-0000-4000-8000-000000000001"
CALL = "toolu_01abcdefghijklmnopqrst"
Record = dict[str, Any]


def told(*records: Record, path: str = f"/r/{HERE}.jsonl", by: Callable[..., Iterable[Item]] = parse) -> list[Item]:
    return read(b"\n".join(msgspec.json.encode(record) for record in records), path, by)


def drafts(*records: Record, path: str = f"/r/{HERE}.jsonl") -> list[Draft]:
    return [item for item in told(*records, path=path) if type(item) is Draft]


def facts(*records: Record, path: str = f"/r/{HERE}.jsonl") -> list[SessionDraft]:
    return [item for item in told(*records, path=path) if type(item) is SessionDraft]


def user(content: object, **more: object) -> Record:
    return {"type": "user", "uuid": UUID, "message": {"role": "user", "content": content}, **more}


def answer(*content: Record, usage: object = None, id: str = "msg_1", request: str | None = "req_1",
           **more: object) -> Record:
    message = {"role": "assistant", "id": id, "model": "claude-opus-4-8", "content": list(content),
               "usage": usage or {}}
    return {"type": "assistant", "uuid": UUID, "requestId": request, "message": message, **more}


def result(content: object, call: str = CALL, **more: object) -> Record:
    return user([{"type": "tool_result", "tool_use_id": call, "content": content}], **more)


def queued(prompt: object, **more: object) -> Record:
    return {"type": "attachment", "uuid": UUID, "attachment": {"type": "queued_command", "prompt": prompt, **more}}


IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJDRA=="}}
PNG = {"dropped": "image/png", "bytes": 4}


@pytest.mark.parametrize(("record", "kind", "role", "payload"), [
    (user("fix it"), "message", "prompt", {"text": "fix it"}),
    (user([{"type": "text", "text": "a"}, "b"]), "message", "prompt", {"text": "a\nb"}),
    (user([IMAGE, {"type": "text", "text": "see"}]), "message", "prompt", {"text": "see", "attachments": [PNG]}),
    (user([IMAGE]), "message", "prompt", {"text": "", "attachments": [PNG]}),
    (user("x", isMeta=True), "message", "context", {"text": "x"}),
    (user("x", isSidechain=True), "message", "context", {"text": "x"}),
    (user("x", origin={"kind": "task-notification"}), "message", "context", {"text": "x"}),
    (user("x", origin={"kind": "human"}), "message", "prompt", {"text": "x"}),
    (user("<div> is not closed"), "message", "prompt", {"text": "<div> is not closed"}),
    *((user(f"{start}x"), "message", "context", {"text": f"{start}x"}) for start in (
        "<local-command-stdout>", "<command-name>", "<system-reminder>", "<task-notification>", "<bash-input>",
        "<ide_opened_file>", " \n<command-message>")),
    (user("[Request interrupted by user]"), "lifecycle", None,
     {"event": "interrupted", "text": "[Request interrupted by user]"}),
    (user("long ago", isCompactSummary=True), "lifecycle", None, {"event": "compaction_summary", "text": "long ago"}),
    (result("1 passed"), "tool_result", None, {"output": "1 passed"}),
    (result([{"type": "text", "text": "a"}, IMAGE]), "tool_result", None,
     {"output": "a\n[image]", "attachments": [PNG]}),
    (result("", toolUseResult="Error: no"), "tool_result", None, {"output": "Error: no"}),
    (result("ok", toolUseResult={"filePath": "/w/a.py", "structuredPatch": [1], "originalFile": "x"}), "tool_result",
     None, {"output": "ok", "file_path": "/w/a.py"}),
    (result("ok", toolUseResult={"exitCode": 2, "interrupted": True}), "tool_result", None,
     {"output": "ok", "exit_code": 2, "interrupted": True}),
    (answer({"type": "text", "text": "Done."}), "message", "assistant", {"text": "Done."}),
    (answer({"type": "thinking", "thinking": "hm", "signature": "s"}), "message", "thinking", {"text": "hm"}),
    (answer({"type": "redacted_thinking", "data": "QUJD"}), "message", "thinking", {"redacted": True}),
    (answer({"type": "tool_use", "id": CALL, "name": "Read", "input": {"a": [IMAGE["source"]]}}), "tool_call", None,
     {"input": {"a": [PNG]}}),
    (answer({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [
        {"type": "web_search_result", "title": "T", "url": "https://x", "encrypted_content": "secret"}]}),
     "tool_result", None, {"output": "T https://x"}),
    (answer({"type": "text", "text": "API Error: 529"}, isApiErrorMessage=True), "error", None,
     {"text": "API Error: 529"}),
    ({"type": "system", "subtype": "compact_boundary", "compactMetadata": {"trigger": "auto", "preTokens": 9}},
     "lifecycle", None, {"event": "compaction", "trigger": "auto", "pre_tokens": 9}),
    ({"type": "system", "subtype": "turn_duration", "durationMs": 7}, "lifecycle", None, {"event": "turn_duration"}),
    ({"type": "system", "subtype": "api_error", "error": {"message": "overloaded"}}, "error", None,
     {"text": "overloaded"}),
    ({"type": "system", "subtype": "away_summary", "content": "t"}, "lifecycle", None,
     {"event": "away_summary", "text": "t"}),
    (queued("and the docs"), "message", "prompt", {"text": "and the docs"}),
    (queued([{"type": "text", "text": "this"}, IMAGE]), "message", "prompt",
     {"text": "this\n[image]", "attachments": [PNG]}),
    (queued("<task-notification>done"), "message", "context", {"text": "<task-notification>done"}),
])  # fmt: skip
def test_a_record_becomes_one_row(record: Record, kind: str, role: str | None, payload: object) -> None:
    rows = [one for one in drafts(record) if one.kind != "cost"]
    assert [(one.kind, one.role, one.payload) for one in rows] == [(kind, role, payload)]
    assert b"QUJD" not in msgspec.json.encode(rows)


@pytest.mark.parametrize(("record", "item"), [
    ({"type": "file-history-snapshot"}, Ignored("file_history")),
    ({"type": "queue-operation", "operation": "enqueue", "content": "x"}, Ignored("metadata")),
    ({"type": "summary", "summary": "another conversation", "leafUuid": UUID}, Ignored("metadata")),
    ({"type": "progress", "data": {"type": "bash_progress"}}, Ignored("progress")),
    ({"type": "attachment", "attachment": {"type": "todo_reminder"}}, Ignored("attachment")),
    (user(None), Ignored("empty_prompt")),
    ({"type": "assistant", "message": {"content": []}}, Ignored("empty_answer")),
    ({"type": "brand-new"}, Unknown("record:brand-new")),
    ({"type": ["list"]}, Unknown("record:None")),
    ({"type": "system", "subtype": "brand-new"}, Unknown("system:brand-new")),
    (user([{"type": "brand-new"}]), Unknown("block:brand-new")),
    ({"type": "assistant", "message": {"content": [{"type": {}}]}}, Unknown("block:None")),
])  # fmt: skip
def test_a_record_that_is_no_row(record: Record, item: Item) -> None:
    assert told(record) == [item]


def test_keys_are_global_only_for_ids_that_are() -> None:
    call = {"type": "tool_use", "id": CALL, "name": "Bash", "input": {}}
    assert [one.key for one in drafts(answer(call))] == [f"call:{CALL}", "req:msg_1:req_1"]
    assert drafts(answer({**call, "id": "toolu_1"}))[0].key == f"call:{HERE}:toolu_1"
    assert drafts(result("x"))[0].key == f"result:{CALL}"
    assert drafts(user("x"))[0].key == f"uuid:{UUID}:0"
    assert drafts(user("x", uuid="u1"))[0].key == f"uuid:{HERE}:u1:0"
    assert drafts(user("x", uuid=None))[0].key == f"line:{HERE}:0:0"


@pytest.mark.parametrize(("record", "key", "request_"), [
    (answer(), "req:msg_1:req_1", "msg_1"),
    (answer(request=None), "req:msg_1", "msg_1"),
    (answer(id=""), f"req:uuid:{UUID}", f"uuid:{UUID}"),
    (answer(id="", uuid="a1"), f"req:uuid:{HERE}:a1", f"uuid:{HERE}:a1"),
])
def test_the_request_of_a_record(record: Record, key: str, request_: str) -> None:
    (cost,) = costs(told(record))
    assert (cost.key, cost.request) == (key, request_)
    assert costs(told(record, by=usage)) == [cost]


@pytest.mark.parametrize(("used", "expected"), [
    ({}, (None, None, None, None, None)),
    ({"input_tokens": 0, "output_tokens": 0}, (0, 0, None, None, 0)),
    ({"input_tokens": 5, "output_tokens": 2, "cache_creation_input_tokens": 30}, (5, 2, 30, None, 35)),
    ({"cache_creation_input_tokens": 30, "cache_creation": {"ephemeral_5m_input_tokens": 10}},
     (None, None, 30, 0, 30)),
    ({"cache_creation_input_tokens": 30, "cache_creation": {"ephemeral_1h_input_tokens": 40}},
     (None, None, 40, 40, 40)),
    ({"input_tokens": "5", "output_tokens": 2.0, "cache_creation": []}, (5, 2, None, None, 5)),
    ({"input_tokens": -1, "output_tokens": True}, (None, None, None, None, None)),
])  # fmt: skip
def test_token_buckets(used: Record, expected: tuple[int | None, ...]) -> None:
    (cost,) = costs(told(answer(usage=used)))
    assert expected == (cost.input_tokens, cost.output_tokens, cost.cache_write_tokens, cost.cache_write_1h_tokens,
                        cost.context_used_tokens)  # fmt: skip
    assert costs(told(answer(usage=used), by=usage)) == [cost]


def test_a_host_error_costs_only_what_it_says() -> None:
    synthetic = answer({"type": "text", "text": "x"}, usage={"input_tokens": 0, "output_tokens": 0})
    synthetic["message"]["model"] = "<synthetic>"
    assert [one.kind for one in drafts(synthetic)] == ["error"]
    synthetic["message"]["usage"]["output_tokens"] = 3
    assert [one.kind for one in drafts(synthetic)] == ["error", "cost"]


def test_an_advisor_is_billed_on_top_also_when_it_is_the_same_model() -> None:
    steps = [{"type": "message", "output_tokens": 1}, {"type": "advisor_message", "model": "claude-opus-4-8",
                                                      "input_tokens": 9, "output_tokens": 8}]  # fmt: skip
    record = answer(usage={"output_tokens": 1, "iterations": steps})
    found = costs(told(record))
    assert [(one.key, one.output_tokens) for one in found] == [
        ("req:msg_1:req_1", 1), ("req:msg_1:req_1:advisor1", 8)]  # fmt: skip
    assert costs(told(record, by=usage)) == found


def test_the_long_window_stays_with_its_model() -> None:
    used = ({"input_tokens": 1}, {"input_tokens": 200_001}, {"input_tokens": 1})
    found = costs(told(*(answer(usage=one, id=f"m{number}") for number, one in enumerate(used))))
    assert [one.context_max_tokens for one in found] == [200_000, 1_000_000, 1_000_000]


def test_searches_of_one_request_add_up_and_the_fast_path_sees_them() -> None:
    calls = [{"type": "tool_use", "id": f"s{number}", "name": "WebSearch", "input": {}} for number in range(3)]
    records = [answer(*calls, usage={"output_tokens": 1}), result("x", "s0", toolUseResult={"searchCount": 1}),
               result("no count", "s1"), result("x", "s1", toolUseResult={"searchCount": 2}),
               result("not ours", "s9", toolUseResult={"searchCount": 5}),
               result("x", "s0", toolUseResult={"searchCount": 1})]  # fmt: skip
    found = costs(told(*records))
    assert [(one.key, one.web_search_requests) for one in found] == [
        ("req:msg_1:req_1", None), ("req:msg_1:req_1", 1), ("req:msg_1:req_1", 3)]  # fmt: skip
    assert costs(told(*records, by=usage)) == found


def test_a_queued_prompt_counts_once() -> None:
    roles = [one.role for one in drafts(queued("go on "), user("go on"), user("go on"))]
    assert roles == ["prompt", "context", "prompt"]
    roles = [one.role for one in drafts(queued("go on"), user("something else"), user("go on"))]
    assert roles == ["prompt", "prompt", "prompt"]


def test_a_persons_title_stays() -> None:
    records = ({"type": "ai-title", "aiTitle": "auto"}, {"type": "custom-title", "customTitle": "mine"},
               {"type": "ai-title", "aiTitle": "auto 2"})  # fmt: skip
    assert [one.title for one in facts(*records)] == ["auto", "mine"]
    assert [one.title for one in facts(user("x"), {"type": "summary", "summary": "ours", "leafUuid": UUID})] == ["ours"]


def test_a_subagents_parent_type_and_call() -> None:
    task = {"type": "tool_use", "id": CALL, "name": "Task", "input": {"subagent_type": "Explore"}}
    assert facts(answer(task), result("found", toolUseResult={"agentId": "a1"})) == [
        SessionDraft("agent-a1", parent=HERE, relation="subagent", label="Explore", parent_call_id=CALL)]  # fmt: skip
    path = f"/r/p/{HERE}/subagents/workflows/w/agent-a1.jsonl"
    state = begin(path)
    line = msgspec.json.encode(user("look", isSidechain=True, sessionId=THERE))
    assert next(iter(parse(line, 0, state))) == (
        SessionDraft("agent-a1", parent=HERE, relation="subagent"))  # fmt: skip
    beside = path.replace(".jsonl", ".meta.json")
    assert SUBAGENTS.wants(beside)
    assert not SUBAGENTS.wants(path)
    assert not SUBAGENTS.wants(f"/r/p/{HERE}.meta.json")
    assert list(SUBAGENTS.parse(beside, b'{\n "agentType": "Plan",\n "toolUseId": "toolu_x"\n}')) == [
        SessionDraft("agent-a1", label="Plan", parent_call_id="toolu_x")]  # fmt: skip
    assert list(SUBAGENTS.parse(beside, b'{"agentType": 5}')) == [Ignored("no_content")]
    with pytest.raises(Malformed):
        list(SUBAGENTS.parse(beside, b"[]"))
    (row,) = drafts(user("look", isSidechain=True), path=path)
    assert (row.session, row.role, row.is_copy) == ("agent-a1", "prompt", False)


def test_a_running_subagent_bills_under_its_own_keys() -> None:
    nested = {**answer(usage={"output_tokens": 4}), "timestamp": "2026-02-01T10:00:03.000Z"}
    record = {"type": "progress", "parentToolUseID": CALL, "cwd": "/w",
              "data": {"type": "agent_progress", "agentId": "a1", "message": nested}}  # fmt: skip
    (cost,) = costs(told(record))
    assert (cost.session, cost.key, cost.is_sidechain) == ("agent-a1", "req:msg_1:req_1", True)
    assert costs(told(record, by=usage)) == [cost]


def test_a_copied_record_says_so() -> None:
    (row,) = drafts(user("x", forkedFrom={"sessionId": THERE, "messageUuid": UUID}))
    assert row.is_copy and row.session == HERE
    assert facts(user("x", sessionId=THERE)) == [SessionDraft(HERE, parent=THERE, relation="fork")]
    assert not drafts(user("x", sessionId=HERE))[0].is_copy


def test_a_file_whose_name_says_nothing_holds_the_sessions_its_records_name() -> None:
    rows = drafts(user("x", sessionId="a"), user("y", sessionId="b", uuid="u2"), path="/r/old/chat.jsonl")
    assert [(one.session, one.is_copy) for one in rows] == [("a", False), ("b", False)]


def test_workspace_and_branch_are_said_once() -> None:
    where = {"cwd": "/w", "gitBranch": "HEAD", "version": "2.1.40"}
    assert facts(user("a", **where), user("b", **{**where, "cwd": "/w/sub", "gitBranch": "main"})) == [
        SessionDraft(HERE, workspace="/w", agent_version="2.1.40"), SessionDraft(HERE, branch="main")]  # fmt: skip


@pytest.mark.parametrize(("env", "roots"), [
    ({"CLAUDE_CONFIG_DIR": "/a, /b/projects/ ,~/c,,"}, ["/a/projects", "/b/projects", "/home/u/c/projects"]),
    ({"XDG_CONFIG_HOME": "/x"}, ["/home/u/.claude/projects", "/x/claude/projects",
                                 "/home/u/Library/Application Support/Claude/local-agent-mode-sessions",
                                 "/home/u/.config/Claude/local-agent-mode-sessions"]),
])  # fmt: skip
def test_roots(env: dict[str, str], roots: list[str]) -> None:
    assert list(TRANSCRIPTS.roots(env, "/home/u")) == roots


def test_wants() -> None:
    assert TRANSCRIPTS.wants("slug/x.jsonl") and TRANSCRIPTS.wants("slug/my-journal.jsonl")
    others = ("s/workflows/w/journal.jsonl", "history.jsonl", "s/audit.jsonl", "s/x.json")
    assert not any(map(TRANSCRIPTS.wants, others))


@given(st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2100, 1, 1)), st.text(max_size=24))
def test_the_quick_clock_agrees(moment: datetime, junk: str) -> None:
    for text in (moment.isoformat(timespec="milliseconds"), junk[:19] + ".100"):
        assert as_time_ms(f"{text}Z") == as_time_ms(f"{text}+00:00")


def test_state_stays_small() -> None:
    state = begin(f"/r/{HERE}.jsonl")
    search = {"type": "tool_use", "name": "WebSearch", "input": {}}
    for number in range(200):
        task = {"type": "tool_use", "id": f"t{number}", "name": "Task", "input": {"subagent_type": "x" * 9_000}}
        for record in (queued("x" * 9_000), answer({**search, "id": f"s{number}"}, task, usage={"output_tokens": 1})):
            list(parse(msgspec.json.encode(record), number, state))
    assert len(msgspec.msgpack.encode(state)) < 10_000


# Totals known to the token

GOLDEN = json.loads((FIXTURES / "_expected/token_totals.json").read_text())["claude_code"]
BUCKETS = ("requests", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_5m_tokens",
           "cache_write_1h_tokens", "web_search_requests")  # fmt: skip


def merged(found: Iterable[Draft]) -> dict[str, Draft]:
    """By key: the largest output, ties last; searches: the most. A side chain's copy and a row without request id give
    way to the same message on the main line, or with one."""
    kept: dict[str, Draft] = {}
    for cost in found:
        old = kept.get(cost.key)
        most = max(cost.web_search_requests or 0, (old and old.web_search_requests) or 0)
        best = cost if old is None or (cost.output_tokens or -1) >= (old.output_tokens or -1) else old
        kept[cost.key] = msgspec.structs.replace(best, web_search_requests=most)
    by_request: dict[str | None, list[Draft]] = {}
    for cost in kept.values():
        if ":advisor" not in cost.key:
            by_request.setdefault(cost.request, []).append(cost)
    for request, group in by_request.items():
        named = [cost for cost in group if cost.key != f"req:{request}"]
        main = [cost for cost in named if not cost.is_sidechain]
        for cost in group:
            if (named and cost not in named) or (main and cost.is_sidechain):
                kept.pop(cost.key)
    return kept


@pytest.mark.parametrize("by", [parse, usage])
@pytest.mark.parametrize("name", [name for name in GOLDEN if (FIXTURES / name).is_file()])
def test_golden_totals(name: str, by: Callable[..., Iterable[Item]]) -> None:
    totals: dict[str, list[int]] = {}
    for cost in merged(costs(read((FIXTURES / name).read_bytes(), name, by))).values():
        hour = cost.cache_write_1h_tokens or 0
        amounts = (1, cost.input_tokens, cost.output_tokens, cost.cache_read_tokens,
                   (cost.cache_write_tokens or 0) - hour, hour, cost.web_search_requests)  # fmt: skip
        sums = totals.setdefault(cost.model or "unknown", [0] * len(BUCKETS))
        totals[cost.model or "unknown"] = [a + (b or 0) for a, b in zip(sums, amounts, strict=True)]
    assert {model: dict(zip(BUCKETS, sums, strict=True)) for model, sums in totals.items()} == GOLDEN[name]["by_model"]


def test_the_synthetic_fork() -> None:
    expected = json.loads((FIXTURES / "synthetic/expected.json").read_text())["claude_fork"]
    items: list[Item] = []
    for file in sorted((FIXTURES / "synthetic/claude_fork").rglob("*.jsonl")):
        items += read(file.read_bytes(), str(file))
    kept = merged(costs(items))
    assert len(kept) == expected["requests"]
    assert sum(one.output_tokens or 0 for one in kept.values()) == expected["totals"]["output_tokens"]
    assert sum(one.web_search_requests or 0 for one in kept.values()) == expected["totals"]["web_search_requests"]
    parents = {one.session: one.parent for one in items if type(one) is SessionDraft and one.parent}
    assert parents == expected["parents"]
