"""What a tool's output says about how the call ended: exit code and reason.

Only the places where hosts themselves write are read: keys of the payload, and the first characters of the text. The
same words further down are somebody's file.

    Claude Code   `The user doesn't want to proceed...`, `Exit code 1`, `Command timed out after 2m 0.0s`
    Codex         `exec command rejected by user`, `aborted by user after 3.2s`, `Process exited with code 0`
    Gemini        `[Operation Cancelled]`, `Exit Code: 1` at the end of a report that begins with `Command:`
    Copilot CLI   `<exited with exit code 1>` at the end
"""

import re
from typing import Any

_HEAD_CHARS = 400

# `match` is anchored, so an ordinary output fails on its first character or two. The group's name is the reason.
_REASON = re.compile(
    r"""
    (?: Error:\ | Error\ executing\ tool\ [^\n:]{0,80}:\ | <tool_use_error> | Exit\ code:?\ \d+\s+ )*
    (?: (?P<denied>
            The\ user\ doesn['’]t\ want\ to\ (?: proceed | take\ this\ action )
          | Claude\ requested\ permissions?\ to\ [^\n]{1,300}but\ you
          | Permission\ (?: to\ use | for\ this )\ [^\n]{1,300}denied
          | (?: The\ )? [Uu]ser\ (?: has\ )? (?: rejected | denied | declined )
          | [Rr]ejected\ by\ user
          | (?: exec\ command | command | patch | tool\ call )\ (?: was\ )? (?: rejected | denied )\ by
          | exec_command\ failed[^\n]{0,300}[Rr]ejected
          | [Ee]xecution\ (?: was\ )? denied | approval\ denied
          | Tool\ execution\ (?: denied | blocked )
          | PreToolUse:[^\n]{1,100}block )
      | (?P<interrupted>
            \[Request\ interrupted
          | (?: aborted | [Ii]nterrupted | cancell?ed )\ by\ (?: the\ )? user
          | \[? (?: User | Operation | Tool\ execution | Tool\ call )\ (?: was\ )?
                (?: [Cc]ancell?ed | aborted | interrupted )
          | aborted\s*\Z )
      | (?P<timeout>
            (?: [Cc]ommand | Process | Tool | Request | Operation | Script )\ timed\ out ) )
    """,
    re.VERBOSE,
)
_EXIT_AT_START = re.compile(r"(?:Error: |<tool_use_error>)?Exit code:? (-?\d{1,6})\b")
_EXIT_OF_CODEX = re.compile(r"(?:Chunk ID:|Wall time:)[^\0]{0,300}?Process exited with code (-?\d{1,6})\b")
_EXIT_OF_GEMINI = re.compile(r"\nExit Code: (-?\d{1,6})\b")
_EXIT_OF_COPILOT = re.compile(r"<(?:command )?exited with exit code (-?\d{1,6})>\s*\Z")

_EXIT_KEYS = ("exit_code", "exitCode", "exit")
# A longer `reason` is prose.
_MAX_WORD = 32


def ending(payload: dict[str, Any]) -> tuple[int | None, str | None]:
    """`(exit_code, reason)` of a tool result."""
    output = payload.get("output")
    code = _code_in(payload)
    reason = _reason_in(payload)
    if type(output) is dict:
        code = _code_in(output) if code is None else code
        reason = reason or _reason_in(output)
    text = output_text(output) or output_text(payload.get("error")) or output_text(payload.get("text"))
    if text:
        if reason is None and (found := _REASON.match(text, 0, _HEAD_CHARS)):
            reason = found.lastgroup
        if code is None:
            code = _code_inoutput_text(text)
    return code, reason


def _code_in(holder: dict[str, Any]) -> int | None:
    for key in _EXIT_KEYS:
        if type(code := holder.get(key)) is int:
            return code
    metadata = holder.get("metadata")
    return _code_in(metadata) if type(metadata) is dict else None


def _reason_in(holder: dict[str, Any]) -> str | None:
    reason = holder.get("reason")
    if type(reason) is str and len(reason) <= _MAX_WORD and reason.isidentifier():
        return reason
    if holder.get("interrupted") is True or holder.get("is_interrupt") is True:
        return "interrupted"
    return None


def _code_inoutput_text(text: str) -> int | None:
    first = text[0]
    found = None
    if first in "E<":
        found = _EXIT_AT_START.match(text)
    elif first == "W" or text.startswith("Chunk ID:"):
        found = _EXIT_OF_CODEX.match(text)
    elif text.startswith("Command: "):
        found = _EXIT_OF_GEMINI.search(text, max(0, len(text) - _HEAD_CHARS))
    if found is None and text.endswith(">"):
        found = _EXIT_OF_COPILOT.search(text, max(0, len(text) - 60))
    return int(found[1]) if found else None


def output_text(value: object) -> str:
    """The output as text: a string, the first text of content blocks, or the usual text keys of an object."""
    if type(value) is str:
        return value
    if type(value) is list:
        for part in value:
            if text := output_text(part):
                return text
    if type(value) is dict:
        for key in ("text", "output", "content", "stderr", "error", "message"):
            if type(inner := value.get(key)) is str and inner:
                return inner
    return ""
