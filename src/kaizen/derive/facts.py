"""What folds need of a payload, found once beside the parser.

Runs for every event of an import and finds nothing in most of them, so each kind begins with its cheapest question.
Payload keys read: `input` of a call; `output`, `exit_code`, `error`, `interrupted` of a result; `text` of a message;
`file_path` of a lifecycle event.
"""

from typing import Any

from kaizen.derive import guidance
from kaizen.derive.results import ending
from kaizen.derive.titles import title_of
from kaizen.derive.tool_files import NAMELESS, files_of
from kaizen.model.event import Facts


def extract(kind: str, role: str | None, tool: str | None, payload: dict[str, Any] | None) -> Facts | None:
    """None when there is nothing to remember. Never raises, whatever the payload holds."""
    if not payload:
        return None
    if kind == "tool_call":
        return _of_call(tool, payload)
    if kind == "tool_result" or kind == "error":
        exit_code, reason = ending(payload)
        return None if exit_code is None and reason is None else Facts(exit_code=exit_code, reason=reason)
    if kind == "message":
        return None if role == "thinking" else _of_message(role, payload)
    if kind == "lifecycle" or kind == "hook":
        uses = guidance.in_announcement(payload)
        return Facts(guidance=uses) if uses else None
    return None


def _of_call(tool: str | None, payload: dict[str, Any]) -> Facts | None:
    given = payload.get("input")
    if not given or tool in NAMELESS:
        return None
    files = files_of(tool, given)
    uses = guidance.in_call(tool, given, [use.path for use in files if use.op == "read" and not use.is_guess])
    return Facts(files=files, guidance=uses) if files or uses else None


def _of_message(role: str | None, payload: dict[str, Any]) -> Facts | None:
    text = payload.get("text")
    if type(text) is not str or not text:
        return None
    uses = guidance.in_text(text, is_host=role == "context")
    title = title_of(text) if role == "prompt" else None
    return Facts(guidance=uses, title=title) if uses or title else None
