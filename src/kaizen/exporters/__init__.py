"""Exporters: where redacted items go besides a hub. One module a type; each exports `EXPORTER`.

Third parties add types by entry points of the group `kaizen.exporters` whose object is an `Exporter`. A built-in name
cannot be shadowed. A row that cannot work never stops the others: it becomes a `Problem`.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

import msgspec

from kaizen.errors import BadConfig, KaizenError
from kaizen.exporters.rows import Row, read, rows
from kaizen.wire.sink import Batch, Exporter, Health, Refused, Result, Sink

GROUP = "kaizen.exporters"

# By `type`. A name and a module, so that listing them imports nothing.
ALL = {
    "datadog": "kaizen.exporters.datadog",
    "file": "kaizen.exporters.file",
    "otlp": "kaizen.exporters.otlp",
    "posthog": "kaizen.exporters.posthog",
    "webhook": "kaizen.exporters.webhook",
}


class Problem(msgspec.Struct, frozen=True):
    """Why a row of the configuration has no sink."""

    name: str
    message: str
    hint: str = ""


class Sent(msgspec.Struct, frozen=True):
    """What one sink answered to one batch."""

    sink: str
    batch_id: str
    kind: str
    items: int
    result: Result


def find(type_name: str) -> Exporter:
    """Raises `BadConfig` for a type nobody has, and for a plug-in that cannot be loaded."""
    if type_name in ALL:
        try:
            built_in: Exporter = import_module(ALL[type_name]).EXPORTER
        except ImportError as error:
            raise BadConfig(f"Exporters of type {type_name} need the package {error.name}.",
                            hint=f"pip install {error.name}") from error
        return built_in
    from importlib.metadata import entry_points

    for point in entry_points(group=GROUP, name=type_name):
        return _plug_in(point)
    raise BadConfig(f"There is no exporter of type {type_name!r}.", hint=_near(type_name, [*known()]))


def known() -> Iterator[str]:
    """All types: ours, then those of plug-ins. Reads metadata only."""
    yield from ALL
    from importlib.metadata import entry_points

    yield from sorted({point.name for point in entry_points(group=GROUP)} - set(ALL))


def open_sinks(
    tables: Sequence[Mapping[str, Any]], env: Mapping[str, str], home: str, salt: bytes
) -> tuple[list[Sink], list[Problem]]:
    """A sink for every enabled row of `[[telemetry.exporters]]` that can work, and why the others cannot.

    Nothing is sent and nothing is connected yet. Raises `BadConfig` when a table has no type, or two the same name:
    then nobody knows what is meant.
    """
    sinks, problems = [], []
    for row in rows(tables):
        if not row.enabled:
            continue
        try:
            sinks.append(open_sink(row, env, home, salt))
        except KaizenError as error:
            problems.append(Problem(row.name, str(error), error.hint))
    return sinks, problems


def open_sink(row: Row, env: Mapping[str, str], home: str, salt: bytes) -> Sink:
    """Raises `BadConfig` for what cannot work; its detail `key` names the setting, where it is one."""
    exporter = find(row.type)
    try:
        settings, _ = read(exporter.settings, row, env)
        return exporter.open(row.name, settings, env, home, salt)
    except KaizenError:
        raise
    except Exception as error:
        if row.type in ALL:
            raise
        # A plug-in is disabled, not trusted with our process. Its text may hold what it was given: only the class.
        raise BadConfig(f"The plug-in exporter {row.type!r} raised {type(error).__name__} and is disabled.",
                        hint="Update or remove it.") from error


async def push(sinks: Sequence[Sink], batches: Sequence[Batch]) -> list[Sent]:
    """Sends every batch once to every sink that takes its kind; the sinks work at the same time, each in order. There
    is no retry: who wants one keeps what was not `Done`. A crash of one sink is its result, and stops no other."""
    import asyncio

    async def one(sink: Sink) -> list[Sent]:
        return [
            Sent(sink.name, batch.batch_id, batch.kind, len(batch.items), await _sent(sink, batch))
            for batch in batches
            if sink.accepts(batch.kind)
        ]

    return [sent for each in await asyncio.gather(*map(one, sinks)) for sent in each]


async def health(sink: Sink) -> Health:
    """What a sink says of itself; a crash is bad health."""
    try:
        return await sink.health()
    except Exception as error:
        return Health(False, f"the exporter raised {type(error).__name__}")


async def _sent(sink: Sink, batch: Batch) -> Result:
    try:
        return await sink.send(batch)
    except Exception as error:
        # Only the class: the text of a stranger's exception may hold what must not be seen.
        return Refused(f"the exporter raised {type(error).__name__}")


def _plug_in(point: Any) -> Exporter:
    origin = f"{point.name!r} of {point.dist.name if point.dist else point.value}"
    try:
        found = point.load()
    except Exception as error:
        raise BadConfig(f"The plug-in exporter {origin} cannot be loaded: {type(error).__name__}: {error}",
                        hint="Update or remove it.") from error
    if not isinstance(found, Exporter):
        raise BadConfig(f"The plug-in exporter {origin} is no Exporter.", hint="Update or remove it.")
    return found


def _near(typed: str, names: Sequence[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(typed, names, n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(names)}."
