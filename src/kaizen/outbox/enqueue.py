"""From the change feed to the outbox.

Everything a transaction of ingest changed carries its number (`rev`), and `enqueued_rev` is the number up to which the
outbox was told. Ingest calls `Enqueue` at the end of each transaction, inside it. What happened before anybody wanted
to send (or while the settings could not work) is made up by `catch_up`, one number at a time, by the same code. So an
event is either in the outbox's past or ahead of `enqueued_rev`: there is no moment at which it is neither.

A version of an item carries `rev`, the time at which it was enqueued, made strictly growing: also a store that was
rebuilt from nothing sends higher ones than before.
"""

import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from sqlite3 import Connection
from typing import TYPE_CHECKING, Any

import msgspec
from blake3 import blake3

from kaizen.outbox import items
from kaizen.outbox.gate import Gate
from kaizen.store import bodies, outbox, outgoing
from kaizen.store.open import transaction
from kaizen.wire.ingest import Envelope, Event, Item

if TYPE_CHECKING:
    from kaizen.redact.scrub import Scrubber

# Of each text at level `scrubbed`, in characters.
MAX_TEXT = 2_048
# (session id, seq, workspace id) of places that events left
Left = tuple[int, int, int | None]

_encode = msgspec.json.Encoder().encode
_pack = msgspec.msgpack.Encoder().encode


class _Of(msgspec.Struct, frozen=True):
    """What all items of a session share."""

    session: outgoing.Session
    envelope: int
    root: str
    is_sampled: bool


class Enqueue:
    """Writes to the outbox what changed."""

    def __init__(self, gate: Gate, now_ms: Callable[[], int] | None = None) -> None:
        self._gate = gate
        self._scrubbers: dict[str, Scrubber] = {}
        self._now_ms = now_ms or (lambda: time.time_ns() // 1_000_000)

    def __call__(self, db: Connection, rev: int, left: Sequence[Left]) -> None:
        """In the transaction number `rev`, at its end."""
        self._settle(db)
        behind = outgoing.next_rev(db, int(outbox.get(db, "enqueued_rev") or 0))
        if left:
            self._void(db, left)
        if behind is None or behind >= rev:
            self._take(db, rev)

    def catch_up(self, db: Connection, on_step: Callable[[], None] = lambda: None) -> None:
        """Everything that was stored and not enqueued, each transaction's changes in one of ours."""
        while True:
            with transaction(db):
                self._settle(db)
                rev = outgoing.next_rev(db, int(outbox.get(db, "enqueued_rev") or 0))
                if rev is None:
                    return
                self._take(db, rev)
            on_step()

    def _settle(self, db: Connection) -> None:
        """Another hub, team or salt gets everything from the beginning, and nothing that was made for the old one."""
        identity = outbox.get(db, "identity")
        if identity == self._gate.identity:
            return
        if identity is not None:
            outbox.forget_all(db)
        outbox.set_(db, "identity", self._gate.identity)
        outbox.set_(db, "enqueued_rev", "0")

    def _take(self, db: Connection, rev: int) -> None:
        now_ms = self._now_ms()
        stamp = self._stamp(db, now_ms)
        known: dict[int, _Of] = {}
        turns: dict[int, list[tuple[int, int]]] = {}
        rows: list[tuple[str, int, str, str | None, bytes, bytes | None, int]] = []
        touched: dict[int, str] = {}
        for session in outgoing.sessions(db, rev):
            of = known[session.id] = self._of(db, session)
            if not of.is_sampled or not session.events:
                continue
            touched[of.envelope] = of.root
            add = self._adder(rows, of, now_ms)
            add("sessions", str(session.id), items.session_item(
                session, outgoing.sums(db, session.id), self._gate.salt, stamp, now_ms))
            for span in outgoing.spans(db, session.id, rev):
                add("tool_spans", f"{session.id}/{span.seq}", items.span(span, session, self._gate.salt, stamp))
        for event in outgoing.events(db, rev):
            found = known.get(event.session_id)
            if found is None:
                found = known[event.session_id] = self._of(db, outgoing.session(db, event.session_id))
            if not found.is_sampled:
                continue
            payload = bodies.payload(event.body) or {}
            if event.session_id not in turns:
                turns[event.session_id] = outgoing.turns(db, event.session_id)
            item = items.event(event, found.session, payload, self._gate.salt, found.root, stamp,
                               turn_of(event.seq, turns[event.session_id]))
            left_out = {key: 1 for key in payload if key not in (item.payload or {})}
            if self._gate.config.redaction.level == "scrubbed":
                item = self._with_texts(item, payload, found.root, left_out)
            origin = _pack((blake3(event.body or b"").digest(), left_out))
            # Only requests change after they were stored: streamed answers grow, duplicates are found out.
            key = f"{event.session_id}/{event.seq}" if event.kind == "cost" else None
            rows.append(("events", found.envelope, found.session.host_id, key, _encode(item), origin, now_ms))
        outbox.put(db, rows)
        for envelope, root in touched.items():
            self._facts(db, envelope, root, stamp, now_ms)
        outbox.set_(db, "enqueued_rev", str(rev))

    def _adder(self, rows: list[tuple[str, int, str, str | None, bytes, bytes | None, int]], of: _Of, now_ms: int,
               ) -> Callable[[str, str, Item], None]:
        def add(kind: str, key: str, item: Item) -> None:
            rows.append((kind, of.envelope, of.session.host_id, key, _encode(item), None, now_ms))

        return add

    def _void(self, db: Connection, left: Sequence[Left]) -> None:
        now_ms = self._now_ms()
        stamp = self._stamp(db, now_ms)
        rows = []
        for session_id, seq, workspace_id in left:
            session = outgoing.session(db, session_id)
            of = self._of(db, msgspec.structs.replace(session, workspace_id=workspace_id))
            if of.is_sampled:
                rows.append(("events", of.envelope, session.host_id, f"{session_id}/{seq}@{of.envelope}",
                             _encode(items.void(session, seq, self._gate.salt, stamp)), None, now_ms))
        outbox.put(db, rows)

    def _facts(self, db: Connection, envelope: int, root: str, stamp: int, now_ms: int) -> None:
        found = outgoing.guidance(db, root) if root else []
        digest = blake3(repr(found).encode()).hexdigest()[:16]
        if not found or outbox.get(db, f"facts:{envelope}") == digest:
            return
        outbox.set_(db, f"facts:{envelope}", digest)
        item = items.facts(found, self._gate.salt, stamp)
        outbox.put(db, [("workspace_facts", envelope, root, f"w:{envelope}", _encode(item), None, now_ms)])

    def _of(self, db: Connection, session: outgoing.Session) -> _Of:
        gate = self._gate
        root, name = outgoing.workspace(db, session.workspace_id)
        envelope = envelope_of(gate, root, name)
        return _Of(session, outbox.envelope(db, _encode(envelope)), root,
                   gate.salt.sample(session.host_id) < gate.config.sync.sample_rate)

    def _with_texts(self, item: Event, payload: dict[str, Any], root: str, left_out: dict[str, int]) -> Event:
        """With the texts that the user allows, scrubbed. What was found in them is counted."""
        texts: dict[str, str] = {}
        for key in self._gate.config.redaction.allow_keys:
            if key not in payload:
                continue
            tree, findings = self._scrubber(root).tree(payload[key])
            texts[key] = (tree if isinstance(tree, str) else _encode(tree).decode())[:MAX_TEXT]
            left_out.pop(key, None)
            for finding in findings:
                left_out[finding.rule] = left_out.get(finding.rule, 0) + 1
        return msgspec.structs.replace(item, payload={**item.payload, **texts})

    def _scrubber(self, root: str) -> "Scrubber":
        found = self._scrubbers.get(root)
        if found is None:
            from kaizen.outbox.machine import scrubber

            found = self._scrubbers[root] = scrubber(self._gate, root)
        return found

    def _stamp(self, db: Connection, now_ms: int) -> int:
        stamp = max(int(outbox.get(db, "stamp") or 0) + 1, now_ms)
        outbox.set_(db, "stamp", str(stamp))
        return stamp


def turn_of(seq: int, turns: list[tuple[int, int]]) -> int | None:
    """The last turn that had begun. None when no turn is known, as for a session whose folds were not run."""
    place = bisect_right(turns, seq, key=lambda one: one[0])
    return turns[place - 1][1] if place else None


def envelope_of(gate: Gate, root: str, name: str) -> Envelope:
    """Of everything that happened in a repository."""
    return Envelope(
        team_id=gate.team_id, workspace_hash=gate.salt.hash(root), salt_id=gate.salt.id, redaction=gate.redaction,
        project_name=(name or None) if gate.config.identity.project_name else None)
