"""`kaizen sessions tree` and `sessions trace`: one session as a tree, and as a flat trace."""

from collections.abc import Iterator
from datetime import tzinfo

import click

from kaizen.cli import candidates
from kaizen.cli.command import command
from kaizen.cli.ink import STATUS_COLORS, Column, Ink, duration, fit, one_line, table, usd
from kaizen.cli.options import Where, place_options, zone_options
from kaizen.cli.run import Run
from kaizen.cli.session_parts import clock
from kaizen.views import session as views
from kaizen.views import trace as traces

_FLAG = "◀"


@command(schema="sessions tree/1", examples=["kaizen sessions tree @last", "kaizen sessions tree 3f2a9c --depth 2"])
@click.argument("session", metavar="SESSION", shell_complete=candidates.sessions)
@click.option("--depth", type=click.IntRange(min=0), metavar="N", help="Not deeper than this; the session is 0.")
@place_options
def tree(run: Run, where: Where, session: str, depth: int | None) -> None:
    """Turns, requests, tool calls and subagents of one session, with cost. An arrow marks what took over 40 % of it."""
    with run.reading(where, notes=False) as (db, scope):
        found = views.tree(db, views.find(db, scope, session), run.now_ms)
        if depth is not None:
            _cut(found, depth)
        run.out.show(found, _tree_lines)


def _cut(node: views.Node, depth: int) -> None:
    if node.depth >= depth:
        node.children = []
    for child in node.children:
        _cut(child, depth)


def _tree_lines(root: views.Node, ink: Ink) -> Iterator[str]:
    yield _tree_line(root, "", ink, 1)
    yield from _branches(root.children, "", ink)


def _branches(children: list[views.Node], indent: str, ink: Ink) -> Iterator[str]:
    rows = _alike(children)
    for number, (node, times) in enumerate(rows):
        is_last = number == len(rows) - 1
        yield _tree_line(node, f"{indent}{'└─ ' if is_last else '├─ '}", ink, times)
        yield from _branches(node.children, f"{indent}{'   ' if is_last else '│  '}", ink)


def _alike(children: list[views.Node]) -> list[tuple[views.Node, int]]:
    """Neighbours that would look the same, as one row: `Read x37`."""
    rows: list[tuple[views.Node, int]] = []
    for node in children:
        is_plain = node.kind == "tool" and not node.children
        if (
            rows
            and is_plain
            and (rows[-1][0].kind, rows[-1][0].name, rows[-1][0].status) == ("tool", node.name, node.status)
            and not rows[-1][0].children
        ):
            rows[-1] = (rows[-1][0], rows[-1][1] + 1)
        else:
            rows.append((node, 1))
    return rows


def _tree_line(node: views.Node, indent: str, ink: Ink, times: int) -> str:
    style = {"session": "bold", "subagent": "magenta", "request": "dim", "tool": "cyan"}.get(node.kind)
    name = one_line(node.name)
    parts = [
        ink.dim(indent) + ink.paint(fit(name, 60) if ink.width else name, style) + (f" ×{times}" if times > 1 else "")
    ]
    if node.status and node.status != "ok":
        parts.append(ink.paint(f"[{node.status}]", STATUS_COLORS.get(node.status, "dim")))
    took = node.duration_ms if node.duration_ms is not None else node.subtree_duration_ms or None
    if took is not None and times == 1:
        parts.append(ink.dim(duration(took)))
    if node.requests:
        parts.append(usd(node.subtree_cost_usd_e6, is_partial=node.unpriced_requests > 0))
    if node.is_flagged:
        parts.append(ink.paint(f"{_FLAG} {round((node.cost_share or 0) * 100)} %", "yellow"))
    return "  ".join(parts)


@command(
    schema="sessions trace/1",
    is_list=True,
    examples=["kaizen sessions trace @last", "kaizen sessions trace @last --format csv"],
)
@click.argument("session", metavar="SESSION", shell_complete=candidates.sessions)
@zone_options
@place_options
def trace(run: Run, where: Where, session: str, tz: tzinfo) -> None:
    """One session as a flat trace: session, steps, model calls, tools, agents."""
    with run.reading(where, notes=False) as (db, scope):
        found = traces.trace(views.tree(db, views.find(db, scope, session), run.now_ms))

        def lines(rows: list[traces.TraceSpan], ink: Ink) -> Iterator[str]:
            yield from table(
                [
                    Column("Kind"),
                    Column("Name", flexible=True, least=16),
                    Column("Status"),
                    Column("Started"),
                    Column("Took", right=True),
                    Column("Cost", right=True),
                ],
                [
                    [
                        row.kind,
                        "  " * row.depth + one_line(row.name),
                        (row.status or "-", STATUS_COLORS.get(row.status or "", "dim")),
                        clock(row.started_at_ms, tz),
                        duration(row.duration_ms),
                        usd(row.cost_usd_e6) if row.kind == "llm" else "",
                    ]
                    for row in rows
                ],
                ink,
            )

        run.out.show(found, lines)
