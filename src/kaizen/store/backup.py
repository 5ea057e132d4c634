"""A weekly copy of the store. Agents delete their transcripts after weeks; the history here is then the only one."""

import contextlib
import os
from pathlib import Path
from sqlite3 import Connection

from kaizen.store import meta

WEEK_MS = 7 * 86_400_000
KEPT = 2


def weekly(db: Connection, home: Path, now_ms: int) -> Path | None:
    """Write `backup/kaizen-<ms>.db` when the last one is a week old; keeps the newest two. None when not due.

    The first one is due a week after the store was made: until then everything can be read again.
    """
    last = meta.get(db, "last_backup_ms")
    if last is None or now_ms - int(last) < WEEK_MS:
        if last is None:
            meta.put(db, "last_backup_ms", str(now_ms))
        return None
    folder = home / "backup"
    folder.mkdir(mode=0o700, exist_ok=True)
    made = folder / f"kaizen-{now_ms}.db"
    unfinished = folder / f"kaizen-{now_ms}.part"
    db.execute("VACUUM INTO ?", (str(unfinished),))
    os.chmod(unfinished, 0o600)
    os.replace(unfinished, made)
    meta.put(db, "last_backup_ms", str(now_ms))
    for old in sorted(folder.glob("kaizen-*.db"))[:-KEPT]:
        with contextlib.suppress(OSError):
            old.unlink()
    return made
