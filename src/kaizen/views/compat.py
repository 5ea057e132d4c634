"""The JSON of the Rust kaizen (0.1.46), for scripts written for it: `--json-compat`.

Its keys and their types, our numbers. Where its format has no room for an unknown (a total cost), an unknown counts as
0 and `cost_note` says so; what we do not record (`os`, `repo_total_loc`, ...) is null, as it is there. `hotspot` never
appears: it needs an index of the repository.
"""

from collections.abc import Sequence
from sqlite3 import Connection

import msgspec
from msgspec import UNSET, UnsetType

from kaizen.model.times import Window
from kaizen.store import session_rows, used, workspaces
from kaizen.views.cost import NO_TOOL, UNKNOWN, cost
from kaizen.views.insights import percentile
from kaizen.views.scope import Scope
from kaizen.views.sessions import SessionLine
from kaizen.views.summary import Share, Summary

WEEK_DAYS = 7
_NO_COST = "no event carries a cost"


class Session(msgspec.Struct, kw_only=True):
    id: str
    agent: str
    model: str | None
    workspace: str | None
    started_at_ms: int | None
    ended_at_ms: int | None
    status: str
    trace_path: str
    start_commit: str | None
    end_commit: None = None
    branch: str | None
    dirty_start: None = None
    dirty_end: None = None
    repo_binding_source: None = None
    prompt_fingerprint: None = None
    parent_session_id: str | None
    agent_version: str | None
    os: None = None
    arch: None = None
    repo_file_count: None = None
    repo_total_loc: None = None


class Sessions(msgspec.Struct, kw_only=True):
    """`workspaces` only when there are several; `workspace` is then `machine:<n> workspaces`."""

    workspace: str
    workspaces: list[str] | UnsetType = UNSET
    count: int
    sessions: list[Session]


class SlowestTool(msgspec.Struct, kw_only=True):
    """Of the last seven days. Tokens are an estimate: each request is split evenly over the tools it called."""

    tool: str
    calls: int
    p50_ms: int | None
    p95_ms: int | None
    total_tokens: int
    total_reasoning_tokens: int


class CompatSummary(msgspec.Struct, kw_only=True):
    workspace: str
    workspaces: list[str] | UnsetType = UNSET
    session_count: int
    total_cost_usd_e6: int
    by_agent: list[tuple[str, int]]
    by_model: list[tuple[str, int]]
    top_tools: list[tuple[str, int]]
    cost_usd: float
    cost_note: str | UnsetType = UNSET
    slowest_tool: SlowestTool | UnsetType = UNSET


def compat_sessions(db: Connection, scope: Scope, shown: Sequence[SessionLine]) -> Sessions:
    """What `sessions list` shows, as session records."""
    label, several = _where(db, scope)
    found = [_session(db, one) for one in shown]
    return Sessions(workspace=label, workspaces=several, count=len(found), sessions=found)


def compat_summary(db: Connection, scope: Scope, found: Summary, now_ms: int) -> CompatSummary:
    label, several = _where(db, scope)
    total = found.total_cost_usd_e6 or 0
    return CompatSummary(
        workspace=label,
        workspaces=several,
        session_count=found.session_count,
        total_cost_usd_e6=total,
        by_agent=_counts(found.by_agent),
        by_model=_counts(found.by_model),
        top_tools=[(one.tool, one.calls) for one in found.top_tools],
        cost_usd=total / 1e6,
        cost_note=found.cost_note or _NO_COST if found.session_count and not total else UNSET,
        slowest_tool=_slowest(db, scope, now_ms),
    )


def _where(db: Connection, scope: Scope) -> tuple[str, list[str] | UnsetType]:
    known = workspaces.known(db)
    ids = scope.workspace_ids
    roots = sorted({one.root for one in known if one.root and (ids is None or one.id in ids)})
    if len(roots) == 1:
        return roots[0], UNSET
    return f"machine:{len(roots)} workspaces", roots or UNSET


def _session(db: Connection, one: SessionLine) -> Session:
    found = session_rows.find(db, one.agent, one.id)
    assert found is not None  # it was listed from the same store
    row = session_rows.get(db, found)
    return Session(
        id=row.host_id,
        agent=row.agent,
        model=row.model,
        workspace=row.workspace or None,
        started_at_ms=row.started_at_ms,
        ended_at_ms=row.ended_at_ms,
        status=one.status.capitalize(),
        trace_path=row.trace_path,
        start_commit=row.start_commit,
        branch=row.branch,
        parent_session_id=row.parent_host_id,
        agent_version=row.agent_version,
    )


def _counts(shares: Sequence[Share]) -> list[tuple[str, int]]:
    """`[name, sessions]`, most sessions first, then by name."""
    named = [("unknown" if one.name == UNKNOWN else one.name, one.sessions) for one in shares if one.sessions]
    return sorted(named, key=lambda pair: (-pair[1], pair[0]))


def _slowest(db: Connection, scope: Scope, now_ms: int) -> SlowestTool | UnsetType:
    from datetime import UTC

    window = Window(now_ms - WEEK_DAYS * 86_400_000, None)
    took: dict[str, list[int]] = {}
    for tool, ms in used.lead_times(db, scope.filter, window.start_ms, window.end_ms):
        took.setdefault(tool, []).append(ms)
    if not took:
        return UNSET
    slow = min(took, key=lambda tool: (-(percentile(took[tool], 95) or 0), tool))
    calls = {tool: number for tool, number, *_ in used.span_tools(db, scope.filter, window.start_ms, None)}
    spent = {row.key: row for row in cost(db, scope, window, "tool", UTC).rows if row.key != NO_TOOL}.get(slow)
    return SlowestTool(
        tool=slow,
        calls=calls[slow],
        p50_ms=percentile(took[slow], 50),
        p95_ms=percentile(took[slow], 95),
        total_tokens=spent.total_tokens if spent else 0,
        total_reasoning_tokens=spent.reasoning_tokens if spent else 0,
    )
