"""What `kaizen show` prints of a session's parts: messages, events, spans, files."""

from collections.abc import Callable, Iterator
from datetime import datetime, tzinfo
from typing import Any

from kaizen.cli.ink import (
    STATUS_COLORS,
    Cell,
    Column,
    Ink,
    cells,
    count,
    duration,
    fit,
    one_line,
    printable,
    table,
    usd,
)
from kaizen.views import session as views


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


# What `--messages` and its kind print, by the name of the part.
PARTS: dict[str, Callable[[list[Any], Ink, tzinfo], Iterator[str]]] = {
    "messages": _messages,
    "events": _events,
    "spans": _spans,
    "files": _files,
}


def clock(ts_ms: int | None, tz: tzinfo) -> str:
    return "-" if ts_ms is None else f"{datetime.fromtimestamp(ts_ms / 1000, tz):%H:%M:%S}"


def _fitted(text: str, ink: Ink, used: int) -> str:
    return one_line(text) if ink.width is None else fit(one_line(text), max(20, ink.width - used))
