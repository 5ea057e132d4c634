"""`kaizen insights`."""

from collections.abc import Iterator

from kaizen.cli.command import command
from kaizen.cli.ink import Cell, Column, Ink, ago, bar, count, duration, one_line, plural, table, usd
from kaizen.cli.options import When, Where, scope_options, window_options
from kaizen.cli.run import Run
from kaizen.cli.summary import facts
from kaizen.views import insights as views
from kaizen.views.sessions import SessionLine

_STEPS = "▁▂▃▄▅▆▇█"


@command(schema="insights/1", examples=["kaizen insights --days 30", "kaizen insights --all --json"])
@scope_options
@window_options
def insights(run: Run, where: Where, when: When) -> None:
    """What stands out: when work happens, slow and failing tools, errors, files, skills and rules.

    A tool's cost is an estimate: each request is split evenly over the tools it called.
    """
    tz, window = when.zone(), when.window(run.now_ms)
    with run.reading(where, window, tz) as (db, scope):
        run.out.heading(scope, window, tz)
        run.out.show(views.insights(db, scope, window, tz, run.now_ms), lines)


def lines(found: views.Insights, ink: Ink) -> Iterator[str]:
    if not found.session_count:
        yield "No sessions here. Look further with --all, or see what was found: kaizen doctor"
        return
    yield from facts(
        ink,
        [
            (
                "Sessions",
                [
                    ink.bold(count(found.session_count)),
                    ink.paint(f"{found.running} running", "green") if found.running else "",
                ],
            ),
            ("Hours", [ink.paint(_hours(found.hours), "green") + ink.dim("  0h to 23h, sessions started")]),
            (
                "Busiest",
                [
                    f"{day.day} {ink.dim(plural(day.sessions, 'session'))}"
                    for day in sorted(found.days, key=lambda day: (-day.sessions, day.day))[:3]
                ],
            ),
        ],
    )
    if found.tools:
        top = max(tool.calls for tool in found.tools)
        yield ""
        yield from table(
            [
                Column("Tool", style="cyan", flexible=True, least=12),
                Column("Calls", right=True),
                Column("Failed", right=True),
                Column("Median", right=True),
                Column("p95", right=True),
                Column("Cost ~", right=True),
                Column("", style="green", drop=9),
            ],
            [
                [
                    one_line(tool.tool),
                    count(tool.calls),
                    _failed(tool),
                    duration(tool.p50_ms),
                    duration(tool.p95_ms),
                    usd(tool.cost_usd_e6),
                    bar(tool.calls / top, 14) if ink.width else "",
                ]
                for tool in found.tools
            ],
            ink,
        )
    yield from _sessions("Most errors", found.error_sessions[:5], ink)
    yield from _sessions("Most expensive", found.costliest, ink)
    if found.files:
        yield ""
        yield from table(
            [
                Column("Files changed", flexible=True, least=20),
                Column("Sessions", right=True),
                Column("Writes", right=True),
                Column("Added", right=True, style="green"),
                Column("Removed", right=True, style="red"),
            ],
            [
                [
                    one_line(file.path),
                    count(file.sessions),
                    count(file.writes),
                    count(file.added_lines),
                    count(file.removed_lines),
                ]
                for file in found.files
            ],
            ink,
        )
    if found.guidance:
        yield ""
        yield from table(
            [
                Column("Guidance", style="cyan", flexible=True, least=16),
                Column("Kind"),
                Column("From"),
                Column("Loaded in", right=True),
                Column("Mentioned in", right=True),
            ],
            [
                [
                    one_line(one.name),
                    one.kind,
                    one.scope,
                    plural(one.loaded_sessions, "session"),
                    plural(one.mentioned_sessions, "session"),
                ]
                for one in found.guidance
            ],
            ink,
        )


def _failed(tool: views.Tool) -> Cell:
    return (f"{tool.errors} ({tool.errors * 100 // tool.calls} %)", "red") if tool.errors else ("0", "dim")


def _hours(hours: list[int]) -> str:
    top = max(hours)
    return "".join("·" if not number else _STEPS[min(7, number * 8 // (top + 1))] for number in hours)


def _sessions(title: str, rows: list[SessionLine], ink: Ink) -> Iterator[str]:
    if rows:
        yield ""
        yield from table(
            [
                Column(title, style="cyan"),
                Column("Started", right=True),
                Column("Errors", right=True),
                Column("Cost", right=True, style="bold"),
                Column("Title", flexible=True, least=16),
            ],
            [
                [
                    row.id[:13] if ink.width else row.id,
                    ago(row.started_at_ms, ink.now_ms),
                    count(row.errors),
                    usd(row.cost_usd_e6, is_partial=row.is_partial),
                    one_line(row.title) or one_line(row.label),
                ]
                for row in rows
            ],
            ink,
        )
