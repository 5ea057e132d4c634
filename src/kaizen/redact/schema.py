"""Level `metrics`: a payload key leaves the machine only if this table names it for that kind, with a type.

Numbers, booleans, words of a vocabulary and hashes; no free text, so no secret. `payload` computes what we send;
`check` and `reduce` hold what others send to the same table. A new key, or a new word, is a new `VERSION`.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from kaizen.redact import features, names, words
from kaizen.redact.hashes import Salt
from kaizen.redact.names import agent_name, call_id, model_name, stop_reason, tool_name

__all__ = [
    "SCHEMA", "VERSION", "Entry", "agent_name", "call_id", "check", "describe", "model_name", "payload", "reduce",
    "stop_reason", "tool_name",
]  # fmt: skip

VERSION = "metrics/1"
MAX_INT = 2**53
_HASH = re.compile(r"blake3:[0-9a-f]{64}")
_CUSTOM = re.compile(r"custom:[0-9a-f]{16}")
_MAX_LIST = 32


class Type(msgspec.Struct, frozen=True):
    """`values`: all that may be said, for a vocabulary."""

    name: str
    fits: Callable[[Any], bool]
    values: tuple[str, ...] = ()


class Entry(msgspec.Struct, frozen=True):
    """One line of the table; `kind` is `all` for a key of every kind."""

    kind: str
    key: str
    type: str
    values: tuple[str, ...]


def _is_int(value: Any) -> bool:
    return type(value) is int and -MAX_INT <= value <= MAX_INT


def _is_hash(value: Any) -> bool:
    return type(value) is str and _HASH.fullmatch(value) is not None


def _is_model(value: Any) -> bool:
    return type(value) is str and (_CUSTOM.fullmatch(value) is not None or names.is_public_model(value))


def _enum(allowed: frozenset[str], *, more: tuple[str, ...] = ()) -> Type:
    whole = allowed | set(more)
    return Type("enum", lambda value: type(value) is str and value in whole, tuple(sorted(whole)))


def _several(allowed: frozenset[str]) -> Type:
    return Type(
        "list of enum",
        lambda value: type(value) is list
        and len(value) <= _MAX_LIST
        and all(type(one) is str and one in allowed for one in value),
        tuple(sorted(allowed)),
    )


BOOL = Type("bool", lambda value: type(value) is bool)
HASH = Type("hash", _is_hash)
INT = Type("int", _is_int)
NUM = Type("num", lambda value: _is_int(value) or (type(value) is float and math.isfinite(value)))
MODEL = Type("model", _is_model)
ERROR_CLASS = _enum(words.ERROR_CLASSES)
EVENT = _enum(words.EVENTS, more=(words.OTHER,))
STATUS = _enum(words.STATUSES)

_EVERY = {
    "duration_ms": INT,
    "hook_event_name": _enum(words.HOOKS),
    "is_error": BOOL,
    "latency_ms": INT,
    "ok": BOOL,
    "schema": INT,
    "seq": INT,
    "status": Type("int or enum", lambda value: _is_int(value) or STATUS.fits(value), STATUS.values),
    "ttft_ms": INT,
    "turn": INT,
    "type": EVENT,
}
_REQUEST = {
    "method": _enum(words.METHODS),
    "path": _enum(words.ROUTES, more=(words.OTHER,)),
    "provider": _enum(words.PROVIDERS, more=(words.OTHER,)),
    "request_id": HASH,
    "status": INT,
    "stream": BOOL,
}
SCHEMA: Mapping[str, Mapping[str, Type]] = {
    "all": _EVERY,
    "tool_call": {
        "argc": INT,
        "args_bytes": INT,
        "background": BOOL,
        "flags": _several(words.FLAGS),
        "lines_added": INT,
        "lines_removed": INT,
        "mcp_server": HASH,
        "path_depth": INT,
        "path_ext": _enum(words.EXTENSIONS, more=(words.OTHER,)),
        "path_hash": HASH,
        "pipe_count": INT,
        "program": _enum(words.PROGRAMS, more=(words.OTHER,)),
        "redirects": INT,
        "timeout_ms": INT,
        "tool_class": _enum(words.TOOL_CLASSES),
    },
    "tool_result": {
        "error_class": ERROR_CLASS,
        "exit_code": INT,
        "result_bytes": INT,
        "result_lines": INT,
        "truncated": BOOL,
    },
    "message": {
        "chars": INT,
        "code_blocks": INT,
        "images": INT,
        "language": _enum(words.LANGUAGES, more=(words.OTHER,)),
        "lines": INT,
        "role": _enum(words.ROLES),
    },
    "error": {"error_class": ERROR_CLASS, "http_status": INT, "retryable": BOOL},
    "cost": _REQUEST,
    "proxy": _REQUEST,
    "hook": {"decision": _enum(words.DECISIONS), "permission": _enum(words.PERMISSIONS), "wait_ms": INT},
    "lifecycle": {"mode": _enum(words.MODES), "model": MODEL, "todo_done": INT, "todo_total": INT},
}
_ALLOWED = {kind: {**_EVERY, **own} for kind, own in SCHEMA.items()}


def payload(
    kind: str, role: str | None, tool: str | None, raw: Mapping[str, Any], salt: Salt, workspace: str
) -> dict[str, Any]:
    """What leaves instead of `raw`, our stored payload. `workspace` is the absolute path of where."""
    said = {key: raw[key] for key in _EVERY if key in raw}
    said.update(pair for pair in features.of(kind, role, tool, raw, salt, workspace) if pair[1] is not None)
    return reduce(kind, said)


def reduce(kind: str, payload: Any) -> dict[str, Any]:
    """Only what the table allows. Strings of a vocabulary and hashes pass as they are."""
    if not isinstance(payload, Mapping):
        return {}
    allowed = _ALLOWED.get(kind, _EVERY)
    return {key: payload[key] for key, type in allowed.items() if key in payload and type.fits(payload[key])}


def check(kind: str, payload: Any) -> list[str]:
    """What the table does not allow, in words that repeat nothing of it: unknown keys are counted, not named."""
    if payload is None:
        return []
    if not isinstance(payload, Mapping):
        return ["not an object"]
    allowed = _ALLOWED.get(kind, _EVERY)
    wrong = [f"{key}: not {it.name}" for key, it in allowed.items() if key in payload and not it.fits(payload[key])]
    unknown = sum(1 for key in payload if key not in allowed)
    return [*wrong, *([f"{unknown} unknown keys" if unknown > 1 else "1 unknown key"] if unknown else [])]


def describe() -> list[Entry]:
    """The table as data, for people and for generated documentation."""
    return list(_entries())


def _entries() -> Iterator[Entry]:
    for kind, keys in SCHEMA.items():
        for key, type in keys.items():
            yield Entry(kind, key, type.name, type.values)
