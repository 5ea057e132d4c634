"""`kaizen telemetry status`."""

import contextlib
from collections.abc import Iterator

import msgspec

from kaizen.cli.command import command
from kaizen.cli.ink import Column, Ink, ago, count, table
from kaizen.cli.outgoing import NONE_YET, open_outbox
from kaizen.cli.run import Run
from kaizen.exporters.rows import Row, rows
from kaizen.views import sync as views


class ExporterStatus(msgspec.Struct):
    """`type` is None for one that is not configured any more. `retrying` are batches that wait for it."""

    name: str
    type: str | None
    is_on: bool
    last_success_ms: int | None
    batches: int
    items: int
    rejected: int
    retrying: int
    abandoned: int
    last_error: str | None
    last_error_ms: int | None


@command(schema="telemetry status/1", examples=["kaizen telemetry status", "kaizen telemetry status --json"])
def status(run: Run) -> None:
    """What each exporter took, what waits for it, and what went wrong last."""
    configured = {row.name: row for row in rows(run.config.telemetry.exporters)}
    with contextlib.closing(open_outbox(run, write=False)) as db:
        found = [_status_of(configured.get(one.name), one) for one in views.sinks(db, configured)]
    run.out.show(found, lambda data, ink: _status_lines(data, ink, run.now_ms))


def _status_of(row: Row | None, seen: views.SinkStatus) -> ExporterStatus:
    return ExporterStatus(seen.name, row.type if row else None, row is not None and row.enabled, seen.last_done_ms,
                          seen.done, seen.items, seen.rejected, seen.retrying, seen.abandoned, seen.last_error,
                          seen.last_error_ms)


def _status_lines(found: list[ExporterStatus], ink: Ink, now_ms: int) -> Iterator[str]:
    if not found:
        yield NONE_YET
        return
    columns = [Column("Exporter", style="cyan"), Column("Type"), Column("Last success"),
               *(Column(name, right=True) for name in ("Items", "Refused", "Retrying", "Abandoned")),
               Column("Last error", flexible=True)]  # fmt: skip
    yield from table(columns, [
        [one.name, (one.type or "removed") + ("" if one.is_on or one.type is None else " (off)"),
         ago(one.last_success_ms, now_ms) if one.last_success_ms else "never", count(one.items), count(one.rejected),
         count(one.retrying), count(one.abandoned), one.last_error or ""] for one in found], ink)
