"""The content of Claude messages: blocks, their texts, and what is too heavy to keep."""

from collections.abc import Iterator
from typing import Any

from kaizen.sources.shapes import as_list, as_text

MAX_DEPTH = 50
MEDIA = ("image", "document")


def blocks(content: object) -> Iterator[dict[str, Any]]:
    """The blocks of a message's content, which may be text, an object, a list of both, or nothing."""
    if type(content) is str:
        yield {"type": "text", "text": content}
    elif type(content) is dict:
        yield content
    for block in as_list(content):
        if type(block) is dict:
            yield block
        elif type(block) is str:
            yield {"type": "text", "text": block}


def text_of(content: object) -> str:
    """What a person would read of it."""
    found = []
    for block in blocks(content):
        kind, text = block.get("type"), block.get("text")
        if type(text) is str:
            found.append(text)
        elif kind in MEDIA:
            found.append(f"[{kind}]")
        elif type(block.get("content")) is str:
            found.append(block["content"])
        elif as_text(block.get("url")):
            found.append(" ".join(part for part in (as_text(block.get("title")), block["url"]) if part))
        elif as_text(block.get("tool_name")):
            found.append(block["tool_name"])
    return "\n".join(found)


def media(content: object) -> list[dict[str, Any]]:
    """What stands for each embedded image or document."""
    return [_dropped(block.get("source"), block["type"]) for block in blocks(content) if block.get("type") in MEDIA]


def _dropped(source: object, kind: str) -> dict[str, Any]:
    if type(source) is dict:
        name, data = as_text(source.get("media_type")), source.get("data")
        if type(data) is str:
            return {"dropped": name or kind, "bytes": _size(data)}
        return {"dropped": name or kind}
    return {"dropped": kind}


def light(value: object, depth: int = 0) -> Any:
    """A tool's input without embedded binary data, cut off below `MAX_DEPTH` levels."""
    if type(value) is dict:
        if depth > MAX_DEPTH:
            return {}
        if value.get("type") == "base64" and type(value.get("data")) is str:
            return _dropped(value, "base64")
        return {name: light(item, depth + 1) for name, item in value.items()}
    if type(value) is list:
        return [light(item, depth + 1) for item in value] if depth <= MAX_DEPTH else []
    return value


def _size(base64: str) -> int:
    return len(base64) * 3 // 4 - base64.count("=", -2)
