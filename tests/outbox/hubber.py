"""A hub as a process: `python hubber.py FOLDER MAX_ITEMS MAX_BYTES [KILL_IN_COMMIT]`. Prints `port token`.

With KILL_IN_COMMIT it dies in its n-th commit, after the items are written and before the idempotency record is.
"""

import os
import signal
import sqlite3
import sys
from pathlib import Path

from kaizen.hub import serve
from kaizen.hub.auth import new_token
from kaizen.hub.hub import Hub
from kaizen.hub.limits import Limits
from kaizen.hub.store.protocol import SCOPES, Settings, Team
from kaizen.hub.store.sqlite import SqliteStore


def main(folder: Path, max_items: int, max_bytes: int, kill_in: int | None) -> None:
    if kill_in is not None:
        _die_in_commit(kill_in)
    store = SqliteStore(folder)
    store.add_team(Team("core", 1, Settings()))
    _, token = new_token(store, "core", list(SCOPES), "", 1)
    hub = Hub(store, Limits(requests_per_minute=0, max_items=max_items, max_body_bytes=max_bytes))
    opened = serve.listen("127.0.0.1", 0)
    print(opened.getsockname()[1], token, flush=True)
    serve.serve(hub, opened, write_log=lambda line: None)


def _die_in_commit(nth: int) -> None:
    """Every connection tells its statements; the record of a key comes after the items of its batch."""
    seen = 0
    real = sqlite3.connect

    def connect(*args: object, **more: object) -> sqlite3.Connection:
        db: sqlite3.Connection = real(*args, **more)  # type: ignore[call-overload]

        def trace(statement: str) -> None:
            nonlocal seen
            if statement.lstrip().upper().startswith("INSERT INTO ANSWERS"):
                seen += 1
                if seen > nth:
                    os.kill(os.getpid(), signal.SIGKILL)

        db.set_trace_callback(trace)
        return db

    sqlite3.connect = connect  # type: ignore[assignment]


if __name__ == "__main__":
    given = sys.argv[1:]
    main(Path(given[0]), int(given[1]), int(given[2]), int(given[3]) if len(given) > 3 else None)
