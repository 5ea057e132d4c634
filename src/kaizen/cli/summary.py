"""`kaizen summary`."""

from collections.abc import Iterator

import click

from kaizen.cli.command import command
from kaizen.cli.ink import Cell, Column, Ink, bar, cells, count, one_line, percent, plural, short_count, table, usd
from kaizen.cli.options import When, Where, compare_option, compat_option, scope_options, window_options
from kaizen.cli.run import Run
from kaizen.views import summary as views
from kaizen.views.usage import Usage

_STEPS = "▁▂▃▄▅▆▇█"


@command(
    schema="summary/1",
    examples=[
        "kaizen summary",
        "kaizen summary --days 30 --all",
        "kaizen summary --agent codex --json",
        "kaizen summary --days 7 --compare previous",
    ],
)
@scope_options
@window_options
@compare_option
@compat_option
def summary(run: Run, where: Where, when: When, compare: str | None, json_compat: bool) -> None:
    """Sessions, tokens and cost at a glance, by agent and model.

    Covers all time unless you say --since, --until or --days.
    """
    if json_compat:
        run.out.bare()
        if compare is not None:
            raise click.UsageError("--json-compat has no --compare.")
    tz, window = when.zone(), when.window(run.now_ms)
    with run.reading(where, window, tz) as (db, scope):
        run.out.heading(scope, window, tz)
        if compare is not None:
            from kaizen.cli import compared

            both = compared.summary(db, scope, window, tz, run.now_ms)
            run.out.show(both, lambda found, ink: [*lines(found, ink), *compared.summary_lines(found, ink, tz)])
            return
        found = views.summary(db, scope, window, tz, run.now_ms)
        if json_compat:
            from kaizen.views.compat import compat_summary

            run.out.show_bare(compat_summary(db, scope, found, run.now_ms))
            return
        run.out.show(found, lines)


def lines(found: views.Summary, ink: Ink) -> Iterator[str]:
    if not found.session_count:
        yield "No sessions here. Look further with --all, or see what was found: kaizen doctor"
        return
    used = found.usage
    subagents = found.session_count - found.root_sessions
    yield from facts(
        ink,
        [
            ("Cost", [ink.paint(usd(used.cost_usd_e6, is_partial=used.is_partial), "bold", "green"), *_pace(found)]),
            (
                "Sessions",
                [
                    count(found.root_sessions),
                    f"and {plural(subagents, 'subagent')}" if subagents else "",
                    plural(found.prompts, "prompt"),
                    plural(found.tool_calls, "tool call"),
                    ink.paint(plural(found.errors, "error"), "red" if found.errors else "dim"),
                ],
            ),
            (
                "Tokens",
                [
                    f"{short_count(used.input_tokens)} input",
                    f"{short_count(used.cache_write_tokens)} cache write",
                    f"{short_count(used.cache_read_tokens)} cache read",
                    f"{short_count(used.output_tokens)} output",
                ],
            ),
            (
                "Requests",
                [
                    count(used.requests),
                    ""
                    if found.cache_hit_share is None
                    else f"{percent(used.cache_read_tokens, used.prompt_tokens)} of prompt tokens from cache",
                ],
            ),
            *([("Days", [_spark(found.days, ink)])] if any(day.requests for day in found.days) else []),
        ],
    )
    for title, shares in (("Agent", found.by_agent), ("Model", found.by_model)):
        yield ""
        yield from table(
            [
                Column(title, flexible=True, least=14),
                Column("Sessions", right=True),
                Column("Requests", right=True),
                Column("Tokens", right=True),
                Column("Cost", right=True, style="bold"),
                Column("", style="green", drop=9),
            ],
            [_row(one, used, ink, title == "Agent") for one in shares],
            ink,
        )
    if found.top_tools:
        yield ""
        parts = [
            f"{one_line(one.tool)} {ink.bold(count(one.calls))}"
            + (ink.paint(f" ({one.errors} failed)", "red") if one.errors else "")
            for one in found.top_tools
        ]
        yield from wrapped("Tools", parts, ink)
    if found.cost_note:
        names = ", ".join(one.model for one in found.unpriced_models[:5])
        yield ""
        yield ink.paint(f"{found.cost_note}{f' Models: {names}.' if names else ''}", "yellow")


def facts(ink: Ink, pairs: list[tuple[str, list[str]]]) -> Iterator[str]:
    """Aligned `name  a · b · c` lines; empty parts are left out."""
    width = max(len(name) for name, _ in pairs)
    for name, parts in pairs:
        yield f"{ink.dim(name.ljust(width))}  {ink.dim(' · ').join(part for part in parts if part)}"


def wrapped(name: str, parts: list[str], ink: Ink) -> Iterator[str]:
    """`name  a · b · c`, broken between parts where the terminal ends."""
    room = (ink.width or 10_000) - len(name) - 2
    line: list[str] = []
    used = 0
    head = ink.dim(name)
    for part in parts:
        size = cells(_bare(part)) + 3
        if line and used + size > room:
            yield f"{head}  {ink.dim(' · ').join(line)}"
            head, line, used = " " * len(name), [], 0
        line.append(part)
        used += size
    yield f"{head}  {ink.dim(' · ').join(line)}"


def _bare(text: str) -> str:
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def _pace(found: views.Summary) -> list[str]:
    roots, cost = found.root_sessions, found.total_cost_usd_e6
    return [f"{usd(cost // roots)} a session"] if cost and roots > 1 else []


def _row(one: views.Share, used: Usage, ink: Ink, is_agent: bool) -> list[Cell]:
    share = (one.cost_usd_e6 or 0) / used.cost_usd_e6 if used.cost_usd_e6 else 0
    name: Cell = (
        (one.name, {"claude": "yellow", "codex": "green", "cursor": "magenta"}.get(one.name)) if is_agent else one.name
    )
    cost = usd(one.cost_usd_e6, is_partial=one.is_partial) if one.requests else "-"
    tokens = short_count(one.total_tokens) if one.requests else "-"
    return [
        name,
        count(one.sessions),
        count(one.requests) if one.requests else "-",
        tokens,
        cost,
        bar(share, 12) if ink.width else "",
    ]


def _spark(days: list[views.Day], ink: Ink) -> str:
    top = max(day.cost_usd_e6 or 0 for day in days)
    line = "".join(" " if not day.requests else _STEPS[min(7, (day.cost_usd_e6 or 0) * 8 // (top + 1))] for day in days)
    best = max(days, key=lambda day: day.cost_usd_e6 or 0)
    said = f"{days[0].day} to {days[-1].day}, most {usd(best.cost_usd_e6)} on {best.day}"
    return f"{ink.paint(line, 'green')}  {ink.dim(said)}"
