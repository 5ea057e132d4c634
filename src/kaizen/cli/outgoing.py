"""What the commands that send have in common: the outbox, the guard, the sinks."""

import contextlib
from collections.abc import Callable
from sqlite3 import Connection
from typing import TYPE_CHECKING

from kaizen.cli.run import Run
from kaizen.store.open import database_of, open_store, readable_errors
from kaizen.wire.sink import Sink

if TYPE_CHECKING:
    from kaizen.outbox.gate import Gate

NONE_YET = "No exporter is configured. Add one with: kaizen telemetry configure --type otlp --endpoint ..."


def open_outbox(run: Run, *, write: bool = True) -> Connection:
    with readable_errors(database_of(run.home)):
        return open_store(run.home, write=write)


def own_names(run: Run) -> dict[str, str]:
    """Names of this machine's repositories by their hashes: the hub does not know them, the machine does."""
    from kaizen.errors import KaizenError
    from kaizen.redact.hashes import Salt
    from kaizen.store.outgoing import repositories

    try:
        salt = Salt.parse(run.config.sync.team_salt_hex)
        with contextlib.closing(open_outbox(run, write=False)) as db:
            return {salt.hash(root): name for root, name in repositories(db)}
    except KaizenError:
        return {}


def guard() -> Callable[[bytes], bool]:
    """May these bytes leave?"""
    from kaizen.redact.guard import leaks

    return lambda data: not leaks(data)


def sinks(run: Run, gate: "Gate") -> tuple[list[Sink], dict[str, bool]]:
    """The configured exporters, and which of them decide for themselves what a failure holds up. One that cannot be
    opened is named and left out."""
    tables = run.config.telemetry.exporters
    if not tables:
        return [], {}
    from kaizen.exporters import open_sinks
    from kaizen.exporters.rows import rows

    opened, problems = open_sinks(tables, run.env, str(run.home), gate.salt.raw)
    for problem in problems:
        run.out.warn(f"Exporter {problem.name}: {problem.message}")
    return opened, {row.name: row.fail_open for row in rows(tables) if row.fail_open is not None}
