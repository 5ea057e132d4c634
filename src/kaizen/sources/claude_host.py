"""What Claude Code's host writes beside the conversation: system records, queued prompts, metadata."""

from collections.abc import Iterator
from typing import Any

from kaizen.model.event import Draft, Ignored, Item, SessionDraft, Unknown
from kaizen.sources.claude_state import State, row_key
from kaizen.sources.shapes import as_dict, as_text

_TITLES = {"custom-title": "customTitle", "ai-title": "aiTitle", "agent-name": "agentName"}
_METADATA = frozenset({
    "agent-color", "agent-setting", "attribution-snapshot", "atis-latch", "bridge-session", "content-replacement",
    "file-history-delta", "file-history-snapshot", "frame-link", "last-prompt", "mode", "permission-mode", "pr-link",
    "queue-operation", "relocated", "result", "saved_hook_context", "speculation-accept", "started", "summary", "tag",
    "worktree-state",
})
_LIFECYCLE = frozenset({
    "api_refusal", "away_summary", "informational", "local_command", "model_refusal_fallback", "scheduled_task_fire",
    "session_start", "stop_hook_summary",
})


def parse(kind: object, said: dict[str, Any], ts_ms: int | None, at: int, state: State) -> Iterator[Item]:
    if kind == "system":
        yield from _system(said, ts_ms, at, state)
    elif kind == "attachment":
        yield from _attachment(as_dict(said.get("attachment")), said, ts_ms, at, state)
    elif kind in _TITLES:
        title = as_text(said.get(_TITLES[str(kind)])) or as_text(said.get("title")) or as_text(said.get("name"))
        yield SessionDraft(state.session, title=title) if title else Ignored("metadata")
    elif type(kind) is str and kind in _METADATA:
        yield Ignored("file_history" if kind.startswith("file-history") else "metadata")
    else:
        yield Unknown(f"record:{kind}")


def _system(said: dict[str, Any], ts_ms: int | None, at: int, state: State) -> Iterator[Item]:
    subtype = as_text(said.get("subtype"))
    text = as_text(said.get("content"))
    key = row_key(said, at, 0, state)
    if subtype in ("api_error", "error"):
        error = said.get("error")
        why = text or as_text(error) or as_text(as_dict(error).get("message")) or "API error"
        retry = said.get("retryAttempt")
        yield Draft(key, state.session, "error", ts_ms, is_error=True, payload={"text": why},
                    retry_count=retry if type(retry) is int else None)
    elif subtype == "compact_boundary":
        about = as_dict(said.get("compactMetadata"))
        yield Draft(key, state.session, "lifecycle", ts_ms,
                    payload={"event": "compaction", "trigger": about.get("trigger"),
                             "pre_tokens": about.get("preTokens")})
    elif subtype == "turn_duration":
        took = said.get("durationMs")
        yield Draft(key, state.session, "lifecycle", ts_ms, payload={"event": "turn_duration"},
                    latency_ms=took if type(took) is int and took >= 0 else None)
    elif subtype in _LIFECYCLE or (subtype is None and text):
        yield Draft(key, state.session, "lifecycle", ts_ms,
                    payload={"event": subtype or "informational", **({"text": text} if text else {})})
    else:
        yield Unknown(f"system:{subtype}")


def _attachment(attached: dict[str, Any], said: dict[str, Any], ts_ms: int | None, at: int, state: State
                ) -> Iterator[Item]:
    kind = as_text(attached.get("type"))
    prompt = attached.get("prompt")
    if kind == "queued_command" and type(prompt) is str and prompt.strip():
        state.remember_queued(prompt.strip())
        role = "context" if prompt.lstrip().startswith("<") or said.get("isMeta") is True else "prompt"
        yield Draft(row_key(said, at, 0, state), state.session, "message", ts_ms, role=role,  # type: ignore[arg-type]
                    payload={"text": prompt})
    else:
        yield Ignored("attachment")
