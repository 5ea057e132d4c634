"""Before a read command answers: read what grew. Most of the time nothing did, and that must cost little."""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kaizen.capture.look import look
from kaizen.config.model import Config
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
            return True
        from kaizen.capture.load import store

        return store(home, config, news, enqueue())
