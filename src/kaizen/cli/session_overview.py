"""The overview that `kaizen show` prints: what a session is, what it cost, its turns, tools and files."""

from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Any

from kaizen.cli.ink import (
    STATUS_COLORS,
    Column,
    Ink,
    ago,
    count,
    duration,
    one_line,
    plural,
    short_count,
    table,
    usd,
)
from kaizen.cli.summary import facts, wrapped
from kaizen.views import session as views


def overview(detail: views.Detail, ink: Ink, tz: tzinfo) -> Iterator[str]:
    """The lines, section by section; a section without rows is left out."""
    yield from _head(detail, ink, tz)
    for section in (_models, _turns, _children, _work):
        yield from section(detail, ink)
    yield ""
    yield ink.dim("More: --messages --spans --files --events, kaizen sessions tree, kaizen explain cost")


def _head(detail: views.Detail, ink: Ink, tz: tzinfo) -> Iterator[str]:
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
                ]
                if one.requests
                else ["-"],
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


def _models(detail: views.Detail, ink: Ink) -> Iterator[str]:
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


def _turns(detail: views.Detail, ink: Ink) -> Iterator[str]:
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


def _children(detail: views.Detail, ink: Ink) -> Iterator[str]:
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


def _work(detail: views.Detail, ink: Ink) -> Iterator[str]:
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


def _delta(file: Any, ink: Ink) -> str:
    parts = [
        ink.paint(f" +{file.added_lines}", "green") if file.added_lines else "",
        ink.paint(f" -{file.removed_lines}", "red") if file.removed_lines else "",
    ]
    return "".join(parts)


def _at(ts_ms: int | None, tz: tzinfo) -> str:
    return "-" if ts_ms is None else f"{datetime.fromtimestamp(ts_ms / 1000, tz):%Y-%m-%d %H:%M}"
