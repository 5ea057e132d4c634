"""Reading one transcript from where we left it. Runs in parser processes; touches no database.

Theory of operation. A file's `Cursor` says how far its bytes are in the store (`offset`, always just behind a newline),
who it was (device, inode, a hash of its head), what stood before the offset (a hash of up to 256 bytes), and the state
of its parser there. `chunks` compares that with the file and reads on, or from the start:

    same inode, grown, hash before offset equal        read from offset
    same inode, shorter, or that hash differs          rewritten: from 0, and the old rows go (`replaces`)
    other inode, head and hash before offset equal     copied and appended (atomic rewrite): read from offset
    other inode, anything else                         rotated: from 0, rows replaced
    only the time changed                              nothing

Only whole lines are consumed. What follows the last newline is left for later; when the file has been silent for two
seconds and the rest is a complete record, it is parsed too, but the cursor stays before it: its keys make the repeat
harmless when the newline arrives.

Memory is bounded by one line (`MAX_LINE`) and one batch. A longer line is skipped and noted with its size.
"""

import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import msgspec

from kaizen.capture.ledger import Ledger
from kaizen.capture.lines import MAX_LINE, Clock, glued, opened
from kaizen.capture.payload import BLOCK_BYTES, Block, block_of, fitted
from kaizen.derive.facts import extract
from kaizen.model.event import Draft, Facts, Ignored, Item, SessionDraft, Unknown
from kaizen.sources.shapes import DocumentSource, LineReader, LineSource, Malformed, record

BLOCK = 1 << 20
HEAD, TAIL = 4096, 256
BATCH_DRAFTS = 500
BATCH_BYTES = 1 << 20
SILENT_S = 2.0


class Cursor(msgspec.Struct, array_like=True):
    path: str
    source: str
    dev: int = 0
    inode: int = 0
    size: int = 0
    mtime_ns: int = 0
    offset: int = 0
    rest: bool = False
    head_hash: bytes = b""
    tail_hash: bytes = b""
    state: bytes = b""


class Parsed(msgspec.Struct, gc=False, array_like=True):
    """A draft ready to be stored: its payload packed, its facts extracted, its place in the file."""

    draft: Draft
    at: int
    ts_exact: bool
    # The payload as JSON; None once it is in a block.
    body: bytes | None
    facts: Facts | None
    # Name of a lifecycle event.
    event: str | None = None
    # Where the payload is in the blocks of its batch; a length of 0 is no payload.
    block: int = 0
    start: int = 0
    length: int = 0


class Batch(msgspec.Struct, array_like=True):
    """Some lines of one file. Ingest stores `cursor` in the same transaction as the rows."""

    cursor: Cursor
    ledger: Ledger
    origin_ms: int | None
    items: list[Parsed]
    sessions: list[SessionDraft]
    # The file was rewritten: what it said before is void. Set on the first batch of a file only.
    replaces: bool = False
    # Payloads of the items, see `capture.payload`.
    blocks: list[Block] = []


def chunks(source: LineSource | DocumentSource, cursor: Cursor, ledger: Ledger, *, now_ms: int) -> Iterator[Batch]:
    """The new content of one file, in order. Raises OSError when it cannot be read."""
    with opened(cursor.path) as descriptor:
        status = os.fstat(descriptor)
        if isinstance(source, DocumentSource):
            yield from _document(source, descriptor, status, cursor, ledger, now_ms)
        else:
            yield from _Lines(source, descriptor, status, cursor, ledger, now_ms).run()


class _Lines:
    def __init__(self, source: LineSource, descriptor: int, status: os.stat_result, cursor: Cursor, ledger: Ledger,
                 now_ms: int) -> None:
        self._reader, self._file, self._status, self._now_ms = source.reader(), descriptor, status, now_ms
        head = os.pread(descriptor, HEAD, 0)
        known = cursor if cursor.size >= 0 else msgspec.structs.replace(cursor, offset=-1 - cursor.size)  # rewound
        self._replaces = known.offset > 0 and not _continues(descriptor, status, known, head)
        saved = None if self._replaces or cursor.offset == 0 else _saved(self._reader, cursor.state)
        self._clock, self._state = saved or (Clock(), self._reader.begin(cursor.path))
        self._offset, self._ledger = (cursor.offset, ledger) if saved else (0, Ledger())
        self._head_hash = _hash(head)
        self._base_ms = status.st_mtime_ns // 1_000_000
        self._cursor = cursor
        self._items: list[Parsed] = []
        self._sessions: list[SessionDraft] = []
        self._since = self._offset

    def run(self) -> Iterator[Batch]:
        for line, at, size in _lines(self._file, self._offset):
            if line is None:
                self._ledger.fail(at, size, "line_too_long")
            else:
                self._take(line, at, size)
            self._offset = at + size
            if len(self._items) >= BATCH_DRAFTS or self._offset - self._since >= BATCH_BYTES:
                yield self._batch(rest=False)
        rest = self._take_rest()
        yield self._batch(rest=rest)

    def _take(self, line: bytes, at: int, size: int) -> None:
        """Parse one line and book its bytes."""
        self._ledger.lines += 1
        if at == 0 and line.startswith(b"\xef\xbb\xbf"):
            line = line[3:]
        line = line.strip(b"\r\n\x00 \t")
        if not line:
            self._ledger.ignore("blank", size)
            return
        try:
            kept, reason = self._parse(line, at)
        except Malformed as error:
            parts = glued(line) if error.reason in ("glued", "not_json") else []
            if not parts:
                self._ledger.fail(at, size, error.reason)
                return
            self._ledger.fail(at, size, "glued")
            for part in parts:
                try:
                    self._parse(part, at)
                except Malformed:
                    continue
            return
        if kept:
            self._ledger.parsed += size
        else:
            self._ledger.ignore(reason, size)

    def _parse(self, line: bytes, at: int) -> tuple[bool, str]:
        kept, reason = False, "no_content"
        for item in self._reader.parse(line, at, self._state):
            if type(item) is Draft:
                self._items.append(_packed(item, at, self._clock.stamp(item, self._base_ms, self._now_ms)))
                kept = True
            elif type(item) is SessionDraft:
                self._sessions.append(item)
                kept = True
            elif type(item) is Ignored:
                reason = item.reason
            elif type(item) is Unknown:
                reason = "unknown_type"
                self._ledger.unknown[item.name] = self._ledger.unknown.get(item.name, 0) + 1
        return kept, reason

    def _take_rest(self) -> bool:
        """Deal with bytes after the last newline if nobody has written for a while. True when nothing is left to do."""
        left = self._status.st_size - self._offset
        if left <= 0:
            return True
        if left > MAX_LINE or time.time() - self._status.st_mtime < SILENT_S:
            return False
        line = os.pread(self._file, left, self._offset).strip(b"\r\n\x00 \t")
        saved = self._state_bytes()
        try:
            if line:
                record(line)
                self._parse(line, self._offset)
        except Malformed:
            pass
        clock, self._state = _state_decoder(self._reader).decode(saved)
        self._clock = clock
        return True

    def _state_bytes(self) -> bytes:
        return msgspec.msgpack.encode((self._clock, self._state))

    def _batch(self, *, rest: bool) -> Batch:
        status = self._status
        before = os.pread(self._file, TAIL, max(0, self._offset - TAIL))[:min(TAIL, self._offset)]
        cursor = Cursor(self._cursor.path, self._cursor.source, status.st_dev, status.st_ino, status.st_size,
                        status.st_mtime_ns, self._offset, rest, self._head_hash, _hash(before), self._state_bytes())
        batch = Batch(cursor, self._ledger, self._clock.origin_ms, self._items, self._sessions, self._replaces,
                      _blocked(self._items))
        self._items, self._sessions, self._since, self._replaces = [], [], self._offset, False
        return batch


def _saved(reader: LineReader, state: bytes) -> tuple[Clock, Any] | None:
    """None for a state of another version: the file is read from its start, and known keys make the repeat harmless."""
    try:
        return _state_decoder(reader).decode(state)  # type: ignore[no-any-return]
    except msgspec.DecodeError:
        return None


@lru_cache
def _state_decoder(reader: LineReader) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(tuple[Clock, reader.state])  # type: ignore[name-defined]


def _packed(draft: Draft, at: int, ts_exact: bool) -> Parsed:
    payload = draft.payload
    if payload is None:
        return Parsed(draft, at, ts_exact, None, None)
    body, payload = fitted(payload)
    facts = extract(draft.kind, draft.role, draft.tool, payload)  # of what is kept: a later fold sees no more
    draft.payload = None
    event = payload.get("event") if draft.kind == "lifecycle" else None
    return Parsed(draft, at, ts_exact, body, facts, event if isinstance(event, str) else None)


def _blocked(items: Iterable[Parsed]) -> list[Block]:
    """Moves the payloads of the items into blocks."""
    blocks: list[Block] = []
    bodies: list[bytes] = []
    size = 0
    for item in items:
        if item.body is None:
            continue
        item.block, item.start, item.length = len(blocks), size, len(item.body)
        bodies.append(item.body)
        size += item.length
        item.body = None
        if size >= BLOCK_BYTES:
            blocks.append(block_of(bodies))
            bodies, size = [], 0
    if bodies:
        blocks.append(block_of(bodies))
    return blocks


def _document(source: DocumentSource, descriptor: int, status: os.stat_result, cursor: Cursor, before: Ledger,
              now_ms: int) -> Iterator[Batch]:
    """Parsed whole whenever its content changed; what it said before is replaced."""
    content = _read_all(descriptor, min(status.st_size, MAX_LINE + 1))
    digest = hashlib.sha256(content).digest()
    at = Cursor(cursor.path, cursor.source, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns,
                status.st_size, True, digest)
    if digest == cursor.head_hash:
        yield packed((), at, before, now_ms)
        return
    ledger, batch = Ledger(), None
    try:
        if len(content) > MAX_LINE:
            raise Malformed("file_too_large")
        batch = packed(source.parse(cursor.path, content), at, ledger, now_ms)
    except Malformed as error:
        batch = packed((), at, ledger, now_ms)
        ledger.fail(0, status.st_size, error.reason)
    else:
        if batch.items or batch.sessions:
            ledger.parsed = status.st_size
        else:
            ledger.ignore("no_content", status.st_size)
    batch.replaces = cursor.offset > 0
    yield batch


def packed(items: Iterable[Item], cursor: Cursor, ledger: Ledger, now_ms: int) -> Batch:
    """A batch of items that did not come from lines."""
    clock, drafts, sessions = Clock(), [], []
    for item in items:
        if type(item) is Draft:
            drafts.append(_packed(item, 0, clock.stamp(item, cursor.mtime_ns // 1_000_000, now_ms)))
        elif type(item) is SessionDraft:
            sessions.append(item)
        elif type(item) is Unknown:
            ledger.unknown[item.name] = ledger.unknown.get(item.name, 0) + 1
    return Batch(cursor, ledger, clock.origin_ms, drafts, sessions, blocks=_blocked(drafts))


def _continues(descriptor: int, status: os.stat_result, cursor: Cursor, head: bytes) -> bool:
    """Is this the file the cursor knows, with everything before its offset still in place?"""
    if status.st_size < cursor.offset:
        return False
    before = os.pread(descriptor, TAIL, max(0, cursor.offset - TAIL))[:min(TAIL, cursor.offset)]
    if _hash(before) != cursor.tail_hash:
        return False
    return (status.st_dev, status.st_ino) == (cursor.dev, cursor.inode) or _same_head(head, cursor)


def _same_head(head: bytes, cursor: Cursor) -> bool:
    return _hash(head if cursor.size >= HEAD else head[: cursor.size]) == cursor.head_hash


def _lines(descriptor: int, offset: int) -> Iterator[tuple[bytes | None, int, int]]:
    """(line, offset, size with newline) of each complete line; the line is None when it exceeds `MAX_LINE`."""
    pending: list[bytes] = []
    held = skipped = 0
    position = start = offset
    while block := os.pread(descriptor, BLOCK, position):
        position += len(block)
        if b"\n" not in block:
            if held + len(block) > MAX_LINE or skipped:
                skipped += held + len(block)
                pending, held = [], 0
            else:
                pending.append(block)
                held += len(block)
            continue
        lines = block.split(b"\n")
        rest = lines.pop()
        if skipped:
            size = skipped + len(lines.pop(0)) + 1
            yield None, start, size
            start += size
            skipped = 0
        elif pending:
            pending.append(lines[0])
            lines[0] = b"".join(pending)
        for line in lines:
            yield line, start, len(line) + 1
            start += len(line) + 1
        pending, held = ([rest], len(rest)) if rest else ([], 0)


def _read_all(descriptor: int, size: int) -> bytes:
    parts, position = [], 0
    while position < size and (block := os.pread(descriptor, min(BLOCK, size - position), position)):
        parts.append(block)
        position += len(block)
    return b"".join(parts)


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()
