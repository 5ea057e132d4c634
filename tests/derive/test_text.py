from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from derive.test_facts import PATCH, json
from kaizen.derive.summary import headline
from kaizen.derive.text import MAX_CHARS, searchable


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (("message", "prompt", None, {"text": "fix it"}), ("fix it", "", "", "")),
        (("message", "assistant", None, {"text": "done", "n": 1, "more": ["a", {"b": "c"}]}), ("", "done a c", "", "")),
        (
            ("tool_call", None, "Read", {"input": {"file_path": "/w/a.py", "limit": 3}}),
            ("", "/w/a.py", "Read", "/w/a.py"),
        ),
        (("tool_result", None, "Read", {"output": "x", "path": "no"}), ("", "x no", "Read", "")),
        (("tool_call", None, "Bash", None), ("", "", "Bash", "")),
        (("message", "prompt", None, {"image": "data:image/png;base64,AAAA", "text": "see"}), ("see", "", "", "")),
    ],
)
def test_what_is_searchable(event: tuple[Any, ...], expected: tuple[str, ...]) -> None:
    assert searchable(*event) == expected


def test_text_ends_at_64_ki() -> None:
    words = searchable("tool_result", None, None, {"output": ["x" * 40_000, "y" * 40_000, "z"]})[1]
    assert len(words) == MAX_CHARS
    assert words[40_000] == " "
    assert "z" not in words


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (("tool_call", None, "Bash", {"input": {"command": "\n git  status\n", "description": "x"}}), "git status"),
        (("tool_call", None, "shell", {"input": {"command": ["bash", "-lc", "ls -la"]}}), "ls -la"),
        (("tool_call", None, "Read", {"input": {"file_path": "/w/a.py", "limit": 9}}), "/w/a.py"),
        (("tool_call", None, "Grep", {"input": {"pattern": "a.*b", "path": "src"}}), "a.*b in src"),
        (("tool_call", None, "Glob", {"input": {"pattern": "**/*.md"}}), "**/*.md"),
        (("tool_call", None, "WebFetch", {"input": {"url": "https://x", "prompt": "read"}}), "https://x"),
        (("tool_call", None, "Task", {"input": {"prompt": "long", "description": "find todos"}}), "find todos"),
        (("tool_call", None, "apply_patch", {"input": PATCH}),
         "internal/parser/codex.go, docs/new file.md, TODO.md, a.py, b.py"),
        (("tool_result", None, "Bash", {"output": "\x1b[31mred\x1b[0m\n2"}), "red"),
        (("tool_result", None, "Bash", {"output": "boom", "exit_code": 2}), "exit 2: boom"),
        (("message", "prompt", None, {"text": "<user_query>fix\n</user_query>"}), "fix"),
        (("message", "assistant", None, {"text": "a\u202eb\x00c"}), "a b c"),
        (("lifecycle", None, None, {"event": "compaction", "trigger": "auto"}), "compaction auto"),
        (("error", None, None, {"text": "overloaded"}), "overloaded"),
        (("message", None, None, None), ""),
    ],
)  # fmt: skip
def test_headlines(event: tuple[Any, ...], expected: str) -> None:
    assert headline(*event) == expected


@given(
    st.sampled_from(["tool_call", "tool_result", "message", "lifecycle", "error"]),
    st.sampled_from([None, "prompt"]),
    st.dictionaries(st.sampled_from(["input", "output", "text", "event", "reason"]), json),
    st.integers(1, 40),
)
def test_headlines_are_one_printable_line(kind: str, role: str | None, payload: dict[str, Any], chars: int) -> None:
    line = headline(kind, role, "X", payload, chars)
    assert len(line) <= chars
    assert "\n" not in line
    assert "\x1b" not in line
    assert all(isinstance(part, str) and len(part) <= MAX_CHARS for part in searchable(kind, role, "X", payload))
