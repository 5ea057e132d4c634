"""Opening an agent's SQLite database without leaving a trace in it, while the agent may be writing.

Theory of operation. A plain `mode=ro` connection sees everything that is committed, the `-wal` included. It also
creates `-shm` and `-wal` beside a WAL database that has none, so how we open depends on what lies there:

    rollback journal (header says 1)               read in place
    WAL, `-wal` and `-shm` present                 read in place: the agent is running, or was killed
    WAL, no `-wal` (or an empty one), up to 256 MB  copy to a private folder, read the copy
    the same, but larger                           read in place as immutable: no `-wal` means no connection is open. If
                                                   one turned up while we read, what we read is refused afterwards
    WAL, `-wal` without `-shm`                     copy both, read the copy
    anything that cannot be opened in place        copy database, `-wal` and `-journal`, read the copy (read-only
                                                   medium, hot journal)

A copy is taken again when the files changed meanwhile. `immutable` is never used where a `-wal` has content.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from kaizen.sources.shapes import Malformed

BUSY_TIMEOUT_S = 2.0
COPY_MAX_BYTES = 256 << 20
_COPY_TRIES = 3
# Another file, or another moment, would not help.
_FINAL = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_NOTADB", "SQLITE_CORRUPT")


def stamp(path: str) -> bytes:
    """Of device, inode, size and time of the file, size and time of its `-wal`: equal stamps, equal content. Raises
    OSError."""
    status = os.stat(path)
    return repr((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns,
                 *_size_and_time(f"{path}-wal"))).encode()


@contextlib.contextmanager
def open_foreign(path: str) -> Iterator[sqlite3.Connection]:
    """A read-only connection. Raises OSError when the file cannot be read and `Malformed` for what SQLite refuses, also
    when that happens inside the `with` block; reasons: `sqlite_busy`, `sqlite_notadb`, `missing_table`, ..."""
    with contextlib.ExitStack() as stack:
        try:
            yield _open(path, stack)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            # Python decodes SQLite's messages strictly, and they quote the names of a broken schema.
            raise Malformed(reason_of(error)) from error


def reason_of(error: Exception) -> str:
    said = str(error)
    if said.startswith("no such table"):
        return "missing_table"
    if said.startswith("no such column"):
        return "missing_column"
    return (getattr(error, "sqlite_errorname", None) or "sqlite_error").lower()


def _open(path: str, stack: contextlib.ExitStack) -> sqlite3.Connection:
    has_wal, has_shm = _size_and_time(f"{path}-wal")[0] > 0, os.path.exists(f"{path}-shm")
    if _is_wal(path) and not (has_wal and has_shm):
        if has_wal or os.stat(path).st_size <= COPY_MAX_BYTES:
            return _open_copy(path, stack)
        before = stamp(path)
        stack.callback(_refuse_change, path, before)
        return _connect(path, "mode=ro&immutable=1", stack)
    try:
        return _connect(path, "mode=ro", stack)
    except sqlite3.Error as error:
        if (getattr(error, "sqlite_errorname", None) or "").startswith(_FINAL):
            raise
        return _open_copy(path, stack)


def _connect(path: str, how: str, stack: contextlib.ExitStack) -> sqlite3.Connection:
    uri = f"{Path(path).absolute().as_uri()}?{how}"
    db = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        db.text_factory = lambda data: data.decode("utf-8", "replace")
        db.execute("PRAGMA query_only = 1")
        db.execute("PRAGMA trusted_schema = 0")
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        db.close()
        raise
    stack.callback(db.close)
    return db


def _open_copy(path: str, stack: contextlib.ExitStack) -> sqlite3.Connection:
    """Writable, because a hot journal or a `-wal` of its own is worked in; `query_only` still holds for statements."""
    import shutil
    import tempfile

    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="kaizen-"))
    copy = os.path.join(folder, "copy.db")
    for _ in range(_COPY_TRIES):
        before = stamp(path)
        for suffix in ("", "-wal", "-journal"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(copy + suffix)
            if not suffix or os.path.exists(path + suffix):
                with contextlib.suppress(*([FileNotFoundError] if suffix else [])):
                    shutil.copyfile(path + suffix, copy + suffix)
        if stamp(path) == before:
            return _connect(copy, "mode=rw", stack)
    raise Malformed("changed_while_reading")


def _refuse_change(path: str, before: bytes) -> None:
    if stamp(path) != before:
        raise Malformed("changed_while_reading")


def _is_wal(path: str) -> bool:
    """Bytes 18 and 19 of the header: the file format's write and read version."""
    with open(path, "rb") as file:
        return file.read(20)[18:20] == b"\x02\x02"


def _size_and_time(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return 0, 0
    return status.st_size, status.st_mtime_ns
