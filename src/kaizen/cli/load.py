"""`kaizen load`."""

from collections.abc import Iterator
from typing import Any

import click

from kaizen.cli.command import command
from kaizen.cli.ink import Ink, count, duration, percent, plural, size
from kaizen.cli.run import Run
from kaizen.cli.summary import facts


@command(schema="load/1", examples=["kaizen load", "kaizen load --json", "kaizen load --rebuild"])
@click.option("--rebuild", is_flag=True, help="Start from an empty store: read every file again.")
@click.option("--no-progress", is_flag=True, help="No progress bar.")
def load(run: Run, rebuild: bool, no_progress: bool) -> None:
    """Read what the agents on this machine wrote since the last time.

    Finds Claude Code, Codex and Cursor by itself, never changes their files, and accounts for every byte: parsed,
    ignored with a reason, or an error with its place. Other commands do this too before they answer.
    """
    from kaizen.capture import load as capture

    with run.progress(is_wanted=not no_progress) as progress:
        report = capture.load(run.home, run.env, run.config, progress=progress, rebuild=rebuild, enqueue=run.enqueue)
    run.out.show(report, lines)


def lines(report: Any, ink: Ink) -> Iterator[str]:
    if not report.files:
        yield "No transcripts found. See where kaizen looks: kaizen doctor"
        yield from _errors(report, ink)
        return
    pace = report.bytes_total / report.seconds if report.seconds else 0
    yield from facts(
        ink,
        [
            (
                "Read",
                [
                    ink.bold(plural(report.files, "file")),
                    size(report.bytes_total),
                    f"in {duration(round(report.seconds * 1000))}",
                    f"{size(round(pace))}/s" if pace and report.new_events else "",
                ],
            ),
            (
                "Store",
                [
                    plural(report.sessions, "session"),
                    plural(report.events, "event"),
                    f"{count(report.new_events)} new" if report.new_events else "nothing new",
                ],
            ),
            (
                "Coverage",
                [
                    f"{percent(report.bytes_parsed, report.bytes_total)} parsed",
                    f"{percent(report.bytes_ignored, report.bytes_total)} ignored",
                    ink.paint(f"{size(report.bytes_error)} unreadable", "red") if report.bytes_error
                    else plural(len(report.errors), "error") if report.errors else "no errors",
                ],
            ),
        ],
    )
    if report.ignored_by_reason:
        reasons = sorted(report.ignored_by_reason.items(), key=lambda item: -item[1])
        yield ink.dim("Ignored   " + ", ".join(f"{name} {size(number)}" for name, number in reasons[:6]))
    if report.unknown_records:
        names = sorted(report.unknown_records.items(), key=lambda item: -item[1])
        yield ink.paint(
            "Unknown record types, not used: " + ", ".join(f"{name} ({number})" for name, number in names[:8]), "yellow"
        )
    yield from _errors(report, ink)


def _errors(report: Any, ink: Ink) -> Iterator[str]:
    for error in report.errors[:10]:
        place = error.file if error.offset is None else f"{error.file}:{error.offset}"
        yield ink.paint(f"{place}: {error.reason}", "red")
    if len(report.errors) > 10:
        yield ink.dim(f"and {len(report.errors) - 10} more; all of them: kaizen load --json")
