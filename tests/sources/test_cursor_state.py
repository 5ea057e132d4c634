"""The IDE's database."""

import random
import sqlite3
from pathlib import Path

import msgspec
import pytest

from kaizen.capture.tables import open_foreign
from kaizen.model.event import Draft, Item, SessionDraft, Unknown
from kaizen.sources import cursor_state
from kaizen.sources.cursor_files import STATE
from kaizen.sources.shapes import Malformed

FIXTURE = Path(__file__).parents[1] / "fixtures/cursor/state/composer-global-state.vscdb"
T0 = 1770000000000
BUBBLES = {
    "u1": {"type": 1, "createdAt": "2026-02-02T02:40:00Z", "text": "fix it", "tokenCount": {"inputTokens": 0}},
    "a1": {"type": 2, "text": "Looking.", "thinking": {"text": "hm"},
           "tokenCount": {"inputTokens": 1200, "outputTokens": 34}, "modelInfo": {"modelName": "claude-4.6-sonnet"}},
    "a2": {"type": 2, "text": "", "tokenCount": {"inputTokens": 0, "outputTokens": 0}, "toolFormerData": {
        "name": "read_file", "toolCallId": "t1", "params": '{"path":"a.py"}', "result": '{"contents":"x"}',
        "status": "completed"}},
    "gone": {"type": 2, "text": "discarded", "tokenCount": {"inputTokens": 9, "outputTokens": 9}},
}


def composer(*bubbles: str, updated: object = T0, **more: object) -> dict[str, object]:
    return {"name": "Fix", "createdAt": T0 - 1000, "lastUpdatedAt": updated, "createdOnBranch": "main",
            "modelConfig": {"modelName": "default"}, "workspaceIdentifier": {"uri": {"fsPath": "/home/u/app"}},
            "fullConversationHeadersOnly": [{"bubbleId": name} for name in bubbles], **more}


def write(path: Path, composers: dict[str, object], bubbles: dict[str, object] | None = None) -> Path:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE IF NOT EXISTS cursorDiskKV (key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB)")
        for name, value in composers.items():
            db.execute("INSERT INTO cursorDiskKV VALUES (?, ?)",
                       (f"composerData:{name}", value if isinstance(value, bytes) else msgspec.json.encode(value)))
            for bubble, content in (BUBBLES if bubbles is None else bubbles).items():
                db.execute("INSERT INTO cursorDiskKV VALUES (?, ?)",
                           (f"bubbleId:{name}:{bubble}", msgspec.json.encode(content).decode()))
    db.close()
    return path


def read(path: Path, since: object = None) -> list[tuple[object, list[Item]]]:
    with open_foreign(str(path)) as db:
        return list(cursor_state.read(db, str(path), since))


def items(path: Path) -> list[Item]:
    return [item for _, found in read(path) for item in found]


def drafts(path: Path) -> list[Draft]:
    return [item for item in items(path) if isinstance(item, Draft)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.vscdb"


def test_a_conversation_in_the_order_of_its_headers(path: Path) -> None:
    found = drafts(write(path, {"c1": composer("u1", "a1", "a2")}))
    assert [(item.key, item.kind, item.role or item.tool) for item in found] == [
        ("alt3:c1:u1:text", "message", "prompt"),
        ("alt3:c1:a1:thinking", "message", "thinking"),
        ("alt3:c1:a1:text", "message", "assistant"),
        ("req:c1:a1", "cost", None),
        ("alt3:c1:a2:call", "tool_call", "read_file"),
        ("alt3:c1:a2:result", "tool_result", "read_file"),
    ]
    assert found[0].ts_ms == T0
    assert found[4].payload == {"input": {"path": "a.py"}}
    assert (found[5].is_error, found[5].call_id, found[5].payload) == (False, "t1", {"output": {"contents": "x"}})


def test_tokens_are_kept_without_a_cache_split(path: Path) -> None:
    [cost] = [item for item in drafts(write(path, {"c1": composer("u1", "a1", "a2")})) if item.kind == "cost"]
    assert cost == Draft("req:c1:a1", "c1", "cost", request="c1:a1", model="claude-4.6-sonnet", input_tokens=1200,
                         output_tokens=34, flag="no_cache_split")


@pytest.mark.parametrize(("counted", "expected"), [
    ({"inputTokens": 0, "outputTokens": 0}, []), ({}, []), (None, []), ({"inputTokens": -1, "outputTokens": "x"}, []),
    ({"inputTokens": 5, "outputTokens": 0}, [(5, None)]),
])
def test_zero_tokens_are_unknown(path: Path, counted: object, expected: list[object]) -> None:
    write(path, {"c1": composer("a")}, {"a": {"type": 2, "text": "x", "tokenCount": counted}})
    assert [(item.input_tokens, item.output_tokens) for item in drafts(path) if item.kind == "cost"] == expected


def test_the_session_is_described(path: Path) -> None:
    assert items(write(path, {"c1": composer("u1")}))[0] == SessionDraft(
        "c1", workspace="/home/u/app", branch="main", title="Fix", started_at_ms=T0 - 1000, ended_at_ms=T0)


def test_a_conversation_without_messages_makes_no_session(path: Path) -> None:
    assert items(write(path, {"c1": composer(), "c2": composer("missing")})) == []


def test_old_conversations_hold_their_bubbles(path: Path) -> None:
    said = composer(fullConversationHeadersOnly=None, conversation=[
        {"type": 1, "bubbleId": "x", "text": "hi"}, {"type": 2, "text": "hello"}, None])
    assert [item.key for item in drafts(write(path, {"c1": said}, {}))] == ["alt3:c1:x:text", "alt3:c1:1:text"]


def test_subagents(path: Path) -> None:
    child = "task-call_1\nfc_2"
    write(path, {"c1": composer("u1", subComposerIds=[child]), child: composer("u1")})
    [about] = [item for item in items(path) if isinstance(item, SessionDraft) and item.session != "c1"]
    assert (about.session, about.parent, about.relation, about.parent_call_id) == (
        "task-call_1", "c1", "subagent", "call_1\nfc_2")


@pytest.mark.parametrize(("said", "is_error", "payload"), [
    ({"status": "error", "error": '{"message":"no"}'}, True, {"error": {"message": "no"}}),
    ({"status": "cancelled"}, True, {"reason": "interrupted"}),
    ({"status": "completed", "userDecision": "rejected"}, True, {"reason": "denied"}),
    ({"status": "completed", "result": '{"output":"cut of'}, False, {"output": '{"output":"cut of'}),
    ({"result": "text"}, None, {"output": "text"}),
])
def test_how_a_call_ended(path: Path, said: dict[str, str], is_error: bool | None, payload: object) -> None:
    write(path, {"c1": composer("a")}, {"a": {"type": 2, "toolFormerData": {"name": "run_terminal_cmd", **said}}})
    result = drafts(path)[-1]
    assert (result.kind, result.is_error, result.payload) == ("tool_result", is_error, payload)


def test_a_running_call_has_no_result(path: Path) -> None:
    write(path, {"c1": composer("a")}, {"a": {"type": 2, "toolFormerData": {"name": "x", "status": "loading"}}})
    assert [item.kind for item in drafts(path)] == ["tool_call"]


def test_a_null_bubble_and_odd_ids(tmp_path: Path) -> None:
    [(mark, found)] = read(FIXTURE)
    said = [item for item in found if isinstance(item, Draft)]
    assert [(item.kind, item.role or item.tool) for item in said] == [
        ("message", "prompt"), ("message", "assistant"), ("message", "assistant"), ("tool_call", "read_file"),
        ("tool_result", "read_file"), ("tool_call", "search"), ("tool_result", "search"), ("message", "prompt")]
    assert "synthetic collision identity" in repr(said[1].payload)
    assert read(FIXTURE, mark) == []


def test_only_what_changed_is_read_again(path: Path) -> None:
    write(path, {"c1": composer("u1", updated=T0), "c2": composer("u1", updated=T0 + 5)})
    marks = [mark for mark, _ in read(path)]
    assert read(path, marks[-1]) == []
    assert len(read(path, marks[0])) == 1, "a back-fill goes on where it was killed"
    write(path, {"c1": composer("u1", "a1", updated=T0 + 9)})
    [(mark, found)] = read(path, marks[-1])
    assert "alt3:c1:a1:text" in [item.key for item in found if isinstance(item, Draft)]
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(mark)) == mark


def test_a_late_change_without_a_new_time_is_seen(path: Path) -> None:
    write(path, {"c1": composer("u1", updated=T0), "c2": composer("u1", updated=T0 + 5)})
    mark = read(path)[-1][0]
    write(path, {"c1": composer("u1", "a1", updated=T0), "c3": composer("u1", updated=T0 + 5)})
    assert len(read(path, mark)) == 2
    assert read(path, read(path, mark)[-1][0]) == []


def test_a_time_from_the_far_future_hides_nothing(path: Path) -> None:
    write(path, {"c1": composer("u1", updated=99_999_999_999_999)})
    mark = read(path)[-1][0]
    write(path, {"c2": composer("u1", updated=T0)})
    assert len(read(path, mark)) == 1


def test_a_broken_conversation_stops_no_other(path: Path) -> None:
    found = items(write(path, {"c0": b'{"name": ', "c1": composer("u1"), "c2": b"\xff\xfe", "c3": b"[]"}))
    assert [item for item in found if isinstance(item, Unknown)] == [Unknown("composerData")] * 3
    assert any(isinstance(item, Draft) for item in found)


def test_other_keys_are_not_touched(path: Path) -> None:
    write(path, {"c1": composer("u1")})
    with sqlite3.connect(path) as db:
        db.execute("INSERT INTO cursorDiskKV VALUES ('agentKv:blob:1', x'ff'), ('composerDataX', '{}'), (NULL, NULL)")
        db.execute("INSERT INTO cursorDiskKV VALUES ('bubbleId:c10:u1', '{}'), ('composerData:null', NULL)")
        db.execute("INSERT INTO cursorDiskKV VALUES (x'636f6d706f736572', 5), ('composerData:n', 7)")
    db.close()
    assert [item.key for item in drafts(path)] == ["alt3:c1:u1:text"]


def test_ranges_use_the_index(path: Path) -> None:
    with sqlite3.connect(write(path, {"c1": composer("u1")})) as db:
        plans: list[str] = []
        db.set_trace_callback(plans.append)
        list(cursor_state.read(db, str(path), None))
        db.set_trace_callback(None)
        asked = [plan for plan in plans if "cursorDiskKV" in plan]
        assert asked
        for statement in asked:
            assert "SEARCH" in str(db.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall())
    db.close()


def test_where_it_looks() -> None:
    assert list(STATE.roots({"CURSOR_STATE_DB": "/x/state.vscdb"}, "/home/u")) == ["/x/state.vscdb"]
    assert list(STATE.roots({"APPDATA": "C:/A"}, "/home/u")) == [
        "/home/u/.config/Cursor/User/globalStorage",
        "/home/u/Library/Application Support/Cursor/User/globalStorage",
        "/home/u/.cursor-server/data/User/globalStorage",
        "C:/A/Cursor/User/globalStorage"]
    assert STATE.wants("state.vscdb")
    assert not STATE.wants("state.vscdb.backup")


@pytest.mark.parametrize(("made", "reason"), [
    ("CREATE TABLE ItemTable (key, value)", "missing_table"), ("CREATE TABLE cursorDiskKV (key)", "missing_column")])
def test_another_schema_is_malformed(path: Path, made: str, reason: str) -> None:
    with sqlite3.connect(path) as db:
        db.execute(made)
        with pytest.raises(Malformed, match=reason):
            list(cursor_state.read(db, str(path), None))
    db.close()


@pytest.mark.parametrize("since", [0, "x", [], [None], [1, 2], {"a": 1}, ["x", {"c1": "y"}], [T0, {"c1": 1}]])
def test_a_strange_cursor_reads_again(path: Path, since: object) -> None:
    assert len(read(write(path, {"c1": composer("u1")}), since)) == 1


def test_broken_databases_are_malformed(path: Path) -> None:
    content = write(path, {f"c{number}": composer("u1", "a1", "a2") for number in range(5)}).read_bytes()
    broken_path, chance = path.with_name("broken.vscdb"), random.Random(11)
    reasons = set()
    for _ in range(200):
        broken = bytearray(content)
        for _ in range(chance.randint(1, 300)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        broken_path.write_bytes(broken[: chance.choice((len(broken), chance.randrange(len(broken))))])
        try:
            for mark, found in read(broken_path):
                msgspec.msgpack.encode((mark, found))
        except Malformed as error:
            reasons.add(error.reason)
    assert "sqlite_corrupt" in reasons
