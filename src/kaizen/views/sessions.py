"""Sessions, newest first, one line's worth each."""

from collections.abc import Sequence
from sqlite3 import Connection

import msgspec

from kaizen.model.ids import shorten
from kaizen.model.status import status_at
from kaizen.model.times import ALL_TIME, Window
from kaizen.store import rollups, session_rows
from kaizen.store.session_rows import SessionRow
from kaizen.store.usage import Amounts
from kaizen.views.scope import Scope
from kaizen.views.usage import NOTHING, Usage, summed, usage


class SessionLine(Usage, kw_only=True):
    """A session with its own usage: subagents are sessions of their own, see `parent_session_id`."""

    id: str
    agent: str
    model: str | None
    workspace: str | None
    branch: str | None
    started_at_ms: int | None
    ended_at_ms: int | None
    status: str
    parent_session_id: str | None
    # `subagent` or `fork`, None for a root.
    relation: str | None
    label: str | None
    errors: int
    tool_calls: int
    prompts: int
    title: str | None


def sessions(
    db: Connection,
    scope: Scope,
    now_ms: int,
    *,
    window: Window = ALL_TIME,
    branch: str | None = None,
    status: str | None = None,
    is_root: bool = False,
    limit: int = 50,
) -> list[SessionLine]:
    """Sessions that overlap the window. `limit` 0 is all."""
    found = session_rows.page(
        db,
        scope.filter,
        start_ms=window.start_ms,
        end_ms=window.end_ms,
        branch=branch,
        is_root=is_root,
        limit=0 if status else limit,
    )
    if status is not None:
        found = [one for one in found if shown_status(one, now_ms) == status][: limit or None]
    return lines(db, found, now_ms)


def short_ids(db: Connection, shown: Sequence[str]) -> dict[str, str]:
    """How short each id can be shown and still be told from every other session's."""
    return shorten(shown, [*shown, *session_rows.neighbours(db, shown)])


def lines(db: Connection, found: list[SessionRow], now_ms: int) -> list[SessionLine]:
    spent = rollups.usage_of(db, [one.id for one in found])
    return [
        line(one, summed(amounts for _, amounts in spent.get(one.id, [])) if one.id in spent else NOTHING, now_ms)
        for one in found
    ]


def line(one: SessionRow, amounts: Amounts, now_ms: int) -> SessionLine:
    return SessionLine(
        **msgspec.structs.asdict(usage(amounts) if any(amounts) else Usage()),
        id=one.host_id,
        agent=one.agent,
        model=one.model,
        workspace=one.workspace or None,
        branch=one.branch,
        started_at_ms=one.started_at_ms,
        ended_at_ms=one.ended_at_ms,
        status=shown_status(one, now_ms),
        parent_session_id=one.parent_host_id,
        relation=one.relation,
        label=one.label,
        errors=one.errors,
        tool_calls=one.tool_calls,
        prompts=one.prompts,
        title=one.title,
    )


def shown_status(one: SessionRow, now_ms: int) -> str:
    return status_of(one.status, one.ended_at_ms, now_ms)


def status_of(stored: str, ended_at_ms: int | None, now_ms: int) -> str:
    """What a stored status means now: silence ends every session."""
    return status_at(stored, ended_at_ms, now_ms)[0]  # type: ignore[arg-type]
