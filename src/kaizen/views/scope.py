"""Which workspaces, agent and model a view looks at, found out from what the user said and where they are.

Without any word the scope is the workspace of the current folder, when it has sessions, else everything. A folder's
workspace is its repository, which the caller finds (`capture.git.repository_of`).
"""

from collections.abc import Callable, Sequence
from datetime import tzinfo
from pathlib import PurePath
from sqlite3 import Connection

import msgspec

from kaizen.errors import ModelNotFound, NotFound, ProjectNotFound
from kaizen.model.times import Window
from kaizen.store import rollups, session_rows, workspaces
from kaizen.store.filter import Filter
from kaizen.store.workspaces import Workspace


class Scope(msgspec.Struct, frozen=True):
    """`workspace_ids` None: all of them. `is_fallback`: nobody asked for all, but here are no sessions."""

    workspace_ids: tuple[int, ...] | None = None
    label: str = "all workspaces"
    agent: str | None = None
    model: str | None = None
    is_fallback: bool = False

    @property
    def filter(self) -> Filter:
        return Filter(self.workspace_ids, self.agent, self.model)


EVERYTHING = Scope()


def resolve(
    db: Connection,
    roots: Sequence[str],
    *,
    is_all: bool = False,
    workspace: str | None = None,
    project: str | None = None,
    agent: str | None = None,
    model: str | None = None,
) -> Scope:
    """`roots` are spellings of the repository of `workspace`, or of the current folder.

    Raises `ProjectNotFound`, `ModelNotFound` or `NotFound` (agent) for names the store does not know.
    """
    _check_names(db, agent, model)
    if is_all:
        return Scope(None, "all workspaces", agent, model)
    known = workspaces.known(db)
    if project is not None:
        ids, label = _project(known, project)
        return Scope(ids, label, agent, model)
    if workspace is not None:
        ids = _below(known, roots)
        if not ids:
            raise ProjectNotFound(f"No sessions in {workspace}.", hint="See where there are some: kaizen projects")
        return Scope(ids, _label(known, ids), agent, model)
    ids = _below(known, roots)
    if ids and workspaces.has_sessions(db, ids):
        return Scope(ids, _label(known, ids), agent, model)
    return Scope(None, "all workspaces", agent, model, is_fallback=bool(known))


def described(
    db: Connection, scope: Scope, window: Window | None = None, tz: tzinfo | None = None
) -> dict[str, object]:
    """The scope as the JSON envelope says it."""
    chosen = None if scope.workspace_ids is None else set(scope.workspace_ids)
    said: dict[str, object] = {
        "workspaces": sorted({one.root for one in workspaces.known(db) if chosen is None or one.id in chosen}),
        "all": chosen is None,
        "agent": scope.agent,
        "model": scope.model,
    }
    if window is not None:
        said |= {"start_ms": window.start_ms, "end_ms": window.end_ms}
    if tz is not None:
        said["tz"] = str(tz)
    return said


def _below(known: list[Workspace], roots: Sequence[str]) -> tuple[int, ...]:
    """The workspaces of a repository, and those in folders below it; of `/` only itself."""
    inside = tuple(root + "/" for root in roots if root != "/")
    return tuple(
        one.id for one in known if one.path and (one.root in roots or one.path in roots or one.path.startswith(inside))
    )


def _project(known: list[Workspace], typed: str) -> tuple[tuple[int, ...], str]:
    """By whole path, then whole name, then beginning; case matters only if it must."""
    ways: tuple[Callable[[Workspace], bool], ...] = (
        lambda one: typed in (one.root, one.path),
        lambda one: one.name == typed,
        lambda one: one.name.lower() == typed.lower(),
        lambda one: one.name.lower().startswith(typed.lower()),
    )
    for way in ways:
        found = [one for one in known if one.path and way(one)]
        if roots := sorted({one.root for one in found}):
            if len(roots) > 1:
                raise ProjectNotFound(
                    f"{typed!r} fits {len(roots)} projects: {', '.join(roots[:5])}.",
                    hint="Name one by its path: --workspace PATH",
                    matches=roots[:20],
                )
            return tuple(one.id for one in known if one.root == roots[0]), found[0].name
    from difflib import get_close_matches

    names = sorted({one.name for one in known if one.name})
    close = [one for one in names if typed.lower() in one.lower()] or get_close_matches(typed, names, n=3, cutoff=0.5)
    raise ProjectNotFound(
        f"No project {typed!r}.", hint=f"Did you mean {close[0]!r}?" if close else "See all: kaizen projects"
    )


def _label(known: list[Workspace], ids: tuple[int, ...]) -> str:
    names = sorted({one.name for one in known if one.id in ids})
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _check_names(db: Connection, agent: str | None, model: str | None) -> None:
    if agent is not None and agent not in (known := session_rows.agents(db)) and known:
        raise NotFound(f"No sessions of an agent {agent!r}.", hint=f"There are: {', '.join(known)}.")
    if model is not None and (models := rollups.models(db)):
        from fnmatch import fnmatchcase

        pattern = model.replace("[", "[[]")
        if not any(fnmatchcase(one, pattern) for one in models):
            inside = [one for one in models if model.lower().strip("*") in one.lower()]
            hint = (
                f"Did you mean --model '*{model.strip('*')}*' ({', '.join(inside[:3])})?"
                if inside
                else (f"There are: {', '.join(models[:8])}{', ...' if len(models) > 8 else ''}.")
            )
            raise ModelNotFound(f"No requests of a model {model!r}.", hint=hint)


def project_names(db: Connection) -> dict[int, tuple[str, str]]:
    """Workspace id -> (key, path). The key is the project's name where only one has it, else its path."""
    known = workspaces.known(db)
    roots_of: dict[str, set[str]] = {}
    for one in known:
        roots_of.setdefault(one.name, set()).add(one.root)
    found = {
        one.id: (one.name if one.name and len(roots_of[one.name]) == 1 else one.root or "(unknown)", one.root)
        for one in known
    }
    return {0: ("(unknown)", ""), **found}


def short_path(path: str, home: str) -> str:
    """`~/src/x` instead of `/home/me/src/x`."""
    if home and PurePath(path).is_relative_to(home):
        return "~" + path[len(home.rstrip("/")) :]
    return path
