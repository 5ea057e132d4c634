"""Options many commands share: which workspaces (`Where`), which agents and models, which time (`When`)."""

from collections.abc import Callable
from datetime import tzinfo
from typing import Any

import click
import msgspec

from kaizen.cli import candidates
from kaizen.cli.command import Function, gather
from kaizen.cli.zone import zone
from kaizen.model.times import Window, parse_window


class Where(msgspec.Struct, frozen=True):
    """What the user said about the scope; `Run.reading` finds out what it means."""

    is_all: bool = False
    workspace: str | None = None
    project: str | None = None
    agent: str | None = None
    model: str | None = None
    refresh: bool = True


class When(msgspec.Struct, frozen=True):
    since: str | None = None
    until: str | None = None
    days: int | None = None
    tz_name: str | None = None

    def zone(self) -> tzinfo:
        return zone(self.tz_name)

    def window(self, now_ms: int) -> Window:
        return parse_window(self.since, self.until, now_ms, self.zone(), days=self.days)


def _stack(*options: Callable[[Any], Any]) -> Callable[[Function], Function]:
    def decorate(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def _where(given: dict[str, Any]) -> Where:
    said = {"--all": given["is_all"], "--workspace": given["workspace"], "--project": given["project"]}
    if len(used := [name for name, value in said.items() if value]) > 1:
        raise click.UsageError(f"{' and '.join(used)} exclude one another.")
    return Where(
        given.pop("is_all"),
        given.pop("workspace"),
        given.pop("project"),
        given.pop("agent", None),
        given.pop("model", None),
        not given.pop("no_refresh"),
    )


def _when(given: dict[str, Any]) -> When:
    since, days, tz_name = given.pop("since"), given.pop("days"), given.pop("tz")
    if since is not None and days is not None:
        raise click.UsageError("--since and --days exclude one another.")
    return When(since, given.pop("until"), days, "UTC" if given.pop("utc") else tz_name)


_place_options = _stack(
    click.option("-a", "--all", "is_all", is_flag=True, help="All workspaces, not only that of this folder."),
    click.option(
        "-w", "--workspace", metavar="PATH", shell_complete=candidates.folders, help="The workspace at this path."
    ),
    click.option(
        "-p",
        "--project",
        metavar="NAME",
        shell_complete=candidates.projects,
        help="A project by name, or the beginning of one.",
    ),
)
_refresh_option = click.option("--no-refresh", is_flag=True, help="Answer from the store; do not look for new records.")
_filter_options = _stack(
    click.option(
        "--agent", metavar="NAME", shell_complete=candidates.agents, help="Only this agent: claude, codex, cursor."
    ),
    click.option(
        "--model", metavar="NAME", shell_complete=candidates.models, help="Only this model; * and ? match anything."
    ),
)

# Where a command looks: gives it a `where`.
place_options = _stack(gather("where", _where), _place_options, _refresh_option)
# The same, and which agent and model.
scope_options = _stack(gather("where", _where), _place_options, _filter_options, _refresh_option)
# When: gives it a `when`.
window_options = _stack(
    gather("when", _when),
    click.option(
        "--since", metavar="TIME", help="From: 30m 12h 7d 2w 3mo, today, yesterday, monday, 2026-02-01[T10:00]."
    ),
    click.option("--until", metavar="TIME", help="Up to, not including. A date means the midnight that begins it."),
    click.option("--days", type=click.IntRange(min=1), metavar="N", help="Short for --since Nd."),
    click.option("--tz", metavar="ZONE", help="Time zone, such as Europe/Berlin. Default: this machine's."),
    click.option("--utc", is_flag=True, help="Short for --tz UTC."),
)
zone_options = _stack(
    gather("tz", lambda given: zone("UTC" if given.pop("utc") else given.pop("tz"))),
    click.option("--tz", metavar="ZONE", help="Time zone, such as Europe/Berlin. Default: this machine's."),
    click.option("--utc", is_flag=True, help="Short for --tz UTC."),
)


compare_option = click.option(
    "--compare", type=click.Choice(["previous"]), help="Also show the period before, just as long, and what changed."
)

compat_option = click.option(
    "--json-compat", is_flag=True, help="JSON as the Rust kaizen 0.1.46 printed it, without an envelope."
)


def limit_option(default: int) -> Callable[[Function], Function]:
    return click.option(
        "--limit",
        type=click.IntRange(min=0),
        default=default,
        show_default=True,
        metavar="N",
        help="At most so many rows; 0 is all.",
    )
