"""Files and line counts of a patch: the `apply_patch` envelope, and unified diffs.

*** Begin Patch                      --- a/src/x.py
*** Update File: src/x.py            +++ b/src/x.py
@@                                   @@ -1,2 +1,2 @@
-old                                 -old
+new                                 +new
*** End Patch
"""

import re
from collections.abc import Iterator
from typing import Literal

from kaizen.model.event import FileUse

_FILE = re.compile(r"\*\*\* (Add|Update|Delete) File: (.+)")
_MOVE = re.compile(r"\*\*\* Move to: (.+)")
_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_OPS: dict[str, Literal["create", "write", "delete"]] = {"Add": "create", "Update": "write", "Delete": "delete"}


def is_patch(text: str) -> bool:
    return "*** Begin Patch" in text or ("\n+++ " in text and "\n@@ -" in text)


def files_in_patch(text: str) -> Iterator[FileUse]:
    """Every file the patch changes, in order. A file moved is deleted at its old path and created at the new one."""
    if "*** Begin Patch" in text:
        yield from _envelope(text.splitlines())
    elif "+++ " in text:
        yield from _unified(text.splitlines())


def _envelope(lines: list[str]) -> Iterator[FileUse]:
    kind = path = moved_to = None
    added = removed = 0
    for line in [*lines, "*** End Patch"]:
        if line[:1] == "+":
            added += 1
        elif line[:1] == "-":
            removed += 1
        elif line.startswith("*** "):
            if move := _MOVE.match(line):
                moved_to = move[1].strip()
                continue
            header = _FILE.match(line)
            if header is None and not line.startswith("*** End Patch"):
                continue
            if kind and path:
                yield from _changed(kind, path, moved_to, added, removed)
            kind, path = (header[1], header[2].strip()) if header else (None, None)
            moved_to, added, removed = None, 0, 0


def _changed(kind: str, path: str, moved_to: str | None, added: int, removed: int) -> Iterator[FileUse]:
    if moved_to:
        yield FileUse(path=path, op="delete")
        yield FileUse(path=moved_to, op="create", added_lines=added, removed_lines=removed)
    elif kind == "Delete":
        # The envelope does not repeat the content of a deleted file.
        yield FileUse(path=path, op="delete")
    else:
        yield FileUse(path=path, op=_OPS[kind], added_lines=added, removed_lines=removed)


def _unified(lines: list[str]) -> Iterator[FileUse]:
    """Hunk headers say how many lines follow, so a removed line `-- x` is never taken for a file header."""
    old = new = None
    added = removed = old_left = new_left = 0
    for line in [*lines, "--- "]:
        mark = line[:1]
        if old_left > 0 or new_left > 0:
            if mark == "+":
                added, new_left = added + 1, new_left - 1
                continue
            if mark == "-":
                removed, old_left = removed + 1, old_left - 1
                continue
            if mark in ("", " "):
                old_left, new_left = old_left - 1, new_left - 1
                continue
            if mark == "\\":
                continue
        if line.startswith("--- "):
            if old and new:
                yield _diffed(old, new, added, removed)
            old, new, added, removed = line[4:], None, 0, 0
            old_left = new_left = 0
        elif line.startswith("+++ "):
            new = line[4:]
        elif hunk := _HUNK.match(line):
            old_left, new_left = int(hunk[1] or 1), int(hunk[2] or 1)


def _diffed(old: str, new: str, added: int, removed: int) -> FileUse:
    if _bare(new) == "/dev/null":
        return FileUse(path=_bare(old), op="delete", added_lines=added, removed_lines=removed)
    op: Literal["create", "write"] = "create" if _bare(old) == "/dev/null" else "write"
    return FileUse(path=_bare(new), op=op, added_lines=added, removed_lines=removed)


def _bare(name: str) -> str:
    name = name.split("\t")[0].strip().strip('"')
    return name[2:] if name[:2] in ("a/", "b/") else name
