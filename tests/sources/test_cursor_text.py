"""Cursor's text transcripts."""

import random

import pytest

from kaizen.model.event import Draft, SessionDraft
from kaizen.sources import cursor_text
from kaizen.sources.cursor_files import TEXTS
from kaizen.sources.shapes import Malformed

PATH = "/home/u/.cursor/projects/home-u-app/agent-transcripts/c1.txt"
TRANSCRIPT = b"""user:
<open_files>
a.py
</open_files>
<user_query>
fix it
please
</user_query>

assistant:
[Thinking] Let me look.
  Deeper.
Looking at user: it is fine.

[Tool call] Read
  path: a.py
  note: first
    second
[Tool result] Read
  print(1)

[Tool call] Shell
  {"command": "ls"}
[Tool call] TodoWrite
  {"todos": [{"id": "1", "status": "completed"}]}
All done.

user:
thanks
"""


def read(content: bytes, path: str = PATH) -> list[Draft]:
    return [item for item in cursor_text.parse(path, content) if isinstance(item, Draft)]


def test_a_transcript_is_read_section_by_section() -> None:
    found = read(TRANSCRIPT)
    assert [(item.kind, item.role or item.tool, item.payload) for item in found] == [
        ("message", "prompt", {"text": "fix it\nplease"}),
        ("message", "thinking", {"text": "Let me look.\nDeeper."}),
        ("message", "assistant", {"text": "Looking at user: it is fine."}),
        ("tool_call", "Read", {"input": {"path": "a.py", "note": "first\n  second"}}),
        ("tool_result", "Read", {"output": "print(1)"}),
        ("tool_call", "Shell", {"input": {"command": "ls"}}),
        ("tool_call", "TodoWrite", {"input": {"todos": [{"id": "1", "status": "completed"}]}}),
        ("lifecycle", None, {"event": "todo_write", "todos_total": 1, "todos_completed": 1, "todos_cancelled": 0}),
        ("message", "assistant", {"text": "All done."}),
        ("message", "prompt", {"text": "thanks"}),
    ]
    assert found[4].call_id == found[3].call_id == "c1:1:2"
    assert all(item.key.startswith("alt1:c1:") for item in found)
    assert len({item.key for item in found}) == len(found)


def test_line_ends_do_not_matter() -> None:
    assert read(b"\xef\xbb\xbf" + TRANSCRIPT.replace(b"\n", b"\r\n")) == read(TRANSCRIPT)


def test_arguments_with_an_equals_sign_and_plain_text() -> None:
    calls = read(b"assistant:\n[Tool call] Read\n  path=a.py\n[Tool call] ApplyPatch\n  *** Begin Patch\n  x: y\n")
    assert [item.payload for item in calls] == [
        {"input": {"path": "a.py"}}, {"input": {"text": "*** Begin Patch\nx: y"}}]


def test_json_lines_under_the_old_name_are_a_transcript() -> None:
    found = read(b'{"role":"user","message":{"content":"hi"}}\nbroken\n')
    assert [(item.key, item.role) for item in found] == [("line:c1:0:0", "prompt")]


def test_a_file_without_speaker_is_malformed_and_an_empty_one_is_empty() -> None:
    assert read(b"") == read(b"\n \n") == read(b"\x00\x00") == []
    with pytest.raises(Malformed, match="no_speaker"):
        read(b"just words")


def test_a_subagent_names_its_parent() -> None:
    path = PATH.replace("c1.txt", "p1/subagents/c1.txt")
    assert next(iter(cursor_text.parse(path, b"user:\nhi"))) == SessionDraft("c1", parent="p1", relation="subagent")


def test_which_files() -> None:
    assert TEXTS.wants("slug/agent-transcripts/c1/c1.txt")
    assert not TEXTS.wants("slug/terminals/1.txt")


def test_broken_bytes_never_raise_anything_else() -> None:
    chance = random.Random(3)
    for _ in range(300):
        broken = bytearray(TRANSCRIPT)
        for _ in range(chance.randint(1, 20)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        cut = chance.randrange(len(broken))
        try:
            read(bytes(broken[:cut]))
            read(chance.randbytes(200))
        except Malformed:
            continue
