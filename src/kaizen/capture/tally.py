"""Requests of all files, counted without storing them: adds up what was skimmed, and fills the roll-ups of an empty
store. The rules are those of `ingest`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from operator import add
from sqlite3 import Connection
from typing import TypeVar

from kaizen.capture.billed import amounts_of, price
from kaizen.capture.skim import Counted
from kaizen.model.captured import is_captured, judge_captured
from kaizen.model.request import Request, absorb, judge
from kaizen.model.times import Window
from kaizen.pricing import PriceBook
from kaizen.store import events, requests, sessions, usage
from kaizen.store.open import transaction
from kaizen.store.sessions import Session
from kaizen.store.usage import Amounts

Key = TypeVar("Key")


class Tally:
    """`root_of` maps a workspace path to its repository."""

    def __init__(self, prices: PriceBook, root_of: Callable[[str], str]) -> None:
        self._prices, self._root_of = prices, root_of
        self._sessions: list[Session] = []
        self._ids: dict[tuple[str, str], int] = {}
        self._workspaces: dict[int, str] = {}
        self._requests: dict[str, dict[str, Request]] = defaultdict(dict)
        # Requests that several sessions show, or one as a copy and as its own: who may own them.
        self._claims: dict[tuple[str, str], list[tuple[bool, int]]] = {}

    def add(self, file: Counted, agent: str) -> None:
        ids = [self._session(agent, host, file.path, file.origin_ms) for host in file.hosts]
        for session_id, workspace in zip(ids, file.workspaces, strict=True):
            if workspace is not None:
                self._workspaces.setdefault(session_id, workspace)
        rows = self._requests[agent]
        for offered in file.requests:
            offered.session_id = ids[offered.session_id]
            kept = rows.setdefault(offered.key, offered)
            if kept is offered:
                price(kept, self._prices)  # here and not in `write`: the readers are still at work
                continue
            if absorb(kept, offered):
                price(kept, self._prices)
            if (kept.session_id, kept.is_copy) != (offered.session_id, offered.is_copy):
                self._claims.setdefault((agent, kept.key), [(kept.is_copy, kept.session_id)]).append(
                    (offered.is_copy, offered.session_id))

    def write(self, db: Connection, edges: Sequence[Window]) -> None:
        """Fill sessions, workspaces and roll-ups of an empty store, and the events of the windows `edges`."""
        for (agent, key), claims in self._claims.items():
            row = self._requests[agent][key]
            row.is_copy, row.session_id = min(
                claims, key=lambda claim: (claim[0], *self._sessions[claim[1] - 1].owner_rank()))
        told: dict[tuple[int, int, str], list[Amounts]] = defaultdict(list)
        with transaction(db) as rev:
            self._put_sessions(db, rev)
            for agent, rows in self._requests.items():
                _judge(rows)
                for row in rows.values():
                    if row.duplicate_of is None:
                        told[row.session_id, row.ts_ms // usage.QUARTER_MS, row.model or ""].append(amounts_of(row))
                if edges:
                    _put_events(db, agent, rows, edges, rev)
            quarters: dict[tuple[int, int, str, str], list[int]] = {}
            by_session: dict[tuple[int, str], list[int]] = {}
            for (session_id, quarter, model), parts in told.items():
                session = self._sessions[session_id - 1]
                amounts = list(map(sum, zip(*parts, strict=True)))
                _add(quarters, (quarter, session.workspace_id or 0, session.agent, model), amounts)
                _add(by_session, (session_id, model), amounts)
            usage.add_by_quarter(db, quarters)
            usage.add_by_session(db, by_session)

    def _session(self, agent: str, host_id: str, path: str, origin_ms: int | None) -> int:
        session_id = self._ids.get((agent, host_id))
        if session_id is None:
            session_id = self._ids[agent, host_id] = len(self._sessions) + 1
            self._sessions.append(Session(session_id, agent, host_id))
        self._sessions[session_id - 1].place(path, origin_ms)
        return session_id

    def _put_sessions(self, db: Connection, rev: int) -> None:
        known: dict[str, int] = {}
        for one in self._sessions:
            sessions.add(db, one.agent, one.host_id, rev)
            path = self._workspaces.get(one.id)
            if path is not None:
                if path not in known:
                    known[path] = sessions.workspace(db, path, self._root_of(path))
                one.workspace_id = known[path]
        sessions.update(db, self._sessions, rev)


def _judge(rows: dict[str, Request]) -> None:
    first: dict[str, Request] = {}
    groups: dict[str, list[Request]] = {}
    for row in rows.values():
        name = row.request or row.key[4:]
        there = first.setdefault(name, row)
        if there is not row:
            groups.setdefault(name, [there]).append(row)
    for group in groups.values():
        for key, verdict in judge(group).items():
            rows[key].duplicate_of = verdict
    sessions_captured = {row.session_id for row in rows.values() if is_captured(row)}
    by_session: dict[int, list[Request]] = {one: [] for one in sessions_captured}
    for row in rows.values() if by_session else ():
        if row.session_id in by_session:
            by_session[row.session_id].append(row)
    for told in by_session.values():
        for key, verdict in judge_captured(told).items():
            rows[key].duplicate_of = verdict


def _add(sums: dict[Key, list[int]], key: Key, amounts: Iterable[int]) -> None:
    there = sums.get(key)
    sums[key] = list(amounts) if there is None else list(map(add, there, amounts))


def _put_events(db: Connection, agent: str, rows: dict[str, Request], edges: Sequence[Window], rev: int) -> None:
    """What a view reads request by request: the parts of its window that are no whole quarter hour."""
    wanted = [row for row in rows.values() if row.duplicate_of is None and any(row.ts_ms in edge for edge in edges)]
    if wanted:
        first = events.reserve_ids(db, len(wanted))
        for row_id, row in enumerate(wanted, first):
            row.id = row_id
        requests.insert(db, agent, [(row, row.id) for row in wanted], rev)
