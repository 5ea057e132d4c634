"""Level `metrics`: everything that may leave, key by key. What is not in `TABLE` does not leave.

    int, num, bool   numbers
    hash             `blake3:` and 64 hex digits
    words            one of a list, or `other`
    list             of such words

`payload` makes what is allowed from a payload of ours; `check` and `reduce` hold a foreign one against the same table.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from kaizen.redact import features
from kaizen.redact.hashes import Salt
from kaizen.redact.vocabulary import (
    AGENTS,
    CLASSES,
    EXTENSIONS,
    LANGUAGES,
    LIFECYCLES,
    PROGRAMS,
    STOPS,
    TOOL_CLASSES,
    is_public_model,
)

VERSION = "metrics/1"
MAX_INT = 2**53
_HASH = re.compile(r"blake3:[0-9a-f]{64}")


class Allowed(msgspec.Struct, frozen=True):
    """One key of one kind of event (`*` = all)."""

    kind: str
    key: str
    type: str
    words: frozenset[str] = frozenset()

    def passes(self, value: object) -> bool:
        match self.type:
            case "int":
                return type(value) is int and abs(value) <= MAX_INT
            case "num":
                return isinstance(value, int | float) and type(value) is not bool and abs(value) <= MAX_INT
            case "bool":
                return type(value) is bool
            case "hash":
                return type(value) is str and _HASH.fullmatch(value) is not None
            case "words":
                return type(value) is str and value in self.words
            case "list":
                return type(value) is list and all(type(one) is str and one in self.words for one in value)
        return False


def _allow(kind: str, type: str, keys: str, words: frozenset[str] | tuple[str, ...] = ()) -> list[Allowed]:
    return [Allowed(kind, key, type, frozenset(words)) for key in keys.split()]


_OTHER = frozenset({"other"})
_ERRORS = ("timeout", "denied", "not_found", "syntax", "network", "test_failure", "other")

TABLE = [
    *_allow("*", "int", "duration_ms latency_ms ttft_ms seq turn schema status"),
    *_allow("*", "bool", "ok is_error"),
    *_allow("*", "words", "type", LIFECYCLES),
    *_allow("tool_call", "words", "tool_class", CLASSES),
    *_allow("tool_call", "hash", "mcp_server path_hash"),
    *_allow("tool_call", "words", "path_ext", EXTENSIONS | _OTHER),
    *_allow("tool_call", "words", "program", PROGRAMS | _OTHER),
    *_allow("tool_call", "list", "flags", features.FLAGS),
    *_allow("tool_call", "int", "args_bytes path_depth lines_added lines_removed argc pipe_count redirects timeout_ms"),
    *_allow("tool_call", "bool", "background"),
    *_allow("tool_result", "int", "result_bytes result_lines exit_code"),
    *_allow("tool_result", "bool", "truncated"),
    *_allow("tool_result", "words", "error_class", _ERRORS),
    *_allow("message", "words", "role", ("prompt", "assistant", "thinking", "context", "user", "system")),
    *_allow("message", "int", "chars lines code_blocks images"),
    *_allow("message", "words", "language", LANGUAGES),
    *_allow("error", "words", "error_class", _ERRORS),
    *_allow("error", "int", "http_status"),
    *_allow("error", "bool", "retryable"),
    *_allow("cost", "bool", "stream"),
    *_allow("cost", "hash", "request_id"),
    *_allow("cost", "words", "path", ("/v1/messages", "/v1/chat/completions", "/v1/responses", "other")),
    *_allow("cost", "words", "method", ("GET", "POST", "other")),
    *_allow("cost", "words", "provider", ("anthropic", "openai", "google", "other")),
    *_allow("hook", "words", "permission decision", ("allow", "deny", "ask", "block")),
    *_allow("hook", "int", "wait_ms"),
    *_allow("lifecycle", "int", "todo_total todo_done"),
    *_allow("lifecycle", "words", "mode", ("default", "plan", "acceptEdits", "bypassPermissions", "auto", "other")),
]


@cache
def _keys(kind: str) -> dict[str, Allowed]:
    return {one.key: one for one in TABLE if one.kind in ("*", kind)}


def payload(kind: str, role: str | None, tool: str | None, raw: Mapping[str, Any], salt: Salt,
            workspace: str) -> dict[str, Any]:
    """Features of a stored payload. `workspace`: root of the repository; a path in it has one hash on all machines."""
    return reduce(kind, features.of(kind, role, tool, raw, salt, workspace))


def reduce(kind: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """Only what the table lets through."""
    allowed = _keys(kind)
    return {key: value for key, value in found.items() if key in allowed and allowed[key].passes(value)}


def check(kind: str, found: Mapping[str, Any]) -> list[str]:
    """Keys of a payload that the table does not let through."""
    allowed = _keys(kind)
    return [key for key, value in found.items() if key not in allowed or not allowed[key].passes(value)]


def agent_name(agent: str) -> str:
    return agent if agent in AGENTS else "other"


def tool_name(tool: str, salt: Salt) -> str:
    """Names of built-in tools pass; of an MCP tool the server and, unless everybody knows it, the tool are hashed."""
    if tool in TOOL_CLASSES:
        return tool
    if tool.startswith("mcp__"):
        server, _, name = tool[5:].partition("__")
        known = name if name in TOOL_CLASSES else salt.short("mcp tool", name)
        return f"mcp:{salt.short('mcp server', server)}:{known}"
    return f"custom:{salt.short('tool', tool)}"


def model_name(model: str, salt: Salt) -> str:
    return model if is_public_model(model) else f"custom:{salt.short('model', model)}"


def call_id(text: str, salt: Salt) -> str:
    return salt.hash(f"call:{text}")


def stop_reason(text: str) -> str:
    return text if text in STOPS else "other"


def describe() -> list[dict[str, object]]:
    """The table as data, for docs and `kaizen redact schema`."""
    return [{"kind": one.kind, "key": one.key, "type": one.type,
             "words": sorted(one.words) if len(one.words) <= 12 else f"{len(one.words)} known words"} for one in TABLE]
