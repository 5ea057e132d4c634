"""A folder: `hub.db` knows teams and tokens, `teams/<team_id>.db` holds what one team sent (docs/adr/0013).

A team's file has one connection that writes and one that reads, so a long report does not keep a client waiting.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from kaizen.hub.store.commit import commit
from kaizen.hub.store.packing import item_row
from kaizen.hub.store.protocol import (
    KEEP_CHUNKS_MS,
    KEEP_FACTS_MS,
    KEEP_KEYS_MS,
    KEEP_TOMBSTONES_MS,
    QUARTER_MS,
    SNAPSHOTS_KEPT,
    Amounts,
    Batch,
    Erasable,
    GroupBy,
    Outcome,
    Row,
    Window,
    Workspace,
    is_team_id,
)
from kaizen.hub.store.sqlite_file import TeamFile, connect
from kaizen.hub.store.sqlite_registry import SqliteRegistry
from kaizen.hub.store.sqlite_write import SqliteTransaction

_GROUPS: dict[GroupBy, str] = {
    "agent": "e.agent",
    "model": "e.model",
    "workspace": "w.hash",
    "session": "s.session",
    "quarter": f"e.ts_ms / {QUARTER_MS}",
}
_PARTS = ("tokens_in", "tokens_out", "reasoning", "cache_read", "cache_write", "cache_write_1h", "cost_pusd")
# 64 bits cannot hold the sum of a thousand hostile values, so halves are summed apart.
_SUMS = ", ".join(f"coalesce(sum(e.{part} >> 24), 0), coalesce(sum(e.{part} & 16777215), 0)" for part in _PARTS)


class SqliteStore(SqliteRegistry):
    def __init__(self, folder: Path) -> None:
        for one in (folder, folder / "teams"):  # nobody else may read what lies beside a database either
            one.mkdir(mode=0o700, parents=True, exist_ok=True)
        super().__init__(folder / "hub.db")
        self._folder = folder
        self._files: dict[str, TeamFile] = {}

    def commit(self, team_id: str, batches: Sequence[Batch], now_ms: int) -> list[Outcome]:
        file = self._file(team_id)
        with file.writing() as db:
            tx = SqliteTransaction(db, now_ms)
            return [commit(tx, batch) for batch in batches]

    def usage(self, team_id: str, by: Sequence[GroupBy], window: Window) -> list[tuple[tuple[Any, ...], Amounts]]:
        keys = ", ".join(_GROUPS[one] for one in by)
        where = _where(window, "e", "s")
        sql = f"""
            SELECT {keys}, count(*), {_SUMS}, sum(e.cost_pusd IS NULL) FROM events e {_joins(keys + where)}
             WHERE e.is_counted AND {where} GROUP BY {keys} ORDER BY {keys}"""
        with self._file(team_id).reading() as db:
            return [(row[: len(by)], _amounts(row[len(by) :])) for row in db.execute(sql, _bound(window))]

    def session_count(self, team_id: str, window: Window) -> int:
        where = _where(window, "e", "s")
        if window.is_all_time:  # far fewer sessions than events
            events = f"streams s WHERE EXISTS (SELECT 1 FROM events e WHERE e.stream = s.id AND {where})"
        else:
            events = f"events e {_joins('s.')} WHERE {where}"
        sql = f"""
            SELECT count(*) FROM (
              SELECT s.session FROM {events}
              UNION SELECT i.session FROM items i WHERE i.kind = 'sessions' AND {_where(window, "i", "i")})"""
        with self._file(team_id).reading() as db:
            return int(db.execute(sql, _bound(window)).fetchone()[0])

    def workspaces(self, team_id: str) -> list[Workspace]:
        with self._file(team_id).reading() as db:
            rows = db.execute("SELECT hash, project_name, salt_id FROM workspaces WHERE hash <> '' ORDER BY hash")
            return [Workspace(*row) for row in rows]

    def page(
        self, team_id: str, kind: str, window: Window, after: tuple[int, int] | None, limit: int, *,
        is_newest_first: bool = False,
    ) -> list[Row]:
        if kind == "events":
            source = f"events x {_joins('w.', 'x')}"
            where = _where(window, "x", "s")
        else:
            source = "items x JOIN workspaces w ON w.id = x.workspace"
            where = _where(window, "x", "x") + " AND x.kind = :kind"
        if after is not None:
            where += f" AND (x.ts_ms, x.id) {'<' if is_newest_first else '>'} (:after_ms, :after_id)"
        order = "DESC" if is_newest_first else "ASC"
        sql = f"""
            SELECT x.id, w.hash, x.ts_ms, x.received_ms, x.body FROM {source}
             WHERE {where} ORDER BY x.ts_ms {order}, x.id {order} LIMIT :limit"""
        after_ms, after_id = after or (0, 0)
        bound = {**_bound(window), "kind": kind, "after_ms": after_ms, "after_id": after_id, "limit": limit}
        with self._file(team_id).reading() as db:
            return [item_row(kind, *row) for row in db.execute(sql, bound)]

    def events_since(self, team_id: str, after_id: int, limit: int) -> list[Row]:
        sql = """
            SELECT e.id, w.hash, e.ts_ms, e.received_ms, e.body
              FROM events e JOIN streams s ON s.id = e.stream JOIN workspaces w ON w.id = s.workspace
             WHERE e.id > ? ORDER BY e.id LIMIT ?"""
        with self._file(team_id).reading() as db:
            return [item_row("events", *row) for row in db.execute(sql, (after_id, limit))]

    def last_event_id(self, team_id: str) -> int:
        with self._file(team_id).reading() as db:
            row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
            return int(row[0]) if row else 0

    def last_heard_ms(self, team_id: str, sessions: Sequence[str]) -> dict[str, int]:
        sql = """
            SELECT s.session, max((SELECT ts_ms FROM events e WHERE e.stream = s.id ORDER BY e.seq DESC LIMIT 1)) AS at
              FROM streams s WHERE s.session IN (SELECT value FROM json_each(?))
             GROUP BY s.session HAVING at IS NOT NULL"""
        with self._file(team_id).reading() as db:
            return dict(db.execute(sql, (msgspec.json.encode(sessions).decode(),)).fetchall())

    def erase(self, team_id: str, what: Erasable, name: str, now_ms: int) -> int:
        column = "session" if what == "session" else "workspace"
        value = "?" if what == "session" else "(SELECT id FROM workspaces WHERE hash = ?)"
        with self._file(team_id).writing() as db:
            before = db.total_changes
            db.execute(
                f"DELETE FROM events WHERE stream IN (SELECT id FROM streams WHERE {column} = {value})", (name,)
            )
            db.execute(f"DELETE FROM items WHERE {column} = {value}", (name,))
            gone = db.total_changes - before
            db.execute(f"DELETE FROM streams WHERE {column} = {value}", (name,))
            if what == "workspace":
                db.execute("DELETE FROM workspaces WHERE hash = ?", (name,))
            db.execute("INSERT OR REPLACE INTO tombstones VALUES (?, ?, ?)", (what, name, now_ms))
        return gone

    def export(self, team_id: str) -> Iterator[Row]:
        """From a snapshot of its own, which keeps nobody from writing."""
        db = connect(self._file(team_id).path)
        with contextlib.closing(db):
            for row in db.execute(
                "SELECT e.id, w.hash, e.ts_ms, e.received_ms, e.body FROM events e JOIN streams s ON s.id = e.stream"
                " JOIN workspaces w ON w.id = s.workspace ORDER BY e.id"
            ):
                yield item_row("events", *row)
            for kind, *row in db.execute(
                "SELECT i.kind, i.id, w.hash, i.ts_ms, i.received_ms, i.body FROM items i"
                " JOIN workspaces w ON w.id = i.workspace ORDER BY i.kind, i.id"
            ):
                yield item_row(kind, *row)

    def prune(self, team_id: str, before_ms: int, now_ms: int) -> int:
        steps: list[tuple[str, tuple[Any, ...]]] = [
            ("DELETE FROM events WHERE ts_ms < ?", (before_ms,)),
            ("DELETE FROM items WHERE ts_ms < ? AND kind <> 'workspace_facts'", (before_ms,)),
            (_OLD_FACTS, (now_ms - KEEP_FACTS_MS,)),
            (_OLD_SNAPSHOTS, (SNAPSHOTS_KEPT, now_ms - KEEP_CHUNKS_MS)),
        ]
        with self._file(team_id).writing() as db:
            before = db.total_changes
            for sql, args in steps:
                db.execute(sql, args)
            gone = db.total_changes - before
            db.execute("DELETE FROM answers WHERE created_ms < ?", (now_ms - KEEP_KEYS_MS,))
            db.execute("DELETE FROM tombstones WHERE created_ms < ?", (now_ms - KEEP_TOMBSTONES_MS,))
        return gone

    def close(self) -> None:
        with self._lock:
            for file in self._files.values():
                file.close()
            self._files.clear()
            self._registry.close()

    def _file(self, team_id: str) -> "TeamFile":
        with self._lock:
            found = self._files.get(team_id)
            if found is None:
                if not is_team_id(team_id):
                    raise ValueError(f"{team_id!r} is no team id")
                found = self._files[team_id] = TeamFile(self._folder / "teams" / f"{team_id}.db")
            return found


# All but the newest state of a workspace, when it is old.
_OLD_FACTS = """
DELETE FROM items WHERE kind = 'workspace_facts' AND received_ms < ?
   AND EXISTS (SELECT 1 FROM items n WHERE n.kind = 'workspace_facts' AND n.workspace = items.workspace
                  AND (n.rev, n.received_ms, n.id) > (items.rev, items.received_ms, items.id))"""
# Snapshots that are not among the newest complete ones of their workspace, unless they may still become complete.
_OLD_SNAPSHOTS = """
WITH chunks AS (SELECT id, workspace, substr(key, 1, 71) AS snapshot, ts_ms, received_ms FROM items
                 WHERE kind = 'repo_snapshots'),
     totals AS (SELECT c.workspace, c.snapshot, max(c.ts_ms) AS ts_ms, max(c.received_ms) AS received_ms,
                       count(*) >= max(chunk_total(i.body)) AS is_whole
                  FROM chunks c JOIN items i ON i.id = c.id GROUP BY 1, 2),
     ranked AS (SELECT *, row_number() OVER (PARTITION BY workspace, is_whole ORDER BY ts_ms DESC, snapshot) AS place
                  FROM totals)
DELETE FROM items WHERE id IN (
  SELECT c.id FROM chunks c JOIN ranked r ON r.workspace = c.workspace AND r.snapshot = c.snapshot
   WHERE (r.is_whole AND r.place > ?) OR (NOT r.is_whole AND r.received_ms < ?))"""


def _joins(used: str, table: str = "e") -> str:
    """The tables that a statement names, so that sums by agent or model read one index and nothing else."""
    of_workspace = "JOIN workspaces w ON w.id = s.workspace" if "w." in used else ""
    return f"JOIN streams s ON s.id = {table}.stream {of_workspace}" if of_workspace or "s." in used else ""


def _where(window: Window, table: str, owner: str) -> str:
    """`owner`: the table that knows workspace and session."""
    parts = []
    if not window.is_all_time:
        parts += [f"{table}.ts_ms >= :start", f"{table}.ts_ms < :end"]
    if window.workspace_hash is not None:
        parts.append(f"{owner}.workspace = (SELECT id FROM workspaces WHERE hash = :workspace)")
    if window.sessions is not None:
        parts.append(f"{owner}.session IN (SELECT value FROM json_each(:sessions))")
    return " AND ".join(parts) or "true"


def _bound(window: Window) -> dict[str, Any]:
    sessions = msgspec.json.encode(window.sessions or ()).decode()
    return {"start": window.start_ms, "end": window.end_ms, "workspace": window.workspace_hash, "sessions": sessions}


def _amounts(row: tuple[Any, ...]) -> Amounts:
    """(requests, high and low half of each sum, unpriced)"""
    sums = [(row[at] << 24) + row[at + 1] for at in range(1, 1 + 2 * len(_PARTS), 2)]
    return msgspec.convert((row[0], *sums, row[-1]), Amounts)
