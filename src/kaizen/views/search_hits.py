"""What a search shows: hits with a snippet around the match, and the sessions they are in."""

from collections.abc import Iterator, Sequence
from sqlite3 import Connection

import msgspec

from kaizen.derive.text import searchable
from kaizen.query.fts import Query
from kaizen.query.snippet import CLOSE, OPEN, mark, snippet, unmarked
from kaizen.query.words import columns
from kaizen.store import search as store
from kaizen.store.bodies import payload
from kaizen.store.search import Found, SessionFacts
from kaizen.views.search_order import Ranked, Scored

HITS_PER_GROUP = 3
# Events whose text is in memory at once: up to 64 KiB each, several times over.
BATCH = 32


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


class Shower:
    """Turns scored events into hits: session, kind, snippet."""

    def __init__(self, db: Connection, query: Query) -> None:
        self._db, self._match = db, query.match if query.table == "words" else None
        self._substrings = query.substrings
        self._literals = [text for text, wanted in query.literals if wanted]
        self._hits: dict[int, Hit] = {}

    def hits(self, scored: Sequence[Scored]) -> dict[int, Hit]:
        for start in range(0, len(scored), BATCH):
            self._add(scored[start : start + BATCH])
        return self._hits

    def _add(self, scored: Sequence[Scored]) -> None:
        found = store.found(self._db, [one.id for one in scored])
        marked = self._marked(found)
        for one in scored:
            if event := found.get(one.id):
                text, ranges = snippet(marked[one.id])
                self._hits[one.id] = Hit(
                    event.host_id,
                    event.seq,
                    event.ts_ms,
                    round(one.score, 6),
                    text,
                    event.kind,
                    event.tool,
                    event.agent,
                    event.role,
                    ranges,
                )

    def groups(self, ranked: list[Ranked]) -> list[Group]:
        facts = store.sessions(self._db, [one.id for one in ranked])
        return list(self._groups(ranked, facts))

    def _groups(self, ranked: list[Ranked], facts: dict[int, SessionFacts]) -> Iterator[Group]:
        for one in ranked:
            if about := facts.get(one.id):
                shown = [self._hits[hit.id] for hit in one.hits[:HITS_PER_GROUP] if hit.id in self._hits]
                yield Group(
                    about.host_id,
                    about.agent,
                    about.title,
                    about.started_at_ms,
                    round(one.score, 6),
                    len(one.hits),
                    shown,
                )

    def _marked(self, found: dict[int, Found]) -> dict[int, str]:
        """Per event the text that shows best why it was found."""
        texts = {}
        for one in found.values():
            words = searchable(one.kind, one.role, one.tool, payload(one.body))
            prompt, text, tool, path = columns(one.kind, words)
            texts[one.id] = (unmarked(prompt), unmarked(text), unmarked(tool), unmarked(path))
        marked = store.marked(texts, self._match, OPEN, CLOSE) if self._match is not None else {}
        return {key: self._shown(marked.get(key, text)) for key, text in texts.items()}

    def _shown(self, text: tuple[str, str, str, str]) -> str:
        prompt, words, tool, path = text
        for column in (prompt, words, path, tool):
            if OPEN in column:
                return column
        for column in (prompt, words, path):
            if OPEN in (shown := mark(column, self._substrings, in_any_case=True)):
                return shown
        return mark(prompt or words or path or tool, self._literals)
