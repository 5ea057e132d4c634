"""Following the agents' files: store what they write within milliseconds, without a daemon.

Files written to in the last minutes are hot: their size is looked at every `POLL_S`. Everything else is found by a full
listing every `LIST_S`. Whoever holds the capture lock stores; a second follower only reads what the first one stored.
"""

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from kaizen import pricing
from kaizen.capture import discover
from kaizen.capture.coverage import LoadReport
from kaizen.capture.git import repository_of
from kaizen.capture.ingest import Enqueue, Ingest
from kaizen.capture.look import TABLES, look
from kaizen.capture.take import read_lines, read_table
from kaizen.config.model import Config
from kaizen.store.lock import capture_lock
from kaizen.store.open import open_store

POLL_S, LIST_S, HOT_S = 0.015, 1.0, 600


def follow(home: Path, env: Mapping[str, str], config: Config, enqueue: Enqueue | None = None) -> Iterator[None]:
    """Yields whenever the store may have changed, at least every second. Runs until closed."""
    while True:
        with capture_lock(home, wait=False) as ours:
            if ours:
                yield from _store(home, env, config, enqueue)
        # Somebody else stores: look often, and take over when they are gone.
        time.sleep(POLL_S)
        yield


def _store(home: Path, env: Mapping[str, str], config: Config, enqueue: Enqueue | None) -> Iterator[None]:
    db = open_store(home, write=True)
    try:
        ingest = Ingest(db, pricing.load(config.prices), repository_of, enqueue)
        hot: dict[str, discover.Found] = {}
        listed = 0.0
        while True:
            began = time.monotonic()
            if began - listed >= LIST_S:
                news = look(db, env, config, whole=not listed)
                todo = news.plan.read
                since_ns = time.time_ns() - HOT_S * 1_000_000_000
                hot |= {file.path: file for file in news.found}
                hot = {path: file for path, file in hot.items() if file.mtime_ns >= since_ns}
                hot |= {file.path: file for file in todo}
                for file in news.tables:
                    read_table(db, file, ingest, LoadReport())
                listed = began
            else:
                hot, todo = _grown(hot.values())
            if todo:
                read_lines(db, todo, sum(file.size for file in todo), ingest, LoadReport(), None)
            yield
            time.sleep(max(0.0, POLL_S - (time.monotonic() - began)))
    finally:
        db.close()


def _grown(hot: Iterable[discover.Found]) -> tuple[dict[str, discover.Found], list[discover.Found]]:
    """(the hot files as they are now, those of them that changed). A vanished one is left to the next listing."""
    now, changed = {}, []
    for file in hot:
        try:
            status = os.stat(file.path, follow_symlinks=False)
        except OSError:
            continue
        if (status.st_size, status.st_ino) != (file.size, file.inode):
            file = discover.found(file.source, file.path, status)
            if file.source not in TABLES:
                changed.append(file)
        now[file.path] = file
    return now, changed


