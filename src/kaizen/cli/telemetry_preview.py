"""`kaizen telemetry preview`."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click
import msgspec

from kaizen.cli.command import command
from kaizen.cli.ink import Ink, plural
from kaizen.cli.options import When, Where, window_options
from kaizen.cli.outgoing import guard, open_outbox
from kaizen.cli.run import Run
from kaizen.cli.telemetry_push import ADD_ONE, NO_EXPORTER, check_names, period
from kaizen.errors import SyncSetting

if TYPE_CHECKING:
    from kaizen.exporters.rows import Row
    from kaizen.outbox.gate import Gate
    from kaizen.outbox.replay import Window
    from kaizen.wire.sink import Batch


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
    "kaizen telemetry preview --sink otlp --session @last",
])  # fmt: skip
@window_options
@click.option("--sink", "names", multiple=True, metavar="NAME", help="Only of this exporter; may be repeated.")
@click.option("--session", metavar="SESSION", help="All of this session, as in kaizen show, and of nothing else.")
@click.option("--limit", type=click.IntRange(min=1), default=2, show_default=True,
              help="So many items of each kind; as many as there are go into a request.")  # fmt: skip
def preview(run: Run, when: When, names: tuple[str, ...], session: str | None, limit: int) -> None:
    """What exporters would send of what is stored, request by request. Nothing is sent.

    Of the last seven days, of the period that you name, or of one session. Bodies are those that would leave, before
    compression; what is binary on the way is shown as the JSON that means the same. Keys are not shown.
    """
    import asyncio

    from kaizen.exporters.rows import rows
    from kaizen.outbox.gate import gate

    found = gate(run.config, run.env, run.home)
    every = [row for row in rows(run.config.telemetry.exporters) if row.enabled]
    if found is None or not every:
        raise SyncSetting(NO_EXPORTER, hint=ADD_ONE)
    check_names(names, [row.name for row in every])
    chosen = [row for row in every if not names or row.name in names]
    if session is not None:
        batches = _of_session(run, found, session)
    else:
        batches = _beginnings(run, found, period(run, when), limit)
    shown = [one for row in chosen for one in asyncio.run(_previewed(run, row, found.salt.raw, batches))]
    run.out.show(shown, _preview_lines)


def _of_session(run: Run, found: "Gate", session: str) -> "list[Batch]":
    from kaizen.outbox import replay
    from kaizen.views.session import find

    with run.reading(Where(is_all=True, refresh=False), notes=False) as (db, scope):
        session_id = find(db, scope, session).id
    with contextlib.closing(open_outbox(run, write=False)) as db:
        window = replay.Window(0, run.now_ms, run.now_ms)
        return [part.batch for part in replay.parts(db, found, guard(), window, session_id=session_id)]


def _beginnings(run: Run, found: "Gate", window: "Window", limit: int) -> "list[Batch]":
    """The first of each kind, with `limit` items."""
    from kaizen.outbox import replay

    sync = msgspec.structs.replace(run.config.sync, events_per_batch_max=limit)
    few = msgspec.structs.replace(found, config=msgspec.structs.replace(run.config, sync=sync))
    batches: dict[str, Batch] = {}
    with contextlib.closing(open_outbox(run, write=False)) as db:
        for part in replay.parts(db, few, guard(), window):
            batches.setdefault(part.batch.kind, part.batch)
            if len(batches) == len(replay.KINDS_REPLAYED):
                break
    return [*batches.values()]


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
