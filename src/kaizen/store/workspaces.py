"""Reading `workspaces`, and what happened in each."""

from collections.abc import Sequence
from sqlite3 import Connection

import msgspec

from kaizen.store.filter import Filter
from kaizen.store.rows import all_of, rows, scalar


class Workspace(msgspec.Struct, frozen=True):
    id: int
    path: str
    root: str
    name: str


def known(db: Connection) -> list[Workspace]:
    return rows(Workspace, db.execute("SELECT id, path, root, name FROM workspaces ORDER BY path"))


def has_sessions(db: Connection, workspace_ids: Sequence[int]) -> bool:
    where, args = all_of(*Filter(tuple(workspace_ids)).on())
    return scalar(db, f"SELECT 1 FROM sessions {where} LIMIT 1", args) is not None


class ProjectRow(msgspec.Struct, frozen=True):
    workspace_id: int
    sessions: int
    roots: int
    first_ms: int | None
    last_ms: int | None
    errors: int


def project_rows(db: Connection) -> list[ProjectRow]:
    """One row per workspace (0 = unknown)."""
    return rows(
        ProjectRow,
        db.execute(
            """SELECT ifnull(workspace_id, 0), count(*), sum(parent_host_id IS NULL), min(started_at_ms),
                  max(ended_at_ms), sum(errors)
             FROM sessions WHERE events > 0 GROUP BY 1 ORDER BY 1"""
        ),
    )


def agents_of_workspaces(db: Connection) -> list[tuple[int, str, int]]:
    return list(
        db.execute(
            """SELECT ifnull(workspace_id, 0), agent, count(*) FROM sessions WHERE events > 0
                GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2"""
        )
    )
