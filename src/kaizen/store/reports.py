"""Queries behind the views. Read-only; every function takes the connection.

`Filter` is a scope in SQL terms. Sums are columns in the order of `SUMS`, as in the roll-ups (`store.usage`).
"""

from collections.abc import Iterator, Sequence
from sqlite3 import Connection
from typing import Any, Literal

import msgspec

from kaizen.model.span import SpanStatus
from kaizen.store.rows import all_of, rows, scalar
from kaizen.store.usage import SUMS

Amounts = tuple[int, int, int, int, int, int, int, int, int]
Key = Literal["quarter", "agent", "model", "workspace_id", "agent_model"]

_SUMS = ", ".join(f"sum({name})" for name in SUMS)
_EVENT_SUMS = """count(*), ifnull(sum(e.input_tokens), 0), ifnull(sum(e.output_tokens), 0),
  ifnull(sum(e.reasoning_tokens), 0), ifnull(sum(e.cache_read_tokens), 0), ifnull(sum(e.cache_write_tokens), 0),
  ifnull(sum(e.cache_write_1h_tokens), 0), ifnull(sum(e.cost_pusd), 0), sum(e.cost_pusd IS NULL)"""
_KEY_OF_QUARTER = {"agent_model": "agent || char(31) || model"}
_KEY_OF_EVENT: dict[str, str] = {
    "quarter": "e.ts_ms / 900000",
    "agent": "e.agent",
    "model": "ifnull(e.model, '')",
    "agent_model": "e.agent || char(31) || ifnull(e.model, '')",
    "workspace_id": "ifnull(s.workspace_id, 0)",
    "session": "s.id",
    "branch": "ifnull(s.branch, '')",
}
# Sessions outside, so that each is one look-up in the index `costs`, whatever the planner thinks of the window.
_COSTS = """FROM sessions AS s CROSS JOIN events AS e INDEXED BY costs ON e.session_id = s.id AND e.kind = 'cost'"""


class Filter(msgspec.Struct, frozen=True):
    """None: not restricted. `model` may hold `*` and `?`."""

    workspace_ids: tuple[int, ...] | None = None
    agent: str | None = None
    model: str | None = None

    @property
    def _ids(self) -> str | None:
        return None if self.workspace_ids is None else msgspec.json.encode(self.workspace_ids).decode()

    def on(self, alias: str = "") -> list[tuple[str, Any]]:
        """Conditions on columns `workspace_id` and `agent` of `alias` (such as `s.`)."""
        return [
            (f"{alias}workspace_id IN (SELECT value FROM json_each(?))", self._ids),
            (f"{alias}agent = ?", self.agent),
        ]

    def on_model(self, column: str) -> tuple[str, Any]:
        """Only this model; `*` and `?` as in file names, everything else literally (`[1m]` is part of a name)."""
        if self.model is None or not ("*" in self.model or "?" in self.model):
            return f"{column} = ?", self.model
        return f"{column} GLOB ?", self.model.replace("[", "[[]")


def usage_by(
    db: Connection, key: Key, only: Filter, first: int | None, last: int | None
) -> Iterator[tuple[Any, Amounts]]:
    """Whole quarters `first <= quarter < last` of the roll-up."""
    where, args = all_of(("quarter >= ?", first), ("quarter < ?", last), *only.on(), only.on_model("model"))
    for found, *amounts in db.execute(
        f"SELECT {_KEY_OF_QUARTER.get(key, key)}, {_SUMS} FROM usage_by_quarter {where} GROUP BY 1 ORDER BY 1", args
    ):
        yield found, tuple(amounts)


def usage_by_day(
    db: Connection, only: Filter, first: int | None, last: int | None, offset_quarters: int
) -> Iterator[tuple[int, Amounts]]:
    """(first quarter with anything, sums) of each local day of a zone that is so far ahead of UTC all the time."""
    where, args = all_of(("quarter >= ?", first), ("quarter < ?", last), *only.on(), only.on_model("model"))
    for _, quarter, *amounts in db.execute(
        f"""SELECT (quarter + {offset_quarters:d}) / 96, min(quarter), {_SUMS} FROM usage_by_quarter {where}
             GROUP BY 1 ORDER BY 1""",
        args,
    ):
        yield quarter, tuple(amounts)


def quarter_span(db: Connection) -> tuple[int, int] | None:
    """The first and the last quarter that has anything."""
    first = scalar(db, "SELECT min(quarter) FROM usage_by_quarter")
    return None if first is None else (first, scalar(db, "SELECT max(quarter) FROM usage_by_quarter"))


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


def usage_of_sessions(db: Connection, key: str, only: Filter) -> Iterator[tuple[Any, Amounts]]:
    """All time, from the roll-up by session. `key` is one of `_KEY_OF_EVENT`, but `quarter`."""
    where, args = all_of(*only.on("s."), only.on_model("u.model"))
    column = _KEY_OF_EVENT[key].replace("e.agent", "s.agent").replace("ifnull(e.model, '')", "u.model")
    for found, *amounts in db.execute(
        f"""SELECT {column}, {_SUMS} FROM usage_by_session AS u JOIN sessions AS s ON s.id = u.session_id
                {where} GROUP BY 1 ORDER BY 1""",
        args,
    ):
        yield found, tuple(amounts)


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


class Workspace(msgspec.Struct, frozen=True):
    id: int
    path: str
    root: str
    name: str


def workspaces(db: Connection) -> list[Workspace]:
    return rows(Workspace, db.execute("SELECT id, path, root, name FROM workspaces ORDER BY path"))


def has_sessions(db: Connection, workspace_ids: Sequence[int]) -> bool:
    where, args = all_of(*Filter(tuple(workspace_ids)).on())
    return scalar(db, f"SELECT 1 FROM sessions {where} LIMIT 1", args) is not None


def agents(db: Connection) -> list[str]:
    return [name for (name,) in db.execute("SELECT DISTINCT agent FROM sessions ORDER BY 1")]


def models(db: Connection) -> list[str]:
    return [name for (name,) in db.execute("SELECT DISTINCT model FROM usage_by_session WHERE model <> '' ORDER BY 1")]


class SessionRow(msgspec.Struct, frozen=True):
    id: int
    agent: str
    host_id: str
    workspace_id: int | None
    workspace: str | None
    model: str | None
    branch: str | None
    start_commit: str | None
    parent_host_id: str | None
    relation: Literal["subagent", "fork"] | None
    parent_call_id: str | None
    label: str | None
    agent_version: str | None
    title: str | None
    trace_path: str
    started_at_ms: int | None
    ended_at_ms: int | None
    status: str
    status_reason: str | None
    events: int
    prompts: int
    tool_calls: int
    errors: int


_SESSION = ", ".join("w.path" if name == "workspace" else f"s.{name}" for name in SessionRow.__struct_fields__)
_SESSIONS = f"SELECT {_SESSION} FROM sessions AS s LEFT JOIN workspaces AS w ON w.id = s.workspace_id"


def session_page(
    db: Connection,
    only: Filter,
    *,
    start_ms: int | None = None,
    end_ms: int | None = None,
    branch: str | None = None,
    is_root: bool = False,
    with_empty: bool = False,
    after: tuple[int, int] | None = None,
    limit: int = 50,
) -> list[SessionRow]:
    """Sessions that overlap the window, newest first; `limit` 0 is all. To continue, pass the last row's
    `(started_at_ms or 0, id)` as `after`. Sessions of which only the name is known are left out unless `with_empty`."""
    model, wanted = only.on_model("u.model")
    where, args = all_of(
        *only.on("s."),
        ("s.branch = ?", branch),
        ("s.parent_host_id IS NULL AND 1 = ?", 1 if is_root else None),
        (f"EXISTS (SELECT 1 FROM usage_by_session AS u WHERE u.session_id = s.id AND {model})", wanted),
        ("s.ended_at_ms >= ?", start_ms),
        ("s.started_at_ms < ?", end_ms),
        ("(s.started_at_ms, s.id) < (?, ?)", after),
        ("s.events > ?", None if with_empty else 0),
    )
    return rows(
        SessionRow,
        db.execute(f"{_SESSIONS} {where} ORDER BY s.started_at_ms DESC, s.id DESC LIMIT ?", (*args, limit or -1)),
    )


def session(db: Connection, session_id: int) -> SessionRow:
    return SessionRow(*db.execute(f"{_SESSIONS} WHERE s.id = ?", (session_id,)).fetchone())


def children(db: Connection, agent: str, host_id: str) -> list[SessionRow]:
    return rows(
        SessionRow,
        db.execute(
            f"{_SESSIONS} WHERE s.agent = ? AND s.parent_host_id = ? ORDER BY s.started_at_ms, s.id", (agent, host_id)
        ),
    )


def find_session(db: Connection, agent: str, host_id: str) -> int | None:
    found: int | None = scalar(db, "SELECT id FROM sessions WHERE agent = ? AND host_id = ?", (agent, host_id))
    return found


def session_ids(db: Connection, only: Filter, *, with_empty: bool = True) -> list[tuple[int, str, str]]:
    """(id, agent, host id), newest first."""
    where, args = all_of(*only.on(), ("events > ?", None if with_empty else 0))
    return list(
        db.execute(f"SELECT id, agent, host_id FROM sessions {where} ORDER BY started_at_ms DESC, id DESC", args)
    )


def usage_of(db: Connection, session_ids: Sequence[int]) -> dict[int, list[tuple[str, Amounts]]]:
    """Per session its models and their sums."""
    found: dict[int, list[tuple[str, Amounts]]] = {}
    for session_id, model, *amounts in db.execute(
        f"""SELECT session_id, model, {", ".join(SUMS)} FROM usage_by_session
                 WHERE session_id IN (SELECT value FROM json_each(?)) ORDER BY session_id, model""",
        (msgspec.json.encode(session_ids).decode(),),
    ):
        found.setdefault(session_id, []).append((model, tuple(amounts)))
    return found


def session_counts(db: Connection, only: Filter, start_ms: int | None, end_ms: int | None) -> list[tuple[Any, ...]]:
    """(agent, model of the last request, sessions, of these roots, prompts, tool calls, errors) of the sessions that
    overlap the window."""
    model, wanted = only.on_model("u.model")
    where, args = all_of(
        *only.on(),
        (f"EXISTS (SELECT 1 FROM usage_by_session AS u WHERE u.session_id = sessions.id AND {model})", wanted),
        ("ended_at_ms >= ?", start_ms),
        ("started_at_ms < ?", end_ms),
        ("events > ?", 0),
    )
    return list(
        db.execute(
            f"""SELECT agent, ifnull(model, ''), count(*), sum(parent_host_id IS NULL), sum(prompts), sum(tool_calls),
                   sum(errors)
              FROM sessions {where} GROUP BY 1, 2 ORDER BY 1, 2""",
            args,
        )
    )


def span_tools(db: Connection, only: Filter, start_ms: int | None, end_ms: int | None) -> list[tuple[Any, ...]]:
    """(tool, calls, not ok, denied) by number of calls. All time comes from the counts kept by session."""
    if start_ms is None and end_ms is None:
        where, args = all_of(*only.on("s."))
        return list(
            db.execute(
                f"""SELECT u.tool, sum(u.calls), sum(u.errors), sum(u.denied)
                      FROM tools_used AS u JOIN sessions AS s ON s.id = u.session_id {where}
                     GROUP BY 1 ORDER BY 2 DESC, 1""",
                args,
            )
        )
    where, args = all_of(
        ("p.started_at_ms >= ?", start_ms), ("p.started_at_ms < ?", end_ms), *only.on("s."), ("p.tool <> ?", "")
    )
    # A scope without conditions need not look at sessions at all.
    joined = (
        "spans AS p JOIN sessions AS s ON s.id = p.session_id" if only.on("s.") != Filter().on("s.") else "spans AS p"
    )
    return list(
        db.execute(
            f"""SELECT p.tool, count(*), sum(p.status = 'error'), sum(p.status = 'denied') FROM {joined} {where}
            GROUP BY 1 ORDER BY 2 DESC, 1""",
            args,
        )
    )


def lead_times(db: Connection, only: Filter, start_ms: int | None, end_ms: int | None) -> Iterator[tuple[str, int]]:
    """(tool, lead time) of every finished span whose clocks are exact, by tool, shortest first."""
    where, args = all_of(
        ("p.started_at_ms >= ?", start_ms), ("p.started_at_ms < ?", end_ms), *only.on("s."), ("p.lead_time_ms >= ?", 0)
    )
    yield from db.execute(
        f"""SELECT p.tool, p.lead_time_ms FROM spans AS p JOIN sessions AS s ON s.id = p.session_id {where}
               AND p.tool IS NOT NULL ORDER BY 1, 2""",
        args,
    )


def top_files(
    db: Connection, only: Filter, start_ms: int | None, end_ms: int | None, limit: int
) -> list[tuple[Any, ...]]:
    """(root, path, sessions, reads, writes, added, removed) of files that were changed; most sessions first."""
    where, args = all_of(
        ("f.last_ms >= ?", start_ms), ("f.first_ms < ?", end_ms), *only.on("s."), ("f.is_outside = ?", 0)
    )
    return list(
        db.execute(
            f"""SELECT ifnull(w.root, ''), f.path, count(DISTINCT f.session_id),
                   sum(CASE WHEN op = 'read' THEN times ELSE 0 END),
                   sum(CASE WHEN op IN ('write', 'create', 'delete') THEN times ELSE 0 END) AS writes,
                   sum(added_lines), sum(removed_lines)
              FROM files_touched AS f JOIN sessions AS s ON s.id = f.session_id
              LEFT JOIN workspaces AS w ON w.id = s.workspace_id {where}
             GROUP BY 1, 2 HAVING writes > 0 ORDER BY writes DESC, 3 DESC, 1, 2 LIMIT ?""",
            (*args, limit),
        )
    )


def top_guidance(db: Connection, only: Filter, start_ms: int | None, limit: int) -> list[tuple[Any, ...]]:
    """(kind, name, scope, sessions that loaded it, sessions that only mentioned it)."""
    where, args = all_of(("g.first_ms >= ?", start_ms), *only.on("s."))
    return list(
        db.execute(
            f"""SELECT g.kind, g.name, g.scope,
                   count(DISTINCT CASE WHEN how = 'loaded' THEN g.session_id END) AS loaded,
                   count(DISTINCT CASE WHEN how = 'mentioned' THEN g.session_id END)
              FROM guidance_used AS g JOIN sessions AS s ON s.id = g.session_id {where}
             GROUP BY 1, 2, 3 ORDER BY loaded DESC, 5 DESC, 1, 2 LIMIT ?""",
            (*args, limit),
        )
    )


def error_sessions(
    db: Connection, only: Filter, start_ms: int | None, end_ms: int | None, limit: int
) -> list[SessionRow]:
    where, args = all_of(
        *only.on("s."), ("s.ended_at_ms >= ?", start_ms), ("s.started_at_ms < ?", end_ms), ("s.errors > ?", 0)
    )
    return rows(
        SessionRow,
        db.execute(
            f"{_SESSIONS} {where} ORDER BY s.errors DESC, s.started_at_ms DESC, s.id DESC LIMIT ?", (*args, limit)
        ),
    )


def starts(
    db: Connection, only: Filter, start_ms: int | None, end_ms: int | None
) -> Iterator[tuple[int, str, int | None, str]]:
    """(started, status, ended, agent) of sessions that began in the window."""
    where, args = all_of(*only.on(), ("started_at_ms >= ?", start_ms), ("started_at_ms < ?", end_ms), ("events > ?", 0))
    yield from db.execute(f"SELECT started_at_ms, status, ended_at_ms, agent FROM sessions {where}", args)


class ProjectRow(msgspec.Struct, frozen=True):
    workspace_id: int
    sessions: int
    roots: int
    first_ms: int | None
    last_ms: int | None
    errors: int


def project_rows(db: Connection) -> list[ProjectRow]:
    """One row per workspace (0 = unknown)."""
    return rows(
        ProjectRow,
        db.execute(
            """SELECT ifnull(workspace_id, 0), count(*), sum(parent_host_id IS NULL), min(started_at_ms),
                  max(ended_at_ms), sum(errors)
             FROM sessions WHERE events > 0 GROUP BY 1 ORDER BY 1"""
        ),
    )


def agents_of_workspaces(db: Connection) -> list[tuple[int, str, int]]:
    return list(
        db.execute(
            """SELECT ifnull(workspace_id, 0), agent, count(*) FROM sessions WHERE events > 0
                GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2"""
        )
    )


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


_EVENT = ", ".join(EventRow.__struct_fields__)


def event_rows(
    db: Connection, session_id: int, *, kinds: Sequence[str] | None = None, after: int | None = None, limit: int = 0
) -> list[EventRow]:
    """Events in `seq` order with their bodies; `after` is a `seq`."""
    where, args = all_of(
        ("session_id = ?", session_id),
        ("seq > ?", after),
        ("kind IN (SELECT value FROM json_each(?))", None if kinds is None else msgspec.json.encode(kinds).decode()),
    )
    return rows(
        EventRow,
        db.execute(
            f"SELECT {_EVENT} FROM events LEFT JOIN bodies ON event_id = id {where} ORDER BY seq LIMIT ?",
            (*args, limit or -1),
        ),
    )


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


def unpriced_models(db: Connection, only: Filter) -> list[tuple[str, int]]:
    """(model or '', requests without a price)."""
    where, args = all_of(*only.on(), only.on_model("model"), ("unpriced_requests > ?", 0))
    return list(
        db.execute(
            f"SELECT model, sum(unpriced_requests) FROM usage_by_quarter {where} GROUP BY 1 ORDER BY 2 DESC, 1", args
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


def table_counts(db: Connection) -> dict[str, int]:
    asked = ("sessions WHERE events > 0", "events", "files", "workspaces")
    return {name.partition(" ")[0]: int(scalar(db, f"SELECT count(*) FROM {name}")) for name in asked}


def integrity(db: Connection) -> list[str]:
    """What SQLite finds wrong with the file; empty is good."""
    found = [text for (text,) in db.execute("PRAGMA quick_check(20)")]
    foreign = [
        f"{table}: row {row} refers to nothing in {parent}"
        for table, row, parent, _ in db.execute("PRAGMA foreign_key_check").fetchmany(20)
    ]
    return [text for text in found if text != "ok"] + foreign


def rollup_drift(db: Connection) -> list[str]:
    """Where a roll-up does not equal the events it sums up; empty is good."""
    wrong = []
    for table in ("usage_by_quarter", "usage_by_session"):
        rolled = db.execute(f"SELECT {', '.join(f'ifnull(sum({name}), 0)' for name in SUMS)} FROM {table}").fetchone()
        real = db.execute(f"SELECT {_EVENT_SUMS} {_COSTS} WHERE e.duplicate_of IS NULL").fetchone()
        wrong += [
            f"{table}.{name}: {have} instead of {want or 0}"
            for name, have, want in zip(SUMS, rolled, real, strict=True)
            if have != (want or 0)
        ]
    return wrong


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


def oldest_file_ms(db: Connection, source: str) -> int | None:
    """Modification time of the oldest file of a source that is still there."""
    found: int | None = scalar(
        db, "SELECT min(mtime_ns) / 1000000 FROM files WHERE source = ? AND gone_at_ms IS NULL", (source,)
    )
    return found


def gone_files(db: Connection) -> int:
    return int(scalar(db, "SELECT count(*) FROM files WHERE gone_at_ms IS NOT NULL"))
