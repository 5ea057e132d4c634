"""One batch inside a transaction: what both stores do, in the words of each one's `Transaction`."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from kaizen.hub.accept import Entry
from kaizen.hub.answer import MAX_REJECTED_LISTED, Accepted
from kaizen.hub.decide import Known, Writes, decide
from kaizen.hub.store.protocol import Batch, KeyReused, Outcome, Refused, Replayed, Stored
from kaizen.wire.ingest import Event, SnapshotChunk


class Transaction(Protocol):
    def answered(self, path: str, key: str) -> tuple[bytes, bytes] | None:
        """Digest and response recorded for a key."""
        ...

    def buried(self, workspace_hash: str, sessions: Sequence[str]) -> frozenset[str] | None:
        """Which of the sessions were erased; None when the whole workspace was."""
        ...

    def known(self, batch: Batch) -> dict[str, Known]: ...

    def chunk_totals(self, batch: Batch, snapshots: Sequence[str]) -> dict[str, int]: ...

    def write(self, batch: Batch, new: Sequence[Entry], changed: Sequence[Entry]) -> None: ...

    def record(self, batch: Batch, response: bytes) -> None: ...


def commit(tx: Transaction, batch: Batch) -> Outcome:
    """Nothing is written unless the outcome is `Stored`."""
    if batch.key is not None and (earlier := tx.answered(batch.path, batch.key)):
        digest, response = earlier
        return Replayed(response) if digest == batch.digest else KeyReused()
    writes = _decided(tx, batch)
    if writes.rejected and not batch.is_partial:
        return Refused(writes.rejected[0])
    tx.write(batch, list(writes.new.values()), list(writes.changed.values()))
    rejected = sorted([*batch.rejected, *writes.rejected], key=lambda one: one.index)
    counts = Accepted(
        received=batch.received,
        deduped=writes.deduped,
        updated=writes.updated,
        conflicts=len(writes.losers),
        rejected=rejected[:MAX_REJECTED_LISTED],
        rejected_total=len(rejected),
    )
    if batch.key is not None:
        tx.record(batch, msgspec.json.encode(counts))
    return Stored(counts, writes.losers[:MAX_REJECTED_LISTED])


def _decided(tx: Transaction, batch: Batch) -> Writes:
    sessions = sorted({entry.session for entry in batch.entries if entry.session})
    buried = tx.buried(batch.envelope.workspace_hash, sessions)
    if buried is None:
        return Writes(new={}, changed={}, deduped=len(batch.entries))
    chunks = sorted({one.item.snapshot_id_hash for one in batch.entries if isinstance(one.item, SnapshotChunk)})
    totals = tx.chunk_totals(batch, chunks) if chunks else {}
    return decide(batch.kind, batch.entries, tx.known(batch), buried=buried, chunk_totals=totals)


def cost_pusd(event: Event) -> int | None:
    """Pico-dollars of a request; clients that know only micro-dollars send those. None has no price."""
    if event.cost_pusd is not None:
        return event.cost_pusd
    return None if event.cost_usd_e6 is None else event.cost_usd_e6 * 1_000_000


def is_counted(event: Event) -> bool:
    return event.kind == "cost" and not event.is_void
