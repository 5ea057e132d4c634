"""`kaizen hub team`: who a hub collects for, and what each team decides."""

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click
import msgspec

from kaizen.cli.command import command
from kaizen.cli.hub_store import known_team, open_hub, store_option
from kaizen.cli.ink import Column, Ink, ago, table
from kaizen.cli.run import Run
from kaizen.errors import BadConfig

if TYPE_CHECKING:
    from kaizen.hub.store.protocol import HubStore, Team

_MAX_DISPLAY_NAME = 100


@command(schema="hub team add/1", name="add", examples=["kaizen hub team add backend --retention-days 180"])
@click.argument("name")
@click.option("--retention-days", type=click.IntRange(min=1), default=400, show_default=True,
              help="Older items are deleted.")  # fmt: skip
@click.option("--strict-clients", is_flag=True, help="Refuse whole batches of old clients for one bad item.")
@click.option("--allow-free-text", is_flag=True, help="Take the texts of feedback and evaluations.")
@click.option("--min-client", default="0.1.0", show_default=True, metavar="VERSION", help="Oldest kaizen to accept.")
@store_option
def team_add(
    run: Run, name: str, retention_days: int, strict_clients: bool, allow_free_text: bool, min_client: str,
    store: str | None,
) -> None:
    """Add a team. Give its machines a token next: kaizen hub token create NAME."""
    with closing(open_hub(run, store)) as opened:
        made = add_team(run, opened, name, retention_days=retention_days, strict_clients=strict_clients,
                        allow_free_text=allow_free_text, min_client=min_client)  # fmt: skip
        run.out.show(made, lambda team, ink: [f"Added {ink.bold(team.team_id)}."])


@command(
    schema="hub team set/1",
    name="set",
    examples=[
        "kaizen hub team set backend --retention-days 180 --requests-per-minute 1200",
        'kaizen hub team set backend --display-name "Back end" --no-allow-free-text',
    ],
)
@click.argument("name")
@click.option("--display-name", metavar="TEXT", help="What people call it; empty: its name.")
@click.option("--retention-days", type=click.IntRange(min=1), help="Older items are deleted.")
@click.option("--requests-per-minute", metavar="N|default", help="Of each token; 0 is no limit, default the hub's own.")
@click.option("--strict-clients/--no-strict-clients", default=None,
              help="Refuse whole batches of old clients for one bad item.")  # fmt: skip
@click.option("--allow-free-text/--no-allow-free-text", default=None,
              help="Take the texts of feedback and evaluations.")  # fmt: skip
@click.option("--min-client", metavar="VERSION", help="Oldest kaizen to accept.")
@store_option
def team_set(
    run: Run, name: str, display_name: str | None, requests_per_minute: str | None, store: str | None, **given: Any
) -> None:
    """Change a team; what is not named stays. A running hub follows within five seconds."""
    changes = {key: value for key, value in given.items() if value is not None}
    if display_name is not None:
        changes["display_name"] = _display_name(display_name)
    if requests_per_minute is not None:
        changes["requests_per_minute"] = _rate(requests_per_minute)
    if not changes:
        raise BadConfig("Nothing to change was named.", hint="See: kaizen hub team set --help")
    with closing(open_hub(run, store)) as opened:
        team = known_team(opened, name)
        team = msgspec.structs.replace(team, settings=msgspec.structs.replace(team.settings, **changes))
        opened.set_team(name, team.settings)
        run.out.show(team, lambda one, ink: [f"Changed {ink.bold(one.team_id)}."])


def _display_name(typed: str) -> str | None:
    if not typed.isprintable() or len(typed) > _MAX_DISPLAY_NAME:
        raise BadConfig("This cannot be shown as a name.",
                        hint=f"Use one line of at most {_MAX_DISPLAY_NAME} printable characters.")  # fmt: skip
    return typed.strip() or None


def _rate(typed: str) -> int | None:
    if typed == "default":
        return None
    if not (typed.isascii() and typed.isdigit() and len(typed) < 10):
        raise BadConfig(f"{typed!r} is no number of requests.", hint="Use a number, 0 for no limit, or: default")
    return int(typed)


@command(schema="hub team list/1", name="list", is_list=True, examples=["kaizen hub team list"])
@store_option
def team_list(run: Run, store: str | None) -> None:
    """The teams of this hub."""
    with closing(open_hub(run, store)) as opened:
        run.out.show(opened.teams(), _team_lines)


def _team_lines(teams: "list[Team]", ink: Ink) -> Iterator[str]:
    if not teams:
        yield "No teams yet: kaizen hub team add NAME, or kaizen hub serve"
        return
    columns = [Column("Team", style="cyan"), Column("Name", flexible=True), Column("Added"),
               Column("Keeps", right=True)]  # fmt: skip
    rows = [
        [one.team_id, one.settings.display_name or "", ago(one.created_ms, ink.now_ms),
         f"{one.settings.retention_days} days"]
        for one in teams
    ]  # fmt: skip
    yield from table(columns, rows, ink)


def add_team(run: Run, store: "HubStore", name: str, **settings: Any) -> "Team":
    from kaizen.hub.store.protocol import Settings, Team, is_team_id

    if not is_team_id(name):
        raise BadConfig(f"{name!r} cannot name a team.", hint="Use a-z 0-9 _ -, at most 63 characters.")
    made = Team(name, run.now_ms, Settings(**settings))
    if not store.add_team(made):
        raise BadConfig(f"There is a team {name!r} already.", hint="See: kaizen hub team list")
    return made
