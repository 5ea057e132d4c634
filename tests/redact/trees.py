"""Arbitrary JSON trees, and the strings in one."""

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from kaizen.redact import schema

KEYS = sorted({
    *(entry.key for entry in schema.describe()), "input", "output", "text", "event", "command", "file_path", "content",
    "old_string", "new_string", "edits", "error", "todos_total", "model", "timeout", "images", "trimmed", "code",
    "tool_input", "prompt", "reason", "mode", "status", "run_in_background",
})  # fmt: skip
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=()), max_size=40)
    | st.sampled_from(["Exit code 2\nboom", "git status && rm -rf x | cat > y", "```py\nx\n```", "/ws/a/b.py",
                       "timeout", "gpt-5", "acme-gpt", "a\n+b\n-c\n*** End Patch", "session_start", "plan"])
)  # fmt: skip
keys = st.sampled_from(KEYS) | st.text(st.characters(exclude_categories=()), max_size=10)
trees = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=8
)
objects = st.dictionaries(keys, trees, max_size=5)


def strings(value: Any) -> Iterator[str]:
    """Every string of a tree, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from strings(one)
