"""Skimming a transcript for its billed requests: what the first total needs, and nothing else.

Only lines that tell usage are cut out, and those before the first of them, which say where the session took place. The
rules are those of `ingest`; they commute, so it does not matter that records of a request are merged here first.
"""

import os
from functools import partial

import msgspec

from kaizen.capture.billed import request_of
from kaizen.capture.marked import marked_lines
from kaizen.capture.tail import MAX_LINE, Clock, opened, whole
from kaizen.model.event import Draft, SessionDraft
from kaizen.model.request import Request, absorb
from kaizen.sources.shapes import LineSource, Malformed


class Counted(msgspec.Struct, array_like=True, tag=4):
    """The requests of one file. Their `session_id` is a place in `hosts`; `workspaces` belong to the same places."""

    path: str
    source: str
    origin_ms: int | None
    hosts: list[str]
    workspaces: list[str | None]
    requests: list[Request]


def skim(source: LineSource, path: str, *, now_ms: int) -> Counted:
    """Raises OSError when the file cannot be read."""
    with opened(path) as descriptor:
        reader = _Skimming(source, path, os.fstat(descriptor).st_mtime_ns // 1_000_000, now_ms)
        for line, at in marked_lines(descriptor, 0, reader.marks, max_line=MAX_LINE):
            reader.take(line, at)
    return reader.counted()


class _Skimming:
    def __init__(self, source: LineSource, path: str, base_ms: int, now_ms: int) -> None:
        self._source, self._path, self._base_ms, self._now_ms = source, path, base_ms, now_ms
        self._state, self._clock, self._parse = source.begin(path), Clock(), source.usage
        self._hosts: dict[str, int] = {}
        self._workspaces: dict[str, str] = {}
        self._kept: dict[tuple[str, int, bool], Request] = {}
        usage_marks = source.usage_marks
        # Asked after each line.
        self.marks = partial(usage_marks, self._state) if usage_marks else tuple[bytes]

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

    def counted(self) -> Counted:
        return Counted(self._path, self._source.name, self._clock.origin_ms, list(self._hosts),
                       [self._workspaces.get(host) for host in self._hosts], list(self._kept.values()))

    def _count(self, draft: Draft, at: int, is_exact: bool) -> None:
        host = self._hosts.setdefault(draft.session, len(self._hosts))
        key = draft.key, host, draft.is_copy
        offered = request_of(draft, at, is_exact, host, None)
        there = self._kept.setdefault(key, offered)
        if there is not offered:
            absorb(there, offered)
