"""Numbers and classes made of a payload: what is left of it when the payload itself stays here.

Payloads are those of `bodies` (docs/concepts.md). Nothing here raises, whatever a payload holds.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from kaizen.redact.hashes import Salt
from kaizen.redact.vocabulary import EXTENSIONS, LANGUAGES, LIFECYCLES, PROGRAMS, TOOL_CLASSES

Features = dict[str, Any]

_PATH_KEYS = ("file_path", "path", "filePath", "absolute_path", "target_file", "notebook_path",
              "relative_workspace_path", "file", "filename", "target_notebook", "target_directory", "directory",
              "absolutePath")
_OLD_KEYS, _NEW_KEYS = ("old_string", "old_str", "oldString"), ("new_string", "new_str", "newString")
_CONTENT_KEYS = ("content", "contents", "file_text")
_COMMAND_KEYS = ("command", "cmd", "script")
# Flags of everyday programs. A flag that is not here may hold anything.
FLAGS = frozenset("""
    -a -b -c -d -e -f -h -i -l -m -n -p -q -r -s -t -u -v -x --all --amend --cached --check --color --coverage --debug
    --dry-run --exclude --fix --follow --force --format --help --ignore --include --json --list --lib --max-count
    --name-only --no-cache --no-verify --oneline --output --parallel --prune --quiet --rebase --recursive --release
    --short --stat --tags --test --verbose --version --watch --yes
""".split())
_ERRORS = (
    ("timeout", re.compile(r"timed? ?out|deadline exceeded", re.I)),
    ("denied", re.compile(r"not permitted|denied|rejected|doesn't want to|forbidden|unauthori[sz]ed", re.I)),
    ("not_found", re.compile(r"no such file|not found|does not exist|cannot find|enoent", re.I)),
    ("syntax", re.compile(r"syntax ?error|parse error|unexpected token|indentationerror", re.I)),
    ("network", re.compile(r"connection|network|econn|dns|resolve host|unreachable|ssl", re.I)),
    ("test_failure", re.compile(r"\bfailed\b|assertion|test.*fail", re.I)),
)  # fmt: skip
_FENCE = re.compile(r"^```[ \t]*([A-Za-z+#]{0,12})", re.M)
_MAX_TEXT = 20_000


def of(kind: str, role: str | None, tool: str | None, raw: Mapping[str, Any], salt: Salt, workspace: str) -> Features:
    if kind == "tool_call":
        return _call(tool, raw, salt, workspace)
    if kind == "tool_result":
        return _result(raw)
    if kind == "message":
        return _message(role, raw)
    if kind == "error":
        return _error(raw)
    if kind in ("lifecycle", "hook"):
        return _lifecycle(kind, raw)
    return {}


def tool_class(tool: str | None) -> str:
    if tool is None:
        return "other"
    return "mcp" if tool.startswith("mcp__") else TOOL_CLASSES.get(tool, "other")


def _call(tool: str | None, raw: Mapping[str, Any], salt: Salt, workspace: str) -> Features:
    given = raw.get("input")
    found: Features = {"tool_class": tool_class(tool), "args_bytes": _size(given)}
    if tool is not None and tool.startswith("mcp__"):
        found["mcp_server"] = salt.hash(f"mcp:{tool.split('__')[1] if tool.count('__') else tool}")
    fields = _opened(given)
    path = next((value for key in _PATH_KEYS if type(value := fields.get(key)) is str and value), None)
    if path is not None:
        found |= _path(path, salt, workspace)
    old, new = _first(fields, _OLD_KEYS), _first(fields, _NEW_KEYS)
    if old is not None and new is not None:
        found["lines_removed"], found["lines_added"] = _lines(old), _lines(new)
    elif found["tool_class"] == "write" and (content := _first(fields, _CONTENT_KEYS)) is not None:
        found["lines_added"] = _lines(content)
    if found["tool_class"] == "shell":
        found |= _shell(fields, given)
    timeout = fields.get("timeout", fields.get("timeout_ms"))
    if _is_count(timeout):
        found["timeout_ms"] = timeout
    if type(background := fields.get("run_in_background")) is bool:
        found["background"] = background
    return found


def _path(path: str, salt: Salt, workspace: str) -> Features:
    inside = path
    if workspace and path.startswith(workspace.rstrip("/") + "/"):
        inside = path[len(workspace.rstrip("/")) + 1 :]
    parts = [part for part in inside.replace("\\", "/").split("/") if part not in ("", ".")]
    extension = parts[-1].rpartition(".")[2].lower() if parts and "." in parts[-1] else ""
    found: Features = {"path_hash": salt.hash(f"path:{inside}"), "path_depth": len(parts)}
    if extension:
        found["path_ext"] = extension if extension in EXTENSIONS else "other"
    return found


def _shell(fields: Mapping[str, Any], given: object) -> Features:
    command: object = next((fields[key] for key in _COMMAND_KEYS if fields.get(key)), given)
    if type(command) is list:
        words = [word for word in command if type(word) is str]
        if len(words) >= 3 and words[0].rpartition("/")[2] in ("bash", "sh", "zsh") and words[1].startswith("-"):
            words = words[2].split()
    elif type(command) is str:
        words = command[:_MAX_TEXT].split()
    else:
        return {}
    program = next(iter(_programs(words)), "other")
    return {
        "program": program,
        "argc": len(words),
        "pipe_count": words.count("|"),
        "redirects": sum(word.lstrip("012&").startswith((">", "<")) for word in words),
        "flags": sorted({word for word in words if word in FLAGS}),
    }


def _programs(words: list[str]) -> Iterator[str]:
    for word in words:
        if "=" in word and word.partition("=")[0].replace("_", "").isalnum():
            continue  # a variable before the program
        name = word.rpartition("/")[2]
        if name in ("sudo", "time", "env", "nohup", "timeout", "cd"):
            yield name
            return
        yield name if name in PROGRAMS else "other"
        return


def _result(raw: Mapping[str, Any]) -> Features:
    output = raw.get("output")
    text = output if type(output) is str else None
    found: Features = {"result_bytes": _size(output)}
    if text is not None:
        found["result_lines"] = _lines(text)
    for place in (raw, output if isinstance(output, dict) else {}):
        for key in ("exit_code", "exitCode", "exit"):
            if type(code := place.get(key)) is int and abs(code) <= 2**31:
                found["exit_code"] = code
    if "trimmed" in raw:
        found["truncated"] = True
    if raw.get("error") or raw.get("interrupted") or found.get("exit_code"):
        found["error_class"] = _error_class(raw.get("error") if type(raw.get("error")) is str else text)
    return found


def _message(role: str | None, raw: Mapping[str, Any]) -> Features:
    text = raw.get("text")
    found: Features = {} if role is None else {"role": role}
    if type(text) is str:
        fences = _FENCE.findall(text[:_MAX_TEXT])
        found |= {"chars": len(text), "lines": _lines(text), "code_blocks": (len(fences) + 1) // 2}
        named = [name.lower() for name in fences if name]
        if named:
            found["language"] = named[0] if named[0] in LANGUAGES else "other"
    images = raw.get("images")
    if type(images) is list or _is_count(images):
        found["images"] = len(images) if type(images) is list else images
    return found


def _error(raw: Mapping[str, Any]) -> Features:
    text = next((raw[key] for key in ("error", "text", "message") if type(raw.get(key)) is str), None)
    found: Features = {"error_class": _error_class(text)}
    for key in ("http_status", "status", "statusCode"):
        if type(status := raw.get(key)) is int and 100 <= status <= 599:
            found["http_status"] = status
            found["retryable"] = status in (408, 425, 429) or status >= 500
    return found


def _lifecycle(kind: str, raw: Mapping[str, Any]) -> Features:
    event = raw.get("event")
    found: Features = {"type": event if type(event) is str and event in LIFECYCLES else "other"}
    todos = raw.get("todos")
    if type(todos) is list:
        found["todo_total"] = len(todos)
        found["todo_done"] = sum(type(one) is dict and one.get("status") in ("completed", "done") for one in todos)
    if kind == "hook" and raw.get("decision") in ("allow", "deny", "ask", "block"):
        found["decision"] = raw["decision"]
    return found


def _error_class(text: str | None) -> str:
    if text is not None:
        for name, pattern in _ERRORS:
            if pattern.search(text[:2_000]):
                return name
    return "other"


def _opened(given: object) -> dict[str, Any]:
    if type(given) is str and given[:1] == "{":
        try:
            given = msgspec.json.decode(given)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return {}
    return given if type(given) is dict else {}


def _first(fields: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((value for key in keys if type(value := fields.get(key)) is str), None)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= 2**53


def _lines(text: str) -> int:
    return text.count("\n") + (text[-1:] != "\n" and text != "")


def _size(value: object) -> int:
    """Bytes of a value as JSON; of a text, of the text."""
    if value is None:
        return 0
    if type(value) is str:
        return len(value.encode("utf-8", "replace"))
    try:
        return len(msgspec.json.encode(value))
    except (ValueError, OverflowError, UnicodeEncodeError, RecursionError):
        return 0
