"""Which store a `kaizen hub` command works on."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from kaizen.cli.command import Function
from kaizen.cli.run import Run
from kaizen.errors import TeamNotFound

if TYPE_CHECKING:
    from kaizen.hub.store.protocol import HubStore, Team


def store_option(function: Function) -> Function:
    option: Callable[[Any], Any] = click.option(
        "--store",
        metavar="PATH|URL",
        help="A folder, or postgresql://...; default: hub in kaizen's home, or $KAIZEN_HUB_STORE.",
    )
    decorated: Function = option(function)
    return decorated


def open_hub(run: Run, store: str | None) -> "HubStore":
    from kaizen.hub.store.open import open_store

    return open_store(store or run.env.get("KAIZEN_HUB_STORE", "") or str(run.home / "hub"))


def known_team(store: "HubStore", name: str) -> "Team":
    """Raises `TeamNotFound`."""
    teams = store.teams()
    for one in teams:
        if one.team_id == name:
            return one
    known = [one.team_id for one in teams]
    hint = f"It has: {', '.join(known[:9])}" if known else "Add one: kaizen hub team add NAME"
    raise TeamNotFound(f"This hub has no team {name!r}.", hint=hint)
