"""Small stores built directly through the schema: what views and commands are tested on."""

from collections.abc import Sequence
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import msgspec

from kaizen.store import bodies, usage
from kaizen.store.key_hash import row_hash
from kaizen.store.open import open_store
from kaizen.store.usage import QUARTER_MS

T0 = 1_770_000_000_000  # 2026-02-02 02:40 UTC
TOKENS = (
    "input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
)


class Seed:
    """Fills a store row by row; `done` builds the roll-ups from the events, as ingest keeps them."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.db: Connection = open_store(home, write=True)
        self._seqs: dict[int, int] = {}

    def workspace(self, path: str, root: str | None = None) -> int:
        root = root or path
        return self._insert("workspaces", path=path, root=root, name=root.rpartition("/")[2])

    def session(self, host_id: str, agent: str = "claude", workspace: int | None = None, **more: Any) -> int:
        values = {
            "started_at_ms": T0,
            "ended_at_ms": T0 + 60_000,
            "model": "claude-sonnet-4",
            "title": f"Title of {host_id}",
            "rev": 1,
            "trace_path": f"/traces/{host_id}.jsonl",
            "events": 1,
            **more,
        }
        return self._insert("sessions", agent=agent, host_id=host_id, workspace_id=workspace, **values)

    def event(
        self, session: int, kind: str, ts_ms: int = T0, *, body: dict[str, Any] | None = None, **more: Any
    ) -> int:
        seq = self._seqs.get(session, 0)
        self._seqs[session] = seq + 1
        agent = self.db.execute("SELECT agent FROM sessions WHERE id = ?", (session,)).fetchone()[0]
        values = {"key": f"{session}:{seq}", "ts_exact": 1, "is_sidechain": 0, "rev": 1, **more}
        values["key_hash"] = row_hash(kind, values["key"], values.get("request"))
        event = self._insert("events", session_id=session, seq=seq, agent=agent, ts_ms=ts_ms, kind=kind, **values)
        if body is not None:
            bodies.put(self.db, event, msgspec.json.encode(body))
        return event

    def cost(
        self,
        session: int,
        ts_ms: int = T0,
        pusd: int | None = 3_000_000,
        *,
        request: str | None = None,
        model: str | None = "claude-sonnet-4",
        tokens: tuple[int, ...] = (10, 5, 0, 100, 20, 0),
        **more: Any,
    ) -> int:
        seq = self._seqs.get(session, 0)
        request = request or f"r{session}-{seq}"
        values = {
            "key": f"req:{request}",
            "cost_source": "unknown" if pusd is None else "computed",
            **dict(zip(TOKENS, tokens, strict=True)),
            **more,
        }
        return self.event(session, "cost", ts_ms, request=request, model=model, cost_pusd=pusd, **values)

    def call(
        self,
        session: int,
        tool: str,
        ts_ms: int = T0,
        *,
        request: str | None = None,
        status: str = "ok",
        turn: int = 1,
        took_ms: int | None = 500,
        **body: Any,
    ) -> None:
        seq = self._seqs.get(session, 0)
        call_id = f"call-{session}-{seq}"
        self.event(session, "tool_call", ts_ms, tool=tool, call_id=call_id, request=request, body={"input": body})
        self.event(
            session,
            "tool_result",
            ts_ms + (took_ms or 0),
            tool=tool,
            call_id=call_id,
            is_error=int(status == "error"),
            body={"output": f"output of {tool}"},
        )
        self._insert(
            "spans",
            session_id=session,
            seq=seq,
            turn=turn,
            parallel_group=seq,
            tool=tool,
            call_id=call_id,
            request=request,
            status=status,
            started_at_ms=ts_ms,
            ended_at_ms=ts_ms + (took_ms or 0),
            lead_time_ms=took_ms,
            rev=1,
        )

    def row(self, table: str, **values: Any) -> int:
        return self._insert(table, **values)

    def done(self) -> Connection:
        self.db.execute("BEGIN")
        for table in usage.KEYS:
            self.db.execute(f"DELETE FROM {table}")
        quarters: dict[tuple[int, int, str, str], Sequence[int]] = {}
        sessions: dict[tuple[int, str], Sequence[int]] = {}
        for session, workspace, agent, model, ts_ms, pusd, *tokens in self.db.execute(
            f"""SELECT s.id, ifnull(s.workspace_id, 0), s.agent, ifnull(e.model, ''), e.ts_ms, e.cost_pusd,
                           {", ".join(f"e.{name}" for name in TOKENS)}
                      FROM events e JOIN sessions s ON s.id = e.session_id
                     WHERE e.kind = 'cost' AND e.duplicate_of IS NULL"""
        ):
            amounts = [1, *[token or 0 for token in tokens], pusd or 0, int(pusd is None)]
            usage.sum_up(quarters, (ts_ms // QUARTER_MS, workspace, agent, model), amounts)
            usage.sum_up(sessions, (session, model), amounts)
        usage.add_by_quarter(self.db, quarters)
        usage.add_by_session(self.db, sessions)
        self.db.execute("""UPDATE sessions SET
            events = (SELECT count(*) FROM events WHERE session_id = sessions.id),
            tool_calls = (SELECT count(*) FROM events WHERE session_id = sessions.id AND kind = 'tool_call'),
            prompts = (SELECT count(*) FROM events WHERE session_id = sessions.id AND role = 'prompt'),
            errors = (SELECT count(*) FROM events WHERE session_id = sessions.id AND is_error = 1)""")
        self.db.execute("""INSERT INTO tools_used SELECT session_id, tool, count(*), sum(status = 'error'),
                                  sum(status = 'denied') FROM spans WHERE tool <> '' GROUP BY 1, 2""")
        self.db.execute("COMMIT")
        return self.db

    def _insert(self, table: str, **values: Any) -> int:
        found = self.db.execute(
            f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join('?' * len(values))}) RETURNING 1",
            tuple(values.values()),
        ).fetchall()
        assert found
        return int(self.db.execute("SELECT last_insert_rowid()").fetchone()[0])


def small_world(home: Path) -> Connection:
    """Three agents, two projects, a subagent, errors, an unpriced model: enough for every command to show something."""
    seed = Seed(home)
    api, web = seed.workspace("/src/api"), seed.workspace("/src/web")
    first = seed.session(
        "aaaa1111-0000-4000-8000-000000000001",
        "claude",
        api,
        title="Fix the login test",
        branch="main",
        started_at_ms=T0,
        ended_at_ms=T0 + 600_000,
        start_commit="abc123",
    )
    trace = seed.row(
        "files",
        source="claude",
        path="/traces/first.jsonl",
        dev=1,
        inode=1,
        size=5000,
        mtime_ns=1,
        offset=5000,
        ledger=msgspec.msgpack.encode([
            4000,
            40,
            {"attachment": 900},
            100,
            [[4900, 100, "bad_json"]],
            {"new-thing": 2},
        ]),
    )
    seed.event(first, "message", T0, role="prompt", body={"text": "Fix the login test\nplease"})
    one = seed.cost(
        first,
        T0 + 5_000,
        12_345_678_900,
        request="m1",
        tokens=(1000, 400, 120, 20_000, 3_000, 1_000),
        model="claude-opus-4-8",
        file_id=trace,
        file_offset=120,
    )
    seed.row("file_sessions", file_id=trace, session_id=first)
    seed.row("sightings", event_id=one, file_id=trace, file_offset=60, output_tokens=3)
    seed.row("sightings", event_id=one, file_id=trace, file_offset=120, output_tokens=400)
    seed.event(first, "message", T0 + 5_000, role="assistant", request="m1", body={"text": "I will look at the test."})
    seed.call(first, "Read", T0 + 6_000, request="m1", file_path="/src/api/login.py")
    seed.call(first, "Bash", T0 + 8_000, request="m1", status="error", command="pytest -q")
    seed.cost(first, T0 + 20_000, 2_500_000_500, request="m2", model="claude-opus-4-8", file_id=trace, file_offset=900)
    seed.cost(
        first,
        T0 + 20_000,
        None,
        request="m3",
        model="claude-opus-4-8",
        duplicate_of="req:m2",
        file_id=trace,
        file_offset=950,
    )
    seed.call(first, "Edit", T0 + 21_000, request="m2", file_path="/src/api/login.py")
    seed.row(
        "turns",
        session_id=first,
        turn=1,
        prompt_seq=0,
        started_at_ms=T0,
        ended_at_ms=T0 + 600_000,
        tool_calls=3,
        errors=1,
    )
    seed.row(
        "files_touched",
        session_id=first,
        path="login.py",
        op="write",
        is_outside=0,
        is_guess=0,
        times=1,
        added_lines=4,
        removed_lines=2,
        first_ms=T0 + 21_000,
        last_ms=T0 + 21_000,
    )
    seed.row(
        "files_touched",
        session_id=first,
        path="login.py",
        op="read",
        is_outside=0,
        is_guess=0,
        times=2,
        first_ms=T0,
        last_ms=T0 + 6_000,
    )
    seed.row(
        "guidance_used",
        session_id=first,
        kind="skill",
        name="testing",
        scope="project",
        how="loaded",
        times=1,
        first_ms=T0,
    )
    child = seed.session(
        "agent-bbbb2222",
        "claude",
        api,
        parent_host_id="aaaa1111-0000-4000-8000-000000000001",
        relation="subagent",
        title=None,
        label="explorer",
        started_at_ms=T0 + 9_000,
        ended_at_ms=T0 + 12_000,
    )
    seed.cost(child, T0 + 10_000, 50_000_000)
    codex = seed.session(
        "cccc3333-0000-7000-8000-000000000003",
        "codex",
        web,
        title="Add a dark theme",
        model="gpt-5-codex",
        started_at_ms=T0 + 86_400_000,
        ended_at_ms=T0 + 86_500_000,
        branch="dark",
    )
    seed.event(codex, "message", T0 + 86_400_000, role="prompt", body={"text": "Add a dark theme"})
    seed.cost(codex, T0 + 86_410_000, 17_204_250_000, model="gpt-5-codex", tokens=(12_757, 81, 40, 3_584, 0, 0))
    seed.cost(codex, T0 + 86_420_000, None, model="house-model", tokens=(100, 10, 0, 0, 0, 0))
    cursor = seed.session(
        "dddd4444-0000-4000-8000-000000000004",
        "cursor",
        None,
        title="\x1b[31mred\x1b[0m | pipe",
        model=None,
        started_at_ms=T0 + 172_800_000,
        ended_at_ms=T0 + 172_900_000,
    )
    seed.event(cursor, "message", T0 + 172_800_000, role="prompt", body={"text": "hi"})
    return seed.done()
