"""What a source says (`Draft`, `SessionDraft`, `Ignored`, `Unknown`) and what is remembered of it (`Facts`).

A source turns bytes into drafts and knows nothing else. `ingest` gives each draft a place (`seq`): then it is an event.
"""

from typing import Any, Literal

import msgspec

Kind = Literal["message", "tool_call", "tool_result", "error", "cost", "hook", "lifecycle"]
Role = Literal["prompt", "assistant", "thinking", "context"]


class Draft(msgspec.Struct, gc=False, array_like=True):
    """A parsed fact that has no sequence number yet.

    `key` is unique per agent and decides identity: the same key seen again is the same fact (see `key_*` in
    docs/concepts.md). A billed model call is exactly one draft of kind `cost` with key `req:<request>` or
    `req:<request>:<variant>`; all other drafts carry no tokens. Token buckets are disjoint: `input_tokens` is uncached
    input, `output_tokens` includes reasoning, `cache_write_tokens` includes the 1 h part.
    """

    key: str
    session: str
    kind: Kind
    ts_ms: int | None = None
    # Who speaks in a message: `prompt` is a person's text that starts a turn, `context` is text injected by the host.
    role: Role | None = None
    tool: str | None = None
    call_id: str | None = None
    # The billed request this row came out of: `<request>` of the cost row's key. Joins tool calls to their cost.
    request: str | None = None
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    web_search_requests: int | None = None
    service_tier: str | None = None
    speed: str | None = None
    reported_cost_usd_e6: int | None = None
    stop_reason: str | None = None
    latency_ms: int | None = None
    ttft_ms: int | None = None
    retry_count: int | None = None
    context_used_tokens: int | None = None
    context_max_tokens: int | None = None
    # None = not said. For tool results and errors.
    is_error: bool | None = None
    is_sidechain: bool = False
    # The record says itself that it repeats another session's record (a fork's copied history).
    is_copy: bool = False
    # Only a guess says so; such a request counts nowhere unless another file shows it first hand.
    is_replay: bool = False
    # A doubt about the numbers, for `doctor` and `explain cost`: `usage_convention_guess`, `gap`, `implausible`, ...
    flag: str | None = None
    # Plain JSON values, small keys: text | input | output | event ... (docs/concepts.md, payloads).
    payload: dict[str, Any] | None = None


class SessionDraft(msgspec.Struct, gc=False, array_like=True):
    """Facts about a session. None means not said; a later non-None value of the same source replaces an earlier one,
    except `workspace`, `branch`, `parent` and `agent_version`, where the first stays (see store/sessions.py)."""

    session: str
    workspace: str | None = None
    branch: str | None = None
    commit: str | None = None
    model: str | None = None
    parent: str | None = None
    # How it hangs below `parent`: `subagent` or `fork`.
    relation: Literal["subagent", "fork"] | None = None
    agent_version: str | None = None
    title: str | None = None
    # Only where the host keeps them apart from its records (Cursor's database).
    started_at_ms: int | None = None
    ended_at_ms: int | None = None
    # Sub-label: Codex originator, Claude subagent type.
    label: str | None = None
    # Tool call of the parent that started this session.
    parent_call_id: str | None = None


class Ignored(msgspec.Struct, gc=False, frozen=True):
    """This record is understood and deliberately not stored. `reason` is a stable snake_case word for the ledger."""

    reason: str


class Unknown(msgspec.Struct, gc=False, frozen=True):
    """A record or block type we have never seen; counted by `name`, never a failure."""

    name: str


Item = Draft | SessionDraft | Ignored | Unknown


class FileUse(msgspec.Struct, gc=False, array_like=True, frozen=True):
    """One path named by a tool's input. `path` as written; made workspace-relative when folded."""

    path: str
    op: Literal["read", "write", "create", "delete", "search", "list", "run"]
    added_lines: int | None = None
    removed_lines: int | None = None
    # From a shell command or an unknown tool: likely, not certain.
    is_guess: bool = False


class GuidanceUse(msgspec.Struct, gc=False, array_like=True, frozen=True):
    """A skill, rule or command that was `loaded` (the host says so) or only `mentioned`."""

    kind: Literal["skill", "rule", "command"]
    name: str
    scope: Literal["project", "user"]
    how: Literal["loaded", "mentioned"]


class Facts(msgspec.Struct, gc=False, array_like=True):
    """What folds need of a payload, extracted once beside the parser so that folding never decodes bodies.

    A pure function of (kind, tool, payload): `derive.facts.extract`. Recomputed from the body when a session is folded
    again.
    """

    files: list[FileUse] = []
    guidance: list[GuidanceUse] = []
    # First line of a prompt, at most 120 characters, cleaned of wrappers.
    title: str | None = None
    # Exit code of a tool result.
    exit_code: int | None = None
    # `denied` | `interrupted` | `timeout`, or the host's own short word for why a call did not succeed.
    reason: str | None = None
