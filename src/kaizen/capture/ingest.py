"""Drafts become events: the one way into the store.

Theory of operation. A batch is some lines of one file. Batches are stored in one transaction with all that follows from
them: events, bodies, sightings, roll-ups, folds, sessions and the files' cursors. Whatever kills the process, the store
is before or after it.

A draft's `key` decides whether it is new. A known key is merged, and every merge is commutative, associative and
idempotent, so the order in which files are read, and how often, does not matter:

    cost rows       the heaviest record gives the usage, the earliest time stands, `model.request.judge` decides which
                    rows of one request count; every record is kept in `sightings`
    ownership       a row shown by several sessions belongs to the one whose record is not a copy and whose transcript
                    begins first (`Session.owner_rank`)
    tool results    known values fill unknown ones; payload keys are united
    other rows      the same record again: nothing to do

Whatever counts in a total goes through `_book`, which turns the difference before/after into roll-up increments.
New events of a session are folded at once; a session whose old events changed is folded again from its events.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from sqlite3 import Connection

import msgspec

from kaizen.capture import ledger as ledgers
from kaizen.capture.billed import amounts_of, name_of, price, request_of
from kaizen.capture.payload import fitted
from kaizen.capture.tail import Batch, Parsed
from kaizen.derive import fold as folds
from kaizen.derive.facts import extract
from kaizen.derive.seen import Seen
from kaizen.model.captured import group_of, judge_captured
from kaizen.model.event import Draft, SessionDraft
from kaizen.model.request import Request, absorb, judge
from kaizen.pricing import PriceBook
from kaizen.store import bodies, derived, events, files, requests, sessions, usage
from kaizen.store.key_hash import key_hash
from kaizen.store.open import transaction, trust
from kaizen.store.sessions import Session

MAX_CACHED_SESSIONS = 2_000
# A place where an event no longer is: (session id, seq, id of the workspace that the session had then).
Left = tuple[int, int, int | None]
# Called at the end of each transaction, with its `rev` and what was left in it.
Enqueue = Callable[[Connection, int, Sequence[Left]], None]


class Ingest:
    """Writes batches into one store. Not for use by two threads. `root_of` maps a workspace path to its repository."""

    def __init__(self, db: Connection, prices: PriceBook, root_of: Callable[[str], str],
                 enqueue: Enqueue | None = None) -> None:
        self._db, self._prices, self._root_of, self._enqueue = db, prices, root_of, enqueue
        trust(db)
        self._sessions: dict[tuple[str, str], Session] = {}
        self._by_id: dict[int, Session] = {}
        self._folds: dict[int, folds.State] = {}
        self._paths: dict[int | None, str] = {None: ""}
        self._workspaces: dict[str, int] = {}
        self.new_events = 0
        # Files that must be read again because another one, with which they share events, was rewritten.
        self.rewound: set[int] = set()

    def store(self, batches: Iterable[tuple[Batch, str]]) -> None:
        """Batches, each with its agent, in one transaction. On any error nothing of them is stored."""
        self._touched: set[int] = set()
        self._refold: set[int] = set()
        self._seen: dict[int, list[Seen]] = defaultdict(list)
        self._quarters: dict[tuple[int, int, str, str], list[int]] = {}
        self._session_sums: dict[tuple[int, str], list[int]] = {}
        self._left: list[Left] = []
        before = self.new_events
        try:
            with transaction(self._db) as rev:
                self._rev = rev
                for batch, agent in batches:
                    self._store(batch, agent)
                self._fold()
                self._write_sums()
                sessions.update(self._db, [self._by_id[one] for one in sorted(self._touched)], rev)
                if self._enqueue:
                    self._enqueue(self._db, rev, self._left)
        except BaseException:
            self._forget()
            self.new_events = before
            raise
        if len(self._sessions) > MAX_CACHED_SESSIONS:
            self._forget()

    def _store(self, batch: Batch, agent: str) -> None:
        self._agent, self._origin_ms, self._path = agent, batch.origin_ms, batch.cursor.path
        self._placed: set[int] = set()
        self._blocks, self._block_ids = batch.blocks, dict[int, int]()
        self._opened: tuple[int, bytes] = (-1, b"")
        self._file_id = self._put_file(batch)
        self._file_sessions: set[tuple[int, int]] = set()
        self._voided: set[str] = set()
        if batch.replaces:
            self._void()
        for draft in batch.sessions:
            self._session_facts(draft)
        items = self._first_hand(batch.items) if agent == "cursor" else batch.items
        self._requests([item for item in items if item.draft.kind == "cost"])
        if agent == "codex":
            self._captured({item.draft.session for item in items if item.draft.kind == "cost"} | self._voided)
        self._others([item for item in items if item.draft.kind != "cost"])
        events.add_file_sessions(self._db, self._file_sessions)

    def _forget(self) -> None:
        self._sessions.clear()
        self._by_id.clear()
        self._folds.clear()
        self._workspaces.clear()

    # Files

    def _put_file(self, batch: Batch) -> int:
        at = batch.cursor
        return files.put(self._db, files.FileRow(
            0, at.source, at.path, at.dev, at.inode, at.size, at.mtime_ns, at.offset, at.rest, at.head_hash,
            at.tail_hash, at.state, ledgers.encode(batch.ledger)))

    def _void(self) -> None:
        """The file was rewritten: take back what it said; files that repeat some of it are read again."""
        for session_id in events.sessions_of_file(self._db, self._file_id):
            session = self._session_of(session_id)
            self._voided.add(session.host_id)
            for request in requests.of_session(self._db, session_id):
                if request.file_id == self._file_id:
                    self._book(request, session, -1)
            self._refold.add(session_id)
            self._touched.add(session_id)
        self.rewound.update(shared := events.files_sharing(self._db, self._file_id))
        files.rewind(self._db, shared, ledgers.encode(ledgers.Ledger()))
        self._leave(events.places_of_file(self._db, self._file_id))
        events.delete_of_file(self._db, self._file_id)

    # Sessions

    def _session(self, host_id: str) -> Session:
        found = self._sessions.get((self._agent, host_id))
        if found is None:
            found = (sessions.find(self._db, self._agent, host_id)
                     or sessions.add(self._db, self._agent, host_id, self._rev))
            self._sessions[self._agent, host_id] = self._by_id[found.id] = found
        if found.id not in self._placed:
            self._touched.add(found.id)
            self._placed.add(found.id)
            found.place(self._path, self._origin_ms)
        return found

    def _session_of(self, session_id: int) -> Session:
        found = self._by_id.get(session_id)
        if found is None:
            found = sessions.by_id(self._db, session_id)
            self._sessions[found.agent, found.host_id] = self._by_id[session_id] = found
        self._touched.add(session_id)
        return found

    def _session_facts(self, draft: SessionDraft) -> None:
        session = self._session(draft.session)
        if draft.workspace is not None and session.workspace_id is None:
            self._set_workspace(session, draft.workspace)
        for name, value in (("branch", draft.branch), ("start_commit", draft.commit), ("parent_host_id", draft.parent),
                            ("relation", draft.relation), ("parent_call_id", draft.parent_call_id),
                            ("agent_version", draft.agent_version)):
            if value is not None and getattr(session, name) is None:
                setattr(session, name, value)
        if draft.label is not None:
            session.label = draft.label
        if draft.model not in (None, session.model) and requests.last_model(self._db, session.id) is None:
            session.model = draft.model
        if draft.title is not None:
            session.title, session.title_is_hosts = draft.title, True
        self._span_time(session, draft.started_at_ms)
        self._span_time(session, draft.ended_at_ms)

    def _set_workspace(self, session: Session, path: str) -> None:
        """Known late, its requests so far move to the workspace's roll-up."""
        moved = [row for row in requests.of_session(self._db, session.id) if session.events]
        for request in moved:
            self._book(request, session, -1)
        if self._enqueue and session.events:
            self._leave(events.places_of_session(self._db, session.id))
            events.touch(self._db, session.id, self._rev)
        workspace_id = self._workspaces.get(path)
        if workspace_id is None:
            workspace_id = self._workspaces[path] = sessions.workspace(self._db, path, self._root_of(path))
        session.workspace_id = workspace_id
        for request in moved:
            self._book(request, session, +1)

    @staticmethod
    def _span_time(session: Session, ts_ms: int | None) -> None:
        if ts_ms is None:
            return
        if session.started_at_ms is None or ts_ms < session.started_at_ms:
            session.started_at_ms = ts_ms
        if session.ended_at_ms is None or ts_ms > session.ended_at_ms:
            session.ended_at_ms = ts_ms

    # Requests

    def _requests(self, items: list[Parsed]) -> None:
        if not items:
            return
        agent, db = self._agent, self._db
        by_key: dict[str, Request] = {}
        groups: dict[str, list[Request]] = defaultdict(list)
        before: dict[str, Request] = {}
        wanted = {name_of(item.draft) for item in items}
        for row in requests.of_groups(db, agent, sorted(wanted)):
            by_key[row.key] = row
            before[row.key] = msgspec.structs.replace(row)
            groups[row.request].append(row)
        changed: set[str] = set()
        fresh: list[Request] = []
        sightings: list[tuple[Request, int, int | None]] = []
        for item in items:
            draft = item.draft
            session = self._session(draft.session)
            offered = request_of(draft, item.at, item.ts_exact, session.id, self._file_id)
            kept = by_key.get(draft.key)
            if kept is None:
                kept = by_key[draft.key] = offered
                groups[kept.request].append(kept)
                fresh.append(kept)
            else:
                if absorb(kept, offered):
                    changed.add(kept.key)
                self._settle_owner(kept, offered, session, changed)
            sightings.append((kept, item.at, draft.output_tokens))
        for group in groups.values():
            if len(group) > 1 or group[0].duplicate_of is not None:
                for key, verdict in judge(group).items():
                    if by_key[key].duplicate_of != verdict:
                        by_key[key].duplicate_of = verdict
                        changed.add(key)
        first_id = events.reserve_ids(db, len(fresh)) if fresh else 0
        rows: list[tuple[Request, int]] = []
        for number, row in enumerate(fresh):
            row.id = first_id + number
            price(row, self._prices)
            session = self._session_of(row.session_id)
            rows.append((row, self._next_seq(session)))
            self._book(row, session, +1)
            self._span_time(session, row.ts_ms)
        requests.insert(db, agent, rows, self._rev)
        self.new_events += len(rows)
        updated = []
        for key in sorted(changed):
            old = before.get(key)
            if old is None:
                continue  # fresh in this batch: inserted as it now is
            row = by_key[key]
            price(row, self._prices)
            updated.append(row)
            self._book(old, self._session_of(old.session_id), -1)
            session = self._session_of(row.session_id)
            if old.session_id != row.session_id:
                self._leave(events.places(db, [row.id]))
                requests.move(db, row, self._next_seq(session))
                self._refold.update((old.session_id, row.session_id))
            self._book(row, session, +1)
            self._span_time(session, row.ts_ms)
        requests.update(db, updated, self._rev)
        self._file_sessions.update((one.file_id, one.session_id) for one in (*fresh, *updated) if one.file_id)
        for session_id in {one.session_id for one in (*fresh, *updated, *(before[row.key] for row in updated))}:
            self._session_of(session_id).model = requests.last_model(db, session_id)
        requests.add_sightings(db, [(row.id, self._file_id, at, output) for row, at, output in sightings])

    def _settle_owner(self, row: Request, offered: Request, session: Session, changed: set[str]) -> None:
        if _claim(offered.is_copy, session) < _claim(row.is_copy, self._session_of(row.session_id)):
            row.session_id, row.is_copy = session.id, offered.is_copy
            changed.add(row.key)

    def _captured(self, threads: Iterable[str]) -> None:
        """What a capture and the rollout of its thread both tell counts once (`model.captured`)."""
        for thread in sorted(threads):
            if not requests.of_groups(self._db, self._agent, [group_of(thread)]):
                continue
            session = self._session(thread)
            rows = {row.key: row for row in requests.of_session(self._db, session.id)}
            changed = [(rows[key], verdict) for key, verdict in judge_captured(rows.values()).items()
                       if rows[key].duplicate_of != verdict]
            for row, verdict in changed:
                self._book(row, session, -1)
                row.duplicate_of = verdict
                self._book(row, session, +1)
            requests.update(self._db, [row for row, _ in changed], self._rev)

    def _book(self, row: Request, session: Session, sign: int) -> None:
        """Add or take back what a counted request contributes to the roll-ups."""
        if row.duplicate_of is not None:
            return
        model = row.model or ""
        for sums in (self._quarters.setdefault((row.ts_ms // usage.QUARTER_MS, session.workspace_id or 0,
                                                session.agent, model), [0] * 9),
                     self._session_sums.setdefault((session.id, model), [0] * 9)):
            for place, amount in enumerate(amounts_of(row)):
                sums[place] += sign * amount

    def _write_sums(self) -> None:
        usage.add_by_quarter(self._db, {key: sums for key, sums in self._quarters.items() if any(sums)})
        usage.add_by_session(self._db, {key: sums for key, sums in self._session_sums.items() if any(sums)})

    # All other events

    def _others(self, items: list[Parsed]) -> None:
        if not items:
            return
        hashes = {item.draft.key: key_hash(item.draft.key) for item in items}
        known = events.known(self._db, self._agent, hashes)
        tellers = {one.file_id for one in known.values() if one.file_id is not None} - {self._file_id}
        events.add_repeats(self._db, tellers, self._file_id)
        fresh: dict[str, Parsed] = {}
        # Given in the order of the file, also between rows that move here.
        places: dict[str, tuple[Session, int]] = {}
        for item in items:
            draft = item.draft
            there = known.get(draft.key)
            if there is not None:
                self._merge(there, item)
                continue
            kept = fresh.setdefault(draft.key, item)
            if kept is not item:
                self._unite(kept, item)
                if not self._moves(kept.draft, draft):
                    continue
            session = self._session(draft.session)
            places[draft.key] = session, self._next_seq(session)
        if not fresh:
            return
        event_id = events.reserve_ids(self._db, len(fresh))
        rows = []
        for key, item in fresh.items():
            d = item.draft
            session, seq = places[key]
            ts_ms = d.ts_ms or 0
            rows.append((event_id, session.id, seq, self._agent, key, ts_ms, item.ts_exact, d.kind, d.role, d.tool,
                         d.call_id, d.request if d.kind == "tool_call" else None, d.model, d.is_error,
                         d.is_sidechain, d.latency_ms, d.stop_reason, d.retry_count, d.is_copy, d.flag,
                         self._file_id, item.at, self._rev, hashes[key], *self._place(item)))
            self._span_time(session, ts_ms)
            self._seen[session.id].append(_seen(seq, item))
            event_id += 1
        events.insert(self._db, rows)
        self._file_sessions.update((self._file_id, session.id) for session, _ in places.values())
        self.new_events += len(rows)

    def _merge(self, there: events.Known, item: Parsed) -> None:
        """Another record of an event we have."""
        draft = item.draft
        session, holder = self._session(draft.session), self._session_of(there.session_id)
        if _claim(draft.is_copy, session) < _claim(there.is_copy, holder):
            if session is not holder:
                self._leave(events.places(self._db, [there.id]))
                there.session_id, there.seq = session.id, self._next_seq(session)
                self._refold.update((holder.id, session.id))
            there.is_copy = draft.is_copy
            events.move(self._db, there.id, there.session_id, there.seq, there.is_copy, self._rev)
            if there.file_id:
                self._file_sessions.add((there.file_id, session.id))
        if there.kind != "tool_result":
            return
        is_error = draft.is_error if there.is_error is None else bool(there.is_error or draft.is_error)
        latency = draft.latency_ms if there.latency_ms is None else there.latency_ms
        body_changed = self._unite_body(there.id, item)
        if body_changed or (is_error, latency) != (there.is_error, there.latency_ms):
            there.is_error, there.latency_ms = is_error, latency
            events.update_result(self._db, there.id, is_error, latency, self._rev)
            self._refold.add(there.session_id)

    def _moves(self, kept: Draft, other: Draft) -> bool:
        """Of two records of one event in the same batch: does the other's session get it?"""
        session, holder = self._session(other.session), self._session(kept.session)
        if not _claim(other.is_copy, session) < _claim(kept.is_copy, holder):
            return False
        kept.session, kept.is_copy = other.session, other.is_copy
        self._refold.update((holder.id, session.id))
        return session is not holder

    def _unite_body(self, event_id: int, item: Parsed) -> bool:
        offered, stored = self._body(item), bodies.body(self._db, event_id)
        if offered is None or stored == offered:
            return False
        old = bodies.payload(stored) or {}
        united = {**(bodies.payload(offered) or {}), **old}
        if united == old:
            return False
        bodies.put(self._db, event_id, fitted(united)[0])
        return True

    def _unite(self, kept: Parsed, other: Parsed) -> None:
        """Two records of one result in the same batch."""
        mine, theirs = kept.draft, other.draft
        if mine.kind != "tool_result":
            return
        if theirs.is_error is not None:
            mine.is_error = bool(mine.is_error or theirs.is_error)
        mine.latency_ms = theirs.latency_ms if mine.latency_ms is None else mine.latency_ms
        offered = self._body(other)
        if offered is not None:
            united = {**(bodies.payload(offered) or {}), **(bodies.payload(self._body(kept)) or {})}
            kept.body, united = fitted(united)
            kept.length = 0
            kept.facts = extract(mine.kind, mine.role, mine.tool, united)

    def _body(self, item: Parsed) -> bytes | None:
        """The payload of an item of this batch, as JSON."""
        if not item.length:
            return item.body
        if self._opened[0] != item.block:
            self._opened = (item.block, bodies.opened(*self._blocks[item.block]))
        return self._opened[1][item.start : item.start + item.length]

    def _place(self, item: Parsed) -> tuple[int, int, int] | tuple[None, None, None]:
        """Where the payload of an item of this batch is in the store: block, start, length."""
        if item.length:
            return self._block_id(item.block), item.start, item.length
        if item.body is not None:
            return bodies.alone(self._db, item.body)
        return None, None, None

    def _block_id(self, block: int) -> int:
        """Blocks are stored when the first event that is new needs them: of a copied history nothing is."""
        found = self._block_ids.get(block)
        if found is None:
            found = self._block_ids[block] = bodies.add_block(self._db, *self._blocks[block])
        return found

    def _first_hand(self, items: list[Parsed]) -> list[Parsed]:
        """Of conversations told by several stores keep only the best one's rows: plain keys, then alt1:, alt2:, ..."""
        tiers: dict[str, int] = {}
        for item in items:
            if item.draft.kind != "cost":
                tier = _tier(item.draft.key)
                tiers[item.draft.session] = min(tier, tiers.get(item.draft.session, tier))
        for host_id, tier in tiers.items():
            session = self._session(host_id)
            stored = events.alternates(self._db, session.id)
            if events.has_first_hand(self._db, session.id):
                tiers[host_id] = 0
            elif stored:
                tiers[host_id] = min(tier, *(_tier(key) for _, key in stored))
            if worse := [event_id for event_id, key in stored if _tier(key) > tiers[host_id]]:
                self._leave(events.places(self._db, worse))
                events.delete(self._db, worse)
                self._refold.add(session.id)
        return [item for item in items
                if item.draft.kind == "cost" or _tier(item.draft.key) == tiers[item.draft.session]]

    def _leave(self, places: Iterable[tuple[int, int]]) -> None:
        if self._enqueue:
            self._left += [(one, seq, self._session_of(one).workspace_id) for one, seq in places]

    def _next_seq(self, session: Session) -> int:
        session.next_seq += 1
        session.events += 1
        return session.next_seq - 1

    # Folds

    def _fold(self) -> None:
        for session_id in sorted(self._refold):
            self._seen.pop(session_id, None)
            self._fold_again(self._session_of(session_id))
        for session_id, seen in self._seen.items():
            self._fold_on(self._session_of(session_id), seen)

    def _fold_on(self, session: Session, seen: Sequence[Seen]) -> None:
        state = self._folds.get(session.id)
        if state is None:
            saved = derived.fold_state(self._db, session.id, folds.VERSION)
            if saved is None and events.has_before(self._db, session.id, seen[0].seq):
                self._fold_again(session)
                return
            state = folds.State() if saved is None else folds.unpack(saved)
            self._folds[session.id] = state
        self._apply(session, state, folds.fold(state, seen, self._root(session)))

    def _fold_again(self, session: Session) -> None:
        """From the stored events. Also recounts what ingest keeps on the session."""
        derived.clear(self._db, session.id)
        session.prompts = session.tool_calls = session.errors = 0
        session.events, session.started_at_ms, session.ended_at_ms = sessions.recount(self._db, session.id)
        if not session.title_is_hosts:
            session.title = None
        state = self._folds[session.id] = folds.State()
        seen = [_seen_again(row) for row in events.of_session(self._db, session.id)]
        self._apply(session, state, folds.fold(state, seen, self._root(session)))

    def _apply(self, session: Session, state: folds.State, changes: folds.Changes) -> None:
        one = session.id
        derived.put_spans(self._db, [(one, *msgspec.structs.astuple(row), self._rev) for row in changes.spans])
        derived.put_turns(self._db, [(one, *msgspec.structs.astuple(row)) for row in changes.turns])
        derived.add_files(self._db, [(one, *msgspec.structs.astuple(row)) for row in changes.files])
        derived.add_tools(self._db, [(one, *msgspec.structs.astuple(row)) for row in changes.tools])
        derived.add_guidance(self._db, [(one, *msgspec.structs.astuple(row)) for row in changes.guidance])
        derived.put_fold_states(self._db, [(one, folds.VERSION, session.next_seq - 1, folds.pack(state))])
        session.prompts += changes.prompts
        session.tool_calls += changes.tool_calls
        session.errors += changes.errors
        session.status, session.status_reason = changes.status, changes.status_reason
        if changes.title and not session.title:
            session.title = changes.title

    def _root(self, session: Session) -> str:
        if session.workspace_id not in self._paths:
            self._paths[session.workspace_id] = sessions.workspace_path(self._db, session.workspace_id)
        return self._paths[session.workspace_id]


def _seen(seq: int, item: Parsed) -> Seen:
    d = item.draft
    return Seen(seq, d.ts_ms or 0, d.kind, item.ts_exact, d.role, d.tool, d.call_id, d.request, d.is_error,
                      d.latency_ms, d.stop_reason, item.event, item.facts)


def _seen_again(row: events.Stored) -> Seen:
    payload = bodies.payload(row.body) or {}
    return Seen(row.seq, row.ts_ms, row.kind, bool(row.ts_exact), row.role, row.tool, row.call_id, row.request,
                      None if row.is_error is None else bool(row.is_error), row.latency_ms, row.stop_reason,
                      payload.get("event") if row.kind == "lifecycle" else None,
                      extract(row.kind, row.role, row.tool, payload))


def _claim(is_copy: bool, session: Session) -> tuple[object, ...]:
    """Of several sessions that show a row, the lowest claim owns it."""
    return (is_copy, *session.owner_rank())


def _tier(key: str) -> int:
    return int(key[3]) if key.startswith("alt") and key[3:4].isdigit() else 0

