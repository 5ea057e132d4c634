"""Cursor's text transcripts: `<conversation>.txt`, written by builds that had no JSONL yet.

    user:
    <user_query>
    fix it
    </user_query>

    assistant:
    [Thinking] ...
    Looking.
    [Tool call] Read
      path: a.py
    [Tool result] Read

A block's body is its indented or empty lines. Arguments are `key: value` (some builds `key=value`) or one JSON object.
Keys begin with `alt1:`: where a JSONL transcript of the conversation exists, ingest keeps that one.
"""

import re
from collections.abc import Iterator, Sequence
from textwrap import dedent
from typing import Any

import msgspec

from kaizen.model.event import Draft, Item, Role, SessionDraft
from kaizen.sources import cursor
from kaizen.sources.shapes import Malformed, as_dict

_SPEAKER = re.compile(r"(user|assistant):\s*")
_BLOCK = re.compile(r"\[(Thinking|Tool call|Tool result)\][ \t]*(.*)")
_ARGUMENT = re.compile(r"([A-Za-z_][\w.-]{0,63})\s*[:=][ \t]?(.*)")


class Part(msgspec.Struct):
    """`kind` is a block's name, or `text`; `name` what stands beside it."""

    kind: str
    name: str
    lines: list[str]


def parse(path: str, content: bytes) -> Iterator[Item]:
    state = cursor.begin(path)
    lines = content.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    if next((line for line in lines if line.strip()), "").lstrip().startswith("{"):
        yield from _json_lines(content, state)
        return
    turns = _turns(lines)
    if not turns:
        if content.strip(b"\x00\r\n\t "):
            raise Malformed("no_speaker")
        return
    if state.parent:
        yield SessionDraft(state.conversation, parent=state.parent, relation="subagent")
    calls = cursor.Calls()
    for number, (speaker, body) in enumerate(turns):
        if speaker == "assistant":
            calls.open = []
            for place, part in enumerate(_parts(body)):
                yield from _from_agent(f"{state.conversation}:{number}:{place}", part, state.conversation, calls)
        else:
            role, text = cursor.spoken("\n".join(body))
            if text:
                yield _said(f"alt1:{state.conversation}:{number}:0", state.conversation, role, text)


def _json_lines(content: bytes, state: cursor.State) -> Iterator[Item]:
    """Some builds write JSONL under this name too; it is then read as what it is."""
    for line in content.split(b"\n"):
        if line := line.strip(b"\r\x00 \t\xef\xbb\xbf"):
            try:
                yield from cursor.parse(line, 0, state)
            except Malformed:
                continue


def _turns(lines: Sequence[str]) -> list[tuple[str, list[str]]]:
    turns: list[tuple[str, list[str]]] = []
    for line in lines:
        if opening := _SPEAKER.fullmatch(line):
            turns.append((opening[1], []))
        elif turns:
            turns[-1][1].append(line)
    return turns


def _parts(lines: Sequence[str]) -> list[Part]:
    parts: list[Part] = []
    for line in lines:
        if opening := _BLOCK.match(line):
            parts.append(Part(opening[1], opening[2].strip(), []))
        elif parts and (parts[-1].kind == "text" or not line.strip() or line[0] in " \t"):
            parts[-1].lines.append(line)
        else:
            parts.append(Part("text", "", [line]))
    return parts


def _from_agent(place: str, part: Part, session: str, calls: cursor.Calls) -> Iterator[Item]:
    key, body = f"alt1:{place}", dedent("\n".join(part.lines)).strip()
    match part.kind:
        case "text":
            if body:
                yield _said(key, session, "assistant", body)
        case "Thinking":
            if text := f"{part.name}\n{body}".strip():
                yield _said(key, session, "thinking", text)
        case "Tool call":
            tool, asked = part.name or None, _arguments(body)
            calls.ask(place, tool, False)
            yield Draft(key=key, session=session, kind="tool_call", tool=tool, call_id=place, payload={"input": asked})
            if (todos := cursor.todo_write(tool, asked, calls.todos)) is not None:
                yield Draft(key=f"{key}:todo", session=session, kind="lifecycle", payload=todos)
        case _:
            call_id, tool = calls.answer(None, part.name or None)
            yield Draft(key=key, session=session, kind="tool_result", tool=tool, call_id=call_id,
                        payload={"output": body})


def _said(key: str, session: str, role: Role, text: str) -> Draft:
    return Draft(key=key, session=session, kind="message", role=role, payload={"text": text})


def _arguments(body: str) -> dict[str, Any]:
    if whole := as_dict(cursor.opened(body)):
        return whole
    given: dict[str, str] = {}
    name = None
    for line in body.split("\n"):
        if opening := _ARGUMENT.fullmatch(line):
            name = opening[1]
            given[name] = opening[2]
        elif name is not None:
            given[name] += f"\n{line}"
        elif line.strip():
            return {"text": body}
    return {key: value.rstrip() for key, value in given.items()}
