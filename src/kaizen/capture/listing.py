"""What a full listing found, kept so that the next look lists only folders that changed.

A folder whose time and inode are as they were holds the same names; whether a file grew only its own `stat` tells. So a
look costs one `stat` for each folder and file, which is a third of listing them and comparing each with its cursor.
What differs goes the ordinary way, file by file; the listing itself is renewed when that becomes many.

A folder that changed in the two seconds before it was listed may change again without its time saying so, and one that
could not be read may become readable: both are listed each time. A file that is not all in the store, or whose size and
time do not tell whether it changed, is compared with its cursor each time.
"""

import contextlib
import os
import stat
from array import array
from collections.abc import Iterable, Sequence, Set
from typing import Literal

import msgspec

from kaizen import __version__
from kaizen.capture import discover
from kaizen.capture.discover import Folder, Found, Readers
from kaizen.sources import by_name
from kaizen.sources.shapes import Source

# Bump when a source's `wants` or `prune` changes between two versions, or what a listing is made of.
RULES = 2
UNSURE_NS = 2_000_000_000
# More files than this to be looked at one by one: better list everything again.
MANY = 200
# More files and folders than this are asked by two processes.
SHARED = 10_000


class Files(msgspec.Struct, array_like=True):
    """By column, numbers as they are in memory: 40,000 files are decoded in 5 ms, as many objects would take 30."""

    # As the system spells them, each with a NUL behind it.
    paths: bytes
    # Index in `Listing.sources`, a byte each.
    sources: bytes
    devices: bytes
    inodes: bytes
    # -1: to be compared each time.
    sizes: bytes
    times_ns: bytes


class Folders(msgspec.Struct, array_like=True):
    paths: bytes
    # How much of the path, with a `/` behind it, is below the root.
    relatives: bytes
    # Index in `Listing.readers`, a byte each.
    readers: bytes
    inodes: bytes
    # 0: to be listed each time.
    times_ns: bytes


class Listing(msgspec.Struct, array_like=True):
    sources: list[str]
    # Sources that look at the same folders.
    readers: list[tuple[str, ...]]
    files: Files
    folders: Folders
    missing_roots: list[bytes]
    # Greatest id that a file had in the store.
    last_file_id: int


class Changes(msgspec.Struct):
    """Files to be compared with their cursors, and paths that are no files any more."""

    found: list[Found]
    vanished: list[str]


def key_of(readers: Readers) -> str:
    """Listings of other versions, roots or settings do not fit."""
    named = [(os.fsencode(root), [source.name for source, _ in names]) for root, names in readers.items()]
    return msgspec.json.encode([__version__, RULES, named]).decode()


def listing_of(found: Sequence[Found], unread: Set[str], folders: Sequence[Folder], missing_roots: Iterable[str],
               began_ns: int, last_file_id: int) -> Listing:
    """`unread`: paths of files that need a look whether they change or not. `began_ns`: before folders were listed."""
    sure_ns = began_ns - UNSURE_NS
    sources = sorted({file.source for file in found})
    readers = sorted({folder.readers for folder in folders})
    files = Files(
        _joined(file.path for file in found), bytes(sources.index(file.source) for file in found),
        _packed((_64_bits(file.dev) for file in found), "Q"), _packed((_64_bits(file.inode) for file in found), "Q"),
        _packed(-1 if file.path in unread else file.size for file in found), _packed(file.mtime_ns for file in found))
    here = Folders(
        _joined(folder.path for folder in folders), _packed(len(folder.relative) for folder in folders),
        bytes(readers.index(folder.readers) for folder in folders),
        _packed((_64_bits(folder.inode) for folder in folders), "Q"),
        _packed(folder.mtime_ns if folder.mtime_ns < sure_ns else 0 for folder in folders))
    return Listing(sources, readers, files, here, [os.fsencode(root) for root in missing_roots], last_file_id)


encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Listing).decode


def decoded(body: bytes | None) -> Listing | None:
    """None where there is none that this program understands."""
    try:
        return None if body is None else _decode(body)
    except msgspec.DecodeError:
        return None


def changes(listing: Listing, later: Iterable[str]) -> Changes | None:
    """What is not as it was. None when that takes a listing of everything. `later`: files that the store met since."""
    if any(map(os.path.lexists, listing.missing_roots)):
        return None
    files, folders = listing.files, listing.folders
    count = len(files.sources)
    differing = _differing_by_two(listing)
    paths = _split(files.paths) if differing else []
    changed: dict[str, Found] = {}
    vanished: list[str] = []
    for at in differing:
        if at < count:
            name = os.fsdecode(paths[at])
            if file := _there(name, listing.sources[files.sources[at]]):
                changed[name] = file
            else:
                vanished.append(name)
    if relisted := [at - count for at in differing if at >= count]:
        folder_paths, lengths = _split(folders.paths), _numbers(folders.relatives)
        known = _Known(files, paths, folder_paths, {*changed, *vanished})
        for at in relisted:
            if len(changed) > MANY:
                return None
            path, below = os.fsdecode(folder_paths[at]), lengths[at]
            readers = tuple(map(by_name, listing.readers[folders.readers[at]]))
            _list_again(path, f"{path}/"[-below:] if below else "", readers, known, changed)
    if len(changed) > MANY:
        return None
    vanished += [path for path in later if path not in changed and not os.path.isfile(path)]
    return Changes(list(changed.values()), [path for path in vanished if path not in changed])


def _differing(listing: Listing, start: int, end: int) -> list[int]:
    """Places, of `start` to `end`, of what is not as it was, or not at all; folders stand behind the files."""
    files, folders = listing.files, listing.folders
    count = len(files.sources)
    here, there = slice(min(start, count), min(end, count)), slice(max(0, start - count), max(0, end - count))
    paths = [*_split(files.paths)[here], *_split(folders.paths)[there]]
    inodes = [*_numbers(files.inodes, "Q", here), *_numbers(folders.inodes, "Q", there)]
    sizes = [*_numbers(files.sizes, "q", here), *[None] * (there.stop - there.start)]
    times_ns = [*_numbers(files.times_ns, "q", here), *_numbers(folders.times_ns, "q", there)]
    differing, lstat = [], os.lstat
    for at, (path, inode, size, time_ns) in enumerate(zip(paths, inodes, sizes, times_ns, strict=True), start):
        try:
            now = lstat(path)
        except OSError:
            differing.append(at)
            continue
        if now.st_mtime_ns != time_ns or now.st_ino != inode or (size is not None and now.st_size != size):
            differing.append(at)
    return differing


def _differing_by_two(listing: Listing) -> list[int]:
    """`_differing` of all. Much is shared with another process: the system answers two at once, Python does not."""
    count = len(listing.files.sources) + len(listing.folders.readers)
    if count < SHARED:
        return _differing(listing, 0, count)
    from kaizen.capture.workers import may_fork

    if not may_fork():
        return _differing(listing, 0, count)
    half = count // 2
    answer, theirs = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            with open(theirs, "wb") as pipe:
                pipe.write(_packed(_differing(listing, half, count)))
            code = 0
        finally:
            os._exit(code)
    os.close(theirs)
    differing = _differing(listing, 0, half)
    with open(answer, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    return differing + (_differing(listing, half, count) if status else _numbers(said))


def _there(path: str, source: str) -> Found | None:
    with contextlib.suppress(OSError):
        now = os.lstat(path)
        if stat.S_ISREG(now.st_mode):
            return discover.found(source, path, now)
    return None


class _Known:
    """What need not be found again."""

    def __init__(self, files: Files, paths: Iterable[bytes], folders: Iterable[bytes], but: Set[str]) -> None:
        names = [os.fsdecode(path) for path in paths]
        self.folders = frozenset(map(os.fsdecode, folders))
        self.paths = set(names) - but
        # A hard link to a file that is there is no other file.
        self.identities = {(device, inode) for name, device, inode in zip(
            names, _numbers(files.devices, "Q"), _numbers(files.inodes, "Q"), strict=True) if name in self.paths}


def _list_again(path: str, relative: str, readers: tuple[Source, ...], known: _Known, changed: dict[str, Found]
                ) -> None:
    with contextlib.suppress(OSError):  # vanished, or not readable any more: its parent and its files say so
        for item in discover.below(readers, path, relative, but=known.folders):
            if isinstance(item, Found) and item.path not in known.paths and (
                    item.dev, item.inode) not in known.identities:
                changed[item.path] = item


def _joined(texts: Iterable[str]) -> bytes:
    return b"".join(os.fsencode(text) + b"\0" for text in texts)


def _split(texts: bytes) -> list[bytes]:
    return texts.split(b"\0")[:-1]


def _packed(numbers: Iterable[int], kind: Literal["q", "Q"] = "q") -> bytes:
    return array(kind, numbers).tobytes()


def _numbers(packed: bytes, kind: Literal["q", "Q"] = "q", part: slice = slice(None)) -> list[int]:
    return array(kind, packed)[part].tolist()


def _64_bits(number: int) -> int:
    """Some file systems of Windows have longer ones; there every file is compared with its cursor."""
    return number & (1 << 64) - 1
