"""The three shapes a source can have. A source is pure: bytes or rows in, drafts out; it opens no file of its own.

`LineSource`      append-only JSONL, read incrementally by `capture.tail`
`DocumentSource`  one small file that is always parsed whole (JSON, text)
`TableSource`     an agent's SQLite database; gets a read-only connection, yields documents that changed
"""

import math
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec

from kaizen.model.event import Draft, Item


class Malformed(ValueError):
    """A line or document that is not what its format promises. `reason` is a stable word for the ledger."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Roots(Protocol):
    """Where a source's data may lie: absolute directories or files, most specific first, whether or not they exist.

    `env` is the process environment and `home` the user's directory; both are handed in so that it stays pure.
    """

    def __call__(self, env: Mapping[str, str], home: str) -> Iterable[str]: ...


class LineReader(msgspec.Struct, frozen=True):
    """`parse(line, at, state)` is called for every complete line in order. `at` is the line's byte offset.

    It must never raise anything but `Malformed` for bytes whatsoever, may change `state`, and may keep nothing else.
    `begin(path)` makes the state of a fresh file.
    `usage(line, at, state)` yields only the `cost` drafts (and SessionDraft) of lines that hold one of
    `usage_marks(state)`; it sees no other line but those before the first such one. Its cost drafts must equal those of
    `parse`: a property test holds it to that. Without marks no line tells usage.
    """

    state: type[Any]
    begin: Callable[[str], Any]
    parse: Callable[[bytes, int, Any], Iterable[Item]]
    usage_marks: Callable[[Any], Sequence[bytes]] = lambda state: ()
    usage: Callable[[bytes, int, Any], Iterable[Item]] = lambda line, at, state: ()


class LineSource(msgspec.Struct, frozen=True):
    """`reader` imports what reads the lines: who only looks whether files grew need not load it."""

    agent: str
    name: str
    roots: Roots
    # Relative path (with `/`) -> is it a transcript of this source? Called for every regular file below a root.
    wants: Callable[[str], bool]
    reader: Callable[[], LineReader]
    # Directory names below a root that never hold transcripts: not even listed.
    prune: frozenset[str] = frozenset()
    # Whether it may hold billed requests.
    tells_usage: bool = True


class DocumentSource(msgspec.Struct, frozen=True):
    """`parse(path, content)` reads a whole small file. Same rules as `LineReader.parse`.

    `part_of`: the source whose settings it follows (further folders, being disabled). The first total waits for such
    files if they may tell usage.
    """

    agent: str
    name: str
    roots: Roots
    wants: Callable[[str], bool]
    parse: Callable[[str, bytes], Iterable[Item]]
    prune: frozenset[str] = frozenset()
    part_of: str | None = None
    tells_usage: bool = True


class TableSource(msgspec.Struct, frozen=True):
    """`read(db, path, since)` yields `(cursor, items)` per conversation that changed after `since` (a source-defined
    JSON value, None at first), in cursor order; the caller stores the last cursor it committed. `db` is opened
    read-only with `query_only`; a missing table or column is not an error of the program: raise `Malformed`."""

    agent: str
    name: str
    roots: Roots
    wants: Callable[[str], bool]
    read: Callable[[sqlite3.Connection, str, Any], Iterator[tuple[Any, list[Item]]]]
    prune: frozenset[str] = frozenset()
    tells_usage: bool = True


Source = LineSource | DocumentSource | TableSource

_decode = msgspec.json.Decoder().decode


def record(line: bytes) -> dict[str, Any]:
    """One JSON object from a line. Raises `Malformed` with `not_json` or `not_an_object`.

    msgspec refuses lone surrogates, NaN and invalid UTF-8; what it refuses gets a second, tolerant chance.
    """
    try:
        value = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = _tolerant(line)
    if type(value) is not dict:
        raise Malformed("not_an_object")
    return value


def _tolerant(line: bytes) -> Any:
    import json

    text = line.decode("utf-8", "replace")
    try:
        value, end = json.JSONDecoder().raw_decode(text.lstrip())
    except (ValueError, RecursionError):
        raise Malformed("not_json") from None
    if text.lstrip()[end:].strip():
        raise Malformed("glued")
    return _scrubbed(value)


def _scrubbed(value: Any, depth: int = 0) -> Any:
    """Lone surrogates replaced, so that every text can be stored as UTF-8. Raises `Malformed` below 500 levels."""
    if depth > 500:
        raise Malformed("too_deep")
    if type(value) is str:
        return value.encode("utf-8", "replace").decode("utf-8")
    if type(value) is list:
        return [_scrubbed(item, depth + 1) for item in value]
    if type(value) is dict:
        return {_scrubbed(key, depth + 1): _scrubbed(item, depth + 1) for key, item in value.items()}
    return value


def as_dict(value: object) -> dict[str, Any]:
    """`value` if it is an object, else an empty one: a field of another type is a field we do not have."""
    return value if type(value) is dict else {}


def as_list(value: object) -> list[Any]:
    return value if type(value) is list else []


def as_text(value: object) -> str | None:
    """A non-empty text, else None."""
    return value if type(value) is str and value else None


def as_count(value: object) -> int | None:
    """A token or item count: a non-negative integer up to 2^53; also floats without fraction and digit strings."""
    if type(value) is int:
        return value if 0 <= value <= 1 << 53 else None
    if type(value) is float and value.is_integer():
        return as_count(int(value))
    if type(value) is str and value.isascii() and value.isdigit() and len(value) <= 16:
        return as_count(int(value))
    return None


_YEAR_2020_MS = 1_577_836_800_000
_EPOCH, _MS = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)


def as_time_ms(value: object) -> int | None:
    """Unix milliseconds from RFC 3339 text, digits, or a number of seconds, milliseconds, micro- or nanoseconds.

    The unit follows from the size. Times before 2020 are missing values in disguise: None.
    """
    if type(value) is str:
        try:
            if len(value) == 24 and value[23] == "Z" and value[19] == "." and value >= "2020":
                # 2026-02-01T10:00:03.100Z, as most write it: in a third of the time
                return (datetime.fromisoformat(value) - _EPOCH) // _MS
            if value.isascii() and value.isdigit() and len(value) < 20:
                return as_time_ms(int(value))
            moment = datetime.fromisoformat(value)
            seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError, TypeError):
            return None
        ms = round(seconds * 1000)
    elif type(value) is int or (type(value) is float and math.isfinite(value)):
        size = abs(value)
        ms = round(value * 1000 if size < 1e12 else value if size <= 1e14 else
                   value / 1e3 if size <= 1e17 else value / 1e6)
    else:
        return None
    return ms if _YEAR_2020_MS <= ms < 1 << 53 else None


__all__ = ["DocumentSource", "Draft", "LineReader", "LineSource", "Malformed", "Source", "TableSource", "as_count",
           "as_dict", "as_list", "as_text", "as_time_ms", "record"]
