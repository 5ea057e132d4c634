"""Which files are there: every root of every source, listed without reading any content.

Roots may be symlinks and are resolved once; below a root no link is followed. A file reached twice (two roots, a hard
link) is visited once, by (device, inode).
"""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from kaizen.sources.shapes import DocumentSource, Source


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
    readers: dict[str, list[tuple[Source, str]]] = {}  # root -> who reads it, and by which name
    for source in sources:
        for wanted in (*source.roots(env, home), *more.get(settings_of(source), ())):
            root = os.path.realpath(f"{home}{wanted[1:]}" if wanted.startswith("~/") else wanted)
            here = readers.setdefault(root, [])
            if source not in (one for one, _ in here):
                here.append((source, wanted))
    seen: set[tuple[int, int]] = set()
    found: list[Found] = []
    roots: list[Root] = []
    for root, names in readers.items():
        counts = {source.name: 0 for source, _ in names}
        try:
            for item in _below(tuple(source for source, _ in names), root):
                identity = (item.dev, item.inode)
                if identity not in seen:
                    seen.add(identity)
                    found.append(item)
                    counts[item.source] += 1
        except FileNotFoundError:
            roots += [Root(source.name, wanted, "missing") for source, wanted in names]
        except OSError as error:
            roots += [Root(source.name, wanted, f"unreadable: {error.strerror or error}") for source, wanted in names]
        else:
            roots += [Root(source.name, wanted, f"{counts[source.name]} files") for source, wanted in names]
    found.sort(key=lambda item: item.mtime_ns, reverse=True)
    return found, roots


def settings_of(source: Source) -> str:
    """The name under which people set things for a source."""
    return (source.part_of if isinstance(source, DocumentSource) else None) or source.name


def _below(sources: tuple[Source, ...], root: str) -> Iterator[Found]:
    """A file belongs to the first source that wants it. Folders are listed once, however many sources look there."""
    status = os.stat(root)
    if stat.S_ISREG(status.st_mode):
        yield _found(sources[0].name, root, status)
        return
    pruned = frozenset[str]().union(*(source.prune for source in sources))
    pending = [(root, "", sources)]
    while pending:
        folder, relative, readers = pending.pop()
        if not readers:
            continue
        try:
            entries = os.scandir(folder)
        except OSError:
            if not relative:
                raise
            continue  # one unreadable folder below a root: the others go on
        with entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    inner = readers
                    if entry.name in pruned:
                        inner = tuple(one for one in readers if entry.name not in one.prune)
                    pending.append((entry.path, f"{relative}{entry.name}/", inner))
                    continue
                name = relative + entry.name
                for source in readers:
                    if source.wants(name) and entry.is_file(follow_symlinks=False):
                        try:
                            yield _found(source.name, entry.path, entry.stat(follow_symlinks=False))
                        except OSError:
                            break  # vanished between listing and stat
                        break


def _found(source: str, path: str, status: os.stat_result) -> Found:
    return Found(source, path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
