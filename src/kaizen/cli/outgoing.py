"""What the commands that send have in common: the outbox, the guard, the sinks."""

from collections.abc import Callable
from sqlite3 import Connection

from kaizen.cli.run import Run
from kaizen.store.open import database_of, open_store, readable_errors


def open_outbox(run: Run, *, write: bool = True) -> Connection:
    with readable_errors(database_of(run.home)):
        return open_store(run.home, write=write)


def guard() -> Callable[[bytes], bool]:
    """May these bytes leave?"""
    from kaizen.redact.guard import leaks

    return lambda data: not leaks(data)
