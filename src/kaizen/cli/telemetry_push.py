"""`kaizen telemetry push`."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click
import msgspec

from kaizen.cli.command import command
from kaizen.cli.ink import Column, Ink, count, plural, table
from kaizen.cli.options import When, window_options
from kaizen.cli.outgoing import guard, open_outbox, sinks
from kaizen.cli.run import Run
from kaizen.errors import NotFound, SyncSetting
from kaizen.model.times import DAY_MS

if TYPE_CHECKING:
    from kaizen.outbox.replay import Part, Window

NO_EXPORTER = "No exporter is configured."
ADD_ONE = "Add one: kaizen telemetry configure --type otlp ..."


class Sent(msgspec.Struct):
    workspace: str
    kind: str
    batches: int
    items: int


class Push(msgspec.Struct):
    """`refused`: items that the rules of redaction kept here. `exporters`: a `replay.Pushed` each."""

    is_dry_run: bool
    since_ms: int
    sent: list[Sent]
    refused: int
    exporters: list[Any]


@command(schema="telemetry push/1", examples=[
    "kaizen telemetry push --days 7 --dry-run", "kaizen telemetry push --days 30 --sink file",
])  # fmt: skip
@window_options
@click.option("--sink", "names", multiple=True, metavar="NAME", help="Only to this exporter; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Only count.")
def push(run: Run, when: When, names: tuple[str, ...], dry_run: bool) -> None:
    """Send what is stored once more, to exporters only.

    Of the last seven days, or of the period that you name. For an exporter that is new, or had lost something. What
    waits for the hub stays as it is. Items have the ids they had the first time, so PostHog and everything else that
    goes by ids keeps one of two; a file and Datadog get them again. Exit status 1 when an exporter did not take all of
    it.
    """
    import asyncio

    from kaizen.outbox import replay
    from kaizen.outbox.gate import gate

    found = gate(run.config, run.env, run.home)
    opened = [] if found is None else sinks(run, found)[0]
    if found is None or not opened:
        raise SyncSetting(NO_EXPORTER, hint=ADD_ONE)
    check_names(names, [one.name for one in opened])
    chosen = [] if dry_run else [one for one in opened if not names or one.name in names]
    window = period(run, when)
    counts: dict[tuple[str, str], Sent] = {}
    refused = 0

    def count_refused() -> None:
        nonlocal refused
        refused += 1

    def count_part(part: "Part") -> None:
        one = counts.setdefault((part.workspace, part.batch.kind), Sent(part.workspace, part.batch.kind, 0, 0))
        one.batches += 1
        one.items += len(part.batch.items)

    with contextlib.closing(open_outbox(run, write=False)) as db:
        parts = replay.parts(db, found, guard(), window, on_refused=count_refused)
        pushed = asyncio.run(replay.push(parts, chosen, on_part=count_part))
    run.out.show(Push(dry_run, window.start_ms, list(counts.values()), refused, pushed), _lines)
    if any(one.failed for one in pushed):
        run.out.close()
        raise click.exceptions.Exit(1)


def _lines(found: Push, ink: Ink) -> Iterator[str]:
    if found.sent:
        yield from table(
            [Column("Workspace", style="cyan", flexible=True), Column("Kind"), Column("Batches", right=True),
             Column("Items", right=True)],
            [[one.workspace, one.kind, count(one.batches), count(one.items)] for one in found.sent], ink)
    total = sum(one.items for one in found.sent)
    yield f"{plural(total, 'item')} {'would be sent' if found.is_dry_run else 'read'}."
    if found.refused:
        yield f"{plural(found.refused, 'item')} kept here by the rules of redaction."
    if found.exporters:
        yield ""
        yield from table(
            [Column("Exporter", style="cyan"), *(Column(name, right=True) for name in ("Taken", "Refused", "Failed")),
             Column("", flexible=True)],
            [[one.name, count(one.items), count(one.rejected), count(one.failed),
              one.error + (" (stopped)" if one.is_stopped else "")] for one in found.exporters], ink)


def check_names(names: tuple[str, ...], there: list[str]) -> None:
    if missing := sorted(set(names) - set(there)):
        raise NotFound(f"There is no exporter {missing[0]!r}.", hint=f"There are: {', '.join(there)}.")


def period(run: Run, when: When) -> "Window":
    from kaizen.outbox.replay import Window

    asked = when.window(run.now_ms)
    start_ms = run.now_ms - 7 * DAY_MS if when.since is None and when.days is None else asked.start_ms or 0
    return Window(start_ms, min(asked.end_ms or run.now_ms, run.now_ms), run.now_ms)
