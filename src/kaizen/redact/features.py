"""What replaces a payload at level `metrics`: sizes, counts, classes and hashes of what it said, never its words.

Reads our stored payloads (docs/concepts.md: `input`, `output`, `text`, `event`) and the usual shapes of hooks. Whatever
is not what it should be is left out; `schema` holds the result to its table.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import msgspec

from kaizen.redact import commands, words
from kaizen.redact.hashes import Salt
from kaizen.redact.names import model_name, server_id

Pair = tuple[str, Any]

_PATH_KEYS = ("file_path", "path", "filePath", "absolute_path", "target_file", "notebook_path",
              "relative_workspace_path", "file", "filename", "target_directory", "dir_path", "directory")
_CONTENT_KEYS = ("content", "contents", "file_text", "new_source")
_OLD_KEYS = ("old_string", "old_str", "oldString", "oldText", "old_text")
_NEW_KEYS = ("new_string", "new_str", "newString", "newText", "new_text")
_PATCH_KEYS = ("patch", "input", "text", "patchText", "diff")
_COMMAND_KEYS = ("command", "cmd", "script")
# Longer texts are measured whole but looked into only so far.
_LOOK = 4_000

_encode = msgspec.json.Encoder().encode
_FENCE = re.compile(r"^ {0,3}(?:```|~~~)[ \t]*([\w+#-]{0,20})", re.MULTILINE)
_EXIT_CODE = re.compile(
    r"(?:Error: )?Exit code:? (-?\d{1,6})\b|(?:Chunk ID|Wall time):.{0,300}?exited with code (-?\d{1,6})\b", re.DOTALL
)
_HTTP_STATUS = re.compile(r"\b(?:HTTP|status|error|code)\W{1,3}([1-5]\d\d)\b", re.IGNORECASE)
_ERRORS = r"""
      (?P<denied>permission[ ]denied|user[ ]doesn['’]t[ ]want|rejected|denied|not[ ]allowed|forbidden
        |unauthorized|\b40[13]\b)
    | (?P<interrupted>interrupted|aborted|cancell?ed)
    | (?P<timeout>timed?[ -]?out|deadline[ ]exceeded|ETIMEDOUT)
    | (?P<rate_limit>rate[ _-]?limit|too[ ]many[ ]requests|\b429\b|usage[ ]limit)
    | (?P<overloaded>overloaded|\b529\b|\b503\b|service[ ]unavailable)
    | (?P<not_found>not[ ]found|no[ ]such[ ]file|does[ ]not[ ]exist|ENOENT|cannot[ ]find|\b404\b)
    | (?P<test_failure>\b\d+[ ]failed\b|tests?[ ]failed|AssertionError|assertion[ ]failed|FAILED)
    | (?P<syntax>SyntaxError|syntax[ ]error|parse[ ]error|unexpected[ ]token|unexpected[ ]end|IndentationError)
    | (?P<network>connection|network|ECONNREFUSED|ECONNRESET|ENOTFOUND|could[ ]not[ ]resolve|socket)
"""
_RETRYABLE = frozenset(("network", "overloaded", "rate_limit", "timeout"))
_ADDED = re.compile(r"^\+(?!\+\+ )", re.MULTILINE)
_REMOVED = re.compile(r"^-(?!-- )", re.MULTILINE)


def of(
    kind: str, role: str | None, tool: str | None, raw: Mapping[str, Any], salt: Salt, workspace: str
) -> Iterator[Pair]:
    """Pairs of an allowed key and a value; the value of some is only allowed if it is a word of a vocabulary."""
    if kind == "tool_call":
        yield from _call(tool, raw, salt, workspace)
    elif kind == "tool_result":
        yield from _result(raw)
    elif kind == "message":
        yield from _message(role, raw)
    elif kind == "error":
        yield from _error(raw)
    elif kind == "lifecycle":
        yield from _lifecycle(raw, salt)
    elif kind == "hook":
        yield "type", _text(raw, ("event", "type"))
        yield "wait_ms", raw.get("wait_ms")
        yield "permission", _text(raw, ("permission", "permissionDecision"))
        yield "decision", raw.get("decision")
    elif kind in ("cost", "proxy"):
        yield from _request(raw, salt)


def _call(tool: str | None, raw: Mapping[str, Any], salt: Salt, workspace: str) -> Iterator[Pair]:
    name = tool or ""
    given = raw.get("input", raw.get("tool_input"))
    fields: Mapping[str, Any] = given if isinstance(given, dict) else {}
    is_mcp = name.startswith("mcp__")
    kind = "mcp" if is_mcp else words.CLASS_OF_TOOL.get(name, words.OTHER)
    yield "tool_class", kind
    if is_mcp:
        yield "mcp_server", salt.hash(f"mcp:{server_id(name[5:].partition('__')[0], salt)}")
    if given is not None:
        yield "args_bytes", _size(given)
    if path := _text(fields, _PATH_KEYS):
        yield from _path(path, salt, workspace)
    yield from _lines(fields or given)
    yield "timeout_ms", fields.get("timeout_ms", fields.get("timeout"))
    yield "background", fields.get("run_in_background", fields.get("is_background"))
    if kind == "shell":
        yield from commands.features(given if isinstance(given, (str, list)) else _first(fields, _COMMAND_KEYS))


def _path(path: str, salt: Salt, workspace: str) -> Iterator[Pair]:
    """Inside the workspace a path is hashed as the workspace sees it, so that clones in two places agree."""
    root = workspace.rstrip("/")
    inside = path[len(root) + 1 :] if root and path.startswith(f"{root}/") else path
    parts = [part for part in inside.replace("\\", "/").split("/") if part not in ("", ".")]
    extension = parts[-1].rpartition(".")[2].lower() if parts and "." in parts[-1] else ""
    yield "path_hash", salt.hash(f"path:{inside}")
    yield "path_depth", len(parts)
    if extension:
        yield "path_ext", extension if extension in words.EXTENSIONS else words.OTHER


def _lines(given: Any) -> Iterator[Pair]:
    """Lines of what is written, replaced, or of a patch."""
    if isinstance(given, str):
        given = {"patch": given} if "*** " in given[:_LOOK] or "@@" in given[:_LOOK] else {}
    if not isinstance(given, Mapping):
        return
    listed = given.get("edits")
    edits = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else [given]
    old, new = _total(edits, _OLD_KEYS), _total(edits, _NEW_KEYS)
    if old is not None or new is not None:
        yield "lines_added", new or 0
        yield "lines_removed", old or 0
    elif (content := _total([given], _CONTENT_KEYS)) is not None:
        yield "lines_added", content
    elif (patch := _text(given, _PATCH_KEYS)) and ("*** " in patch[:_LOOK] or "@@" in patch[:_LOOK]):
        yield "lines_added", len(_ADDED.findall(patch))
        yield "lines_removed", len(_REMOVED.findall(patch))


def _total(edits: list[Any], keys: tuple[str, ...]) -> int | None:
    texts = [text for one in edits if (text := _first(one, keys)) is not None and isinstance(text, str)]
    return sum(map(_line_count, texts)) if texts else None


def _result(raw: Mapping[str, Any]) -> Iterator[Pair]:
    output = raw.get("output", raw.get("tool_response"))
    text = _shown(output) or _shown(raw.get("error"))
    code = _code(raw) if (inner := _code(output)) is None else inner
    if code is None and (found := _EXIT_CODE.match(text, 0, _LOOK)):
        code = int(found[1] or found[2])
    trimmed = raw.get("trimmed")
    if output is not None:
        whole = trimmed.get("bytes") if isinstance(trimmed, dict) else None
        yield "result_bytes", whole if type(whole) is int else _size(output)
        yield "result_lines", _line_count(text)
    yield "exit_code", code
    yield "truncated", True if trimmed is not None else raw.get("truncated")
    reason = raw.get("reason")
    if raw.get("interrupted") is True:
        yield "error_class", "interrupted"
    elif isinstance(reason, str) and reason in words.ERROR_CLASSES:
        yield "error_class", reason
    elif code or raw.get("error") or raw.get("is_error") is True or text.startswith(("Error", "<tool_use_error>")):
        yield "error_class", _error_class(text)


def _message(role: str | None, raw: Mapping[str, Any]) -> Iterator[Pair]:
    text = _shown(raw.get("text", raw.get("prompt", raw.get("content"))))
    yield "role", role
    yield "chars", len(text)
    yield "lines", _line_count(text)
    fences = _FENCE.findall(text)
    # Every second fence closes.
    yield "code_blocks", (len(fences) + 1) // 2
    if language := next((name.lower() for name in fences[::2] if name), ""):
        yield "language", language if language in words.LANGUAGES else words.OTHER
    images = raw.get("images", raw.get("attachments"))
    yield "images", len(images) if isinstance(images, list) else images


def _error(raw: Mapping[str, Any]) -> Iterator[Pair]:
    text = " ".join(part for key in ("code", "error", "text", "message") if (part := _shown(raw.get(key))))[:_LOOK]
    known = _error_class(text)
    yield "error_class", known
    status = raw.get("http_status", raw.get("status"))
    if status is None and (found := _HTTP_STATUS.search(text)):
        status = int(found[1])
    yield "http_status", status
    yield "retryable", raw.get("retryable", known in _RETRYABLE)


def _lifecycle(raw: Mapping[str, Any], salt: Salt) -> Iterator[Pair]:
    event = _text(raw, ("event", "type"))
    if event is not None:
        yield "type", event if event in words.EVENTS else words.OTHER
    yield "mode", _text(raw, ("mode", "collaboration_mode_kind", "permission_mode"))
    yield "todo_total", raw.get("todos_total", raw.get("todo_total"))
    yield "todo_done", raw.get("todos_completed", raw.get("todo_done"))
    yield "model", model_name(_text(raw, ("model", "to_model")), salt)


def _request(raw: Mapping[str, Any], salt: Salt) -> Iterator[Pair]:
    path = raw.get("path")
    if isinstance(path, str):
        route = path.partition("?")[0]
        yield "path", route if route in words.ROUTES else words.OTHER
    yield "method", raw.get("method")
    yield "stream", raw.get("stream")
    yield "provider", raw.get("provider")
    if isinstance(request := raw.get("request_id"), str):
        yield "request_id", salt.hash(f"request:{request}")


@cache
def _errors() -> re.Pattern[str]:
    return re.compile(_ERRORS, re.VERBOSE | re.IGNORECASE)


def _error_class(text: str) -> str:
    found = _errors().search(text, 0, _LOOK)
    return (found.lastgroup if found else None) or words.OTHER


def _code(value: Any) -> int | None:
    if isinstance(value, Mapping):
        for key in ("exit_code", "exitCode", "exit"):
            if type(code := value.get(key)) is int:
                return code
    return None


def _shown(value: Any) -> str:
    """The text of an output: itself, its blocks', or what an object has under the usual keys."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(text for one in value if isinstance(one, (str, dict)) and (text := _shown(one)))
    if isinstance(value, Mapping):
        return _text(value, ("text", "output", "content", "stdout", "stderr", "error", "message")) or ""
    return ""


def _first(fields: Any, keys: tuple[str, ...]) -> Any:
    if not isinstance(fields, Mapping):
        return None
    return next((value for key in keys if (value := fields.get(key)) is not None), None)


def _text(fields: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((value for key in keys if isinstance(value := fields.get(key), str) and value), None)


def _line_count(text: str) -> int:
    return text.count("\n") + (text[-1:] not in ("", "\n"))


def _size(value: Any) -> int | None:
    """Bytes as JSON, or of a plain text; None for what JSON cannot say."""
    try:
        return len(value.encode("utf-8", "replace")) if isinstance(value, str) else len(_encode(value))
    except (TypeError, ValueError, OverflowError, RecursionError, UnicodeError):
        pass
    import json

    try:
        return len(json.dumps(value))
    except (TypeError, ValueError, RecursionError):
        return None
