"""Reading `sessions` for the views: one, a page, their ids, counts of many."""

from collections.abc import Iterator, Sequence
from sqlite3 import Connection
from typing import Any, Literal

import msgspec

from kaizen.store.filter import Filter
from kaizen.store.rows import all_of, listed, rows, scalar


class SessionRow(msgspec.Struct, frozen=True):
    id: int
    agent: str
    host_id: str
    workspace_id: int | None
    workspace: str | None
    model: str | None
    branch: str | None
    start_commit: str | None
    parent_host_id: str | None
    relation: Literal["subagent", "fork"] | None
    parent_call_id: str | None
    label: str | None
    agent_version: str | None
    title: str | None
    trace_path: str
    started_at_ms: int | None
    ended_at_ms: int | None
    status: str
    status_reason: str | None
    events: int
    prompts: int
    tool_calls: int
    errors: int


_SESSION = ", ".join("w.path" if name == "workspace" else f"s.{name}" for name in SessionRow.__struct_fields__)
_SESSIONS = f"SELECT {_SESSION} FROM sessions AS s LEFT JOIN workspaces AS w ON w.id = s.workspace_id"


def page(
    db: Connection,
    only: Filter,
    *,
    start_ms: int | None = None,
    end_ms: int | None = None,
    branch: str | None = None,
    is_root: bool = False,
    with_empty: bool = False,
    after: tuple[int, int] | None = None,
    limit: int = 50,
) -> list[SessionRow]:
    """Sessions that overlap the window, newest first; `limit` 0 is all. To continue, pass the last row's
    `(started_at_ms or 0, id)` as `after`. Sessions of which only the name is known are left out unless `with_empty`."""
    model, wanted = only.on_model("u.model")
    where, args = all_of(
        *only.on("s."),
        ("s.branch = ?", branch),
        ("s.parent_host_id IS NULL AND 1 = ?", 1 if is_root else None),
        (f"EXISTS (SELECT 1 FROM usage_by_session AS u WHERE u.session_id = s.id AND {model})", wanted),
        ("s.ended_at_ms >= ?", start_ms),
        ("s.started_at_ms < ?", end_ms),
        ("(s.started_at_ms, s.id) < (?, ?)", after),
        ("s.events > ?", None if with_empty else 0),
    )
    return rows(
        SessionRow,
        db.execute(f"{_SESSIONS} {where} ORDER BY s.started_at_ms DESC, s.id DESC LIMIT ?", (*args, limit or -1)),
    )


def get(db: Connection, session_id: int) -> SessionRow:
    return SessionRow(*db.execute(f"{_SESSIONS} WHERE s.id = ?", (session_id,)).fetchone())


def children(db: Connection, agent: str, host_id: str) -> list[SessionRow]:
    return rows(
        SessionRow,
        db.execute(
            f"{_SESSIONS} WHERE s.agent = ? AND s.parent_host_id = ? ORDER BY s.started_at_ms, s.id", (agent, host_id)
        ),
    )


def find(db: Connection, agent: str, host_id: str) -> int | None:
    found: int | None = scalar(db, "SELECT id FROM sessions WHERE agent = ? AND host_id = ?", (agent, host_id))
    return found


def ids(db: Connection, only: Filter, *, with_empty: bool = True) -> list[tuple[int, str, str]]:
    """(id, agent, host id), newest first."""
    where, args = all_of(*only.on(), ("events > ?", None if with_empty else 0))
    return list(
        db.execute(f"SELECT id, agent, host_id FROM sessions {where} ORDER BY started_at_ms DESC, id DESC", args)
    )


def counts(db: Connection, only: Filter, start_ms: int | None, end_ms: int | None) -> list[tuple[Any, ...]]:
    """(agent, model of the last request, sessions, of these roots, prompts, tool calls, errors) of the sessions that
    overlap the window."""
    if (only.workspace_ids, only.model, start_ms, end_ms) == (None, None, None, None):
        where, args = all_of(*only.on(), ("sessions > ?", 0))
        return list(db.execute(f"SELECT * FROM sessions_total {where} ORDER BY 1, 2", args))
    model, wanted = only.on_model("u.model")
    where, args = all_of(
        *only.on(),
        (f"EXISTS (SELECT 1 FROM usage_by_session AS u WHERE u.session_id = sessions.id AND {model})", wanted),
        ("ended_at_ms >= ?", start_ms),
        ("started_at_ms < ?", end_ms),
        ("events > ?", 0),
    )
    return list(
        db.execute(
            f"""SELECT agent, ifnull(model, ''), count(*), sum(parent_host_id IS NULL), sum(prompts), sum(tool_calls),
                   sum(errors)
              FROM sessions {where} GROUP BY 1, 2 ORDER BY 1, 2""",
            args,
        )
    )


def with_errors(db: Connection, only: Filter, start_ms: int | None, end_ms: int | None, limit: int) -> list[SessionRow]:
    where, args = all_of(
        *only.on("s."), ("s.ended_at_ms >= ?", start_ms), ("s.started_at_ms < ?", end_ms), ("s.errors > ?", 0)
    )
    return rows(
        SessionRow,
        db.execute(
            f"{_SESSIONS} {where} ORDER BY s.errors DESC, s.started_at_ms DESC, s.id DESC LIMIT ?", (*args, limit)
        ),
    )


def starts(
    db: Connection, only: Filter, start_ms: int | None, end_ms: int | None
) -> Iterator[tuple[int, str, int | None, str]]:
    """(started, status, ended, agent) of sessions that began in the window."""
    where, args = all_of(*only.on(), ("started_at_ms >= ?", start_ms), ("started_at_ms < ?", end_ms), ("events > ?", 0))
    yield from db.execute(f"SELECT started_at_ms, status, ended_at_ms, agent FROM sessions {where}", args)


def beginning(db: Connection, typed: str, limit: int) -> list[tuple[str, str, str | None]]:
    """(host id, agent, title) of sessions whose id begins so, newest first."""
    return list(
        db.execute(
            """SELECT host_id, agent, title FROM sessions WHERE substr(host_id, 1, ?) = ? AND events > 0
                ORDER BY started_at_ms DESC, id DESC LIMIT ?""",
            (len(typed), typed, limit),
        )
    )


def neighbours(db: Connection, host_ids: Sequence[str]) -> list[str]:
    """The ids right before and behind each of these in the alphabet: they decide how short it can be shown."""
    found = db.execute(
        """SELECT (SELECT max(host_id) FROM sessions WHERE agent = a.agent AND host_id < wanted.value),
                  (SELECT min(host_id) FROM sessions WHERE agent = a.agent AND host_id > wanted.value)
             FROM json_each(?) AS wanted CROSS JOIN (SELECT DISTINCT agent FROM sessions) AS a""",
        (listed(host_ids),),
    )
    return sorted({host_id for pair in found for host_id in pair if host_id is not None})


def branches(db: Connection) -> list[str]:
    return [name for (name,) in db.execute("SELECT DISTINCT branch FROM sessions WHERE branch <> '' ORDER BY 1")]


def agents(db: Connection) -> list[str]:
    return [name for (name,) in db.execute("SELECT DISTINCT agent FROM sessions ORDER BY 1")]
