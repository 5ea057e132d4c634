"""A posted body -> what may be stored and what may not, item by item. Pure: the caller gives the time and the rules.

Every item is decoded by the struct of its kind, so what the contract does not name is dropped here. What is kept is an
`Entry`: the item's own JSON again, its identity, and what decides between two versions of it (see `decide`).
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, cast

import msgspec
from blake3 import blake3

from kaizen.hub import strict
from kaizen.hub.answer import Refusal, Rejected
from kaizen.hub.item_rules import CHECKS, TIMES, Bad, Rules, check_time
from kaizen.wire.ingest import (
    KINDS,
    Envelope,
    Event,
    Item,
    Kind,
    Observation,
)

MAX_ITEM_BYTES = 1 << 20
_NO_HASH = re.compile(rb'"blake3:(?![0-9a-f]{64}")([A-Za-z0-9_.-]{1,64})"')
_encode = msgspec.json.Encoder().encode

OBSERVATIONS = Kind(
    "observations", "/v1/experiments/{id}/observation", "observation", Observation, ("session_id_hash",)
)


class Entry(msgspec.Struct, frozen=True, gc=False):
    """An item as it is stored: `body`. `item` is the same decoded, without its payload.

    `key` identifies it within team, workspace and kind.

    `rev`, then `rank`, then `digest` decide between versions; -1 is no `rev`.
    """

    index: int
    key: str
    session: str
    ts_ms: int
    rev: int
    rank: int
    digest: bytes
    body: bytes
    item: Item


class Taken(msgspec.Struct, frozen=True):
    """What a body holds: `received` items, of which some are refused. `is_alone`: one item that is its own envelope."""

    envelope: Envelope
    entries: list[Entry]
    rejected: list[Rejected]
    received: int
    is_alone: bool = False


def batch(kind: Kind, body: bytes, rules: Rules, *, is_test: bool = False) -> Taken:
    """Raises `Refusal` for a body that is no batch of this kind."""
    strict.check(body)
    envelope, items = _opened(kind, _with_real_hashes(body) if is_test else body)
    if not items:
        raise Refusal("empty_batch", "The batch has no items.", field=kind.list_name)
    if len(items) > rules.max_items:
        raise Refusal("too_many_items", f"A batch has at most {rules.max_items} items.", max_items=rules.max_items)
    inside = sum(map(_brackets, items))
    if _brackets(body) - inside > strict.MAX_DEPTH:
        strict.check_depth(body)
    taken = _taken(kind, envelope, items, rules)
    is_alone = getattr(envelope, kind.list_name) is msgspec.UNSET
    return msgspec.structs.replace(taken, is_alone=True) if is_alone else taken


def observation(experiment: str, body: bytes, rules: Rules) -> Taken:
    """The one item of `POST /v1/experiments/{id}/observation`, whose envelope is itself."""
    strict.check(body)
    strict.check_depth(body)
    try:
        team = msgspec.json.decode(body, type=_TeamOnly)
    except msgspec.DecodeError as error:
        raise Refusal("bad_envelope", _said(error)[0], field=_said(error)[1]) from None
    envelope = Envelope(team_id=team.team_id, workspace_hash="")
    taken = _taken(OBSERVATIONS, envelope, [msgspec.Raw(body)], rules)
    named = [msgspec.structs.replace(one, key=f"{experiment}/{one.key}", rank=rules.now_ms) for one in taken.entries]
    return msgspec.structs.replace(taken, entries=named, is_alone=True)


class _TeamOnly(msgspec.Struct):
    team_id: str


def _opened(kind: Kind, body: bytes) -> tuple[Envelope, Sequence[msgspec.Raw]]:
    try:
        found = _BATCHES[kind.name](body)
        items = getattr(found, kind.list_name)
        return found, [msgspec.Raw(body)] if items is msgspec.UNSET else items
    except RecursionError:
        raise Refusal("json_too_deep", "JSON is nested too deep.") from None
    except msgspec.ValidationError as error:
        message, field = _said(error)
        if _has_no_envelope(body):
            raise Refusal("envelope_missing", "A batch names team_id and workspace_hash.") from None
        raise Refusal("bad_envelope", message, field=field) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal("bad_json", f"The body is not JSON: {error}.") from None


def _has_no_envelope(body: bytes) -> bool:
    try:
        names = msgspec.json.decode(body, type=dict[str, msgspec.Raw]).keys()
    except msgspec.DecodeError:
        return False
    return "workspace_hash" not in names and "session_id_hash" not in names


def _batch_type(kind: Kind) -> Callable[[bytes], Envelope]:
    items: Any = list[msgspec.Raw]
    if kind.name == "sessions":  # the reference's shape: one session, its fields beside the envelope's
        field: tuple[Any, ...] = (kind.list_name, items | msgspec.UnsetType, msgspec.UNSET)
    else:
        field = (kind.list_name, items)
    made = msgspec.defstruct(f"{kind.item.__name__}Batch", [field], bases=(Envelope,), frozen=True, kw_only=True)
    return cast("Callable[[bytes], Envelope]", msgspec.json.Decoder(made).decode)


_BATCHES = {kind.name: _batch_type(kind) for kind in KINDS.values()}
_ITEMS = {
    kind.name: msgspec.json.Decoder(kind.item).decode for kind in (*KINDS.values(), OBSERVATIONS)
}


def _taken(kind: Kind, envelope: Envelope, items: Sequence[msgspec.Raw], rules: Rules) -> Taken:
    entries, rejected = [], []
    decode = _ITEMS[kind.name]
    for index, raw in enumerate(items):
        try:
            entries.append(_entry(kind, index, raw, decode, rules))
        except Bad as bad:
            rejected.append(Rejected(index, bad.code, str(bad), bad.field))
    clean, leaking = _guarded(entries, rules)
    return Taken(envelope, clean, sorted([*rejected, *leaking], key=lambda one: one.index), len(items))


def _guarded(entries: list[Entry], rules: Rules) -> tuple[list[Entry], list[Rejected]]:
    """One look at all of them together costs a sixth of a look at each, and mostly there is nothing to find."""
    if not rules.guard(b"\n".join([entry.body for entry in entries])):
        return entries, []
    clean, leaking = [], []
    for entry in entries:
        if rules.guard(entry.body):
            message = "The item holds what should have been redacted."
            leaking.append(Rejected(entry.index, "unredacted_content", message))
        else:
            clean.append(entry)
    return clean, leaking


def _entry(kind: Kind, index: int, raw: msgspec.Raw, decode: Callable[[msgspec.Raw], Any], rules: Rules) -> Entry:
    size = len(memoryview(raw))
    if size > MAX_ITEM_BYTES:
        raise Bad("item_too_large", f"An item has at most {MAX_ITEM_BYTES} bytes.")
    if _brackets(raw) > strict.MAX_DEPTH - 2:
        strict.check_depth(bytes(raw), outside=2)
    try:
        item = decode(raw)
    except msgspec.ValidationError as error:
        raise _bad(error) from None
    except msgspec.DecodeError:
        raise Bad("item_invalid", "Not an item.") from None
    item, ts_ms, rank = CHECKS[type(item)](item, rules)
    check_time(TIMES.get(type(item)), ts_ms, rules)
    body = _encode(item)
    digest = blake3(body).digest(length=16)
    session = getattr(item, "session_id_hash", "")
    rev = -1 if item.rev is None else item.rev
    return Entry(index, _key(kind, item), session, ts_ms, rev, rank, digest, body, _without_payload(item))


def _key(kind: Kind, item: Item) -> str:
    """A kind without names for its items identifies them by what they say."""
    if kind.identity:
        return "/".join([str(getattr(item, name)) for name in kind.identity])
    return blake3(_encode(msgspec.structs.replace(item, rev=None))).hexdigest(length=16)


def _without_payload(item: Item) -> Item:
    """It is in the body; decoded it can be twenty times as large."""
    if isinstance(item, Event) and item.payload is not None:
        item = msgspec.structs.replace(item, payload=None)
    return item


def _bad(error: msgspec.ValidationError) -> Bad:
    """msgspec says ``Expected `int` >= 0 - at `$.event_seq` ``."""
    message, field = _said(error)
    if "of length <=" in message:
        return Bad("field_too_long", message, field)
    if message.startswith(("Expected `int` <=", "Expected `int` >=", "Number out of range", "Integer value out")):
        return Bad("number_out_of_range", message, field)
    return Bad("item_invalid", message, field)


def _said(error: Exception) -> tuple[str, str | None]:
    message, _, where = str(error).partition(" - at ")
    return message, where.strip("`$").lstrip(".") or None


def _brackets(text: msgspec.Raw | bytes) -> int:
    whole = bytes(text)
    return whole.count(b"{") + whole.count(b"[")


def _with_real_hashes(body: bytes) -> bytes:
    """`?test=1`: synthetic hashes such as `blake3:test-session` become real ones, always the same."""
    return _NO_HASH.sub(lambda found: b'"blake3:%s"' % blake3(found[1]).hexdigest().encode(), body)
