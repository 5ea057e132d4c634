"""`kaizen config show` and `kaizen config path`."""

from collections.abc import Iterator

import click

from kaizen.cli.command import command, group
from kaizen.cli.group import DefaultGroup
from kaizen.cli.ink import Column, Ink, table
from kaizen.cli.run import Run
from kaizen.config.load import Setting, config_path


@command(
    schema="config show/1",
    is_list=True,
    examples=["kaizen config show --origin", "KAIZEN_SOURCES__DISABLED='[\"cursor\"]' kaizen config show --origin"],
)
@click.option("--origin", is_flag=True, help="Where each value comes from: default, file and line, or environment.")
def show(run: Run, origin: bool) -> None:
    """Every setting and its value.

    Environment variables KAIZEN_<SECTION>__<KEY> come before the file, the file before the defaults.
    """
    run.out.show(run.loaded.settings, lambda rows, ink: _lines(rows, ink, with_origin=origin))


def _lines(rows: list[Setting], ink: Ink, *, with_origin: bool) -> Iterator[str]:
    columns = [
        Column("Setting", style="cyan"),
        Column("Value", flexible=True),
        *([Column("From", style="dim", flexible=True)] if with_origin else []),
    ]
    yield from table(
        columns, [[row.key, as_toml(row.value), *([row.origin] if with_origin else [])] for row in rows], ink
    )


def as_toml(value: object) -> str:
    """Scalars and lists as TOML writes them; JSON's spelling is TOML's for all we have."""
    import msgspec

    return "{}" if value == {} else msgspec.json.encode(value).decode().replace('","', '", "')


@command(schema="config path/1", examples=["kaizen config path", '$EDITOR "$(kaizen config path)"'])
def path(run: Run) -> None:
    """Where the config file is, or would be."""
    found = config_path(run.home)
    run.out.show({"path": str(found), "exists": found.exists()}, lambda data, _ink: [data["path"]])


config = group("config", "Show the settings and where each comes from.", [show, path], kind=DefaultGroup)
