"""Level `metrics` (redaction.md D.2): nothing but what the table names."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen.redact import schema, vocabulary
from kaizen.redact.hashes import Salt

SALT = Salt.parse("07" * 32)
KINDS = ("message", "tool_call", "tool_result", "error", "cost", "hook", "lifecycle")
WORDS = frozenset().union(*(one.words for one in schema.TABLE))
HASH = re.compile(r"blake3:[0-9a-f]{64}")

texts = st.text(max_size=40) | st.sampled_from(["/home/alice/secret.py", "git push --token=abc", "```python\nx\n```"])
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12)
KEYS = ("input", "output", "text", "error", "event", "images", "exit_code", "interrupted", "trimmed", "todos", "status",
        "decision", "command", "file_path", "path", "old_string", "new_string", "content", "timeout",
        "run_in_background")  # fmt: skip
payloads = st.dictionaries(
    st.sampled_from(KEYS) | texts, st.dictionaries(st.sampled_from(KEYS), trees) | trees, max_size=6)
NAMES = sorted({one.key for one in schema.TABLE})


def strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [one for pair in value.items() for part in pair for one in strings(part)]
    return [one for part in value for one in strings(part)] if isinstance(value, list) else []


@given(st.sampled_from(KINDS), st.none() | st.sampled_from(["prompt", "assistant"]) | texts,
       st.none() | st.sampled_from(["Bash", "Write", "mcp__git__push"]) | texts, payloads)  # fmt: skip
def test_nothing_leaves_that_is_not_a_word_a_hash_or_a_number(
    kind: str, role: str | None, tool: str | None, raw: dict[str, Any]
) -> None:
    found = schema.payload(kind, role, tool, raw, SALT, "/home/alice")
    assert schema.check(kind, found) == []
    keys = {one.key for one in schema.TABLE}
    assert all(text in keys or text in WORDS or HASH.fullmatch(text) for text in strings(found))


@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(NAMES) | texts, trees))
def test_a_foreign_payload_is_reduced_to_what_is_allowed(kind: str, raw: dict[str, Any]) -> None:
    reduced = schema.reduce(kind, raw)
    assert schema.check(kind, reduced) == []
    assert set(raw) - set(reduced) == set(schema.check(kind, raw))


@given(texts, texts, texts, texts)
def test_names_pass_only_when_everybody_knows_them(agent: str, tool: str, model: str, stop: str) -> None:
    assert schema.agent_name(agent) in vocabulary.AGENTS | {"other"}
    assert schema.stop_reason(stop) in vocabulary.STOPS
    named = schema.tool_name(tool, SALT)
    assert named in vocabulary.TOOL_CLASSES or re.fullmatch(r"(custom|mcp):[0-9a-f]{16}(:\w+)?", named)
    known = schema.model_name(model, SALT)
    assert vocabulary.is_public_model(known) or re.fullmatch(r"custom:[0-9a-f]{16}", known)


@pytest.mark.parametrize("model", [
    "claude-sonnet-4-5-20250929", "gpt-5-codex", "gpt-4o", "o3-mini", "gemini-2.5-pro", "claude-opus-4-1",
    "deepseek-chat", "anthropic/claude-sonnet-4.5", "kimi-k2", "qwen3-coder-480b-a35b-instruct", "grok-code-fast-1",
])  # fmt: skip
def test_published_models_pass(model: str) -> None:
    assert schema.model_name(model, SALT) == model


@pytest.mark.parametrize("model", [
    "acme-merger-model", "ft:gpt-4o:acme-corp:nightjar:abc123", "my-deployment", "", "12345678901",
    "gpt-4o-19991231235959",
])  # fmt: skip
def test_private_models_do_not(model: str) -> None:
    assert schema.model_name(model, SALT).startswith("custom:")


def test_tools() -> None:
    assert schema.tool_name("Bash", SALT) == "Bash"
    assert schema.tool_name("mcp__nightjar__Read", SALT) == f"mcp:{SALT.short('mcp server', 'nightjar')}:Read"
    assert "nightjar" not in schema.tool_name("mcp__nightjar__deploy_nightjar", SALT)


def test_features_of_calls() -> None:
    def of(tool: str, **given: Any) -> dict[str, Any]:
        return schema.payload("tool_call", None, tool, {"input": given}, SALT, "/w")

    assert of("Bash", command="FOO=1 git push --force | tee x > y", timeout=5000, run_in_background=True) == {
        "tool_class": "shell", "args_bytes": 88, "program": "git", "argc": 9, "pipe_count": 1, "redirects": 1,
        "flags": ["--force"], "timeout_ms": 5000, "background": True}  # fmt: skip
    assert of("Bash", command="./deploy-nightjar.sh --client=acme")["program"] == "other"
    edit = of("Edit", file_path="/w/src/a.py", old_string="a\nb", new_string="a\nb\nc\n")
    assert (edit["path_hash"], edit["path_ext"], edit["path_depth"]) == (SALT.hash("path:src/a.py"), "py", 2)
    assert (edit["lines_removed"], edit["lines_added"]) == (2, 3)
    assert of("Read", file_path="/w/x.nightjar")["path_ext"] == "other"
    assert of("mcp__git__push")["mcp_server"] == SALT.hash("mcp:git")


def test_features_of_the_rest() -> None:
    def of(kind: str, role: str | None = None, **raw: Any) -> dict[str, Any]:
        return schema.payload(kind, role, None, raw, SALT, "/w")

    assert of("tool_result", output="Exit code 1\nno such file", exit_code=1) == {
        "result_bytes": 24, "result_lines": 2, "exit_code": 1, "error_class": "not_found"}
    assert of("message", "prompt", text="merge\n```python\nx\n```\n") == {
        "role": "prompt", "chars": 22, "lines": 4, "code_blocks": 1, "language": "python"}
    assert of("error", error="Overloaded", status=529) == {
        "error_class": "other", "http_status": 529, "retryable": True}
    assert of("lifecycle", event="nightjar happened") == {"type": "other"}
