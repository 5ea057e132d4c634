"""Full-text search: hits, best first, and the sessions they are in (`search_order`), with snippets (`search_hits`).

Nothing is written, neither to the store nor to the index: bringing the index up to date is `capture.index`, and what it
has not seen yet is counted in `behind`. What is in memory is bounded: so many candidates, the text of a few of them.
"""

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from sqlite3 import Connection

import msgspec

from kaizen.derive.text import searchable
from kaizen.model.times import ALL_TIME, Window
from kaizen.query import fts
from kaizen.query.fts import Query, Sql
from kaizen.query.parse import parse
from kaizen.store import grams
from kaizen.store import search as store
from kaizen.store.bodies import payload
from kaizen.store.rows import all_of
from kaizen.store.search import Candidate
from kaizen.views.scope import EVERYTHING, Scope
from kaizen.views.search_hits import HITS_PER_GROUP, Group, Hit, Shower
from kaizen.views.search_order import (
    Ranked,
    Scored,
    Sort,
    opened,
    ordered,
    page_of_groups,
    page_of_hits,
    score,
    token_of,
)

# Signs such as `->` are looked for in the texts themselves, for so long.
SCAN_S = 1.0


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
    tree = parse(text, is_literal=is_literal)
    page = opened(after, sort, events)
    with store.attached(db, home) as is_there:
        if not store.has_fts5():
            raise store.unavailable()
        try:
            query = fts.build(tree, has_grams=is_there and grams.is_there(db, schema="found"))
            behind, known = _state(db, home, exclude, is_there=is_there)
            found, is_all = _matching(db, query, scope, window, kind) if known else ([], True)
        except sqlite3.DatabaseError as error:
            if "malformed" in str(error) or "not a database" in str(error) or "fts5: corrupt" in str(error):
                raise store.damaged(home) from error
            raise
    scored = score(found, page.now_ms if page else now_ms)
    if query.literals:
        scored, is_whole = _containing(db, scored, query.literals)
        is_all = is_all and is_whole
    show = Shower(db, query)
    following: Scored | Ranked | None
    if events:
        hits, following = page_of_hits(scored, sort, limit, page)
        shown = show.hits(hits)
        groups: list[Group] = []
    else:
        ranked, following = page_of_groups(scored, sort, limit, page)
        hits = ordered([hit for one in ranked for hit in one.hits[:HITS_PER_GROUP]], sort)
        shown = show.hits(hits)
        groups = show.groups(ranked)
    token = None if following is None else token_of(page.now_ms if page else now_ms, sort, events, following)
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


def _matching(
    db: Connection, query: Query, scope: Scope, window: Window, kind: str | None
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
        db,
        query.match,
        " AND ".join(part.text for part in parts),
        [arg for part in parts for arg in part.args],
        table=query.table,
    )


def _containing(
    db: Connection, scored: list[Scored], literals: Sequence[tuple[str, bool]]
) -> tuple[list[Scored], bool]:
    """Those whose text has the wanted signs and none of the unwanted, best first, as many as the time allows."""
    deadline = time.monotonic() + SCAN_S
    kept: list[Scored] = []
    by_id = {one.id: one for one in scored}
    for event_id, body in store.bodies(db, by_id):
        one = by_id[event_id]
        text = _text(body)
        if all((literal in text) is wanted for literal, wanted in literals):
            kept.append(one)
        if time.monotonic() > deadline:
            return kept, one is scored[-1]
    return kept, True


def _text(body: bytes) -> str:
    return "\n".join(searchable("", None, None, payload(body)))
