"""The chat store of Cursor's command line: `~/.cursor/chats/<md5 of workspace path>/<conversation>/store.db`.

    meta(key, value)   value is hex of JSON {"agentId", "name", "createdAt", "lastUsedModel", "latestRootBlobId"}
    blobs(id, data)    content-addressed; messages are JSON {"role", "content", "id"}, everything else protobuf

The root blob lists the messages in order: field 1 a message's id (32 bytes), field 2 a blob that lists further ones.
What the root does not reach was edited away or summarised; only without a readable root are all messages taken, as
written.
No times and no tokens: the counts in the root are the fill of the context window, not use.
Keys begin with `alt2:` (see `cursor`). Not documented by Cursor; seen in 2025 and 2026 stores.
"""

import binascii
import re
import sqlite3
import zlib
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

from kaizen.model.event import Draft, Item, SessionDraft
from kaizen.sources import cursor
from kaizen.sources.cursor import MAX_VALUE, rows
from kaizen.sources.shapes import Malformed, as_dict, as_text, as_time_ms, record

_MAX_MESSAGES, _MAX_DEPTH, _MAX_META = 100_000, 32, 100
_UNNAMED = frozenset(("New Agent", "New Chat", "Untitled"))
_WORKSPACE = re.compile(r"^Workspace Path: (.{1,4096})$", re.MULTILINE)

Message = tuple[str, dict[str, Any]]


def read(db: sqlite3.Connection, path: str, since: Any) -> Iterator[tuple[Any, list[Item]]]:
    """One conversation; the cursor is a digest of its meta rows and the number of its blobs."""
    said, digest = _meta(db)
    count = next(rows(db, "SELECT count(*) FROM blobs"))[0]
    mark = [digest, count]
    if since == mark:
        return
    folders = path.replace("\\", "/").split("/")
    session = as_text(said.get("agentId")) or (folders[-2] if len(folders) > 1 else folders[-1])
    root = _blob(db, as_text(said.get("latestRootBlobId")) or "")
    messages = list(_listed(db, root)) or list(_all(db))
    items: list[Item] = list(_drafts(session, messages, cursor.model_of(said.get("lastUsedModel"))))
    if any(type(item) is Draft for item in items):
        name = as_text(said.get("name"))
        items.append(SessionDraft(
            session, model=cursor.model_of(said.get("lastUsedModel")), title=None if name in _UNNAMED else name,
            started_at_ms=as_time_ms(said.get("createdAt")),
            workspace=_workspace(folders[-3] if len(folders) > 2 else "", root, messages)))
        yield mark, items
    else:
        yield mark, []


def _meta(db: sqlite3.Connection) -> tuple[dict[str, Any], int]:
    said: dict[str, Any] = {}
    digest = 0
    query = "SELECT CAST(value AS BLOB) FROM meta WHERE length(value) <= ? ORDER BY key LIMIT ?"
    for (value,) in rows(db, query, MAX_VALUE, _MAX_META):
        digest = zlib.crc32(value or b"", digest)
        try:
            said.update(record(binascii.unhexlify(value) if value[:1] != b"{" else value))
        except (binascii.Error, TypeError, Malformed):
            continue
    return said, digest


def _blob(db: sqlite3.Connection, blob_id: str) -> bytes:
    found = next(rows(db, "SELECT CAST(data AS BLOB) FROM blobs WHERE id = ? AND length(data) <= ?",
                      blob_id, MAX_VALUE), None)
    return found[0] if found and found[0] else b""


def _message(data: bytes) -> dict[str, Any] | None:
    if data[:1] != b"{":
        return None
    try:
        said = record(data)
    except Malformed:
        return None
    return said if as_text(said.get("role")) else None


def _listed(db: sqlite3.Connection, root: bytes) -> Iterator[Message]:
    """The messages a root reaches, in its order. A message that is listed twice was said twice."""
    lists, opened, taken = [(root, iter(tuple(fields(root))))], set[str](), set[str]()
    left = _MAX_MESSAGES
    while lists and left:
        number, value = next(lists[-1][1], (0, b""))
        if not number:
            lists.pop()
            continue
        if number not in (1, 2) or len(value) != 32:
            continue
        left -= 1
        blob_id = value.hex()
        if number == 1 and (len(lists) == 1 or blob_id not in taken):
            if (message := _message(_blob(db, blob_id))) is not None:
                taken.add(blob_id)
                yield blob_id, message
        elif number == 2 and blob_id not in opened and len(lists) < _MAX_DEPTH:
            opened.add(blob_id)
            data = _blob(db, blob_id)
            lists.append((data, iter(tuple(fields(data)))))


def _all(db: sqlite3.Connection) -> Iterator[Message]:
    query = "SELECT CAST(id AS TEXT), CAST(data AS BLOB) FROM blobs WHERE length(data) <= ? ORDER BY rowid LIMIT ?"
    for blob_id, data in rows(db, query, MAX_VALUE, _MAX_MESSAGES):
        if (message := _message(data or b"")) is not None:
            yield str(blob_id), message


def fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """`(number, content)` of the length-delimited fields of a protobuf message, up to the first byte that is none."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if number <= 0:
            return
        if wire == 0:
            size, at = _varint(data, at)
            if size < 0:
                return
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        elif wire == 2:
            size, at = _varint(data, at)
            if size < 0 or at + size > len(data):
                return
            yield number, data[at : at + size]
            at += size
        else:
            return


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """`(value, next offset)`; the value is -1 when there is none."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        byte, at = data[at], at + 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    return -1, len(data)


def _drafts(session: str, messages: list[Message], model: str | None) -> Iterator[Item]:
    calls = cursor.Calls()
    times = Counter[str]()
    for blob_id, said in messages:
        place = cursor.Place(f"alt2:{session}:{blob_id}.{times[blob_id]}", session, as_time_ms(said.get("timestamp")),
                             model if said["role"] == "assistant" else None)
        times[blob_id] += 1
        yield from cursor.blocks(said.get("content"), said["role"], place, calls)


def _workspace(folder: str, root: bytes, messages: list[Message]) -> str | None:
    """The folder is the MD5 of the path, so any text that hashes to it is the path and nothing else is."""
    for _, value in fields(root):
        if len(value) < 4096 and _is_hash(path := _path(value.decode("utf-8", "replace")), folder):
            return path
    for _, said in messages[:4]:
        content = said.get("content")
        texts = [content] if type(content) is str else [as_dict(part).get("text") for part in content or ()
                                                        ] if type(content) is list else []
        for text in texts:
            if type(text) is str and (found := _WORKSPACE.search(text)) and _is_hash(path := found[1].strip(), folder):
                return path
    return None


def _path(text: str) -> str:
    if not text.startswith("file://"):
        return text
    try:
        path = unquote(urlsplit(text).path)
    except ValueError:
        return text
    return path[1:] if path[2:3] == ":" else path


def _is_hash(path: str, folder: str) -> bool:
    import hashlib  # 3 ms for OpenSSL, which commands that only look for news need not spend

    return hashlib.md5(path.encode("utf-8", "replace"), usedforsecurity=False).hexdigest() == folder
