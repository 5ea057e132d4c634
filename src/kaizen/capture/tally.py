"""The first total: adds up what was skimmed, and fills the roll-ups of an empty store. The rules are those of `ingest`.

A file that shares neither session nor request with another is done: its sums are added as they came. Of files that do
share, every request is looked at again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from sqlite3 import Connection

from kaizen.capture.billed import Place, judge_all, price, summed
from kaizen.capture.skim import Skimmed
from kaizen.model.request import Request, absorb
from kaizen.model.times import Window
from kaizen.pricing import PriceBook
from kaizen.store import events, requests, sessions, usage
from kaizen.store.open import transaction
from kaizen.store.sessions import Session


class Tally:
    """`root_of` maps a workspace path to its repository."""

    def __init__(self, prices: PriceBook, root_of: Callable[[str], str]) -> None:
        self._prices, self._root_of = prices, root_of
        self._sessions: list[Session] = []
        self._ids: dict[tuple[str, str], int] = {}
        self._workspaces: dict[int, str] = {}
        # With the ids of each file's sessions.
        self._files: list[tuple[Skimmed, list[int]]] = []
        self._names: set[int] = set()
        self._shared: set[int] = set()

    def add(self, file: Skimmed) -> None:
        ids = [self._session(file.agent, host, file.path, file.origin_ms) for host in file.hosts]
        for session_id, workspace in zip(ids, file.workspaces, strict=True):
            if workspace is not None:
                self._workspaces.setdefault(session_id, workspace)
        self._shared |= self._names & file.names
        self._names |= file.names
        self._files.append((file, ids))

    def write(self, db: Connection, edges: Sequence[Window]) -> None:
        """Fill sessions, workspaces and roll-ups of an empty store, and the events of the windows `edges`."""
        told: dict[Place, list[int]] = {}
        shared: dict[str, _Shared] = {}
        for file, ids in self._files:
            if file.sums is None or edges or not self._shared.isdisjoint(file.names):
                shared.setdefault(file.agent, _Shared(self._prices)).add(file.rows(), ids)
            else:
                for host, quarter, model, amounts in file.sums:
                    told[ids[host], quarter, model] = amounts
        with transaction(db) as rev:
            self._put_sessions(db, rev)
            for agent, found in shared.items():
                rows = found.judged(self._sessions)
                told.update(summed(rows))
                if edges:
                    _put_events(db, agent, rows, edges, rev)
            self._put_sums(db, told)

    def _put_sums(self, db: Connection, told: Mapping[Place, Sequence[int]]) -> None:
        quarters: dict[tuple[int, int, str, str], Sequence[int]] = {}
        by_session: dict[tuple[int, str], Sequence[int]] = {}
        for (session_id, quarter, model), amounts in told.items():
            session = self._sessions[session_id - 1]
            usage.sum_up(quarters, (quarter, session.workspace_id or 0, session.agent, model), amounts)
            usage.sum_up(by_session, (session_id, model), amounts)
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
        for session_id, path in self._workspaces.items():
            if path not in known:
                known[path] = sessions.workspace(db, path, self._root_of(path))
            self._sessions[session_id - 1].workspace_id = known[path]
        sessions.insert(db, self._sessions, rev)


class _Shared:
    """The requests of one agent's files of which some tell of the same ones."""

    def __init__(self, prices: PriceBook) -> None:
        self._prices = prices
        self._rows: dict[str, Request] = {}
        # Requests that several sessions show, or one as a copy and as its own: who may own them.
        self._claims: dict[str, list[tuple[bool, int]]] = {}

    def add(self, offers: Iterable[Request], ids: Sequence[int]) -> None:
        """`ids` are the sessions that the offers' places stand for."""
        for offered in offers:
            offered.session_id = ids[offered.session_id]
            kept = self._rows.setdefault(offered.key, offered)
            if kept is offered:
                continue
            if absorb(kept, offered):
                price(kept, self._prices)
            if (kept.session_id, kept.is_copy) != (offered.session_id, offered.is_copy):
                self._claims.setdefault(kept.key, [(kept.is_copy, kept.session_id)]).append(
                    (offered.is_copy, offered.session_id))

    def judged(self, all_sessions: Sequence[Session]) -> list[Request]:
        for key, claims in self._claims.items():
            row = self._rows[key]
            row.is_copy, row.session_id = min(
                claims, key=lambda claim: (claim[0], *all_sessions[claim[1] - 1].owner_rank()))
        judge_all(self._rows)
        return list(self._rows.values())


def _put_events(db: Connection, agent: str, rows: Iterable[Request], edges: Sequence[Window], rev: int) -> None:
    """What a view reads request by request: the parts of its window that are no whole quarter hour."""
    wanted = [row for row in rows if row.duplicate_of is None and any(row.ts_ms in edge for edge in edges)]
    if wanted:
        first = events.reserve_ids(db, len(wanted))
        for row_id, row in enumerate(wanted, first):
            row.id = row_id
        requests.insert(db, agent, [(row, row.id) for row in wanted], rev)
