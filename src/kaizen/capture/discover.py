"""Which files are there: every root of every source, listed without reading any content.

Roots may be symlinks and are resolved once; below a root no link is followed. A file reached twice (two roots, a hard
link) is visited once, by (device, inode).
"""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import NamedTuple

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


class Folder(msgspec.Struct, gc=False, frozen=True):
    """A folder that was listed, as it was just before. `mtime_ns` is 0 when it could not be read."""

    path: str
    # Below its root: "" or with a `/` at its end.
    relative: str
    readers: tuple[str, ...]
    inode: int
    mtime_ns: int


class Misnamed(msgspec.Struct, gc=False, frozen=True):
    """A file or folder whose name is no text. The store could not name it, so it is not read."""

    path: str


# Root -> who reads it, and by which name. Links in it are resolved.
Readers = dict[str, list[tuple[Source, str]]]


def readers_of(sources: Iterable[Source], env: Mapping[str, str], home: str, more: Mapping[str, Sequence[str]] = {}
               ) -> Readers:
    """`more` are further roots by source name."""
    readers: Readers = {}
    for source in sources:
        for wanted in (*source.roots(env, home), *more.get(settings_of(source), ())):
            root = os.path.realpath(f"{home}{wanted[1:]}" if wanted.startswith("~/") else wanted)
            here = readers.setdefault(root, [])
            if source not in (one for one, _ in here):
                here.append((source, wanted))
    return readers


class Everything(NamedTuple):
    # Newest first.
    files: list[Found]
    # Every root with its outcome.
    roots: list[Root]
    # That were listed, parents first.
    folders: list[Folder]
    misnamed: list[Misnamed]


def everything(readers: Readers) -> Everything:
    seen: set[tuple[int, int]] = set()
    files: list[Found] = []
    roots: list[Root] = []
    folders: list[Folder] = []
    misnamed: list[Misnamed] = []
    for root, names in readers.items():
        counts = {source.name: 0 for source, _ in names}
        try:
            for item in below(tuple(source for source, _ in names), root):
                if isinstance(item, Folder):
                    folders.append(item)
                    continue
                if isinstance(item, Misnamed):
                    misnamed.append(item)
                    continue
                identity = (item.dev, item.inode)
                if identity not in seen:
                    seen.add(identity)
                    files.append(item)
                    counts[item.source] += 1
        except FileNotFoundError:
            roots += [Root(source.name, wanted, "missing") for source, wanted in names]
        except OSError as error:
            roots += [Root(source.name, wanted, f"unreadable: {error.strerror or error}") for source, wanted in names]
        else:
            roots += [Root(source.name, wanted, f"{counts[source.name]} files") for source, wanted in names]
    files.sort(key=lambda item: item.mtime_ns, reverse=True)
    return Everything(files, roots, folders, misnamed)


def settings_of(source: Source) -> str:
    """The name under which people set things for a source."""
    return (source.part_of if isinstance(source, DocumentSource) else None) or source.name


def below(sources: tuple[Source, ...], top: str, relative: str = "", *, but: Set[str] = frozenset()
          ) -> Iterator[Found | Folder | Misnamed]:
    """What is in a root, or, with `relative`, in a folder of one; not in the folders `but` below it.

    A file belongs to the first source that wants it. Folders are listed once, however many sources look there.
    """
    status = os.stat(top)
    if stat.S_ISREG(status.st_mode):
        yield found(sources[0].name, top, status)
        return
    pruned = frozenset[str]().union(*(source.prune for source in sources))
    pending = [(top, relative, sources)]
    while pending:
        folder, inside, readers = pending.pop()
        if not readers:
            continue
        names = tuple(one.name for one in readers)
        try:
            status = os.stat(folder)
            entries = os.scandir(folder)
        except OSError:
            if folder == top:
                raise
            yield Folder(folder, inside, names, 0, 0)  # one unreadable folder below a root: the others go on
            continue
        yield Folder(folder, inside, names, status.st_ino, status.st_mtime_ns)
        with entries:
            for entry in entries:
                if not entry.name.isascii() and not _is_text(entry.name):
                    yield Misnamed(entry.path)
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if entry.path not in but:
                        inner = readers
                        if entry.name in pruned:
                            inner = tuple(one for one in readers if entry.name not in one.prune)
                        pending.append((entry.path, f"{inside}{entry.name}/", inner))
                    continue
                name = inside + entry.name
                for source in readers:
                    if source.wants(name) and entry.is_file(follow_symlinks=False):
                        try:
                            yield found(source.name, entry.path, entry.stat(follow_symlinks=False))
                        except OSError:
                            break  # vanished between listing and stat
                        break


def found(source: str, path: str, status: os.stat_result) -> Found:
    return Found(source, path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
