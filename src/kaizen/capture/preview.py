"""The first total in seconds: on an empty store only the lines that tell usage are read, into a store in memory.

It has the same schema, so the same views answer from it, with the same totals (a test compares them). Nothing of it is
kept; the import that stores everything follows.
"""

import contextlib
import gc
import sqlite3
from collections.abc import Iterable, Iterator, Mapping

from kaizen import pricing
from kaizen.capture import discover
from kaizen.capture.git import repository_of
from kaizen.capture.lines import soon
from kaizen.capture.look import now_ms, readers_of
from kaizen.capture.skim import Skimmed, SkimTask
from kaizen.capture.skim import __name__ as SKIM
from kaizen.capture.tally import Tally
from kaizen.capture.workers import PARALLEL_ABOVE, Workers
from kaizen.config.model import Config
from kaizen.model.times import Window, whole_quarters
from kaizen.sources import by_name
from kaizen.sources.shapes import LineSource
from kaizen.store.open import empty_store

BATCH = 2 << 20


def preview(env: Mapping[str, str], config: Config, window: Window) -> sqlite3.Connection | None:
    """A store with the roll-ups of the line sources and what else a sum over `window` needs, nothing more.

    None when there is little to read, or when files of another shape could change the totals.
    """
    with Workers(SKIM) as workers:  # they start while we look around
        found = discover.everything(readers_of(env, config)).files
        wanted = [file for file in found if by_name(file.source).tells_usage]
        if (sum(file.size for file in wanted) < PARALLEL_ABOVE
                or not all(isinstance(by_name(file.source), LineSource) for file in wanted)):
            return None
        tally = Tally(pricing.load(config.prices), repository_of)
        tasks = (SkimTask(batch, now_ms(), config.prices) for batch in _batches(wanted))
        with _no_collection():
            for skimmed in workers.frames(tasks, list[Skimmed]):
                for file in skimmed:
                    tally.add(file)
            db = empty_store()
            tally.write(db, whole_quarters(window)[2])
    return db


def _batches(wanted: Iterable[discover.Found]) -> Iterator[list[tuple[str, str]]]:
    """(path, source) of files that one task reads: waking a process takes as long as reading 100 kB."""
    batch: list[tuple[str, str]] = []
    size = 0
    for file in wanted:
        batch.append((file.path, file.source))
        soon(file.path)
        size += file.size
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """A tenth of the time went into looking for cycles among requests, which hold none. What there is in the end is
    never looked through, or all of it would be as soon as something else is made."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
