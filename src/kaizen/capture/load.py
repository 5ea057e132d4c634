"""Bringing the store up to date with the agents' files: the whole of capture, from directories to rows.

`load` does it with a report and an index, `store` for those who only want the rows. Both cost O(new bytes): a file that
did not change costs one `stat`.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path

from kaizen import pricing
from kaizen.capture.coverage import FileError, LoadReport, coverage
from kaizen.capture.git import repository_of
from kaizen.capture.index import catch_up, indexing
from kaizen.capture.ingest import Enqueue, Ingest
from kaizen.capture.look import News, compared, keep, look, now_ms
from kaizen.capture.take import Progress, take
from kaizen.capture.workers import PARALLEL_ABOVE
from kaizen.config.model import Config
from kaizen.errors import KaizenError
from kaizen.store import backup
from kaizen.store.lock import capture_lock
from kaizen.store.open import database_of, open_store, put_aside, readable_errors


def load(home: Path, env: Mapping[str, str], config: Config, *, progress: Progress | None = None,
         rebuild: bool = False, index: bool = True, enqueue: Enqueue | None = None) -> LoadReport:
    """Read all that is new, index it for search, and report. Waits for another running import to finish first.

    `enqueue` is told what each transaction changed.
    `rebuild` puts the old store aside as `kaizen.db.<time>` and reads everything again.
    """
    began = time.monotonic()
    with readable_errors(database_of(home)), capture_lock(home, wait=True):
        if rebuild:
            put_aside(home, now_ms())
        with contextlib.closing(open_store(home, write=True)) as db:
            news = look(db, env, config, whole=True)
            assert news.whole
            listed = news.whole.listed
            done = LoadReport(roots=listed.roots, errors=[_unnamed(one.path) for one in listed.misnamed])
            is_large = news.plan.new_bytes > PARALLEL_ABOVE
            beside = indexing(home, exclude=config.search.exclude, substring=config.search.substring)
            with beside if index and is_large else contextlib.nullcontext():
                take(db, news, _ingest(db, config, enqueue), done, progress)
                keep(db, news)
            if index:
                _index_rest(home, config, done)
            backup.weekly(db, home, now_ms())
            report = coverage(db)
    report.new_files, report.new_events, report.new_bytes = done.new_files, done.new_events, done.new_bytes
    report.errors = done.errors + report.errors
    report.roots = done.roots
    report.seconds = round(time.monotonic() - began, 3)
    return report


def store(home: Path, config: Config, news: News, enqueue: Enqueue | None = None) -> bool:
    """Store `news`, without indexing. False when another process is reading just that."""
    with capture_lock(home, wait=False) as ours:
        if not ours:
            return False
        with contextlib.closing(open_store(home, write=True)) as db:
            now = compared(db, news.found, news.vanished, is_whole=news.whole is not None)
            take(db, now, _ingest(db, config, enqueue), LoadReport())
            keep(db, news)
        return True


def _ingest(db: sqlite3.Connection, config: Config, enqueue: Enqueue | None) -> Ingest:
    return Ingest(db, pricing.load(config.prices), repository_of, enqueue)


def _index_rest(home: Path, config: Config, report: LoadReport) -> None:
    """A store without its index is worth having: what is wrong with the index is one error among those of files."""
    try:
        catch_up(home, exclude=config.search.exclude, substring=config.search.substring)
    except KaizenError as error:
        report.errors.append(FileError(str(home / "search.db"), None, str(error)))


def _unnamed(path: str) -> FileError:
    return FileError(os.fsencode(path).decode("utf-8", "backslashreplace"), None, "name_is_not_utf8")
