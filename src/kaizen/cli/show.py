"""`kaizen show` = `kaizen sessions show`: one session."""

from collections.abc import Callable, Iterator
from datetime import datetime, tzinfo
from typing import Any

import click

from kaizen.cli.command import command
from kaizen.cli.ink import (
    STATUS_COLORS,
    Cell,
    Column,
    Ink,
    ago,
    cells,
    count,
    duration,
    fit,
    one_line,
    plural,
    printable,
    short_count,
    table,
    usd,
)
from kaizen.cli.options import Where, limit_option, place_options, zone_options
from kaizen.cli.run import Run
from kaizen.cli.summary import facts, wrapped
from kaizen.views import session as views


@command(
    schema="show/1",
    examples=[
        "kaizen show @last",
        "kaizen show 3f2a9c --messages",
        "kaizen show @2 --spans --files --json",
    ],
)
@click.argument("session", metavar="SESSION")
@click.option("--messages", is_flag=True, help="What was said, with one line per tool call.")
@click.option("--context", is_flag=True, help="With --messages: also what the host put in, and thinking.")
@click.option("--events", is_flag=True, help="Every stored fact, with its payload in JSON.")
@click.option("--spans", is_flag=True, help="Tool calls: status, duration, what each was about.")
@click.option("--files", is_flag=True, help="Files it read and changed.")
@limit_option(0)
@zone_options
@place_options
def show(
    run: Run,
    where: Where,
    session: str,
    messages: bool,
    context: bool,
    events: bool,
    spans: bool,
    files: bool,
    limit: int,
    tz: tzinfo,
) -> None:
    """One session: what happened, and what it cost.

    SESSION is an id, at least four characters of its beginning, or @last, @1, @2 for the newest ones.
    """
    with run.reading(where, notes=False) as (db, scope):
        one = views.find(db, scope, session)
        detail = views.detail(db, one, run.now_ms)
        parts: dict[str, Any] = {}
        if messages:
            parts["messages"] = _newest(views.messages(db, one, with_context=context), limit)
        if events:
            parts["events"] = _newest(views.events(db, one), limit)
        if spans:
            parts["spans"] = _newest(views.spans(db, one, run.now_ms), limit)
        if files:
            parts["files"] = detail.files
        run.out.show({**_fields(detail), **parts}, lambda _, ink: _lines(detail, parts, ink, tz))


def _newest(rows: list[Any], limit: int) -> list[Any]:
    return rows[-limit:] if limit else rows


def _fields(detail: views.Detail) -> dict[str, Any]:
    """The session's own fields first, as in `sessions list`."""
    whole = {name: getattr(detail, name) for name in detail.__struct_fields__ if name != "session"}
    return {**{name: getattr(detail.session, name) for name in detail.session.__struct_fields__}, **whole}


def _lines(detail: views.Detail, parts: dict[str, Any], ink: Ink, tz: tzinfo) -> Iterator[str]:
    if not parts:
        yield from overview(detail, ink, tz)
        return
    for number, (name, rows) in enumerate(parts.items()):
        if number:
            yield ""
        if len(parts) > 1:
            yield ink.bold(name.capitalize())
        yield from _PARTS[name](rows, ink, tz)


def overview(detail: views.Detail, ink: Ink, tz: tzinfo) -> Iterator[str]:
    one, below = detail.session, detail.subtree
    took = None if one.started_at_ms is None or one.ended_at_ms is None else one.ended_at_ms - one.started_at_ms
    status = f"{one.status} ({detail.status_reason})" if detail.status_reason else one.status
    yield ink.bold(one_line(one.title) or one_line(one.label) or "(no prompt)")
    cost = [ink.paint(usd(one.cost_usd_e6, is_partial=one.is_partial), "bold", "green")]
    if detail.children:
        whole = usd(below.cost_usd_e6, is_partial=below.is_partial)
        cost.append(f"{whole} with {plural(len(detail.children), 'session')} below it")
    if one.unpriced_requests:
        cost.append(ink.paint(f"{one.unpriced_requests:,} of {plural(one.requests, 'request')} unpriced", "yellow"))
    yield from facts(
        ink,
        [
            (
                "Session",
                [
                    ink.paint(one.id, "cyan"),
                    ink.agent(one.agent) + (f" {detail.agent_version}" if detail.agent_version else ""),
                    one_line(one.label),
                ],
            ),
            ("Where", [one.workspace or "-", one.branch or "", (detail.start_commit or "")[:12]]),
            (
                "When",
                [
                    _at(one.started_at_ms, tz),
                    duration(took),
                    ago(one.started_at_ms, ink.now_ms),
                    ink.paint(status, STATUS_COLORS.get(one.status, "dim")),
                ],
            ),
            ("Cost", cost if one.requests else ["- (no token counts)"]),
            (
                "Tokens",
                [
                    f"{short_count(one.input_tokens)} input",
                    f"{short_count(one.cache_write_tokens)} cache write",
                    f"{short_count(one.cache_read_tokens)} cache read",
                    f"{short_count(one.output_tokens)} output",
                    plural(one.requests, "request"),
                ],
            ),
            (
                "Work",
                [
                    plural(one.prompts, "prompt"),
                    plural(one.tool_calls, "tool call"),
                    ink.paint(plural(one.errors, "error"), "red" if one.errors else "dim"),
                ],
            ),
            *(
                [("Parent", [ink.paint(detail.parent.id, "cyan"), one_line(detail.parent.title)])]
                if detail.parent
                else []
            ),
            *([("File", [detail.trace_path])] if detail.trace_path else []),
        ],
    )
    if len(detail.models) > 1:
        yield ""
        yield from table(
            [
                Column("Model", flexible=True),
                Column("Requests", right=True),
                Column("Tokens", right=True),
                Column("Cost", right=True, style="bold"),
            ],
            [
                [
                    each.model,
                    count(each.requests),
                    short_count(each.total_tokens),
                    usd(each.cost_usd_e6, is_partial=each.is_partial),
                ]
                for each in detail.models
            ],
            ink,
        )
    if detail.turns:
        yield ""
        yield from table(
            [
                Column("Turn", right=True),
                Column("Took", right=True),
                Column("Calls", right=True),
                Column("Errors", right=True),
                Column("Prompt", flexible=True, least=20),
            ],
            [
                [
                    str(turn.turn),
                    duration(turn.ended_at_ms - turn.started_at_ms),
                    count(turn.tool_calls),
                    (count(turn.errors), "red" if turn.errors else "dim"),
                    one_line(turn.title),
                ]
                for turn in detail.turns
            ],
            ink,
        )
    if detail.children:
        yield ""
        yield from table(
            [
                Column("Below it", style="cyan"),
                Column("Cost", right=True, style="bold"),
                Column("Errors", right=True),
                Column("Title", flexible=True),
            ],
            [
                [
                    child.id[:16],
                    usd(child.cost_usd_e6, is_partial=child.is_partial),
                    count(child.errors),
                    one_line(child.title) or one_line(child.label),
                ]
                for child in detail.children
            ],
            ink,
        )
    if detail.tools:
        yield ""
        yield from wrapped(
            "Tools",
            [
                f"{one_line(use.tool)} {ink.bold(count(use.calls))}"
                + (ink.paint(f" ({use.errors} failed)", "red") if use.errors else "")
                for use in detail.tools
            ],
            ink,
        )
    changed = [file for file in detail.files if file.op in ("write", "create", "delete")]
    if changed:
        yield from wrapped(
            "Files",
            [f"{one_line(file.path)}{_delta(file, ink)}" for file in changed[:20]]
            + ([f"and {len(changed) - 20} more"] if len(changed) > 20 else []),
            ink,
        )
    if detail.guidance:
        yield from wrapped(
            "Used ",
            [f"{use.kind} {one_line(use.name)}" for use in detail.guidance if use.how == "loaded"]
            or ["nothing loaded"],
            ink,
        )
    yield ""
    yield ink.dim("More: --messages --spans --files --events, kaizen sessions tree, kaizen explain cost")


def _delta(file: Any, ink: Ink) -> str:
    parts = [
        ink.paint(f" +{file.added_lines}", "green") if file.added_lines else "",
        ink.paint(f" -{file.removed_lines}", "red") if file.removed_lines else "",
    ]
    return "".join(parts)


def _messages(rows: list[views.Message], ink: Ink, tz: tzinfo) -> Iterator[str]:
    if not rows:
        yield "No messages are stored."
    styles = {
        "prompt": ("bold", "cyan"),
        "assistant": (None, None),
        "thinking": ("dim", None),
        "context": ("dim", None),
    }
    for row in rows:
        if row.role in ("tool", "error"):
            mark = ink.paint("✗", "red") if row.is_error else ink.dim("·")
            name = one_line(row.tool or row.role)
            yield f"  {mark} {ink.dim(name)} {_fitted(row.text, ink, 6 + cells(name))}"
            continue
        if row is not rows[0]:
            yield ""
        yield ink.dim(f"{clock(row.ts_ms, tz)}  {row.role}")
        for text in printable(row.text).splitlines():
            yield ink.paint(text, *styles.get(row.role, (None,)))


def _events(rows: list[views.Event], ink: Ink, tz: tzinfo) -> Iterator[str]:
    def about(row: views.Event) -> str:
        if row.kind == "cost":
            why = f" (not counted: {row.duplicate_of})" if row.duplicate_of else ""
            return f"{row.model or '(unknown)'} {usd(row.cost_usd_e6)}{why}"
        return row.summary

    yield from table(
        [
            Column("Seq", right=True, style="dim"),
            Column("Time"),
            Column("Kind"),
            Column("Tool", style="cyan"),
            Column("About", flexible=True, least=20),
        ],
        [
            [
                str(row.seq),
                clock(row.ts_ms, tz),
                (
                    row.kind if row.kind != "message" else row.role or "message",
                    "red" if row.kind == "error" or row.is_error else None,
                ),
                one_line(row.tool),
                one_line(about(row)),
            ]
            for row in rows
        ],
        ink,
    )


def _spans(rows: list[views.SpanLine], ink: Ink, tz: tzinfo) -> Iterator[str]:
    if not rows:
        yield "No tool calls."
        return
    yield from table(
        [
            Column("Seq", right=True, style="dim"),
            Column("Turn", right=True),
            Column("Time"),
            Column("Tool", style="cyan"),
            Column("Status"),
            Column("Took", right=True),
            Column("About", flexible=True, least=20),
        ],
        [
            [
                str(row.seq),
                str(row.turn),
                clock(row.started_at_ms, tz),
                one_line(row.tool) or "(unknown)",
                (row.status, STATUS_COLORS.get(row.status)),
                duration(row.duration_ms),
                one_line(row.summary),
            ]
            for row in rows
        ],
        ink,
    )


def _files(rows: list[Any], ink: Ink, _tz: tzinfo) -> Iterator[str]:
    if not rows:
        yield "No files."
        return

    def lines_of(number: int | None, sign: str) -> Cell:
        return (f"{sign}{number}", "green" if sign == "+" else "red") if number else ""

    yield from table(
        [
            Column("Path", flexible=True, least=20),
            Column("What"),
            Column("Times", right=True),
            Column("Added", right=True),
            Column("Removed", right=True),
            Column(""),
        ],
        [
            [
                one_line(row.path),
                row.op,
                count(row.times),
                lines_of(row.added_lines, "+"),
                lines_of(row.removed_lines, "-"),
                (
                    "likely, from a shell command"
                    if row.is_guess
                    else "outside the workspace"
                    if row.is_outside
                    else "",
                    "dim",
                ),
            ]
            for row in rows
        ],
        ink,
    )


_PARTS: dict[str, Callable[[list[Any], Ink, tzinfo], Iterator[str]]] = {
    "messages": _messages,
    "events": _events,
    "spans": _spans,
    "files": _files,
}


def _at(ts_ms: int | None, tz: tzinfo) -> str:
    return "-" if ts_ms is None else f"{datetime.fromtimestamp(ts_ms / 1000, tz):%Y-%m-%d %H:%M}"


def clock(ts_ms: int | None, tz: tzinfo) -> str:
    return "-" if ts_ms is None else f"{datetime.fromtimestamp(ts_ms / 1000, tz):%H:%M:%S}"


def _fitted(text: str, ink: Ink, used: int) -> str:
    return one_line(text) if ink.width is None else fit(one_line(text), max(20, ink.width - used))
