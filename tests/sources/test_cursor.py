"""Cursor's agent transcripts (JSONL)."""

import random
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen.model.event import Draft, Ignored, Item, SessionDraft, Unknown
from kaizen.sources import cursor
from kaizen.sources.cursor_files import LINES
from kaizen.sources.shapes import Malformed

FIXTURES = Path(__file__).parents[1] / "fixtures/cursor"
ROOT = "/home/u/.cursor/projects/home-u-app/agent-transcripts"
FLAT = f"{ROOT}/c1.jsonl"
NESTED = f"{ROOT}/c1/c1.jsonl"


def read(content: bytes, path: str = FLAT, *, save: bool = False) -> list[Item]:
    """All items of a file; with `save` the state goes through its stored form after every line."""
    state, items, at = cursor.begin(path), [], 0
    for line in content.split(b"\n"):
        try:
            if line.strip():
                items += cursor.parse(line, at, state)
        except Malformed:
            pass
        at += len(line) + 1
        if save:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=cursor.State)
    return items


def drafts(content: bytes, path: str = FLAT) -> list[Draft]:
    return [item for item in read(content, path) if isinstance(item, Draft)]


def lines(*records: object) -> bytes:
    return b"".join(msgspec.json.encode(one) + b"\n" for one in records)


def says(role: str, *blocks: object, **more: object) -> dict[str, object]:
    return {"role": role, "message": {"content": list(blocks)}, **more}


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def shown(items: list[Draft]) -> list[tuple[object, ...]]:
    return [(item.kind, item.role or item.tool, (item.payload or {}).get("text")) for item in items]


TRANSCRIPTS = sorted(FIXTURES.rglob("*.jsonl"))


def test_a_session_is_read_block_by_block() -> None:
    found = drafts((FIXTURES / "agent_sessions/large.jsonl").read_bytes())
    assert shown(found)[:5] == [
        ("message", "prompt", "What files are here?"),
        ("message", "thinking", "Let me check the directory."),
        ("message", "assistant", "I will list the files."),
        ("tool_call", "Bash", None),
        ("tool_result", "Bash", None),
    ]
    assert [item.key for item in found[:5]] == [f"line:c1:{place}" for place in ("0:0", "1:0", "1:1", "1:2", "2:0")]
    assert found[3].payload == {"input": {"command": "ls -la"}}
    assert found[4].payload == {"output": "file1.txt\nfile2.txt"}
    assert sum(item.role == "prompt" for item in found) == 3
    assert all(item.ts_ms is None and item.input_tokens is None for item in found)


def test_results_without_a_known_id_answer_in_order() -> None:
    found = drafts((FIXTURES / "agent_sessions/large.jsonl").read_bytes())
    asked = [item.call_id for item in found if item.kind == "tool_call"]
    assert asked == ["c1:1:2", "c1:5:0"]
    assert [item.call_id for item in found if item.kind == "tool_result"] == asked


def test_a_host_id_joins_call_and_result() -> None:
    found = drafts(lines(
        says("assistant", {"type": "tool_use", "name": "A", "input": {}}, {"type": "tool_use", "id": "x", "name": "B"}),
        says("user", {"type": "tool_result", "tool_use_id": "x", "content": "b", "is_error": True}),
        says("user", {"type": "tool_result", "content": "a"})))
    assert [(item.call_id, item.tool, item.is_error) for item in found[2:]] == [("x", "B", True), ("c1:0:0", "A", None)]


def test_an_unanswered_call_of_an_earlier_turn_takes_no_result() -> None:
    call = {"type": "tool_use", "name": "Shell", "input": {}}
    found = drafts(lines(says("assistant", call), says("user", text("go on")), says("assistant", call),
                         says("user", {"type": "tool_result", "content": "ok"})))
    assert found[-1].call_id == "c1:2:0"


@pytest.mark.parametrize(("words", "role", "expected"), [
    ("<user_query>\nfix it\n</user_query>", "prompt", "fix it"),
    ("<attached_files>\nx\n</attached_files>\n<user_query>fix it</user_query>", "prompt", "fix it"),
    ("<timestamp>Monday</timestamp>\nfix <b>it</b>", "prompt", "fix <b>it</b>"),
    ("<system_reminder>Be nice.</system_reminder>", "context", "<system_reminder>Be nice.</system_reminder>"),
    ("<system_reminder>cut off", "context", "<system_reminder>cut off"),
    ("<user_query>cut off", "prompt", "cut off"),
    ("What is 2+2?", "prompt", "What is 2+2?"),
])
def test_only_a_persons_words_are_the_prompt(words: str, role: str, expected: str) -> None:
    assert shown(drafts(lines(says("user", text(words))))) == [("message", role, expected)]


def test_a_message_has_one_prompt() -> None:
    found = drafts(lines(says("user", text("pasted"), text("<user_query>fix</user_query>"), text("more"))))
    assert [item.role for item in found] == ["context", "prompt", "context"]


def test_redacted_text_is_thinking() -> None:
    found = drafts(lines(says("assistant", text("[REDACTED]"), text("Done.\n\n[REDACTED]"))))
    assert [(item.role, item.payload) for item in found] == [
        ("thinking", {"redacted": True}), ("assistant", {"text": "Done."})]


def test_multi_block_lines() -> None:
    found = drafts((FIXTURES / "cursor_history/transcripts/multi-parts.jsonl").read_bytes())
    assert shown(found) == [("message", "assistant", "Step 1: search"), ("tool_call", "Grep", None),
                            ("tool_call", "Glob", None)]


def test_empty_and_broken_files() -> None:
    folder = FIXTURES / "cursor_history/transcripts"
    assert read((folder / "empty.jsonl").read_bytes()) == []
    assert read(b'{"role": "user"') == []
    only = drafts((folder / "error-only.jsonl").read_bytes())
    assert [(item.kind, item.key, item.payload) for item in only] == [("error", "line:c1:0:error:0", {"error": "boom"})]
    assert [item.kind for item in drafts((folder / "error-line.jsonl").read_bytes())] == ["message", "error", "message"]


def test_the_end_of_a_turn() -> None:
    end = drafts((FIXTURES / "agent_sessions/small.jsonl").read_bytes())[-1]
    assert (end.kind, end.payload) == ("lifecycle", {"event": "turn_ended", "status": "success"})
    aborted = drafts(lines({"type": "turn_ended", "status": "aborted", "error": {"message": "stop"}}))
    assert [(item.kind, (item.payload or {}).get("event")) for item in aborted] == [
        ("error", None), ("lifecycle", "turn_aborted")]


def test_schema_drift_is_counted_and_what_is_visible_is_kept() -> None:
    found = read((FIXTURES / "agent_sessions/schema_drift.jsonl").read_bytes())
    assert Unknown("block:custom_block") in found
    assert "Cursor added an unknown block with visible text." in [
        (item.payload or {}).get("text") for item in found if isinstance(item, Draft)]
    call, result = [item for item in found if isinstance(item, Draft) and item.kind.startswith("tool_")]
    assert (call.tool, result.tool, result.call_id) == ("read_file", "read_file", call.call_id)
    assert not any(isinstance(item, SessionDraft) for item in found), "cursor-auto is no model"


def test_times_and_models_are_taken_when_a_build_writes_them() -> None:
    found = read(lines(says("assistant", text("hi"), timestamp="2026-02-01T00:00:00Z", model="claude-4.6-sonnet")))
    assert found == [
        SessionDraft("c1", model="claude-4.6-sonnet"),
        Draft("line:c1:0:0", "c1", "message", 1769904000000, "assistant", model="claude-4.6-sonnet",
              payload={"text": "hi"})]


def test_a_todo_list_grows_by_merging() -> None:
    def todo(*items: tuple[str, str], merge: bool) -> dict[str, object]:
        return says("assistant", {"type": "tool_use", "name": "TodoWrite", "input": {
            "merge": merge, "todos": [{"id": name, "status": status} for name, status in items]}})

    found = drafts(lines(todo(("a", "pending"), ("b", "pending"), ("c", "pending"), merge=False),
                         todo(("a", "completed"), ("b", "cancelled"), merge=True), todo(("z", "pending"), merge=False)))
    assert [item.payload for item in found if item.kind == "lifecycle"] == [
        {"event": "todo_write", "todos_total": total, "todos_completed": done, "todos_cancelled": gone}
        for total, done, gone in ((3, 0, 0), (3, 1, 1), (1, 0, 0))]


def test_a_subagent_names_its_parent() -> None:
    path = f"{ROOT}/parent/subagents/child.jsonl"
    found = read((FIXTURES / "agent_sessions/subagent/subagents/child.jsonl").read_bytes(), path)
    assert found[0] == SessionDraft("child", parent="parent", relation="subagent")
    assert {item.session for item in found if isinstance(item, Draft)} == {"child"}
    assert read(b"", path) == []


def test_a_conversation_in_two_places_has_one_set_of_keys() -> None:
    content = (FIXTURES / "agent_sessions/test-session.jsonl").read_bytes()
    assert drafts(content, FLAT) == drafts(content, NESTED) == drafts(content, NESTED.replace("home-u-app", "tmp"))


@pytest.mark.parametrize(("path", "wanted"), [
    ("home-u-app/agent-transcripts/c1.jsonl", True),
    ("home-u-app/agent-transcripts/c1/c1.jsonl", True),
    ("home-u-app/agent-transcripts/c1/subagents/c2.jsonl", True),
    ("home-u-app/agent-transcripts/c1.txt", False),
    ("home-u-app/worker.jsonl", False),
])
def test_which_files_are_transcripts(path: str, wanted: bool) -> None:
    assert LINES.wants(path) is wanted
    assert list(LINES.roots({}, "/home/u")) == ["/home/u/.cursor/projects"]


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.name)
def test_contract_saved_anywhere_with_junk_between(path: Path) -> None:
    content = path.read_bytes()
    whole = drafts(content)
    assert len({item.key for item in whole}) == len(whole)
    assert read(content, save=True) == read(content)
    junk = b'\n[]\n{"type":"from_the_future"}\nnull\n\xff\xfe\n{"role":"us\n"text"\n'
    assert drafts(content.replace(b"\n", junk)) == whole
    assert [item.key for item in drafts(content + content)][: len(whole)] == [item.key for item in whole]
    assert not any(item.kind == "cost" for item in whole)  # `tells_usage` is False


def test_broken_bytes_are_malformed_or_fine() -> None:
    chance = random.Random(7)
    for path in TRANSCRIPTS:
        content = path.read_bytes()
        for _ in range(60 if content else 0):
            broken = bytearray(content)
            for _ in range(chance.randint(1, 6)):
                broken[chance.randrange(len(broken))] = chance.randrange(256)
            for item in read(bytes(broken)):
                msgspec.msgpack.encode(item)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(("role", "type", "message", "content", "text", "name", "input", "todos", "id")), inner),
    max_leaves=20)
BLOCK = st.fixed_dictionaries({"type": st.sampled_from(
    ("text", "tool_use", "tool_result", "tool-call", "thinking", "image", "new")) | JSON}, optional=dict.fromkeys(
        ("text", "name", "input", "id", "content", "tool_use_id", "is_error", "thinking"), JSON))


@given(st.sampled_from(("user", "assistant", "tool", "system", "error", "turn_ended")), st.lists(BLOCK) | JSON, JSON)
def test_any_json_is_read_or_refused(role: str, content: object, error: object) -> None:
    state = cursor.begin(FLAT)
    for record in ({"role": role, "message": {"content": content}}, {"type": role, "error": error, "message": content},
                   error):
        try:
            for item in cursor.parse(msgspec.json.encode(record), 0, state):
                assert isinstance(item, (Draft, SessionDraft, Ignored, Unknown))
                msgspec.msgpack.encode(item)
        except (Malformed, OverflowError):  # OverflowError: msgpack of the test itself, integers above 64 bit
            continue
