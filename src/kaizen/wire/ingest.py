"""The ingest contract, version 1: what a client posts to a hub. One struct per item, one line per kind in `KINDS`.

Unknown fields are ignored and so never stored. Times are Unix milliseconds; `tokens_in` is uncached input, the cache
buckets are disjoint from it; `tokens_out` includes reasoning. Fields without a default are required by the contract of
the reference; all others are optional and left out when absent.

`rev` grows with every version of an item that one client sends: of two versions a hub keeps the one with the higher.
"""

from typing import Annotated, Any, Literal

import msgspec

MAX_INT = 2**53
Hash = Annotated[str, msgspec.Meta(pattern="^blake3:[0-9a-f]{64}$", max_length=71)]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Name = Annotated[str, msgspec.Meta(max_length=128)]
Word = Annotated[str, msgspec.Meta(max_length=32)]
Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_INT)]
Int = Annotated[int, msgspec.Meta(ge=-MAX_INT, le=MAX_INT)]


class Item(msgspec.Struct, omit_defaults=True, frozen=True, kw_only=True):
    """What every item may carry besides its own fields."""

    rev: Count | None = None


class Event(Item, frozen=True, kw_only=True):
    """One event of a session. `cost` rows are billed requests; one that is found not to count is sent again with
    `is_void`, because totals must not keep it."""

    session_id_hash: Hash
    event_seq: Count
    ts_ms: Count
    agent: Name
    model: Name = "unknown"
    kind: Word
    source: Word
    payload: Any = None
    tool: Name | None = None
    tool_call_id: Name | None = None
    tokens_in: Count | None = None
    tokens_out: Count | None = None
    reasoning_tokens: Count | None = None
    cost_usd_e6: Int | None = None
    # Additive: everything below is ours.
    cost_pusd: Int | None = None
    cache_creation_tokens: Count | None = None
    cache_creation_1h_tokens: Count | None = None
    cache_read_tokens: Count | None = None
    stop_reason: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    latency_ms: Count | None = None
    ttft_ms: Count | None = None
    retry_count: Count | None = None
    context_used_tokens: Count | None = None
    context_max_tokens: Count | None = None
    system_prompt_tokens: Count | None = None
    ts_exact: bool | None = None
    # As known when the event was enqueued; 0 = before the first prompt.
    turn: Count | None = None
    is_void: bool = False


class ToolSpan(Item, omit_defaults=False, frozen=True, kw_only=True):
    session_id_hash: Hash
    span_id_hash: Hash
    tool: Name | None = None
    status: Word
    started_at_ms: Count | None
    ended_at_ms: Count | None
    lead_time_ms: Count | None
    tokens_in: Count | None
    tokens_out: Count | None
    reasoning_tokens: Count | None
    cost_usd_e6: Int | None
    path_hashes: list[Hash]
    # Additive.
    turn: Count | None = None
    event_seq: Count | None = None
    parent_span_id_hash: Hash | None = None


class FileFact(msgspec.Struct, frozen=True):
    path_hash: Hash
    language: Word
    bytes: Count
    loc: Count
    sloc: Count
    complexity_total: Count
    max_fn_complexity: Count
    symbol_count: Count
    import_count: Count
    fan_in: Count
    fan_out: Count
    churn_30d: Count
    churn_90d: Count
    authors_90d: Count
    last_changed_ms: Count | None


class Edge(msgspec.Struct, frozen=True):
    from_hash: Hash
    to_hash: Hash
    kind: Word
    weight: Count


class SnapshotChunk(Item, omit_defaults=False, frozen=True, kw_only=True):
    snapshot_id_hash: Hash
    commit_hash: Hash | None
    indexed_at_ms: Count
    dirty: bool
    chunk_index: Count
    chunk_total: Count
    file_facts: list[FileFact]
    edges: list[Edge]


class WorkspaceFact(Item, frozen=True, kw_only=True):
    skill_slugs: list[Hash] = []
    rule_slugs: list[Hash] = []


class Evaluation(Item, frozen=True, kw_only=True):
    eval_id_hash: Hash
    session_id_hash: Hash
    judge_model: Name
    rubric_id: Name
    score: Annotated[float, msgspec.Meta(ge=0, le=1)]
    flagged: bool
    created_at_ms: Count
    rationale: str | None = None


class Feedback(Item, omit_defaults=False, frozen=True, kw_only=True):
    feedback_id_hash: Hash
    session_id_hash: Hash
    score: Annotated[int, msgspec.Meta(ge=1, le=5)] | None
    label: Literal["good", "bad", "interesting", "bug", "regression"] | None
    created_at_ms: Count
    note: str | msgspec.UnsetType = msgspec.UNSET


class Session(Item, frozen=True, kw_only=True):
    session_id_hash: Hash
    agent: Name
    model: Name | None = None
    started_at_ms: Count
    ended_at_ms: Count | None = None
    status: Literal["running", "waiting", "idle", "done"]
    parent_session_id_hash: Hash | None = None
    branch_hash: Hash | None = None
    agent_version: Name | None = None
    os: Word | None = None
    arch: Word | None = None
    prompt_fingerprint: Hash | None = None
    event_count: Count | None = None
    tokens_in: Count | None = None
    tokens_out: Count | None = None
    cost_usd_e6: Int | None = None
    reopened: bool = False
    # Additive.
    prompts: Count | None = None
    tool_calls: Count | None = None
    errors: Count | None = None


Variant = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
Metrics = Annotated[dict[Name, float], msgspec.Meta(max_length=64)]


class Observation(Item, frozen=True, kw_only=True):
    """One session of an experiment. Posted alone, without an envelope: `POST /v1/experiments/{id}/observation`."""

    team_id: Id
    session_id_hash: Hash
    variant: Variant
    binding_kind: Word | None = None
    metric_snapshot: Metrics = {}


class Envelope(msgspec.Struct, omit_defaults=True, frozen=True, kw_only=True):
    """Whose items a batch holds. One team, one workspace."""

    team_id: Id
    workspace_hash: Hash
    project_name: Name | None = None
    repo_hash: Hash | None = None
    # First 8 hex digits of BLAKE3("salt-id" || salt): tells a hub that two clients of a team use different salts.
    salt_id: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{8}$")] | None = None
    # Level and version of the schema that let the items through, such as `metrics/1`.
    redaction: Word | None = None


class Kind(msgspec.Struct, frozen=True):
    """A kind of item: where it is posted, under which name of the body, and what identifies an item in a workspace."""

    name: str
    path: str
    list_name: str
    item: type[Item]
    identity: tuple[str, ...]


# In the order in which lanes are served when there are more of them than connections.
KINDS = {
    kind.name: kind
    for kind in (
        Kind("sessions", "/v1/sessions", "sessions", Session, ("session_id_hash",)),
        Kind("events", "/v1/events", "events", Event, ("session_id_hash", "event_seq")),
        Kind("tool_spans", "/v1/tool-spans", "spans", ToolSpan, ("session_id_hash", "span_id_hash")),
        Kind("session_feedback", "/v1/session-feedback", "feedback", Feedback, ("feedback_id_hash",)),
        Kind("session_evals", "/v1/session-evals", "evals", Evaluation, ("eval_id_hash",)),
        Kind("workspace_facts", "/v1/workspace-facts", "facts", WorkspaceFact, ()),
        Kind("repo_snapshots", "/v1/repo-snapshots", "snapshots", SnapshotChunk, ("snapshot_id_hash", "chunk_index")),
    )
}


def body(envelope: bytes, list_name: str, items: list[bytes]) -> bytes:
    """The exact bytes of a batch: `envelope` is a JSON object, `items` are JSON objects, none is encoded again."""
    return b"".join((envelope[:-1], b',"', list_name.encode(), b'":[', b",".join(items), b"]}"))


def body_length(envelope: bytes, list_name: str, item_count: int, item_bytes: int) -> int:
    """Length of `body` for so many items of so many bytes together."""
    return len(envelope) + len(list_name) + 6 + item_bytes + max(item_count - 1, 0)
