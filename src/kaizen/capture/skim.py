"""Skimming a transcript for its billed requests: what the first total needs, and nothing else.

Only lines that tell usage are cut out, and those before the first of them, which say where the session took place. The
rules are those of `ingest`; they commute, so it does not matter that what one file says of a request is merged, judged
and summed here first. Most files share no request with another, and then their sums are all that matters.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from functools import partial
from zlib import crc32

import msgspec

from kaizen import pricing
from kaizen.capture.billed import judge_all, price, request_of, summed
from kaizen.capture.lines import MAX_LINE, Clock, opened, whole
from kaizen.capture.marked import marked_lines
from kaizen.capture.pipes import serve
from kaizen.model.event import Draft, SessionDraft
from kaizen.model.request import Request, complete, speaks_for
from kaizen.pricing import PriceBook
from kaizen.sources import by_name
from kaizen.sources.shapes import LineSource, Malformed


class SkimTask(msgspec.Struct, array_like=True):
    # (path, source)
    files: list[tuple[str, str]]
    now_ms: int
    # The user's own, as in the configuration.
    prices: Mapping[str, Mapping[str, str]]


class Skimmed(msgspec.Struct, array_like=True):
    """The requests of one file. Their `session_id` is a place in `hosts`; `workspaces` belong to the same places."""

    path: str
    agent: str
    origin_ms: int | None
    hosts: list[str]
    workspaces: list[str | None]
    # Hashes of its sessions and of its requests' names. Files that share one tell of the same thing, or seem to.
    names: frozenset[int]
    # (place in `hosts`, quarter, model, amounts) of what counts if no other file says anything of it; None when even
    # this file says of one request that several sessions have it.
    sums: list[tuple[int, int, str, list[int]]] | None
    # A MessagePack array of all of them, priced.
    requests: msgspec.Raw

    def rows(self) -> list[Request]:
        return _decode(self.requests)


_decode = msgspec.msgpack.Decoder(list[Request]).decode
_encode = msgspec.msgpack.Encoder().encode


def skim(source: LineSource, path: str, prices: PriceBook, *, now_ms: int) -> Skimmed:
    """Raises OSError when the file cannot be read."""
    with opened(path) as descriptor:
        reader = _Skimming(source, path, os.fstat(descriptor).st_mtime_ns // 1_000_000, now_ms)
        for line, at in marked_lines(descriptor, 0, reader.marks, max_line=MAX_LINE):
            reader.take(line, at)
    return reader.skimmed(prices)


class _Skimming:
    def __init__(self, source: LineSource, path: str, base_ms: int, now_ms: int) -> None:
        reader = source.reader()
        self._agent, self._path, self._base_ms, self._now_ms = source.agent, path, base_ms, now_ms
        self._state, self._clock, self._parse = reader.begin(path), Clock(), reader.usage
        self._hosts: dict[str, int] = {}
        self._workspaces: dict[str, str] = {}
        self._kept: dict[tuple[str, int, bool], Request] = {}
        # Asked after each line.
        self.marks = partial(reader.usage_marks, self._state)

    def take(self, line: bytes, at: int) -> None:
        try:
            for item in self._parse(line, at, self._state):
                if type(item) is Draft:
                    self._count(item, at, self._clock.stamp(item, self._base_ms, self._now_ms))
                elif type(item) is SessionDraft and item.workspace is not None:
                    self._workspaces.setdefault(item.session, item.workspace)
        except Malformed:  # the full reading counts it
            for part in whole(line):
                if part != line:
                    self.take(part, at)

    def skimmed(self, prices: PriceBook) -> Skimmed:
        kept, hosts = list(self._kept.values()), list(self._hosts)
        for row in kept:
            price(row, prices)
        requests, sums = msgspec.Raw(_encode(kept)), None
        by_key = {row.key: row for row in kept}
        if len(by_key) == len(kept):
            judge_all(by_key)
            sums = [(*place, amounts) for place, amounts in summed(kept).items()]
        names = frozenset(crc32(name.encode(errors="replace")) for name in (*hosts, *(row.request for row in kept)))
        return Skimmed(self._path, self._agent, self._clock.origin_ms, hosts,
                       [self._workspaces.get(host) for host in hosts], names, sums, requests)

    def _count(self, draft: Draft, at: int, is_exact: bool) -> None:
        host = self._hosts.setdefault(draft.session, len(self._hosts))
        key = draft.key, host, draft.is_copy
        offered = request_of(draft, at, is_exact, host, None)
        there = self._kept.setdefault(key, offered)
        if there is offered:
            return
        if speaks_for(offered, there):  # as most do: a stream tells more each time
            self._kept[key], there, offered = offered, offered, there
        complete(there, offered)


def perform(task: SkimTask) -> Iterator[list[Skimmed]]:
    """One frame. A file that cannot be read is not in it: the import says so."""
    found, book = [], _book(task.prices)
    for path, name in task.files:
        source = by_name(name)
        assert isinstance(source, LineSource)
        with contextlib.suppress(OSError):
            found.append(skim(source, path, book, now_ms=task.now_ms))
    yield found


_books: list[PriceBook] = []


def _book(prices: Mapping[str, Mapping[str, str]]) -> PriceBook:
    """Decoded once: all tasks of a process bring the same."""
    if not _books:
        _books.append(pricing.load(prices))
    return _books[0]


def main() -> None:
    serve(SkimTask, perform)
