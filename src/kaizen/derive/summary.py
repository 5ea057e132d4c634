"""One line that tells what an event is about, for `tail` and `show`."""

import re
from typing import Any

from kaizen.derive.patches import files_in_patch, is_patch
from kaizen.derive.results import ending, output_text
from kaizen.derive.text import strings
from kaizen.derive.titles import short, title_of
from kaizen.derive.tool_files import PATH_KEYS, command_of

MAX_CHARS = 120

# What a person would say a call is about, most telling first.
_MAIN_KEYS = (
    *PATH_KEYS, "url", "query", "skill", "description", "subject", "question", "prompt", "title",
    "message", "text", "chars", "name", "id",
)  # fmt: skip
_SEARCH_KEYS = ("pattern", "query", "regex", "glob_pattern")
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,2000}(?:\x07|\x1b\\)?|.)")


def headline(
    kind: str, role: str | None, tool: str | None, payload: dict[str, Any] | None, chars: int = MAX_CHARS
) -> str:
    """At most `chars` characters, no control characters, '' when there is nothing to say. Without the tool's name."""
    if not payload:
        return ""
    if kind == "tool_call":
        return _line(_of_call(payload.get("input")), chars)
    if kind == "tool_result":
        return _line(_of_result(payload), chars)
    if kind == "lifecycle" or kind == "hook":
        return _line(_of_lifecycle(payload), chars)
    text = output_text(payload.get("text")) or output_text(payload.get("error")) or output_text(payload.get("message"))
    if role == "prompt" and (title := title_of(text)):
        return _line(title, chars)
    return _line(text or next(strings(payload), ""), chars)


def _of_call(given: object) -> str:
    if type(given) is str:
        return _of_patch(given) or given
    if type(given) is not dict:
        return next(strings(given), "")
    if command := command_of(given):
        return _of_patch(command) or command
    # A search is about its pattern; where it looked comes second.
    for key in _SEARCH_KEYS:
        if type(wanted := given.get(key)) is str and wanted:
            place = next((given[k] for k in PATH_KEYS if type(given.get(k)) is str and given[k]), None)
            return f"{wanted} in {place}" if place else wanted
    for key in _MAIN_KEYS:
        if type(value := given.get(key)) is str and value:
            return value
    first = next(strings(given), "")
    return _of_patch(first) or first


def _of_patch(text: str) -> str:
    if not is_patch(text):
        return ""
    return ", ".join(dict.fromkeys(use.path for use in files_in_patch(text)))


def _of_result(payload: dict[str, Any]) -> str:
    code, reason = ending(payload)
    text = output_text(payload.get("output")) or output_text(payload.get("error")) or output_text(payload.get("text"))
    words = [reason] if reason else [f"exit {code}"] if code else []
    return ": ".join([*words, text]) if text else "".join(words)


def _of_lifecycle(payload: dict[str, Any]) -> str:
    name = payload.get("event")
    detail = next(
        (text for key in ("text", "reason", "trigger", "path", "file_path", "model") if (text := payload.get(key))), ""
    )
    return " ".join(part for part in (name, detail) if type(part) is str and part)


def _line(text: str, chars: int) -> str:
    return short(_ESCAPES.sub("", text[:20_000]) if "\x1b" in text else text, chars)
