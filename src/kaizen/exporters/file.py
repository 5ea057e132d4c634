"""`file`: one JSON object a line, to look at, to `tail`, or for an agent of another vendor to pick up.

Each line is written at once and whole, under a lock that the command line and the daemon share. A full file is renamed
to `.rotating`, compressed to `.1.gz`, and older ones move on to `.2.gz` ...; a `.rotating` that a crash left behind is
compressed before the next rotation. Links are never followed: not the file, not its lock, not what rotation makes.
"""

import fcntl
import gzip
import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from kaizen.errors import BadConfig
from kaizen.wire import ingest
from kaizen.wire.canonical import NAMES, SCHEMA_VERSION, records, ts_ms
from kaizen.wire.sink import Again, Batch, Done, Exporter, Health, Result, Sink

FILE_NAME = "telemetry.ndjson"
_TOP = 20


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    path: str | None = None
    """Relative to Kaizen's home, or absolute but in no repository. Default: `telemetry.ndjson` there."""
    mode: Literal["items", "summary"] = "items"
    """A line an item, or a line a batch with counts only."""
    max_bytes: Annotated[int, msgspec.Meta(ge=1)] = 64 << 20
    """A file that would grow beyond is compressed and a new one begun."""
    keep: Annotated[int, msgspec.Meta(ge=0, le=100)] = 5
    """Compressed files to keep."""


class FileSink:
    def __init__(self, name: str, path: Path, settings: Settings) -> None:
        self.name = name
        self._path, self._settings = path, settings

    def accepts(self, kind: str) -> bool:
        return kind in NAMES

    async def send(self, batch: Batch) -> Result:
        import asyncio

        content = lines(batch) if self._settings.mode == "items" else summary(batch)
        try:
            await asyncio.to_thread(append, self._path, content, self._settings.max_bytes, self._settings.keep)
        except OSError as error:
            return Again(f"{self._path} cannot be written: {error.strerror or type(error).__name__}")
        return Done()

    async def health(self) -> Health:
        import asyncio

        try:
            await asyncio.to_thread(append, self._path, b"", self._settings.max_bytes, self._settings.keep)
        except OSError as error:
            return Health(False, f"{self._path} cannot be written: {error.strerror or type(error).__name__}")
        return Health(True, f"{self._path} can be written")

    async def close(self) -> None:
        pass


def lines(batch: Batch) -> bytes:
    own = {"batch_id": batch.batch_id, "emitted_at_ms": batch.now_ms}
    return b"".join(msgspec.json.encode({**record, **own}) + b"\n" for record in records(batch))


def summary(batch: Batch) -> bytes:
    """Counts only. The tallies name what occurs most."""
    times = [ts_ms(item, batch.now_ms) for item in batch.items]
    sessions = {one for item in batch.items if (one := getattr(item, "session_id_hash", None))}
    found: dict[str, Any] = {
        "kaizen_schema_version": SCHEMA_VERSION,
        "batch_id": batch.batch_id,
        "batch_kind": batch.kind,
        "item_count": len(batch.items),
        "emitted_at_ms": batch.now_ms,
        **msgspec.to_builtins(batch.envelope),
        "session_id_count": len(sessions),
        "ts_ms_min": min(times, default=None),
        "ts_ms_max": max(times, default=None),
    }
    if batch.kind == "events":
        events = [item for item in batch.items if isinstance(item, ingest.Event)]
        found["kind_tally"] = _tally([event.kind for event in events])
        found["source_tally"] = _tally([event.source for event in events])
    return msgspec.json.encode(found) + b"\n"


def append(path: Path, content: bytes, max_bytes: int, keep: int) -> None:
    """Raises `OSError`, also for a path that leads through a link or to one with other names."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = _opened(path.with_name(f"{path.name}.lock"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        file = _opened(path)
        size = os.fstat(file).st_size
        if size and size + len(content) > max_bytes:
            os.close(file)
            _rotate(path, keep)
            file = _opened(path)
        try:
            _write(file, content)
        finally:
            os.close(file)
    finally:
        os.close(lock)


def _opened(path: Path) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        os.close(descriptor)
        raise OSError(0, "it is no plain file, or has a second name")
    return descriptor


def _write(file: int, content: bytes) -> None:
    """All of it or nothing: a disk that fills up leaves no half line."""
    before, view = os.fstat(file).st_size, memoryview(content)
    try:
        while view:
            view = view[os.write(file, view) :]
    except OSError:
        os.ftruncate(file, before)
        raise


def _rotate(path: Path, keep: int) -> None:
    full = path.with_name(f"{path.name}.rotating")
    if full.exists():
        _compress(full, path, keep)
    os.rename(path, full)
    _compress(full, path, keep)


def _compress(full: Path, path: Path, keep: int) -> None:
    def numbered(number: int) -> Path:
        return path.with_name(f"{path.name}.{number}.gz")

    if keep:
        unfinished = path.with_name(f"{path.name}.gz.unfinished")
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        source_of = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(source_of, "rb") as source, open(descriptor, "wb") as raw, gzip.open(raw, "wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        for number in range(keep - 1, 0, -1):
            if numbered(number).exists():
                numbered(number).replace(numbered(number + 1))
        unfinished.replace(numbered(1))
    full.unlink()


def _tally(words: list[str]) -> dict[str, int]:
    from collections import Counter

    counts = sorted(Counter(words).items(), key=lambda one: (-one[1], one[0]))
    return dict(counts[:_TOP])


def resolved(name: str, settings: Settings, home: str) -> Path:
    """Where the lines go. Raises `BadConfig` for a path out of the home that says it is in it, for one inside a
    repository (it would be committed), and for a link."""
    said = Path(os.path.expanduser(settings.path or FILE_NAME))
    if ".." in said.parts:
        raise BadConfig(f"Exporter {name}: path must not contain '..'.", hint="Write it as an absolute path.",
                        key="path")
    path = said if said.is_absolute() else Path(home) / said
    if path.is_symlink() or path.is_dir():
        raise BadConfig(f"Exporter {name}: {path} is a {'link' if path.is_symlink() else 'folder'}.",
                        hint="Name a file.", key="path")
    if said.is_absolute() and (repository := _repository(path)):
        raise BadConfig(f"Exporter {name}: {path} is inside the repository {repository}.",
                        hint="Choose a place outside, or leave path away.", key="path")
    return path


def _repository(path: Path) -> Path | None:
    """The repository around a path, also when a link leads there."""
    folders = [*path.parents, *path.parent.resolve().parents, path.parent.resolve()]
    return next((folder for folder in folders if (folder / ".git").exists()), None)


def _open(name: str, settings: Settings, env: Mapping[str, str], home: str, salt: bytes) -> Sink:
    return FileSink(name, resolved(name, settings, home), settings)


EXPORTER = Exporter("file", "Lines of JSON in a file, rotated and compressed.", Settings, _open)
