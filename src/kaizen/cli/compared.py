"""What `--compare previous` prints: a window beside the one before it."""

from collections.abc import Iterator
from datetime import tzinfo

import msgspec

from kaizen.cli.ink import Cell, Column, Ink, count, one_line, plural, table, usd
from kaizen.cli.output import said_window
from kaizen.model.times import Window
from kaizen.views import compare as views
from kaizen.views.compare import compared_cost as cost
from kaizen.views.compare import compared_summary as summary
from kaizen.views.usage import Usage

__all__ = ["cost", "cost_lines", "flat", "summary", "summary_lines"]


def cost_lines(found: views.ComparedCost, ink: Ink, tz: tzinfo) -> Iterator[str]:
    from kaizen.cli.cost import notes

    both = found.compared
    if not both.rows:
        yield f"No requests here, and none {_said(both.previous_window, tz)}."
        return
    yield from _rows(found.by.capitalize(), both.rows, ink, total=both)
    yield from notes(found, ink)
    yield ink.dim(f"Before: {_said(both.previous_window, tz)}.")


def summary_lines(found: views.ComparedSummary, ink: Ink, tz: tzinfo) -> Iterator[str]:
    both, before, more = found.compared, found.compared.previous_counts, found.compared.count_changes
    yield ""
    yield ink.bold(f"Before: {_said(both.previous_window, tz)}")
    yield ink.dim(" · ").join([
        f"Cost {_cost(both.previous)} {_change(both.change, ink)}",
        f"{plural(before.root_sessions, 'session')} {_signed(more.root_sessions)}",
        f"{plural(before.prompts, 'prompt')} {_signed(more.prompts)}",
        f"{plural(both.previous.requests, 'request')} {_signed(both.change.requests)}",
        f"{plural(before.errors, 'error')} {_signed(more.errors)}",
    ])
    for title, rows in (("Agent", both.by_agent), ("Model", both.by_model)):
        if rows:
            yield ""
            yield from _rows(title, rows, ink)


def flat(rows: list[views.Row]) -> list[dict[str, object]]:
    """One level, for jsonl, csv and md: each sum now, before (`previous_`) and their difference (`change_`)."""
    found = []
    for row in rows:
        now, past = msgspec.structs.asdict(row.current), msgspec.structs.asdict(row.previous)
        found.append({
            "key": row.key,
            "previous_key": row.previous_key,
            "label": row.label,
            **now,
            **{f"previous_{name}": value for name, value in past.items()},
            **{f"change_{name}": value for name, value in msgspec.structs.asdict(row.change).items()},
        })
    return found


def _rows(title: str, rows: list[views.Row], ink: Ink, total: views.Comparison | None = None) -> Iterator[str]:
    columns = [
        Column(title, flexible=True, least=12),
        Column("Before", right=True),
        Column("Now", right=True, style="bold"),
        Column("Change", right=True),
        Column("", right=True, drop=3),
        Column("Requests", right=True, drop=2),
        Column("", right=True, drop=4),
    ]

    def line(name: str, now: Usage, past: Usage, change: views.Change) -> list[Cell]:
        return [
            one_line(name),
            _cost(past),
            _cost(now),
            (_signed_usd(change), _style(change)),
            (_percent(change), _style(change)),
            count(now.requests),
            _signed(change.requests),
        ]

    yield from table(
        columns,
        [line(_name(row), row.current, row.previous, row.change) for row in rows],
        ink,
        total=line("Total", total.current, total.previous, total.change) if total else None,
    )


def _name(row: views.Row) -> str:
    """Periods at the same place of both windows: `2026-02-03, before 2026-01-27`."""
    if row.previous_key is None or row.key == row.previous_key:
        return row.key or "-"
    return f"{row.key or '-'}, before {row.previous_key}"


def _cost(used: Usage) -> str:
    return usd(used.cost_usd_e6, is_partial=used.is_partial)


def _change(change: views.Change, ink: Ink) -> str:
    return ink.paint(" ".join(filter(None, (_signed_usd(change), _percent(change)))), _style(change))


def _signed_usd(change: views.Change) -> str:
    delta = change.cost_usd_e6
    return ("+" if delta and delta > 0 else "") + usd(delta, is_partial=change.is_partial)


def _percent(change: views.Change) -> str:
    return "" if change.cost_share is None else f"{change.cost_share * 100:+.0f} %"


def _style(change: views.Change) -> str | None:
    delta = change.cost_usd_e6 or 0
    return "red" if delta > 0 else "green" if delta < 0 else None


def _signed(number: int) -> str:
    return f"({number:+,})" if number else "(=)"


def _said(span: views.Span, tz: tzinfo) -> str:
    return said_window(Window(span.start_ms, span.end_ms), tz)
