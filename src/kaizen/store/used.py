"""What sessions used, over many of them: tools, files, guidance."""

from collections.abc import Iterator
from sqlite3 import Connection
from typing import Any

from kaizen.store.filter import Filter
from kaizen.store.rows import all_of


def tools(db: Connection) -> list[str]:
    return [name for (name,) in db.execute("SELECT tool FROM tools_total WHERE calls > 0 ORDER BY 1")]


def span_tools(db: Connection, only: Filter, start_ms: int | None, end_ms: int | None) -> list[tuple[Any, ...]]:
    """(tool, calls, not ok, denied) by number of calls. All time comes from counts that are kept."""
    is_everywhere = only.workspace_ids is None and only.agent is None
    joined = "" if is_everywhere else "JOIN sessions AS s ON s.id = session_id"
    if start_ms is None and end_ms is None:
        counts = "sum(u.calls), sum(u.errors), sum(u.denied)"
        table = "tools_total AS u" if is_everywhere else "tools_used AS u"
        where, args = all_of(*only.on("s."), ("u.calls > ?", 0))
    else:
        counts, table = "count(*), sum(p.status = 'error'), sum(p.status = 'denied')", "spans AS p"
        where, args = all_of(
            ("p.started_at_ms >= ?", start_ms), ("p.started_at_ms < ?", end_ms), *only.on("s."), ("p.tool <> ?", "")
        )
    return list(
        db.execute(f"SELECT tool, {counts} FROM {table} {joined} {where} GROUP BY 1 ORDER BY 2 DESC, 1", args)
    )


def lead_times(db: Connection, only: Filter, start_ms: int | None, end_ms: int | None) -> Iterator[tuple[str, int]]:
    """(tool, lead time) of every finished span whose clocks are exact, by tool, shortest first."""
    where, args = all_of(
        ("p.started_at_ms >= ?", start_ms), ("p.started_at_ms < ?", end_ms), *only.on("s."), ("p.lead_time_ms >= ?", 0)
    )
    yield from db.execute(
        f"""SELECT p.tool, p.lead_time_ms FROM spans AS p JOIN sessions AS s ON s.id = p.session_id {where}
               AND p.tool IS NOT NULL ORDER BY 1, 2""",
        args,
    )


def top_files(
    db: Connection, only: Filter, start_ms: int | None, end_ms: int | None, limit: int
) -> list[tuple[Any, ...]]:
    """(root, path, sessions, reads, writes, added, removed) of files that were changed; most sessions first."""
    where, args = all_of(
        ("f.last_ms >= ?", start_ms), ("f.first_ms < ?", end_ms), *only.on("s."), ("f.is_outside = ?", 0)
    )
    return list(
        db.execute(
            f"""SELECT ifnull(w.root, ''), f.path, count(DISTINCT f.session_id),
                   sum(CASE WHEN op = 'read' THEN times ELSE 0 END),
                   sum(CASE WHEN op IN ('write', 'create', 'delete') THEN times ELSE 0 END) AS writes,
                   sum(added_lines), sum(removed_lines)
              FROM files_touched AS f JOIN sessions AS s ON s.id = f.session_id
              LEFT JOIN workspaces AS w ON w.id = s.workspace_id {where}
             GROUP BY 1, 2 HAVING writes > 0 ORDER BY writes DESC, 3 DESC, 1, 2 LIMIT ?""",
            (*args, limit),
        )
    )


def top_guidance(db: Connection, only: Filter, start_ms: int | None, limit: int) -> list[tuple[Any, ...]]:
    """(kind, name, scope, sessions that loaded it, sessions that only mentioned it)."""
    where, args = all_of(("g.first_ms >= ?", start_ms), *only.on("s."))
    return list(
        db.execute(
            f"""SELECT g.kind, g.name, g.scope,
                   count(DISTINCT CASE WHEN how = 'loaded' THEN g.session_id END) AS loaded,
                   count(DISTINCT CASE WHEN how = 'mentioned' THEN g.session_id END)
              FROM guidance_used AS g JOIN sessions AS s ON s.id = g.session_id {where}
             GROUP BY 1, 2, 3 ORDER BY loaded DESC, 5 DESC, 1, 2 LIMIT ?""",
            (*args, limit),
        )
    )
