"""Reading what changed in a transaction, as it is enqueued for sending."""

from collections.abc import Iterator
from sqlite3 import Connection

import msgspec

from kaizen.store.bodies import columns
from kaizen.store.rows import row, rows, scalar


class Event(msgspec.Struct, gc=False, frozen=True):
    """An event with what its outbound item needs. Field order = the order of the query."""

    session_id: int
    seq: int
    ts_ms: int
    ts_exact: bool
    kind: str
    role: str | None
    tool: str | None
    call_id: str | None
    model: str | None
    is_error: bool | None
    latency_ms: int | None
    stop_reason: str | None
    duplicate_of: str | None
    input_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    cache_write_1h_tokens: int | None
    context_max_tokens: int | None
    ttft_ms: int | None
    retry_count: int | None
    cost_pusd: int | None
    body: bytes | None


class Session(msgspec.Struct, gc=False, frozen=True):
    id: int
    agent: str
    host_id: str
    workspace_id: int | None
    model: str | None
    branch: str | None
    parent_host_id: str | None
    agent_version: str | None
    started_at_ms: int | None
    ended_at_ms: int | None
    status: str
    events: int
    prompts: int
    tool_calls: int
    errors: int


class Sums(msgspec.Struct, frozen=True):
    input_tokens: int = 0
    output_tokens: int = 0
    cost_pusd: int = 0


class Span(msgspec.Struct, gc=False, frozen=True):
    seq: int
    turn: int
    tool: str | None
    status: str
    started_at_ms: int | None
    ended_at_ms: int | None
    lead_time_ms: int | None


_EVENT = columns(Event.__struct_fields__)
_SESSION = ", ".join(Session.__struct_fields__)
_SPAN = ", ".join(Span.__struct_fields__)


def next_rev(db: Connection, after: int) -> int | None:
    """The first transaction after `after` of which something is still as that transaction left it."""
    found: int | None = scalar(db, """SELECT min(rev) FROM (SELECT min(rev) AS rev FROM events WHERE rev > ?
                                        UNION ALL SELECT min(rev) FROM sessions WHERE rev > ?)""", (after, after))
    return found


def events(db: Connection, rev: int) -> Iterator[Event]:
    for found in db.execute(f"SELECT {_EVENT} FROM events WHERE rev = ? ORDER BY id", (rev,)):
        yield Event(*found)


def sessions(db: Connection, rev: int) -> list[Session]:
    return rows(Session, db.execute(f"SELECT {_SESSION} FROM sessions WHERE rev = ? ORDER BY id", (rev,)))


def active_between(db: Connection, start_ms: int, end_ms: int) -> list[Session]:
    """Sessions with an event in a window, those of one workspace together."""
    return rows(Session, db.execute(
        f"""SELECT {_SESSION} FROM sessions AS s
             WHERE ifnull(started_at_ms, 0) < ?
               AND EXISTS (SELECT 1 FROM events AS e WHERE e.session_id = s.id AND e.ts_ms >= ? AND e.ts_ms < ?)
             ORDER BY workspace_id, id""", (end_ms, start_ms, end_ms)))


def events_between(db: Connection, session_id: int, start_ms: int, end_ms: int) -> Iterator[Event]:
    for found in db.execute(
            f"SELECT {_EVENT} FROM events WHERE session_id = ? AND ts_ms >= ? AND ts_ms < ? ORDER BY seq",
            (session_id, start_ms, end_ms)):
        yield Event(*found)


def spans_between(db: Connection, session_id: int, start_ms: int, end_ms: int) -> list[Span]:
    return rows(Span, db.execute(
        f"SELECT {_SPAN} FROM spans WHERE session_id = ? AND started_at_ms >= ? AND started_at_ms < ? ORDER BY seq",
        (session_id, start_ms, end_ms)))


def session(db: Connection, session_id: int) -> Session:
    found = row(Session, db.execute(f"SELECT {_SESSION} FROM sessions WHERE id = ?", (session_id,)))
    assert found is not None
    return found


def sums(db: Connection, session_id: int) -> Sums:
    return Sums(*db.execute("""SELECT ifnull(sum(input_tokens), 0), ifnull(sum(output_tokens), 0),
                                      ifnull(sum(cost_pusd), 0) FROM usage_by_session WHERE session_id = ?""",
                            (session_id,)).fetchone())


def spans(db: Connection, session_id: int, rev: int) -> list[Span]:
    return rows(Span, db.execute(f"SELECT {_SPAN} FROM spans WHERE session_id = ? AND rev = ? ORDER BY seq",
                                 (session_id, rev)))


def turns(db: Connection, session_id: int) -> list[tuple[int, int]]:
    """(seq of the prompt, turn) of a session, in order. What came before the first prompt begins at 0."""
    found = db.execute("SELECT ifnull(prompt_seq, 0), turn FROM turns WHERE session_id = ? ORDER BY turn",
                       (session_id,))
    return list(found)


def workspace(db: Connection, workspace_id: int | None) -> tuple[str, str]:
    """(root, name); empty when unknown."""
    if workspace_id is None:
        return "", ""
    found: tuple[str, str] = db.execute("SELECT root, name FROM workspaces WHERE id = ?", (workspace_id,)).fetchone()
    return found


def repositories(db: Connection) -> list[tuple[str, str]]:
    """(root, name) of every repository on this machine."""
    return list(db.execute("SELECT DISTINCT root, name FROM workspaces WHERE root <> ''"))


def guidance(db: Connection, root: str) -> list[tuple[str, str]]:
    """(kind, name) of every skill and rule used in a repository."""
    return list(db.execute(
        """SELECT DISTINCT g.kind, g.name FROM workspaces AS w JOIN sessions AS s ON s.workspace_id = w.id
             JOIN guidance_used AS g ON g.session_id = s.id
            WHERE w.root = ? AND g.kind IN ('skill', 'rule') ORDER BY 1, 2""", (root,)))
