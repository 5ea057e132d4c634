"""`kaizen telemetry tail`: the lines of the `file` exporter, as they are written."""

import os
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import click
import msgspec

from kaizen.cli.command import command
from kaizen.cli.ink import Ink, one_line, usd
from kaizen.cli.run import Run
from kaizen.errors import KaizenError, NotFound
from kaizen.exporters.rows import read, rows

POLL_S = 0.4
_BLOCK = 1 << 20


@command(schema="telemetry tail/1",
         examples=["kaizen telemetry tail", "kaizen telemetry tail --no-follow --json | jq .kind"])
@click.option("-f", "--file", "path", help="The file; by default that of the first exporter of type `file`.")
@click.option("--no-follow", is_flag=True, help="End at the end of the file.")
def tail(run: Run, path: str | None, no_follow: bool) -> None:
    """Print what the file exporter writes, until Ctrl-C. A file that is rotated is followed.

    With --json its lines as they are.
    """
    chosen = Path(os.path.expanduser(path)) if path else default_path(run)
    if path and not chosen.exists():
        raise NotFound(f"There is no file {chosen}.", hint="Leave --file away for the configured one.")
    ink = run.out.ink
    for line in follow(chosen, is_endless=not no_follow):
        sys.stdout.write(f"{line.decode('utf-8', 'replace') if run.out.format == 'json' else said(line, ink)}\n")
        sys.stdout.flush()


def default_path(run: Run) -> Path:
    from kaizen.exporters.file import Settings, resolved

    for row in rows(run.config.telemetry.exporters):
        if row.type == "file":
            try:
                settings, _ = read(Settings, row, run.env)
                return resolved(row.name, msgspec.convert(settings, Settings), str(run.home))
            except KaizenError as error:
                run.out.warn(str(error))
    return resolved("file", Settings(), str(run.home))


def follow(path: Path, *, is_endless: bool, poll_s: float = POLL_S) -> Iterator[bytes]:
    """Whole lines from the start. A file that shrank or was replaced is read from its start."""
    at, inode, rest = 0, -1, b""
    while True:
        try:
            with path.open("rb") as file:
                found = os.fstat(file.fileno())
                if found.st_ino != inode or found.st_size < at:
                    at, inode, rest = 0, found.st_ino, b""
                file.seek(at)
                while block := file.read(_BLOCK):
                    at += len(block)
                    *whole, rest = (rest + block).split(b"\n")
                    yield from filter(None, whole)
        except FileNotFoundError:
            pass
        if not is_endless:
            return
        time.sleep(poll_s)


def said(line: bytes, ink: Ink) -> str:
    """A line for a person; one that is no record as it is."""
    try:
        record = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return one_line(line.decode("utf-8", "replace"))
    if not isinstance(record, dict):
        return one_line(str(record))
    at = record.get("emitted_at_ms")
    when = f"{datetime.fromtimestamp(at / 1000):%H:%M:%S}" if isinstance(at, int) else "-"
    kind = str(record.get("kind") or record.get("batch_kind") or "-")
    item = next((record[key] for key in ("event", "span", "session", "feedback", "evaluation", "payload", "chunk")
                 if isinstance(record.get(key), dict)), record)
    words = [str(item[key]) for key in ("agent", "model", "kind", "tool", "status", "item_count") if item.get(key)]
    cost = item.get("cost_usd_e6")
    money = f" {usd(cost)}" if isinstance(cost, int) else ""
    return f"{ink.dim(when)} {ink.paint(f'{one_line(kind):<12}', 'cyan')} {one_line(' '.join(words))}{money}"
