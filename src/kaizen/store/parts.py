"""Reading what one session consists of: events with their bodies, spans, turns, files, guidance."""

from collections.abc import Sequence
from sqlite3 import Connection

import msgspec

from kaizen.model.span import SpanStatus
from kaizen.store.bodies import columns
from kaizen.store.rows import all_of, listed, rows


class EventRow(msgspec.Struct, frozen=True):
    seq: int
    ts_ms: int
    ts_exact: bool
    kind: str
    role: str | None
    tool: str | None
    call_id: str | None
    request: str | None
    model: str | None
    is_error: bool | None
    is_sidechain: bool
    latency_ms: int | None
    duplicate_of: str | None
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    cost_pusd: int | None
    body: bytes | None


_EVENT = columns(EventRow.__struct_fields__)


def event_rows(
    db: Connection, session_id: int, *, kinds: Sequence[str] | None = None, after: int | None = None, limit: int = 0
) -> list[EventRow]:
    """Events in `seq` order with their bodies; `after` is a `seq`."""
    where, args = all_of(
        ("session_id = ?", session_id),
        ("seq > ?", after),
        ("kind IN (SELECT value FROM json_each(?))", None if kinds is None else listed(kinds)),
    )
    asked = f"SELECT {_EVENT} FROM events {where} ORDER BY seq LIMIT ?"
    return rows(EventRow, db.execute(asked, (*args, limit or -1)))


class SpanRow(msgspec.Struct, frozen=True):
    seq: int
    turn: int
    parallel_group: int
    tool: str | None
    call_id: str | None
    request: str | None
    status: SpanStatus
    status_reason: str | None
    started_at_ms: int | None
    ended_at_ms: int | None
    lead_time_ms: int | None
    exit_code: int | None


def span_rows(db: Connection, session_id: int) -> list[SpanRow]:
    return rows(
        SpanRow,
        db.execute(
            f"SELECT {', '.join(SpanRow.__struct_fields__)} FROM spans WHERE session_id = ? ORDER BY seq", (session_id,)
        ),
    )


class TurnRow(msgspec.Struct, frozen=True):
    turn: int
    prompt_seq: int | None
    started_at_ms: int
    ended_at_ms: int
    tool_calls: int
    errors: int


def turn_rows(db: Connection, session_id: int) -> list[TurnRow]:
    return rows(
        TurnRow,
        db.execute(
            f"SELECT {', '.join(TurnRow.__struct_fields__)} FROM turns WHERE session_id = ? ORDER BY turn",
            (session_id,),
        ),
    )


class FileRow(msgspec.Struct, frozen=True):
    path: str
    op: str
    is_outside: bool
    is_guess: bool
    times: int
    added_lines: int | None
    removed_lines: int | None
    first_ms: int
    last_ms: int


def file_rows(db: Connection, session_id: int) -> list[FileRow]:
    return rows(
        FileRow,
        db.execute(
            f"SELECT {', '.join(FileRow.__struct_fields__)} FROM files_touched WHERE session_id = ? ORDER BY path, op",
            (session_id,),
        ),
    )


class GuidanceRow(msgspec.Struct, frozen=True):
    kind: str
    name: str
    scope: str
    how: str
    times: int
    first_ms: int


def guidance_rows(db: Connection, session_id: int) -> list[GuidanceRow]:
    return rows(
        GuidanceRow,
        db.execute(
            f"""SELECT {", ".join(GuidanceRow.__struct_fields__)} FROM guidance_used
                 WHERE session_id = ? ORDER BY kind, name, how""",
            (session_id,),
        ),
    )
