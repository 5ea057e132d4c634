"""`kaizen telemetry print-schema` and `print-effective-config`."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec

from kaizen.cli.command import command
from kaizen.cli.ink import Cell, Column, Ink, table
from kaizen.cli.run import Run
from kaizen.config.salt import local_salt
from kaizen.config.secret import masked
from kaizen.errors import KaizenError
from kaizen.exporters import find, open_sink
from kaizen.exporters.rows import Row, read, rows
from kaizen.wire.canonical import NAMES, SCHEMA_VERSION
from kaizen.wire.ingest import KINDS


class Value(msgspec.Struct):
    """A setting as it takes effect, secrets masked. `origin`: `default`, `file` or the variable."""

    key: str
    value: Any
    origin: str


class Effective(msgspec.Struct):
    """`problem`: why nothing is sent."""

    name: str
    type: str
    enabled: bool
    fail_open: bool
    settings: list[Value]
    problem: str | None = None


class Named(msgspec.Struct):
    """`schema`: JSON Schema of an item."""

    kind: str
    name: str
    tag: str
    schema: dict[str, Any]


class Schema(msgspec.Struct):
    version: int
    items: list[Named]


@command(schema="telemetry print-schema/1", name="print-schema",
         examples=["kaizen telemetry print-schema", "kaizen telemetry print-schema --json | jq '.data.items[].schema'"])
def print_schema(run: Run) -> None:
    """What an item is called outside, and with --json what it consists of."""
    named = [Named(kind, name.name, name.tag, msgspec.json.schema(KINDS[kind].item)) for kind, name in NAMES.items()]
    run.out.show(Schema(SCHEMA_VERSION, named), _schema_lines)


@command(
    schema="telemetry print-effective-config/1",
    name="print-effective-config",
    examples=["kaizen telemetry print-effective-config",
              "DD_SITE=datadoghq.eu kaizen telemetry print-effective-config"],
)
def print_effective_config(run: Run) -> None:
    """What every exporter would use, and where each value comes from. Secrets are masked."""
    found = [_effective(run, row) for row in rows(run.config.telemetry.exporters)]
    if not found:
        run.out.warn("No exporter is configured.")
    run.out.show(found, _effective_lines)


def _effective(run: Run, row: Row) -> Effective:
    fail_open = run.config.telemetry.fail_open if row.fail_open is None else row.fail_open
    made = Effective(row.name, row.type, row.enabled, fail_open, [])
    try:
        settings, origins = read(find(row.type).settings, row, run.env)
        plain: dict[str, Any] = masked(msgspec.to_builtins(settings, enc_hook=str))
        made.settings = [Value(key, _shown(value), origins.get(key, "default")) for key, value in plain.items()]
        open_sink(row, run.env, str(run.home), local_salt(run.home))
    except KaizenError as error:
        made.problem = f"{error} {error.hint}".strip()
    return made


def _shown(value: Any) -> Any:
    """A URL without what may be secret in it."""
    if not (isinstance(value, str) and "://" in value):
        return value
    try:
        parts = urlsplit(value)
    except ValueError:
        return "<no URL>"
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" + ("?..." if parts.query else "")


def _schema_lines(found: Schema, ink: Ink) -> Iterator[str]:
    yield f"Schema version {found.version}"
    yield from table([Column("Kind"), Column("Name", style="cyan"), Column("Tag", style="dim")],
                     [[one.kind, one.name, one.tag] for one in found.items], ink)


def _effective_lines(found: list[Effective], ink: Ink) -> Iterator[str]:
    for one in found:
        state = "" if one.enabled else " (off)"
        yield ink.bold(f"{one.name}") + f" {one.type}{state}"
        if one.problem:
            yield f"  {ink.paint('sends nothing', 'red')}: {one.problem}"
        cells: list[list[Cell]] = [
            [f"  {value.key}", (str(value.value) if value.value is not None else "-", None), value.origin]
            for value in one.settings
        ]
        yield from list(table([Column("  Setting", style="cyan"), Column("Value", flexible=True),
                               Column("From", style="dim", flexible=True)], cells, ink))
    if not found:
        yield "No exporter."
