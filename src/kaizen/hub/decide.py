"""What is known of an item, and a new version of it -> which of them is kept. Pure, and the same for every store.

    new digest = known digest          deduped
    revs differ                        the higher one is kept; no rev counts as -1
    equal revs (not -1)                deduped
    without rev    events              the first one is kept
                   sessions            both are merged: earliest start, latest end, status never goes back
                   all others          higher rank (how final, how late), then higher digest

So a set of versions leaves the same row in whatever order and however often they come; only conflicting events without
`rev` depend on who came first, as the contract says.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from blake3 import blake3

from kaizen.hub.accept import Entry
from kaizen.hub.answer import Rejected
from kaizen.wire.ingest import Session, SnapshotChunk

_STATUS = ("running", "waiting", "idle", "done")
_encode = msgspec.json.Encoder().encode
_session = msgspec.json.Decoder(Session).decode


class Known(msgspec.Struct, frozen=True, gc=False):
    """What is stored under a key. `body` only where versions are merged: sessions."""

    rev: int
    rank: int
    digest: bytes
    body: bytes | None = None


class Writes(msgspec.Struct, kw_only=True):
    """What to store, by key, and how the batch counts. `losers`: digests of versions that contradict what is kept."""

    new: dict[str, Entry] = {}
    changed: dict[str, Entry] = {}
    deduped: int = 0
    updated: int = 0
    rejected: list[Rejected] = []
    losers: list[str] = []


def decide(
    kind: str, entries: Iterable[Entry], known: Mapping[str, Known], *, buried: frozenset[str] = frozenset(),
    chunk_totals: Mapping[str, int] | None = None,
) -> Writes:
    """`buried`: sessions that were erased. `chunk_totals`: of the snapshots that are known already."""
    writes = Writes(new={}, changed={}, rejected=[], losers=[])
    totals = dict(chunk_totals or {})
    current = dict(known)
    for entry in entries:
        if entry.session and entry.session in buried:
            writes.deduped += 1
            continue
        if kind == "repo_snapshots" and (wrong := _wrong_total(entry, totals)):
            writes.rejected.append(wrong)
            continue
        old = current.get(entry.key)
        kept = entry if old is None else _kept(kind, old, entry)
        if kept is None:
            writes.deduped += 1
            if _contradicts(kind, old, entry):
                writes.losers.append(entry.digest.hex())
            continue
        current[entry.key] = Known(kept.rev, kept.rank, kept.digest, kept.body if kind == "sessions" else None)
        if old is None or entry.key in writes.new:
            writes.new[entry.key] = kept
        else:
            writes.changed[entry.key] = kept
        writes.updated += old is not None
    return writes


def _kept(kind: str, old: Known, new: Entry) -> Entry | None:
    """The version to store, or None when the old one stays."""
    if new.digest == old.digest:
        return None
    if new.rev != old.rev:
        return new if new.rev > old.rev else None
    if new.rev >= 0 or kind == "events":
        return None
    if kind == "sessions" and old.body is not None:
        return _merged(old, old.body, new)
    return new if (new.rank, new.digest) > (old.rank, old.digest) else None


def _contradicts(kind: str, old: Known | None, new: Entry) -> bool:
    """Same identity and same rev, other content; versions that are ordered do not contradict each other."""
    return old is not None and new.digest != old.digest and new.rev == old.rev and (kind == "events" or new.rev >= 0)


def _merged(old: Known, body: bytes, new: Entry) -> Entry | None:
    was, now = _session(body), new.item
    assert isinstance(now, Session)
    fields: dict[str, Any] = {name: _greater(getattr(was, name), getattr(now, name)) for name in _MERGED}
    fields["started_at_ms"] = min(was.started_at_ms, now.started_at_ms)
    fields["status"] = now.status if now.reopened else max(was.status, now.status, key=_STATUS.index)
    fields["reopened"] = False
    item = Session(session_id_hash=now.session_id_hash, **fields)
    text = _encode(item)
    digest = blake3(text).digest(length=16)
    if digest == old.digest:
        return None
    return msgspec.structs.replace(new, item=item, body=text, digest=digest, ts_ms=item.started_at_ms)


_MERGED = tuple(name for name in Session.__struct_fields__ if name not in ("session_id_hash", "rev"))


def _greater(one: Any, other: Any) -> Any:
    """A rule that no order of arrival can change; unknown is less than anything."""
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)


def _wrong_total(entry: Entry, totals: dict[str, int]) -> Rejected | None:
    chunk = entry.item
    assert isinstance(chunk, SnapshotChunk)
    if totals.setdefault(chunk.snapshot_id_hash, chunk.chunk_total) == chunk.chunk_total:
        return None
    message = f"Other chunks of this snapshot say {totals[chunk.snapshot_id_hash]}."
    return Rejected(entry.index, "chunk_total_mismatch", message, "chunk_total")
