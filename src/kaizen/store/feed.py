"""The change feed of events: what was stored after a given event, with all a follower shows of it."""

from collections.abc import Iterator
from sqlite3 import Connection

import msgspec

from kaizen.store.bodies import BODY
from kaizen.store.rows import all_of


class Fed(msgspec.Struct, frozen=True):
    id: int
    session_id: int
    host_id: str
    agent: str
    workspace: str | None
    seq: int
    ts_ms: int
    kind: str
    role: str | None
    tool: str | None
    call_id: str | None
    model: str | None
    is_error: bool | None
    latency_ms: int | None
    input_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    cost_pusd: int | None
    body: bytes | None


_SELECT = f"""SELECT e.id, e.session_id, s.host_id, e.agent, w.path, e.seq, e.ts_ms, e.kind, e.role, e.tool, e.call_id,
                     e.model, e.is_error, e.latency_ms, e.input_tokens, e.output_tokens, e.reasoning_tokens,
                     e.cache_read_tokens, e.cache_write_tokens, e.cost_pusd, {BODY}
                FROM events AS e JOIN sessions AS s ON s.id = e.session_id
                LEFT JOIN workspaces AS w ON w.id = s.workspace_id"""


def newest_id(db: Connection) -> int:
    """The id of the newest event, 0 in an empty store."""
    return int(db.execute("SELECT next_event_id - 1 FROM clock").fetchone()[0])


def after(db: Connection, event_id: int, *, session_id: int | None = None, agent: str | None = None,
          kind: str | None = None, tool: str | None = None, limit: int = 1000) -> Iterator[Fed]:
    """Events stored after `event_id`, in the order in which they were stored."""
    where, args = all_of(("e.id > ?", event_id), ("e.session_id = ?", session_id), ("e.agent = ?", agent),
                         ("e.kind = ?", kind), ("e.tool = ?", tool))
    for row in db.execute(f"{_SELECT} {where} ORDER BY e.id LIMIT ?", (*args, limit)):
        yield Fed(*row)


def last(db: Connection, count: int, *, session_id: int | None = None, agent: str | None = None,
         kind: str | None = None, tool: str | None = None) -> list[Fed]:
    """The last `count` events by time, oldest first."""
    where, args = all_of(("e.session_id = ?", session_id), ("e.agent = ?", agent), ("e.kind = ?", kind),
                         ("e.tool = ?", tool))
    return [Fed(*row) for row in db.execute(f"{_SELECT} {where} ORDER BY e.id DESC LIMIT ?", (*args, count))][::-1]


def cost_so_far(db: Connection, session_id: int) -> int | None:
    """Pico-USD of the session's counted requests; None when none has a price."""
    found = db.execute("""SELECT sum(cost_pusd), sum(requests - unpriced_requests) FROM usage_by_session
                           WHERE session_id = ?""", (session_id,)).fetchone()
    return int(found[0]) if found[1] else None
