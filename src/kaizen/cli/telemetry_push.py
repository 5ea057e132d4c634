"""`kaizen telemetry push` and `preview`: stored items on their way to exporters, sent or only shown."""

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

if TYPE_CHECKING:
    from kaizen.exporters.rows import Row
    from kaizen.outbox.replay import Part, Window
    from kaizen.wire.sink import Batch

NO_EXPORTER = "No exporter is configured."
ADD_ONE = "Add one: kaizen telemetry configure --type otlp ..."
DAY_MS = 86_400_000


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
    _check(names, [one.name for one in opened])
    chosen = [] if dry_run else [one for one in opened if not names or one.name in names]
    window = _window(run, when)
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


class Preview(msgspec.Struct):
    """What an exporter would send. `body`: as JSON, one value for each line; a text where it is none."""

    exporter: str
    items: int
    kind: str
    method: str
    address: str
    headers: dict[str, str]
    body: Any


@command(schema="telemetry preview/1", examples=[
    "kaizen telemetry preview", "kaizen telemetry preview --sink otlp --since today --limit 5 --json",
])  # fmt: skip
@window_options
@click.option("--sink", "names", multiple=True, metavar="NAME", help="Only of this exporter; may be repeated.")
@click.option("--limit", type=click.IntRange(min=1), default=2, show_default=True,
              help="So many items of each kind; as many as there are go into a request.")  # fmt: skip
def preview(run: Run, when: When, names: tuple[str, ...], limit: int) -> None:
    """What exporters would send of what is stored, request by request. Nothing is sent.

    Of the last seven days, or of the period that you name. Bodies are those that would leave, before compression; what
    is binary on the way is shown as the JSON that means the same. Keys are not shown.
    """
    import asyncio

    from kaizen.exporters.rows import rows
    from kaizen.outbox import replay
    from kaizen.outbox.gate import gate

    found = gate(run.config, run.env, run.home)
    every = [row for row in rows(run.config.telemetry.exporters) if row.enabled]
    if found is None or not every:
        raise SyncSetting(NO_EXPORTER, hint=ADD_ONE)
    _check(names, [row.name for row in every])
    chosen = [row for row in every if not names or row.name in names]
    sync = msgspec.structs.replace(run.config.sync, events_per_batch_max=limit)
    few = msgspec.structs.replace(found, config=msgspec.structs.replace(run.config, sync=sync))
    batches: dict[str, Batch] = {}
    with contextlib.closing(open_outbox(run, write=False)) as db:
        for part in replay.parts(db, few, guard(), _window(run, when)):
            batches.setdefault(part.batch.kind, part.batch)
            if len(batches) == len(replay.KINDS_REPLAYED):
                break
    shown = [one for row in chosen for one in asyncio.run(_previewed(run, row, found.salt.raw, [*batches.values()]))]
    run.out.show(shown, _preview_lines)


async def _previewed(run: Run, row: "Row", salt: bytes, batches: "list[Batch]") -> list[Preview]:
    import tempfile
    from pathlib import Path

    from kaizen.exporters import ALL, open_sink
    from kaizen.exporters.http import recording

    if row.type not in ALL:
        run.out.warn(f"Exporter {row.name}: what a plug-in sends cannot be shown without sending it.")
        return []
    found: list[Preview] = []
    env = {name: value for name, value in run.env.items() if not name.endswith("_PROTOCOL")}
    with tempfile.TemporaryDirectory() as scratch:
        # OTLP in words, and lines into a file that goes away.
        instead = {"otlp": {"protocol": "http/json"}, "file": {"path": f"{scratch}/lines"}}.get(row.type, {})
        shown = msgspec.structs.replace(row, settings={**row.settings, **instead})
        sink = open_sink(shown, env, scratch, salt)
        try:
            for batch in batches:
                if not sink.accepts(batch.kind):
                    continue
                with recording() as requests:
                    await sink.send(batch)
                found += [Preview(row.name, len(batch.items), batch.kind, one.method, one.url, one.headers,
                                  _readable(one.content)) for one in requests]
                path = Path(scratch, "lines")
                if path.exists():
                    name = str(row.settings.get("path") or "telemetry.ndjson")
                    found.append(Preview(row.name, len(batch.items), batch.kind, "append", name, {},
                                         _readable(path.read_bytes())))
                    path.unlink()
        finally:
            await sink.close()
    return found


def _readable(content: bytes) -> Any:
    try:
        lines = [msgspec.json.decode(line) for line in content.splitlines()]
    except msgspec.DecodeError:
        return content.decode("utf-8", "replace")
    return lines[0] if len(lines) == 1 else lines


def _preview_lines(found: list[Preview], ink: Ink) -> Iterator[str]:
    if not found:
        yield "Nothing would be sent: no items of that period, or none that these exporters take."
    for one in found:
        yield f"{ink.bold(one.exporter)}  {one.method} {one.address}  " + ink.dim(plural(one.items, one.kind[:-1]))
        for name, value in one.headers.items():
            yield ink.dim(f"{name}: {value}")
        yield msgspec.json.format(msgspec.json.encode(one.body), indent=2).decode()
        yield ""


def _check(names: tuple[str, ...], there: list[str]) -> None:
    if missing := sorted(set(names) - set(there)):
        raise NotFound(f"There is no exporter {missing[0]!r}.", hint=f"There are: {', '.join(there)}.")


def _window(run: Run, when: When) -> "Window":
    from kaizen.outbox.replay import Window

    asked = when.window(run.now_ms)
    start_ms = run.now_ms - 7 * DAY_MS if when.since is None and when.days is None else asked.start_ms or 0
    return Window(start_ms, min(asked.end_ms or run.now_ms, run.now_ms), run.now_ms)


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
