"""From waiting items to a batch: the exact bytes and the key under which they will ever be sent.

All functions run in the caller's transaction. A batch keeps its body compressed, as it usually travels, and the length
of each item, so that it can be taken apart again without parsing.
"""

import gzip
import zlib
from collections.abc import Callable, Iterable, Sequence
from sqlite3 import Connection

import msgspec
from blake3 import blake3

from kaizen.outbox.policy import Limits
from kaizen.store import outbox, outbox_batches, outbox_dead, outbox_sinks
from kaizen.store.outbox import Waiting
from kaizen.store.outbox_batches import Batch
from kaizen.wire.ingest import KINDS, Kind, body, body_length

# Key for a moment: outbox.uuid7.Keys.
NewKey = Callable[[int], str]
# May these bytes leave? redact.guard
Guard = Callable[[bytes], bool]

_is_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_pack = msgspec.msgpack.Encoder().encode


class Member(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a batch knows of one of its items."""

    owner: str
    item_key: str | None
    length: int
    enqueued_ms: int
    origin: bytes | None = None


Item = tuple[Member, bytes]
_unpack = msgspec.msgpack.Decoder(list[Member]).decode


class Content(msgspec.Struct, frozen=True):
    """A batch's bytes: `body` is what a hub stores, `compressed` the same as gzip."""

    members: list[Member]
    body: bytes
    compressed: bytes

    def items(self, envelope: bytes, kind: Kind) -> list[Item]:
        at = len(envelope) + len(kind.list_name) + 4
        found = []
        for member in self.members:
            found.append((member, self.body[at : at + member.length]))
            at += member.length + 1
        return found


class Damaged(Exception):
    """The stored bytes are not those that were sealed."""


def seal(db: Connection, kind: Kind, envelope_id: int, limits: Limits, hard_bytes: int, now_ms: int,
         new_key: NewKey, guard: Guard) -> tuple[Batch | None, int]:
    """The oldest items of a lane and workspace as a batch, and how many died on the way: unparseable, too large for any
    server, or refused by the guard. None when nothing was left to seal."""
    envelope = outbox.envelope_body(db, envelope_id)
    rows, is_whole = _free(db, kind, envelope_id, limits.items)
    chosen, died = _fitting(rows, kind, envelope, limits, hard_bytes)
    whole = body(envelope, kind.list_name, [row.payload for row in chosen])
    if chosen and not (_is_batch(whole, kind, chosen) and guard(whole)):
        died += [(row, "redaction_guard" if _parses(row.payload) else "unparseable") for row in chosen
                 if not (_parses(row.payload) and guard(row.payload))]
        refused = {row.id for row, _ in died}
        chosen = [row for row in chosen if row.id not in refused]
        whole = body(envelope, kind.list_name, [row.payload for row in chosen])
    gone = [*chosen, *(row for row, _ in died)]
    if chosen and is_whole and not died:
        outbox.remove_between(db, kind.name, envelope_id, gone[0].id, gone[-1].id)
    else:
        outbox.remove(db, [row.id for row in gone])
    outbox_dead.bury(db, [_dead(kind.name, envelope_id, row, reason, now_ms) for row, reason in died])
    if not chosen:
        return None, len(died)
    members = [Member(row.owner, row.item_key, len(row.payload), row.enqueued_ms, row.origin) for row in chosen]
    return _add(db, kind, envelope_id, members, whole, now_ms, new_key), len(died)


def _free(db: Connection, kind: Kind, envelope_id: int, limit: int) -> tuple[list[Waiting], bool]:
    """The oldest items, without those of which an older version is under way: they must not overtake each other. True
    when there were none of these."""
    rows = outbox.waiting(db, kind.name, envelope_id, limit)
    if all(row.item_key is None for row in rows):
        return rows, True
    under_way = _keys_under_way(db, kind)
    if not any(row.item_key in under_way for row in rows):
        return rows, True
    rows = outbox.waiting(db, kind.name, envelope_id, limit + len(under_way))
    return [row for row in rows if row.item_key not in under_way], False


def _fitting(rows: Sequence[Waiting], kind: Kind, envelope: bytes, limits: Limits, hard_bytes: int,
             ) -> tuple[list[Waiting], list[tuple[Waiting, str]]]:
    """The first items that fit into one body, at least one, and those that fit into none."""
    chosen: list[Waiting] = []
    died: list[tuple[Waiting, str]] = []
    empty = body_length(envelope, kind.list_name, 1, 0)
    total = empty - 1
    for row in rows:
        length = len(row.payload) + 1
        if empty + length - 1 > hard_bytes:
            died.append((row, "too_large"))
            continue
        if chosen and (total + length > limits.bytes or len(chosen) >= limits.items):
            break
        chosen.append(row)
        total += length
    return chosen, died


def content_of(db: Connection, batch: Batch) -> Content:
    """Raises `Damaged` when the bytes are not those of the digest."""
    packed, compressed = outbox_batches.content(db, batch.id)
    try:
        whole = gzip.decompress(compressed)
        members = _unpack(packed)
    except (OSError, EOFError, zlib.error, msgspec.DecodeError) as error:
        raise Damaged(str(error)) from error
    if blake3(whole).digest() != batch.digest or len(members) != batch.item_count:
        raise Damaged("other bytes than were sealed")
    return Content(members, whole, compressed)


def reseal(db: Connection, batch: Batch, parts: Iterable[Sequence[Item]], now_ms: int, new_key: NewKey,
           between: Callable[[], None] = lambda: None) -> list[Batch]:
    """Replaces a batch by batches of `parts`, with new keys. What sinks already have stays theirs."""
    kind = KINDS[batch.kind]
    envelope = outbox.envelope_body(db, batch.envelope_id)
    sinks = outbox_sinks.sinks_of(db, batch.id)
    outbox_batches.drop_batch(db, batch.id)
    between()
    made = []
    for part in parts:
        if not part:
            continue
        whole = body(envelope, kind.list_name, [payload for _, payload in part])
        new = _add(db, kind, batch.envelope_id, [member for member, _ in part], whole, now_ms, new_key)
        new.rekeyed, new.accepted_before = batch.rekeyed, batch.accepted_before
        new.server_errors, new.first_error_ms = batch.server_errors, batch.first_error_ms
        outbox_batches.save(db, new)
        for sink in sinks:
            outbox_sinks.save_sink(db, msgspec.structs.replace(sink, batch_id=new.id))
        made.append(new)
    return made


def salvaged(db: Connection, batch: Batch) -> list[Item] | None:
    """The items of a damaged batch, as far as they are still items: None when they are not."""
    packed, compressed = outbox_batches.content(db, batch.id)
    kind = KINDS[batch.kind]
    try:
        found = _is_object(gzip.decompress(compressed))
        items = msgspec.json.decode(found[kind.list_name], type=list[msgspec.Raw])
        members = _unpack(packed)
    except (OSError, EOFError, zlib.error, KeyError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    if len(items) != len(members) or not all(_parses(bytes(item)) for item in items):
        return None
    return [(msgspec.structs.replace(member, length=len(bytes(item))), bytes(item))
            for member, item in zip(members, items, strict=True)]


def bury(db: Connection, batch: Batch, items: Iterable[tuple[Item, str, str]], now_ms: int) -> None:
    """(item, reason, detail) each."""
    outbox_dead.bury(db, [
        (batch.kind, batch.envelope_id, member.owner, member.item_key, payload, member.origin, reason,
         batch.last_status, detail[:500], member.enqueued_ms, now_ms, batch.attempts)
        for (member, payload), reason, detail in items])


def expire(db: Connection, kind: str, before_ms: int, now_ms: int, limit: int = 1_000) -> int:
    """Items of a lane that wait for too long die; how many."""
    old = {one for one, _ in outbox.older_than(db, kind, before_ms, limit)}
    if not old:
        return 0
    for envelope_id in {envelope_id for _, envelope_id in outbox.older_than(db, kind, before_ms, limit)}:
        rows = [row for row in outbox.waiting(db, kind, envelope_id, limit) if row.id in old]
        outbox_dead.bury(db, [_dead(kind, envelope_id, row, "expired", now_ms) for row in rows])
    outbox.remove(db, sorted(old))
    return len(old)


def _add(db: Connection, kind: Kind, envelope_id: int, members: list[Member], whole: bytes, now_ms: int,
         new_key: NewKey) -> Batch:
    batch = Batch(
        id=new_key(now_ms), kind=kind.name, envelope_id=envelope_id, item_count=len(members), body_bytes=len(whole),
        digest=blake3(whole).digest(), sealed_ms=now_ms, is_delivered=False, delivered_ms=None, attempts=0,
        last_attempt_ms=None, next_attempt_ms=now_ms, delay_ms=0, last_status=None, last_error=None, conflicts=0,
        rekeyed=0, server_errors=0, first_error_ms=None, accepted_before=None)  # fmt: skip
    outbox_batches.add_batch(db, batch, _pack(members), gzip.compress(whole, 1, mtime=0))
    return batch


def _keys_under_way(db: Connection, kind: Kind) -> frozenset[str]:
    return frozenset(member.item_key for packed in outbox_batches.sealed_items(db, kind.name)
                     for member in _unpack(packed) if member.item_key is not None)


def _is_batch(whole: bytes, kind: Kind, rows: Sequence[Waiting]) -> bool:
    """Its list holds exactly these payloads, and each is an object. Far cheaper than to parse each of them."""
    try:
        found = msgspec.json.decode(_is_object(whole)[kind.list_name], type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return [bytes(one) for one in found] == [row.payload for row in rows] and all(
        row.payload.startswith(b"{") for row in rows)


def _parses(payload: bytes) -> bool:
    try:
        _is_object(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _dead(kind: str, envelope_id: int, row: Waiting, reason: str, now_ms: int) -> tuple[object, ...]:
    return (kind, envelope_id, row.owner, row.item_key, row.payload, row.origin, reason, None, "", row.enqueued_ms,
            now_ms, 0)
