"""The order of what a search found, and its pages: scores, hits by session, where a page ends.

    score of a hit      how well it matches (bm25: prompt 5, path 3, tool 2, other text 1) x freshness
    freshness           0.5 + 0.5 * exp(-age / 30 days)
    score of a session  its best hit + 0.1 * ln(1 + other hits)

Ties: the newer, then the greater id.
"""

import base64
import binascii
import math
from typing import Literal, NamedTuple

import msgspec

from kaizen.errors import UsageError
from kaizen.model.times import DAY_MS
from kaizen.store.search import Candidate

Sort = Literal["score", "time"]
OTHERS_WEIGHT = 0.1
FRESH_DAYS = 30


class Scored(NamedTuple):
    """In the order of importance: sorts from best to worst when reversed."""

    score: float
    ts_ms: int
    id: int
    session_id: int


class Ranked(NamedTuple):
    """A session with its hits, the best first."""

    score: float
    ts_ms: int
    id: int
    hits: list[Scored]


class Page(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ends. `now_ms` of the first page goes along, so that freshness does not move between pages."""

    now_ms: int
    sort: str
    events: bool
    score: float
    ts_ms: int
    id: int


def score(found: list[Candidate], now_ms: int) -> list[Scored]:
    """The best first."""
    scored = []
    for one in found:
        age_days = max(0, now_ms - one.ts_ms) / DAY_MS
        freshness = 0.5 + 0.5 * math.exp(-age_days / FRESH_DAYS)
        scored.append(Scored((-one.rank or 1.0) * freshness, one.ts_ms, one.id, one.session_id))
    scored.sort(reverse=True)
    return scored


def ordered(hits: list[Scored], sort: Sort) -> list[Scored]:
    return sorted(hits, key=lambda one: _key(one, sort), reverse=True)


def _key(one: "Scored | Ranked | Page", sort: str) -> tuple[float, int, int]:
    return (one.score if sort == "score" else 0.0), one.ts_ms, one.id


def page_of_hits(scored: list[Scored], sort: Sort, limit: int, page: Page | None) -> tuple[list[Scored], Scored | None]:
    """One page of hits, and the last of them if there are more."""
    rest = [one for one in ordered(scored, sort) if page is None or _key(one, sort) < _key(page, sort)]
    shown = rest[:limit] if limit else rest
    return shown, shown[-1] if len(shown) < len(rest) else None


def page_of_groups(
    scored: list[Scored], sort: Sort, limit: int, page: Page | None
) -> tuple[list[Ranked], Ranked | None]:
    by_session: dict[int, list[Scored]] = {}
    for one in ordered(scored, sort):
        by_session.setdefault(one.session_id, []).append(one)
    ranked = []
    for session_id, hits in by_session.items():
        best = max(one.score for one in hits) + OTHERS_WEIGHT * math.log(len(hits))
        ranked.append(Ranked(best, max(one.ts_ms for one in hits), session_id, hits))
    ranked.sort(key=lambda one: _key(one, sort), reverse=True)
    rest = [one for one in ranked if page is None or _key(one, sort) < _key(page, sort)]
    shown = rest[:limit] if limit else rest
    return shown, shown[-1] if len(shown) < len(rest) else None


def token_of(now_ms: int, sort: Sort, events: bool, last: "Scored | Ranked") -> str:
    page = Page(now_ms, sort, events, last.score, last.ts_ms, last.id)
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(page)).decode().rstrip("=")


def opened(token: str | None, sort: Sort, events: bool) -> Page | None:
    if token is None:
        return None
    try:
        page = msgspec.msgpack.decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)), type=Page)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        page = None
    if page is None or (page.sort, page.events) != (sort, events):
        raise UsageError(
            "This is not where a page of this search ended.",
            hint="Pass `next` of a result on unchanged, with the same options.",
        )
    return page
