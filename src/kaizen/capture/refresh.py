"""Before a read command answers: read what grew. Most of the time nothing did, and that must cost little."""

import contextlib
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kaizen.capture.look import News, keep, look
from kaizen.config.model import Config
from kaizen.errors import KaizenError
from kaizen.store.lock import capture_lock
from kaizen.store.open import database_of, open_store, readable_errors

if TYPE_CHECKING:
    from kaizen.capture.ingest import Enqueue


def refresh(home: Path, env: Mapping[str, str], config: Config,
            enqueue: "Callable[[], Enqueue | None]" = lambda: None) -> bool:
    """Store what is new, without indexing. False when another process is doing just that.

    `enqueue` is asked for only when there is something new.
    """
    with readable_errors(database_of(home)):
        with contextlib.closing(open_store(home)) as db:
            news = look(db, env, config)
        if not news:
            _keep(home, news)
            return True
        from kaizen.capture.load import store

        return store(home, config, news, enqueue())


def _keep(home: Path, news: News) -> None:
    """A listing of everything that found nothing new: it serves the next command, so this one does not wait for it."""
    if news.whole is None or not news.whole.is_better or not database_of(home).exists():
        return
    with contextlib.suppress(KaizenError, sqlite3.Error, OSError), capture_lock(home, wait=False) as ours:
        if ours:
            with contextlib.closing(open_store(home, write=True)) as db:
                keep(db, news)
