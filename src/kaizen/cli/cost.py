"""`kaizen cost`."""

from collections.abc import Iterator

import click

from kaizen.cli.command import command
from kaizen.cli.ink import Cell, Column, Ink, bar, count, one_line, percent, plural, short_count, table, usd
from kaizen.cli.options import When, Where, compare_option, scope_options, window_options
from kaizen.cli.run import Run
from kaizen.model.ids import shorten
from kaizen.views import cost as views
from kaizen.views.usage import Usage


@command(
    schema="cost/1",
    is_list=True,
    examples=[
        "kaizen cost --since monday",
        "kaizen cost --by model --days 30 --all",
        "kaizen cost --by project --since 2026-02-01 --until 2026-03-01 --format csv",
        "kaizen cost --by model --days 7 --compare previous",
    ],
)
@scope_options
@window_options
@click.option(
    "--by", type=click.Choice(views.GROUPINGS), default="day", show_default=True, help="What a row stands for."
)
@compare_option
def cost(run: Run, where: Where, when: When, by: views.By, compare: str | None) -> None:
    """Tokens and cost by day, model, project, session, and more.

    Every request counts once, however many files show it. Costs are exact sums at list prices; what has no known
    price is counted and named, never taken for free.
    """
    tz, window = when.zone(), when.window(run.now_ms)
    is_preview = by not in ("session", "branch", "tool") and compare is None
    with run.reading(where, window, tz, only_requests=is_preview) as (db, scope):
        if compare is not None:
            from kaizen.cli import compared

            both = compared.cost(db, scope, window, by, tz, run.now_ms)
            run.out.heading(scope, window, tz)
            run.out.show(
                both, lambda found, ink: compared.cost_lines(found, ink, tz), compared.flat(both.compared.rows)
            )
            return
        found = views.cost(db, scope, window, by, tz)
        run.out.heading(scope, window, tz)
        run.out.show(found, lines, rows=found.rows)


def lines(found: views.Cost, ink: Ink) -> Iterator[str]:
    if not found.rows:
        yield "No requests here. Look further with --all, or see what was found: kaizen doctor"
        return
    total, top = found.total, max((row.cost_usd_e6 or 0 for row in found.rows), default=0)
    has_reasoning = total.reasoning_tokens > 0
    short = shorten([row.key for row in found.rows], [row.key for row in found.rows])
    columns = [
        Column(found.by.capitalize(), flexible=True, least=30 if found.by == "session" else 12),
        Column("Requests", right=True, drop=2),
        Column("Input", right=True),
        Column("Cache write", right=True),
        Column("Cache read", right=True),
        Column("Output", right=True),
        *([Column("Reasoning", right=True, style="dim", drop=3)] if has_reasoning else []),
        Column("Cost", right=True, style="bold"),
        Column("", style="green", drop=9),
    ]
    number = short_count if ink.width else count

    def cells(name: str, row: Usage) -> list[Cell]:
        return [
            name,
            count(row.requests),
            number(row.input_tokens),
            number(row.cache_write_tokens),
            number(row.cache_read_tokens),
            number(row.output_tokens),
            *([number(row.reasoning_tokens)] if has_reasoning else []),
            usd(row.cost_usd_e6, is_partial=row.is_partial),
        ]

    def shown(row: views.CostRow) -> list[Cell]:
        name = f"{short[row.key]}  {one_line(row.label)}" if found.by == "session" and ink.width else one_line(row.key)
        return [*cells(name, row), bar((row.cost_usd_e6 or 0) / top, 14) if top and ink.width else ""]

    yield from table(columns, map(shown, found.rows), ink, total=[*cells("Total", total), ""])
    yield from notes(found, ink)


def notes(found: views.Cost, ink: Ink) -> Iterator[str]:
    total = found.total
    said = []
    if total.prompt_tokens:
        said.append(f"{percent(total.cache_read_tokens, total.prompt_tokens)} of the prompt tokens came from a cache.")
    if found.is_estimate:
        said.append("An estimate: each request is split evenly over the tools it called.")
    if said:
        yield ""
        yield ink.dim(" ".join(said))
    if found.unpriced_models:
        names = ", ".join(f"{one.model} ({plural(one.requests, 'request')})" for one in found.unpriced_models[:5])
        more = len(found.unpriced_models) - 5
        yield ink.paint(
            f"{total.unpriced_requests:,} of {plural(total.requests, 'request')} unpriced, not in the cost: {names}"
            f"{f' and {more} more models' if more > 0 else ''}.",
            "yellow",
        )
