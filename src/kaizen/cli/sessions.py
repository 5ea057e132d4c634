"""`kaizen sessions`: list, and one session's show, tree, trace; search."""

from collections.abc import Iterator, Mapping

import click

from kaizen.cli import candidates
from kaizen.cli.command import command, group
from kaizen.cli.group import DefaultGroup
from kaizen.cli.ink import (
    AGENT_COLORS,
    STATUS_COLORS,
    Cell,
    Column,
    Ink,
    ago,
    count,
    duration,
    one_line,
    short_count,
    table,
    usd,
)
from kaizen.cli.options import When, Where, compat_option, limit_option, scope_options, window_options
from kaizen.cli.run import Run
from kaizen.views import sessions as views

STATUSES = ("running", "waiting", "idle", "done")


@command(
    schema="sessions list/1",
    name="list",
    is_list=True,
    examples=[
        "kaizen sessions list",
        "kaizen sessions list --all --agent claude --since 7d",
        "kaizen sessions list --all --format csv --limit 0",
    ],
)
@scope_options
@window_options
@click.option("--branch", metavar="NAME", shell_complete=candidates.branches, help="Only sessions on this branch.")
@click.option("--status", type=click.Choice(STATUSES), help="Only sessions in this state.")
@click.option("--roots", is_flag=True, help="Leave out subagents and forks.")
@limit_option(50)
@compat_option
def list_(
    run: Run,
    where: Where,
    when: When,
    branch: str | None,
    status: str | None,
    roots: bool,
    limit: int,
    json_compat: bool,
) -> None:
    """Sessions, newest first. Subagents are sessions of their own; their line begins with an arrow."""
    if json_compat:
        run.out.bare()
    tz, window = when.zone(), when.window(run.now_ms)
    with run.reading(where, window, tz) as (db, scope):
        found = views.sessions(
            db, scope, run.now_ms, window=window, branch=branch, status=status, is_root=roots, limit=limit
        )
        if json_compat:
            from kaizen.views.compat import compat_sessions

            run.out.show_bare(compat_sessions(db, scope, found))
            return
        short = views.short_ids(db, [one.id for one in found]) if run.out.ink.width else {}
        run.out.heading(scope, window, tz)
        run.out.show(found, lambda rows, ink: lines(rows, ink, short, limit))


def lines(found: list[views.SessionLine], ink: Ink, short: Mapping[str, str], limit: int) -> Iterator[str]:
    if not found:
        yield "No sessions here. Look further with --all, or see what was found: kaizen doctor"
        return
    columns = [
        Column("Session", style="cyan"),
        Column("Started"),
        Column("Agent"),
        Column("Status", drop=1),
        Column("Took", right=True, drop=3),
        Column("Tokens", right=True, drop=2),
        Column("Cost", right=True, style="bold"),
        Column("Errors", right=True),
        Column("Title", flexible=True, least=24),
    ]
    yield from table(columns, [_row(one, ink, short.get(one.id, one.id)) for one in found], ink)
    if limit and len(found) == limit:
        yield ink.dim(f"The newest {limit}; all of them: --limit 0")


def _row(one: views.SessionLine, ink: Ink, name: str) -> list[Cell]:
    took = None if one.started_at_ms is None or one.ended_at_ms is None else one.ended_at_ms - one.started_at_ms
    title = ("↳ " if one.parent_session_id else "") + (one_line(one.title) or one_line(one.label) or "(no prompt)")
    return [
        name,
        ago(one.started_at_ms, ink.now_ms),
        (one.agent, AGENT_COLORS.get(one.agent, "blue")),
        (one.status, STATUS_COLORS.get(one.status, "dim")),
        duration(took),
        short_count(one.total_tokens) if one.requests else "-",
        usd(one.cost_usd_e6, is_partial=one.is_partial),
        (count(one.errors), "red" if one.errors else "dim"),
        title,
    ]


class _Sessions(DefaultGroup):
    """`search` is the command of the same name at the root; its module is imported only when asked for."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "search":
            from kaizen.cli.group import root

            return root.get_command(ctx, "search")
        if cmd_name == "show":
            from kaizen.cli.show import show

            return show
        if cmd_name in ("tree", "trace"):
            from kaizen.cli import tree

            return tree.tree if cmd_name == "tree" else tree.trace
        return super().get_command(ctx, cmd_name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return ["list", "show", "tree", "trace", "search"]


sessions = group("sessions", "List sessions, or look into one.", [list_], kind=_Sessions)
