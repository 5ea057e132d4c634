"""What may stand in a place of the command line, for the shell's Tab key: names from the store as it is.

Nothing is refreshed, created or migrated, and whatever goes wrong is an empty list: somebody is typing.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from sqlite3 import Connection
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Complete = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]
# Ids offered at once: more than fit a screen help nobody.
IDS_SHOWN = 50
RANKS_SHOWN = 9


def _stored(find: Callable[[Connection, str], Iterable[tuple[str, str]]]) -> Complete:
    """`find` gives (value, what it is) in the order to show them, for what was typed so far."""

    def complete(_ctx: click.Context, _param: click.Parameter, typed: str) -> "list[CompletionItem]":
        import contextlib

        from click.shell_completion import CompletionItem

        from kaizen.store.open import home_of, peek

        db = peek(home_of(os.environ))
        if db is None:
            return []
        with contextlib.closing(db):
            found = [(_plain(value), _plain(what)) for value, what in find(db, typed)]
        return [CompletionItem(value, help=what or None) for value, what in found if value.startswith(typed)]

    return complete


def _plain(text: str) -> str:
    """On one line, without what a terminal would obey."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _sessions(db: Connection, typed: str) -> Iterator[tuple[str, str]]:
    from kaizen.store import session_rows

    if typed.startswith("@") or not typed:
        yield "@last", "the newest session"
    if typed.startswith("@"):
        yield from ((f"@{rank}", f"{rank - 1} before it") for rank in range(2, RANKS_SHOWN + 1))
        return
    for host_id, agent, title in session_rows.beginning(db, typed, IDS_SHOWN):
        yield host_id, f"{agent}  {title or '(no prompt)'}"


def _agents(db: Connection, _typed: str) -> Iterator[tuple[str, str]]:
    from kaizen.store import session_rows

    return ((name, "") for name in session_rows.agents(db))


def _models(db: Connection, _typed: str) -> Iterator[tuple[str, str]]:
    from kaizen.store import rollups

    return ((name, "") for name in rollups.models(db))


def _branches(db: Connection, _typed: str) -> Iterator[tuple[str, str]]:
    from kaizen.store import session_rows

    return ((name, "") for name in session_rows.branches(db))


def _tools(db: Connection, _typed: str) -> Iterator[tuple[str, str]]:
    from kaizen.store import used

    return ((name, "") for name in used.tools(db))


def _projects(db: Connection, _typed: str) -> Iterator[tuple[str, str]]:
    """Names that mean one project; a name that two share could only be refused."""
    from kaizen.store import workspaces

    roots: dict[str, set[str]] = {}
    for one in workspaces.known(db):
        roots.setdefault(one.name, set()).add(one.root)
    return ((name, next(iter(where))) for name, where in sorted(roots.items()) if name and len(where) == 1)


def _query(db: Connection, typed: str) -> Iterator[tuple[str, str]]:
    """The value of a field of the search language: `tool:Ba`, `in:`."""
    from kaizen.query.parse import KINDS, PLACES

    name, colon, value = typed.partition(":")
    stored = {"agent": _agents, "model": _models, "session": _sessions, "tool": _tools}
    if not colon:
        return
    if name in stored:
        found: Iterable[tuple[str, str]] = stored[name](db, value)
    else:
        found = ((one, "") for one in {"in": PLACES, "kind": KINDS}.get(name, ()))
    yield from ((f"{name}:{one}", what) for one, what in found if " " not in one and not one.startswith("@"))


sessions = _stored(_sessions)
agents = _stored(_agents)
models = _stored(_models)
branches = _stored(_branches)
tools = _stored(_tools)
projects = _stored(_projects)
query = _stored(_query)


def folders(_ctx: click.Context, _param: click.Parameter, typed: str) -> "list[CompletionItem]":
    """Left to the shell, which knows folders better."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(typed, type="dir")]
