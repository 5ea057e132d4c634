"""What Claude Code's host writes beside the conversation: system records, queued prompts, metadata."""

from collections.abc import Iterator
from typing import Any

from kaizen.model.event import Draft, Ignored, Item, SessionDraft, Unknown
from kaizen.sources.claude_content import media, text_of
from kaizen.sources.claude_state import TITLES, State, forked_from, is_copy, row_key
from kaizen.sources.shapes import as_count, as_dict, as_text, as_time_ms

# Text that the host puts into the user's mouth.
_CONTEXT = ("<local-command-", "<command-", "<system-reminder>", "<task-notification>", "<bash-", "<ide_",
            "<user-memory-input>", "<teammate-message", "<session-start-hook>", "<user-prompt-submit-hook>",
            "<new-diagnostics>", "Caveat: The messages below")
_MACHINES = frozenset({"auto-continuation", "coordinator", "peer", "task-notification"})
_METADATA = frozenset({
    "agent-color", "agent-setting", "attribution-snapshot", "atis-latch", "bridge-session", "content-replacement",
    "frame-link", "last-prompt", "mode", "permission-mode", "pr-link", "queue-operation", "relocated", "result",
    "saved_hook_context", "speculation-accept", "started", "tag", "worktree-state",
})
_LIFECYCLE = frozenset({
    "agents_killed", "api_refusal", "away_summary", "informational", "local_command", "memory_saved",
    "microcompact_boundary", "model_refusal_fallback", "permission_retry", "scheduled_task_fire", "session_start",
    "stop_hook_summary",
})


def is_context(text: str) -> bool:
    return text.lstrip().startswith(_CONTEXT)


def is_from_a_person(said: dict[str, Any]) -> bool:
    """`origin` (2.1) names who queued a text. Whoever we do not know may be a person."""
    return as_text(as_dict(said.get("origin")).get("kind")) not in _MACHINES


def parse(kind: object, said: dict[str, Any], ts_ms: int | None, at: int, state: State) -> Iterator[Item]:
    name = as_text(kind)
    if name == "system":
        yield _system(said, ts_ms, at, state)
    elif name == "attachment":
        yield _attachment(as_dict(said.get("attachment")), said, ts_ms, at, state)
    elif name in TITLES:
        yield _title(name, said, state)
    elif name in ("file-history-snapshot", "file-history-delta"):
        yield Ignored("file_history")
    elif name in _METADATA:
        yield Ignored("metadata")
    else:
        yield Unknown(f"record:{name[:60] if name else None}")


def _title(name: str, said: dict[str, Any], state: State) -> Item:
    """A later title replaces an earlier one, except a weightier one. A summary counts only for the conversation it
    ends: the ones at the head of a file are about other conversations."""
    keys = {"summary": "summary", "ai-title": "aiTitle", "agent-name": "agentName", "custom-title": "customTitle"}
    title = as_text(said.get(keys[name])) or as_text(said.get("title")) or as_text(said.get("name"))
    rank = TITLES.index(name)
    is_ours = name != "summary" or (state.last_uuid is not None and said.get("leafUuid") == state.last_uuid)
    if title is None or rank < state.title_rank or not is_ours:
        return Ignored("metadata")
    state.title_rank = rank
    return SessionDraft(state.session, title=title)


def _system(said: dict[str, Any], ts_ms: int | None, at: int, state: State) -> Item:
    subtype, text = as_text(said.get("subtype")), as_text(said.get("content"))
    row = Draft(row_key(said, at, 0, state), state.session, "lifecycle", ts_ms,
                is_sidechain=said.get("isSidechain") is True,
                is_copy=is_copy(state, as_text(said.get("sessionId")), forked_from(said)))
    if subtype in ("api_error", "error"):
        error = said.get("error")
        row.kind, row.is_error, row.retry_count = "error", True, as_count(said.get("retryAttempt"))
        row.payload = {"text": text or as_text(error) or as_text(as_dict(error).get("message")) or "API error"}
    elif subtype == "compact_boundary":
        about = as_dict(said.get("compactMetadata"))
        row.payload = {"event": "compaction", "trigger": as_text(about.get("trigger")),
                       "pre_tokens": as_count(about.get("preTokens"))}
    elif subtype == "turn_duration":
        row.payload, row.latency_ms = {"event": "turn_duration"}, as_count(said.get("durationMs"))
    elif subtype in _LIFECYCLE or (subtype is None and text):
        row.payload = {"event": subtype or "informational", **({"text": text} if text else {})}
    else:
        return Unknown(f"system:{subtype[:60] if subtype else None}")
    return row


def _attachment(attached: dict[str, Any], said: dict[str, Any], ts_ms: int | None, at: int, state: State) -> Item:
    """Only a prompt typed during a turn speaks; the rest reminds the model of what it knows."""
    if attached.get("type") != "queued_command":
        return Ignored("attachment")
    text, dropped = text_of(attached.get("prompt")), media(attached.get("prompt"))
    if not (text.strip() or dropped):
        return Ignored("empty_prompt")
    is_prompt = not (is_context(text) or said.get("isMeta") is True
                     or attached.get("commandMode") == "task-notification") and is_from_a_person(attached)
    if is_prompt:
        state.remember_queued(text)
    return Draft(row_key(said, at, 0, state), state.session, "message",
                 ts_ms if ts_ms is not None else as_time_ms(attached.get("timestamp")),
                 role="prompt" if is_prompt else "context", is_sidechain=said.get("isSidechain") is True,
                 is_copy=is_copy(state, as_text(said.get("sessionId")), forked_from(said)),
                 payload={"text": text, **({"attachments": dropped} if dropped else {})})
