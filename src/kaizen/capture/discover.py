"""Which files are there: every root of every source, listed without reading any content.

Roots may be symlinks and are resolved once; below a root no link is followed. A file reached twice (two roots, a hard
link) is visited once, by (device, inode).
"""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from kaizen.sources.shapes import Source


class Found(msgspec.Struct, gc=False, frozen=True):
    source: str
    path: str
    dev: int
    inode: int
    size: int
    mtime_ns: int


class Root(msgspec.Struct, frozen=True):
    """One place a source looks at, and what came of it: `found`, `missing` or the reason it cannot be read."""

    source: str
    path: str
    outcome: str


def files(sources: Iterable[Source], env: Mapping[str, str], home: str, more: Mapping[str, Sequence[str]] = {}
          ) -> tuple[list[Found], list[Root]]:
    """All transcripts, newest first, and every root with its outcome. `more` are further roots by source name."""
    seen: set[tuple[int, int]] = set()
    found: list[Found] = []
    roots: list[Root] = []
    for source in sources:
        tried: set[str] = set()
        for wanted in (*source.roots(env, home), *more.get(source.name, ())):
            root = os.path.realpath(f"{home}{wanted[1:]}" if wanted.startswith("~/") else wanted)
            if root in tried:
                continue
            tried.add(root)
            before = len(found)
            try:
                for item in _below(source, root):
                    identity = (item.dev, item.inode)
                    if identity not in seen:
                        seen.add(identity)
                        found.append(item)
            except FileNotFoundError:
                roots.append(Root(source.name, wanted, "missing"))
            except OSError as error:
                roots.append(Root(source.name, wanted, f"unreadable: {error.strerror or error}"))
            else:
                roots.append(Root(source.name, wanted, f"{len(found) - before} files"))
    found.sort(key=lambda item: item.mtime_ns, reverse=True)
    return found, roots


def _below(source: Source, root: str) -> Iterator[Found]:
    status = os.stat(root)
    if stat.S_ISREG(status.st_mode):
        yield _found(source, root, status)
        return
    pending = [(root, "")]
    while pending:
        folder, relative = pending.pop()
        try:
            entries = os.scandir(folder)
        except OSError:
            if not relative:
                raise
            continue  # one unreadable folder below a root: the others go on
        with entries:
            for entry in entries:
                name = f"{relative}/{entry.name}" if relative else entry.name
                if entry.is_dir(follow_symlinks=False):
                    if entry.name not in source.prune:
                        pending.append((entry.path, name))
                elif source.wants(name) and entry.is_file(follow_symlinks=False):
                    try:
                        yield _found(source, entry.path, entry.stat(follow_symlinks=False))
                    except OSError:
                        continue  # vanished between listing and stat


def _found(source: Source, path: str, status: os.stat_result) -> Found:
    return Found(source.name, path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
