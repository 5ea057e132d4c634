"""The first total in seconds: on an empty store only the lines that tell usage are read, into a store in memory.

It has the same schema and is filled by the same ingest, so the same views answer from it, with the same totals (a test
compares them). Nothing of it is kept; the import that stores everything follows.
"""

import sqlite3
from collections.abc import Mapping

from kaizen import pricing
from kaizen.capture import discover
from kaizen.capture.git import repository_of
from kaizen.capture.ingest import Ingest
from kaizen.capture.ledger import Ledger
from kaizen.capture.load import now_ms, sources_of, user_home
from kaizen.capture.tail import Cursor
from kaizen.capture.worker import PARALLEL_ABOVE, Read, Task, frames
from kaizen.config.model import Config
from kaizen.sources import by_name
from kaizen.sources.shapes import LineSource
from kaizen.store.open import empty_store


def preview(env: Mapping[str, str], config: Config) -> sqlite3.Connection | None:
    """A store that knows every request of the line sources and nothing else; None when there is little to read."""
    found, _ = discover.files(sources_of(config), env, user_home(env), config.sources.roots)
    wanted = [file for file in found if _tells_usage(file.source)]
    if sum(file.size for file in wanted) < PARALLEL_ABOVE or len(wanted) < len(found) - _documents(found):
        return None
    db = empty_store()
    ingest = Ingest(db, pricing.load(config.prices), repository_of)
    tasks = (Task(Cursor(file.path, file.source), Ledger(), now_ms(), True) for file in wanted)
    for frame in frames(tasks, parallel=True):
        if isinstance(frame, Read):
            ingest.store([(frame.batch, by_name(frame.batch.cursor.source).agent)])
    return db


def _tells_usage(name: str) -> bool:
    source = by_name(name)
    return isinstance(source, LineSource) and bool(source.usage_marks)


def _documents(found: list[discover.Found]) -> int:
    """Files of sources that never tell usage: they cannot change a total."""
    return sum(1 for file in found
               if isinstance(source := by_name(file.source), LineSource) and not source.usage_marks)
