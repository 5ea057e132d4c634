"""The repositories agents worked in, most recent first."""

from sqlite3 import Connection

import msgspec

from kaizen.store import rollups, workspaces
from kaizen.views.scope import EVERYTHING, project_names
from kaizen.views.usage import NOTHING, Usage, add_up, added, usage


class Project(Usage, kw_only=True):
    """A repository with all its folders and worktrees. `name` is what `--project` takes."""

    name: str
    path: str | None
    workspaces: list[str]
    agents: list[str]
    sessions: int
    root_sessions: int
    errors: int
    first_ms: int | None
    last_ms: int | None


def projects(db: Connection) -> list[Project]:
    names = project_names(db)
    known = {one.id: one for one in workspaces.known(db)}
    spent = dict(rollups.usage_by(db, "workspace_id", EVERYTHING.filter, None, None))
    agents = workspaces.agents_of_workspaces(db)
    rows = {row.workspace_id: row for row in workspaces.project_rows(db)}
    groups: dict[str, list[int]] = {}
    for workspace_id in rows:
        groups.setdefault(names[workspace_id][0], []).append(workspace_id)
    amounts = {}
    for name, ids in groups.items():
        total = NOTHING
        for one in ids:
            total = added(total, spent.get(one, NOTHING))
        amounts[name] = total
    costs, _ = add_up(list(amounts.values()))
    found = []
    for (name, ids), cost in zip(groups.items(), costs, strict=True):
        mine = [rows[one] for one in ids]
        found.append(
            Project(
                **msgspec.structs.asdict(usage(amounts[name], cost)) if any(amounts[name]) else {},
                name=name,
                path=names[ids[0]][1] or None,
                workspaces=sorted(known[one].path for one in ids if one in known and known[one].path),
                agents=list(dict.fromkeys(agent for one, agent, _ in agents if one in ids)),
                sessions=sum(row.sessions for row in mine),
                root_sessions=sum(row.roots for row in mine),
                errors=sum(row.errors for row in mine),
                first_ms=min((row.first_ms for row in mine if row.first_ms is not None), default=None),
                last_ms=max((row.last_ms for row in mine if row.last_ms is not None), default=None),
            )
        )
    return sorted(found, key=lambda one: (-(one.last_ms or 0), one.name))
