"""`kaizen projects`."""

from collections.abc import Iterator

import click

from kaizen.cli.command import command, group
from kaizen.cli.group import DefaultGroup
from kaizen.cli.ink import Column, Ink, ago, count, one_line, plural, short_count, table, usd
from kaizen.cli.run import Run
from kaizen.views import projects as views
from kaizen.views.scope import short_path


@command(schema="projects/1", name="list", is_list=True, examples=["kaizen projects", "kaizen projects --format csv"])
@click.option("--no-refresh", is_flag=True, help="Answer from the store; do not look for new records.")
def list_(run: Run, no_refresh: bool) -> None:
    """The repositories your agents worked in, the most recent first.

    Worktrees and folders of a repository count to it. --project takes the names in the first column.
    """
    with run.store(refresh=not no_refresh) as db:
        run.out.scope = {"workspaces": [], "all": True}
        run.out.show(views.projects(db), lambda rows, ink: lines(rows, ink, run.env.get("HOME", "")))


def lines(found: list[views.Project], ink: Ink, home: str) -> Iterator[str]:
    if not found:
        yield "No projects yet. Read what is there with: kaizen load"
        return
    yield from table(
        [
            Column("Project", style="bold"),
            Column("Last", right=True),
            Column("Sessions", right=True),
            Column("Requests", right=True, drop=3),
            Column("Tokens", right=True),
            Column("Cost", right=True, style="bold"),
            Column("Agents", drop=2),
            Column("Path", flexible=True, least=16, style="dim", drop=4),
        ],
        [
            [
                one_line(one.name),
                ago(one.last_ms, ink.now_ms),
                count(one.sessions),
                count(one.requests) if one.requests else "-",
                short_count(one.total_tokens) if one.requests else "-",
                usd(one.cost_usd_e6, is_partial=one.is_partial),
                ", ".join(one.agents),
                short_path(one.path or "-", home)
                + (f" ({plural(len(one.workspaces), 'folder')})" if len(one.workspaces) > 1 else ""),
            ]
            for one in found
        ],
        ink,
    )


projects = group("projects", "The repositories your agents worked in.", [list_], kind=DefaultGroup)
