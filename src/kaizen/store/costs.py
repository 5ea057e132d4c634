"""Reading `cost` events, request by request. Sums come in the order of `store.usage.SUMS`."""

from collections.abc import Iterator
from sqlite3 import Connection
from typing import Any

import msgspec

from kaizen.store.filter import Filter
from kaizen.store.rows import all_of, rows
from kaizen.store.usage import Amounts

_EVENT_SUMS = """count(*), ifnull(sum(e.input_tokens), 0), ifnull(sum(e.output_tokens), 0),
  ifnull(sum(e.reasoning_tokens), 0), ifnull(sum(e.cache_read_tokens), 0), ifnull(sum(e.cache_write_tokens), 0),
  ifnull(sum(e.cache_write_1h_tokens), 0), ifnull(sum(e.cost_pusd), 0), sum(e.cost_pusd IS NULL)"""
_KEY_OF_EVENT: dict[str, str] = {
    "quarter": "e.ts_ms / 900000",
    "agent": "e.agent",
    "model": "ifnull(e.model, '')",
    "agent_model": "e.agent || char(31) || ifnull(e.model, '')",
    "workspace_id": "ifnull(s.workspace_id, 0)",
    "session": "s.id",
    "branch": "ifnull(s.branch, '')",
}
_COSTS = """FROM sessions AS s CROSS JOIN events AS e INDEXED BY costs ON e.session_id = s.id AND e.kind = 'cost'"""


def usage_of_events(
    db: Connection, key: str, only: Filter, start_ms: int | None, end_ms: int | None
) -> Iterator[tuple[Any, Amounts]]:
    """Counted requests of any window, request by request. `key` is one of `_KEY_OF_EVENT`."""
    where, args = all_of(
        ("e.ts_ms >= ?", start_ms), ("e.ts_ms < ?", end_ms), *only.on("s."), only.on_model("e.model"), ("1 = ?", 1)
    )
    for found, *amounts in db.execute(
        f"SELECT {_KEY_OF_EVENT[key]}, {_EVENT_SUMS} {_COSTS} {where} AND e.duplicate_of IS NULL GROUP BY 1 ORDER BY 1",
        args,
    ):
        yield found, tuple(amounts)


def total(db: Connection) -> Amounts:
    """Sums over every counted request."""
    found = db.execute(f"SELECT {_EVENT_SUMS} {_COSTS} WHERE e.duplicate_of IS NULL").fetchone()
    return tuple(amount or 0 for amount in found)  # type: ignore[return-value]


def requests_of(db: Connection, only: Filter, start_ms: int | None, end_ms: int | None) -> Iterator[tuple[Any, ...]]:
    """(session id, agent, request, input, output, reasoning, cache read, cache write, 1 h write, cost_pusd) of every
    counted request, in no order."""
    where, args = all_of(
        ("e.ts_ms >= ?", start_ms), ("e.ts_ms < ?", end_ms), *only.on("s."), only.on_model("e.model"), ("1 = ?", 1)
    )
    yield from db.execute(
        f"""SELECT s.id, e.agent, e.request, e.input_tokens, e.output_tokens, e.reasoning_tokens, e.cache_read_tokens,
                   e.cache_write_tokens, e.cache_write_1h_tokens, e.cost_pusd
              {_COSTS} {where} AND e.duplicate_of IS NULL""",
        args,
    )


def calls_of(db: Connection, only: Filter) -> Iterator[tuple[str, str, str]]:
    """(agent, request, tool) of every tool call that came out of a known request, in order."""
    where, args = all_of(*only.on("s."))
    yield from db.execute(
        f"""SELECT e.agent, e.request, e.tool FROM sessions AS s CROSS JOIN events AS e ON e.session_id = s.id
            {where} AND e.kind = 'tool_call' AND e.request IS NOT NULL AND e.tool IS NOT NULL
            ORDER BY s.id, e.seq""",
        args,
    )


class CostRow(msgspec.Struct, frozen=True):
    """A `cost` event with its place and all that decides its price."""

    id: int
    seq: int
    ts_ms: int
    key: str
    request: str | None
    model: str | None
    duplicate_of: str | None
    is_copy: bool
    input_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    cache_write_1h_tokens: int | None
    web_search_requests: int | None
    service_tier: str | None
    speed: str | None
    reported_cost_usd_e6: int | None
    cost_pusd: int | None
    cost_source: str | None
    flag: str | None
    file: str | None
    file_offset: int | None


_COST = ", ".join("f.path" if name == "file" else f"e.{name}" for name in CostRow.__struct_fields__)


def cost_rows(db: Connection, session_id: int) -> list[CostRow]:
    return rows(
        CostRow,
        db.execute(
            f"""SELECT {_COST} FROM events AS e LEFT JOIN files AS f ON f.id = e.file_id
             WHERE e.session_id = ? AND e.kind = 'cost' ORDER BY e.ts_ms, e.seq""",
            (session_id,),
        ),
    )


def sighting_rows(db: Connection, session_id: int) -> list[tuple[int, str | None, int, int | None]]:
    """(event id, file, offset, output tokens) of every record that described a request of the session."""
    return list(
        db.execute(
            """SELECT g.event_id, f.path, g.file_offset, g.output_tokens
             FROM events AS e CROSS JOIN sightings AS g ON g.event_id = e.id LEFT JOIN files AS f ON f.id = g.file_id
            WHERE e.session_id = ? AND e.kind = 'cost' ORDER BY g.event_id, f.path, g.file_offset""",
            (session_id,),
        )
    )


def counted_elsewhere(db: Connection, trace_path: str, session_id: int) -> list[tuple[str, str, int]]:
    """(agent, host id, requests): other sessions that own requests which this transcript shows too."""
    return list(
        db.execute(
            """SELECT s.agent, s.host_id, count(DISTINCT e.id)
             FROM files AS f CROSS JOIN sightings AS g ON g.file_id = f.id JOIN events AS e ON e.id = g.event_id
             JOIN sessions AS s ON s.id = e.session_id
            WHERE f.path = ? AND e.session_id <> ? GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2""",
            (trace_path, session_id),
        )
    )


def flags(db: Connection) -> list[tuple[str, str, int]]:
    """(agent, doubt, requests)."""
    return list(
        db.execute(
            """SELECT agent, flag, count(*) FROM events INDEXED BY costs WHERE kind = 'cost' AND flag IS NOT NULL
            GROUP BY 1, 2 ORDER BY 3 DESC"""
        )
    )
