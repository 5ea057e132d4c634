"""What a decoded item must fulfil besides its types, kind by kind, and what decides between versions without `rev`."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from kaizen.model.times import DAY_MS
from kaizen.wire.ingest import (
    KINDS,
    MAX_INT,
    Evaluation,
    Event,
    Feedback,
    Item,
    Observation,
    Session,
    SnapshotChunk,
    ToolSpan,
)

MAX_TEXT = 64 * 1024
# A micro-dollar amount beyond this does not fit 64 bits in pico-dollars.
MAX_USD_E6 = 9_000_000_000_000
_END = {"open": 0, "orphaned": 1, "done": 2, "ok": 2, "error": 2}


def keep_nothing(kind: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    return {}


class Rules(msgspec.Struct, frozen=True):
    """What applies to one request.

    `guard(text)`: whether it holds what must never leave a machine. `reduce(kind, payload)`: what of a payload may be
    kept. `is_lenient`: an old client that a 400 would block for ever.
    """

    now_ms: int
    max_items: int = 5_000
    is_lenient: bool = False
    allows_free_text: bool = False
    guard: Callable[[bytes], bool] = lambda _: False
    reduce: Callable[[str, Mapping[str, Any]], dict[str, Any]] = keep_nothing


class Bad(Exception):
    """This item is not stored."""

    def __init__(self, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.code, self.field = code, field


# The item as it is kept, its time, and its rank.
Checked = tuple[Item, int, int]


def _event(item: Event, rules: Rules) -> Checked:
    if item.payload is not None:
        if rules.is_lenient:
            kept = rules.reduce(item.kind, item.payload) if isinstance(item.payload, dict) else {}
            item = msgspec.structs.replace(item, payload=kept)
        _check_texts(item.payload)
    if item.cost_usd_e6 is not None and abs(item.cost_usd_e6) > MAX_USD_E6:
        raise Bad("number_out_of_range", f"At most {MAX_USD_E6} micro-dollars.", "cost_usd_e6")
    return item, item.ts_ms, 0


def _span(item: ToolSpan, rules: Rules) -> Checked:
    start, end = item.started_at_ms, item.ended_at_ms
    if start is not None and end is not None and end < start:
        raise Bad("item_invalid", "ended_at_ms must not be before started_at_ms", "ended_at_ms")
    check_time("ended_at_ms", end, rules)
    # How final the status is, then how late the end: 2^54 is more than any time.
    rank = (_END.get(item.status, 0) << 54) + (0 if end is None else end + 1)
    return item, start if start is not None else end or 0, rank


def _session(item: Session, rules: Rules) -> Checked:
    check_time("ended_at_ms", item.ended_at_ms, rules)
    return item, item.started_at_ms, 0


def _chunk(item: SnapshotChunk, rules: Rules) -> Checked:
    if item.chunk_index >= item.chunk_total:
        raise Bad("item_invalid", "chunk_index must be less than chunk_total", "chunk_index")
    return item, item.indexed_at_ms, 0


def _evaluation(item: Evaluation, rules: Rules) -> Checked:
    _check_free_text("rationale", item.rationale, rules)
    return item, item.created_at_ms, item.created_at_ms


def _feedback(item: Feedback, rules: Rules) -> Checked:
    if item.note is not msgspec.UNSET:
        _check_free_text("note", item.note, rules)
    return item, item.created_at_ms, item.created_at_ms


def _other(item: Item, rules: Rules) -> Checked:
    return item, rules.now_ms, 0


# Decides per type: extra checks, the time of the item, and the rank of versions without `rev`.
CHECKS: dict[type, Callable[[Any, Rules], Checked]] = {
    Event: _event,
    ToolSpan: _span,
    Session: _session,
    SnapshotChunk: _chunk,
    Evaluation: _evaluation,
    Feedback: _feedback,
    KINDS["workspace_facts"].item: _other,
    Observation: _other,
}
TIMES = {
    Event: "ts_ms",
    ToolSpan: "started_at_ms",
    Session: "started_at_ms",
    SnapshotChunk: "indexed_at_ms",
    Evaluation: "created_at_ms",
    Feedback: "created_at_ms",
}


def check_time(field: str | None, ts_ms: int | None, rules: Rules) -> None:
    if ts_ms is not None and ts_ms > rules.now_ms + DAY_MS:
        raise Bad("ts_out_of_range", "The time is more than a day ahead.", field)


def _check_free_text(field: str, text: str | None, rules: Rules) -> None:
    if text is None:
        return
    if not rules.allows_free_text:
        raise Bad("item_invalid", "This team does not accept free text.", field)
    if len(text.encode()) > MAX_TEXT:
        raise Bad("field_too_long", f"A text has at most {MAX_TEXT} bytes.", field)


def _check_texts(value: Any) -> None:
    match value:
        case str():
            if len(value) > MAX_TEXT // 4 and len(value.encode()) > MAX_TEXT:
                raise Bad("field_too_long", f"A text has at most {MAX_TEXT} bytes.", "payload")
        case dict():
            for name, one in value.items():
                _check_texts(name)
                _check_texts(one)
        case list():
            for one in value:
                _check_texts(one)
        case int() | float():
            if not -MAX_INT <= value <= MAX_INT and isinstance(value, int):
                raise Bad("number_out_of_range", "Integers lie within 2^53.", "payload")
