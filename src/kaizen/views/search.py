"""Full-text search: hits, best first, and the sessions they are in.

    score of a hit      how well it matches (bm25: prompt 5, path 3, tool 2, other text 1) x freshness
    freshness           0.5 + 0.5 * exp(-age / 30 days)
    score of a session  its best hit + 0.1 * ln(1 + other hits)

Ties: the newer, then the greater id. Nothing is written, neither to the store nor to the index: bringing the index up
to date is `capture.index`, and what it has not seen yet is counted in `behind`.
"""

import base64
import binascii
import math
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from sqlite3 import Connection
from typing import Literal, NamedTuple

import msgspec

from kaizen.derive.text import searchable
from kaizen.errors import UsageError
from kaizen.model.times import ALL_TIME, DAY_MS, Window
from kaizen.query import fts
from kaizen.query.fts import Query, Sql
from kaizen.query.parse import parse
from kaizen.query.snippet import CLOSE, OPEN, mark, snippet, unmarked
from kaizen.query.words import columns
from kaizen.store import search as store
from kaizen.store.bodies import payload
from kaizen.store.rows import all_of
from kaizen.store.search import Candidate, Found, SessionFacts
from kaizen.views.scope import EVERYTHING, Scope

Sort = Literal["score", "time"]
HITS_PER_GROUP = 3
OTHERS_WEIGHT = 0.1
FRESH_DAYS = 30
# Signs such as `->` are looked for in the texts themselves, for so long.
SCAN_S = 1.0


class Hit(msgspec.Struct, frozen=True):
    """`ranges`: [start, end] of the matches in `snippet`. `session_id` and `seq` name the event."""

    session_id: str
    seq: int
    ts_ms: int
    score: float
    snippet: str
    kind: str
    tool: str | None
    agent: str
    role: str | None
    ranges: list[list[int]]


class Group(msgspec.Struct, frozen=True):
    """A session; `hits` are its best ones, `matches` says how many it has."""

    session_id: str
    agent: str
    title: str | None
    started_at_ms: int | None
    score: float
    matches: int
    hits: list[Hit]


class SearchResult(msgspec.Struct, frozen=True):
    """`behind`: events that are not indexed yet. `total_at_least` counts matching events; `is_partial`: there may be
    more, because a word is everywhere or the time ran out. `next` continues behind the last group, or hit."""

    query: str
    took_ms: int
    behind: int
    total_at_least: int
    is_partial: bool
    hits: list[Hit]
    groups: list[Group]
    next: str | None


class _Scored(NamedTuple):
    """In the order of importance: sorts from best to worst when reversed."""

    score: float
    ts_ms: int
    id: int
    session_id: int


class _Ranked(NamedTuple):
    """A session with its hits, the best first."""

    score: float
    ts_ms: int
    id: int
    hits: list[_Scored]


class _Page(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ends. `now_ms` of the first page goes along, so that freshness does not move between pages."""

    now_ms: int
    sort: str
    events: bool
    score: float
    ts_ms: int
    id: int


def search(
    db: Connection,
    home: Path,
    text: str,
    now_ms: int,
    *,
    scope: Scope = EVERYTHING,
    window: Window = ALL_TIME,
    kind: str | None = None,
    limit: int = 20,
    events: bool = False,
    sort: Sort = "score",
    is_literal: bool = False,
    exclude: Sequence[str] = (),
    after: str | None = None,
) -> SearchResult:
    """`limit` counts sessions, or events if `events`; 0 is all. Raises `BadQuery` and `SearchUnavailable`."""
    began = time.monotonic()
    query = fts.build(parse(text, is_literal=is_literal))
    page = _opened(after, sort, events)
    with store.attached(db, home) as is_there:
        if not store.has_fts5():
            raise store.unavailable()
        try:
            behind, known = _state(db, home, exclude, is_there=is_there)
            found, is_all = _matching(db, query, scope, window, kind) if known else ([], True)
        except sqlite3.DatabaseError as error:
            if "malformed" in str(error) or "not a database" in str(error) or "fts5: corrupt" in str(error):
                raise store.damaged(home) from error
            raise
    scored = _scored(found, page.now_ms if page else now_ms)
    if query.literals:
        scored, is_whole = _containing(db, scored, query.literals)
        is_all = is_all and is_whole
    show = _Shower(db, query)
    following: _Scored | _Ranked | None
    if events:
        hits, following = _hits(scored, sort, limit, page)
        shown = show.hits(hits)
        groups: list[Group] = []
    else:
        ranked, following = _groups(scored, sort, limit, page)
        hits = _sorted([hit for one in ranked for hit in one.hits[:HITS_PER_GROUP]], sort)
        shown = show.hits(hits)
        groups = show.groups(ranked)
    token = None if following is None else _token(page.now_ms if page else now_ms, sort, events, following)
    took_ms = round((time.monotonic() - began) * 1000)
    return SearchResult(text, took_ms, behind, len(scored), not is_all, list(shown.values()), groups, token)


def _state(db: Connection, home: Path, exclude: Sequence[str], *, is_there: bool) -> tuple[int, bool]:
    """(events not indexed, whether the index is one of this store)."""
    at = store.Position()
    if is_there:
        at = store.position(db, store.identity(db, home, exclude), schema="found")
    is_ours = is_there and at != store.Position() and at.rev <= store.last_rev(db)
    at = at if is_ours else store.Position()
    return (store.count_waiting(db, at) if store.is_behind(db, at) else 0), is_ours


def _matching(db: Connection, query: Query, scope: Scope, window: Window, kind: str | None
              ) -> tuple[list[Candidate], bool]:
    model, wanted = scope.filter.on_model("u.model")
    given, args = all_of(
        ("e.kind <> ?", "cost"),
        *scope.filter.on("s."),
        (f"EXISTS (SELECT 1 FROM usage_by_session AS u WHERE u.session_id = s.id AND {model})", wanted),
        ("e.ts_ms >= ?", window.start_ms),
        ("e.ts_ms < ?", window.end_ms),
        ("e.kind = ?", kind),
    )
    parts = [Sql(given.removeprefix("WHERE "), args), *query.where]
    return store.candidates(
        db, query.match, " AND ".join(part.text for part in parts), [arg for part in parts for arg in part.args])


def _scored(found: list[Candidate], now_ms: int) -> list[_Scored]:
    scored = []
    for one in found:
        age_days = max(0, now_ms - one.ts_ms) / DAY_MS
        freshness = 0.5 + 0.5 * math.exp(-age_days / FRESH_DAYS)
        scored.append(_Scored((-one.rank or 1.0) * freshness, one.ts_ms, one.id, one.session_id))
    scored.sort(reverse=True)
    return scored


def _containing(db: Connection, scored: list[_Scored], literals: Sequence[tuple[str, bool]]
                ) -> tuple[list[_Scored], bool]:
    """Those whose text has the wanted signs and none of the unwanted, best first, as many as the time allows."""
    deadline = time.monotonic() + SCAN_S
    kept: list[_Scored] = []
    by_id = {one.id: one for one in scored}
    for event_id, codec, body in store.bodies(db, by_id):
        one = by_id[event_id]
        text = _text(None, None, None, codec, body)
        if all((literal in text) is wanted for literal, wanted in literals):
            kept.append(one)
        if time.monotonic() > deadline:
            return kept, one is scored[-1]
    return kept, True


def _text(kind: str | None, role: str | None, tool: str | None, codec: int, body: bytes) -> str:
    return "\n".join(searchable(kind or "", role, tool, payload(codec, body)))


def _sorted(hits: list[_Scored], sort: Sort) -> list[_Scored]:
    return sorted(hits, key=lambda one: _key(one, sort), reverse=True)


def _key(one: "_Scored | _Ranked | _Page", sort: str) -> tuple[float, int, int]:
    return (one.score if sort == "score" else 0.0), one.ts_ms, one.id


def _hits(scored: list[_Scored], sort: Sort, limit: int, page: _Page | None
          ) -> tuple[list[_Scored], _Scored | None]:
    """One page of hits, and the last of them if there are more."""
    rest = [one for one in _sorted(scored, sort) if page is None or _key(one, sort) < _key(page, sort)]
    shown = rest[:limit] if limit else rest
    return shown, shown[-1] if len(shown) < len(rest) else None


def _groups(scored: list[_Scored], sort: Sort, limit: int, page: _Page | None
            ) -> tuple[list[_Ranked], _Ranked | None]:
    by_session: dict[int, list[_Scored]] = {}
    for one in _sorted(scored, sort):
        by_session.setdefault(one.session_id, []).append(one)
    ranked = []
    for session_id, hits in by_session.items():
        best = max(one.score for one in hits) + OTHERS_WEIGHT * math.log(len(hits))
        ranked.append(_Ranked(best, max(one.ts_ms for one in hits), session_id, hits))
    ranked.sort(key=lambda one: _key(one, sort), reverse=True)
    rest = [one for one in ranked if page is None or _key(one, sort) < _key(page, sort)]
    shown = rest[:limit] if limit else rest
    return shown, shown[-1] if len(shown) < len(rest) else None


def _token(now_ms: int, sort: Sort, events: bool, last: "_Scored | _Ranked") -> str:
    page = _Page(now_ms, sort, events, last.score, last.ts_ms, last.id)
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(page)).decode().rstrip("=")


def _opened(token: str | None, sort: Sort, events: bool) -> _Page | None:
    if token is None:
        return None
    try:
        page = msgspec.msgpack.decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)), type=_Page)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        page = None
    if page is None or (page.sort, page.events) != (sort, events):
        raise UsageError("This is not where a page of this search ended.",
                         hint="Pass `next` of a result on unchanged, with the same options.")
    return page


class _Shower:
    """Turns scored events into hits: session, kind, snippet."""

    def __init__(self, db: Connection, query: Query) -> None:
        self._db, self._match = db, query.match
        self._literals = [text for text, wanted in query.literals if wanted]
        self._hits: dict[int, Hit] = {}

    def hits(self, scored: list[_Scored]) -> dict[int, Hit]:
        found = store.found(self._db, [one.id for one in scored])
        marked = self._marked(found)
        for one in scored:
            if event := found.get(one.id):
                text, ranges = snippet(marked[one.id])
                self._hits[one.id] = Hit(event.host_id, event.seq, event.ts_ms, round(one.score, 6), text, event.kind,
                                         event.tool, event.agent, event.role, ranges)
        return self._hits

    def groups(self, ranked: list[_Ranked]) -> list[Group]:
        facts = store.sessions(self._db, [one.id for one in ranked])
        return list(self._groups(ranked, facts))

    def _groups(self, ranked: list[_Ranked], facts: dict[int, SessionFacts]) -> Iterator[Group]:
        for one in ranked:
            if about := facts.get(one.id):
                shown = [self._hits[hit.id] for hit in one.hits[:HITS_PER_GROUP] if hit.id in self._hits]
                yield Group(about.host_id, about.agent, about.title, about.started_at_ms, round(one.score, 6),
                            len(one.hits), shown)

    def _marked(self, found: dict[int, Found]) -> dict[int, str]:
        """Per event the text that shows best why it was found."""
        texts = {}
        for one in found.values():
            words = searchable(one.kind, one.role, one.tool, payload(one.codec, one.body))
            prompt, text, tool, path = columns(one.kind, words)
            texts[one.id] = (unmarked(prompt), unmarked(text), unmarked(tool), unmarked(path))
        marked = store.marked(texts, self._match, OPEN, CLOSE) if self._match is not None else {}
        return {key: self._shown(marked.get(key, text)) for key, text in texts.items()}

    def _shown(self, text: tuple[str, str, str, str]) -> str:
        prompt, words, tool, path = text
        for column in (prompt, words, path, tool):
            if OPEN in column:
                return column
        return mark(prompt or words or path or tool, self._literals)
