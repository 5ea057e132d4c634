"""Level `metrics`: nothing leaves that the table does not name."""

import re
import subprocess
import sys
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen import pricing
from kaizen.redact import schema, words
from kaizen.redact.hashes import Salt
from redact.trees import objects, strings

SALT = Salt(bytes([7] * 32))
KINDS = [*schema.SCHEMA, "unheard_of"]
ROLES = [None, "prompt", "x"]
TOOLS = [None, "Bash", "Edit", "apply_patch", "mcp__acme__charge", "acme_tool"]
HASHED = re.compile(r"blake3:[0-9a-f]{64}|custom:[0-9a-f]{16}")
SAYABLE = {value for entry in schema.describe() for value in entry.values} | {entry.key for entry in schema.describe()}


def features(kind: str, raw: dict[str, Any], *, tool: str | None = None, role: str | None = None) -> dict[str, Any]:
    return schema.payload(kind, role, tool, raw, SALT, "/ws")


@settings(max_examples=150, deadline=None)
@given(kind=st.sampled_from(KINDS), tool=st.sampled_from(TOOLS), role=st.sampled_from(ROLES), raw=objects)
def test_no_string_leaves_that_is_no_hash_and_in_no_vocabulary(
    kind: str, tool: str | None, role: str | None, raw: dict[str, Any]
) -> None:
    out = schema.payload(kind, role, tool, raw, SALT, "/ws")
    assert [one for one in strings(out) if one not in SAYABLE and not HASHED.fullmatch(one) and one != "gpt-5"] == []
    assert schema.check(kind, out) == []
    assert out == schema.payload(kind, role, tool, raw, SALT, "/ws")


@settings(max_examples=100, deadline=None)
@given(kind=st.sampled_from(KINDS), raw=objects)
def test_what_others_send_is_held_to_the_same_table(kind: str, raw: dict[str, Any]) -> None:
    kept = schema.reduce(kind, raw)
    assert schema.check(kind, kept) == []
    assert (kept == raw) == (schema.check(kind, raw) == [])
    assert all(problem.split(":")[0] in SAYABLE or problem[0].isdigit() for problem in schema.check(kind, raw))


@pytest.mark.parametrize("payload", [None, [], "text", 3])
def test_a_payload_that_is_no_object_is_nothing(payload: Any) -> None:
    assert schema.reduce("message", payload) == {}


def test_a_shell_call() -> None:
    out = features("tool_call", {"input": {"command": "cd /ws && A=1 git log --oneline secret-branch | head -1 > x",
                                           "timeout": 120_000, "run_in_background": True}}, tool="Bash")
    assert out == {"tool_class": "shell", "args_bytes": 115, "timeout_ms": 120_000, "background": True,
                   "program": "git", "argc": 10, "pipe_count": 1, "redirects": 1, "flags": ["--oneline", "-1"]}


def test_a_program_of_ones_own_is_other() -> None:
    assert features("tool_call", {"input": {"command": "./acme-deploy prod"}}, tool="Bash")["program"] == "other"
    assert features("tool_call", {"input": {"command": ["bash", "-lc", "npm test"]}}, tool="shell")["program"] == "npm"


def test_an_edit() -> None:
    given = {"file_path": "/ws/src/pay.py", "old_string": "a\nb", "new_string": "a\nb\nc"}
    out = features("tool_call", {"input": given}, tool="Edit")
    assert out["path_hash"] == SALT.hash("path:src/pay.py")
    assert (out["path_ext"], out["path_depth"], out["lines_added"], out["lines_removed"]) == ("py", 2, 3, 2)


def test_a_patch() -> None:
    patch = "*** Begin Patch\n*** Update File: a.py\n@@\n-old\n+new\n+er\n*** End Patch"
    out = features("tool_call", {"input": patch}, tool="apply_patch")
    assert (out["lines_added"], out["lines_removed"], out["tool_class"]) == (2, 1, "edit")


def test_a_result() -> None:
    out = features("tool_result", {"output": "Exit code 1\nE: 3 failed\n"})
    assert out == {"result_bytes": 24, "result_lines": 2, "exit_code": 1, "error_class": "test_failure"}
    assert features("tool_result", {"output": "x...", "trimmed": {"bytes": 80_000}})["result_bytes"] == 80_000


def test_a_message() -> None:
    out = features("message", {"text": "look:\n```py\nprint()\n```\n", "images": 2}, role="prompt")
    assert out == {"role": "prompt", "chars": 24, "lines": 4, "code_blocks": 1, "language": "py", "images": 2}


def test_an_error() -> None:
    out = features("error", {"text": "API Error: 529 Overloaded (acme)"})
    assert out == {"error_class": "overloaded", "http_status": 529, "retryable": True}


def test_a_lifecycle_event() -> None:
    out = features("lifecycle", {"event": "todo_write", "todos_total": 3, "todos_completed": 1, "turn_id": "private"})
    assert out == {"type": "todo_write", "todo_total": 3, "todo_done": 1}
    assert features("lifecycle", {"event": "launch of nightjar"})["type"] == "other"


def test_a_request() -> None:
    out = features("proxy", {"path": "/v1/messages?beta=true", "method": "POST", "status": 200, "request_id": "req_1"})
    assert out == {"path": "/v1/messages", "method": "POST", "status": 200, "request_id": SALT.hash("request:req_1")}
    assert features("proxy", {"path": "/acme/private"})["path"] == "other"


@pytest.mark.parametrize("tool", ["Bash", "read_file", "apply_patch", None])
def test_built_in_tools_keep_their_names(tool: str | None) -> None:
    assert schema.tool_name(tool, SALT) == tool


def test_private_tools_and_servers_do_not() -> None:
    assert re.fullmatch(r"mcp:[0-9a-f]{16}:[0-9a-f]{16}", schema.tool_name("mcp__acme-billing__charge", SALT) or "")
    assert re.fullmatch(r"mcp:[0-9a-f]{16}:search", schema.tool_name("mcp__acme-billing__search", SALT) or "")
    assert re.fullmatch(r"custom:[0-9a-f]{16}", schema.tool_name("acme_charge", SALT) or "")


@pytest.mark.parametrize("model", [
    None, "claude-sonnet-4-5-20250929", "claude-3-5-sonnet", "gpt-5.2-codex", "gpt-4o-2024-08-06", "o3",
    "us.anthropic.claude-opus-4-5-20251101-v1:0", "openrouter/anthropic/claude-opus-4.8",
    "gemini-2.5-pro-preview-05-06",
    "Claude Sonnet 4.5", "claude-opus-4-1[1m]", "qwen3-coder-480b-a35b-instruct", "composer-1", "<synthetic>",
])  # fmt: skip
def test_public_models_keep_their_names(model: str | None) -> None:
    assert schema.model_name(model, SALT) == model


@pytest.mark.parametrize("model", [
    "acme-gpt-5", "gpt-5-nightjar", "ft:gpt-4o:acme::8xyz", "claude-4155550100", "", "legal-chat", "gpt-5\n", "гpt-5",
])  # fmt: skip
def test_private_deployments_do_not(model: str) -> None:
    assert re.fullmatch(r"custom:[0-9a-f]{16}", schema.model_name(model, SALT) or "")


def test_every_model_with_a_price_is_public() -> None:
    """When it is not: scripts/build_model_names.py."""
    named = {name for _, name in pricing.load().models()}
    assert [name for name in sorted(named) if schema.model_name(name, SALT) != name] == []


def test_other_names() -> None:
    assert (schema.agent_name("claude"), schema.agent_name("acme-bot")) == ("claude", "other")
    assert (schema.stop_reason("end_turn"), schema.stop_reason("STOP"), schema.stop_reason("acme")) == (
        "end_turn", "stop", "other")  # fmt: skip
    assert schema.stop_reason(None) is None and schema.call_id(None, SALT) is None
    assert HASHED.fullmatch(schema.call_id("toolu_1", SALT) or "")


def test_the_table_is_complete_and_its_words_are_small() -> None:
    listed = schema.describe()
    assert len({(entry.kind, entry.key) for entry in listed}) == len(listed)
    assert all(re.fullmatch(r"[\w./:+#-]{1,64}", value, re.ASCII) for entry in listed for value in entry.values)
    assert all(bool(entry.values) == ("enum" in entry.type) for entry in listed)
    assert 280 <= len(words.PROGRAMS) <= 500


def test_a_deep_tree_is_no_problem() -> None:
    deep: Any = "x"
    for _ in range(1_000):
        deep = {"input": [deep]}
    assert schema.check("tool_call", features("tool_call", {"input": deep, "text": "\ud800"}, tool="Bash")) == []


def test_four_kilobytes_take_less_than_a_millisecond() -> None:
    raw = {"input": {"command": "git log --oneline " + "word " * 700, "description": "x" * 500}}
    taken = []
    for _ in range(200):
        started = time.perf_counter()
        features("tool_call", raw, tool="Bash")
        taken.append(time.perf_counter() - started)
    # The median: a busy machine is not slow code.
    assert sorted(taken)[100] < 0.001


def test_the_level_needs_no_rules_and_no_engine() -> None:
    code = """
import sys
from kaizen.redact import schema
from kaizen.redact.hashes import Salt
schema.payload("tool_call", None, "Bash", {"input": {"command": "ls"}}, Salt(bytes(32)), "/ws")
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert loaded & {"re2", "ahocorasick_rs", "hyperscan", "tomllib", "kaizen.redact.engine"} == set()
