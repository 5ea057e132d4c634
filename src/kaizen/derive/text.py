"""The words of an event for the full-text index: all its string values, never its keys."""

from collections.abc import Iterator
from typing import Any

from kaizen.derive.tool_files import PATH_KEYS, looks_like_path

# 64 KiB of ASCII; of other scripts as many characters.
MAX_CHARS = 65_536
_PATH_KEYS = frozenset(PATH_KEYS)
_MAX_DEPTH = 64


def searchable(
    kind: str, role: str | None, tool: str | None, payload: dict[str, Any] | None
) -> tuple[str, str, str, str]:
    """`(prompt, text, tool, path)`.

    What a person typed is in `prompt` and nowhere else; everything else is in `text`. `path` holds the values of known
    path keys of a call's input, one a line: outputs and prose name no paths.
    """
    if not payload:
        return "", "", tool or "", ""
    words = " ".join(strings(payload))[:MAX_CHARS]
    path = _paths(payload.get("input")) if kind == "tool_call" else ""
    return (words, "", tool or "", path) if role == "prompt" else ("", words, tool or "", path)


def strings(value: object, depth: int = 0) -> Iterator[str]:
    """Every non-blank string value in document order, embedded files (`data:`) left out."""
    for item in value.values() if type(value) is dict else value if type(value) is list else (value,):
        if type(item) is str:
            if item and not item.startswith("data:"):
                yield item
        elif depth < _MAX_DEPTH and (type(item) is dict or type(item) is list):
            yield from strings(item, depth + 1)


def _paths(given: object) -> str:
    found: dict[str, None] = {}
    waiting = [given]
    while waiting and len(found) < 64:
        value = waiting.pop()
        if type(value) is list:
            waiting.extend(reversed(value))
        elif type(value) is dict:
            for key, item in value.items():
                if type(item) is str:
                    if key in _PATH_KEYS and looks_like_path(item):
                        found[item] = None
                elif type(item) is dict or type(item) is list:
                    waiting.append(item)
    return "\n".join(found)
