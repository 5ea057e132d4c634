"""File uses -> rows of `files_touched`: paths made relative to the workspace, counts that add up.

Everything is textual: links are not followed, nothing is looked up, because the machine that wrote the transcript may
be another one. A path outside the workspace stays absolute (or begins with `~` or `..` when its root is not known).
"""

import posixpath
import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote

import msgspec

from kaizen.model.event import FileUse

_WINDOWS = re.compile(r"(?:[A-Za-z]:[\\/]|\\\\)")
_MAX_CHARS = 4096


class FileRow(msgspec.Struct, frozen=True):
    """An increment of one row of `files_touched`. `merged` says how two of them become one."""

    path: str
    op: str
    is_outside: bool
    is_guess: bool
    times: int
    added_lines: int | None
    removed_lines: int | None
    first_ms: int
    last_ms: int


def merged(a: FileRow, b: FileRow) -> FileRow:
    """Counts add up, times widen, one certain use makes the row certain, and unknown plus known is what is known."""
    return FileRow(
        a.path, a.op, a.is_outside, a.is_guess and b.is_guess, a.times + b.times,
        _sum(a.added_lines, b.added_lines), _sum(a.removed_lines, b.removed_lines),
        min(a.first_ms, b.first_ms), max(a.last_ms, b.last_ms),
    )  # fmt: skip


Rows = dict[tuple[str, str], FileRow]


def add(rows: Rows, uses: Iterable[FileUse], root: str, ts_ms: int) -> None:
    for use in uses:
        place = placed(use.path, root)
        if place is None:
            continue
        path, is_outside = place
        new = FileRow(path, use.op, is_outside, use.is_guess, 1, use.added_lines, use.removed_lines, ts_ms, ts_ms)
        old = rows.get((path, use.op))
        rows[path, use.op] = merged(old, new) if old else new


@lru_cache(maxsize=4096)
def placed(path: str, root: str) -> tuple[str, bool] | None:
    """`(path, is_outside)`: POSIX, relative to `root` when it lies below it. None for what cannot be a path.

    `root` is the workspace as its agent wrote it, or '' when unknown; then nothing absolute can be inside.
    """
    if path.startswith("file://"):
        path = unquote(path[7:])
        if re.match(r"/[A-Za-z]:", path):
            path = path[1:]
    if not path or len(path) > _MAX_CHARS or "\n" in path or "\0" in path or "://" in path:
        return None
    is_windows = _WINDOWS.match(root or path) is not None
    if not is_windows and _WINDOWS.match(path):
        return _posix(path, True), True
    path, root = _posix(path, is_windows), _posix(root, is_windows)
    if path[:1] == "~":
        return path, True
    if not _is_absolute(path):
        if not root:
            return path, path == ".." or path.startswith("../")
        path = _posix(f"{root}/{path}", is_windows)
    if not root:
        return path, True
    a, b = (path.lower(), root.lower()) if is_windows else (path, root)
    if a == b:
        return ".", False
    base = b.rstrip("/") + "/"
    return (path[len(base) :], False) if a.startswith(base) else (path, True)


def _posix(path: str, is_windows: bool) -> str:
    if not path:
        return ""
    path = posixpath.normpath(path.replace("\\", "/") if is_windows else path)
    # POSIX keeps two leading slashes; to us they are one, except in a Windows share.
    return path[1:] if path.startswith("//") and not is_windows else path


def _is_absolute(path: str) -> bool:
    return path[:1] == "/" or path[1:3] == ":/"


def _sum(a: int | None, b: int | None) -> int | None:
    return b if a is None else a if b is None else a + b
