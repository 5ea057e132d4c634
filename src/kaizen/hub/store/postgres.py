"""A PostgreSQL database, which any number of hub processes share (docs/adr/0013).

Writes of a team hold one advisory lock until they commit. Under it what is known cannot change, so the rules of
`decide` are applied to plain reads, and the ids of events become visible in their order.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from kaizen.hub.store.commit import commit
from kaizen.hub.store.packing import item_row
from kaizen.hub.store.postgres_pool import LOCK, Connection, Pool, only_row
from kaizen.hub.store.postgres_registry import PostgresRegistry
from kaizen.hub.store.postgres_write import PostgresTransaction
from kaizen.hub.store.protocol import (
    KEEP_CHUNKS_MS,
    KEEP_FACTS_MS,
    KEEP_KEYS_MS,
    KEEP_TOMBSTONES_MS,
    SNAPSHOTS_KEPT,
    Amounts,
    Batch,
    Erasable,
    GroupBy,
    Outcome,
    Row,
    Window,
    Workspace,
)

DAY_MS = 86_400_000
# Older days share the default partition.
PARTITION_DAYS = 400
_GROUPS: dict[GroupBy, LiteralString] = {
    "agent": 'e.agent COLLATE "C"',
    "model": 'e.model COLLATE "C"',
    "workspace": 's.workspace COLLATE "C"',
    "session": 's.session COLLATE "C"',
    "quarter": "e.ts_ms / 900000",  # QUARTER_MS
}
class PostgresStore(PostgresRegistry):
    def __init__(self, url: str, connections: int = 10) -> None:
        super().__init__(Pool(url, connections))
        self._partitions: set[int] = set()

    def commit(self, team_id: str, batches: Sequence[Batch], now_ms: int) -> list[Outcome]:
        self._make_partitions(batches, now_ms)
        with self._pool.transaction() as db:
            _lock_team(db, team_id)
            tx = PostgresTransaction(db, team_id, now_ms)
            return [commit(tx, batch) for batch in batches]

    def usage(self, team_id: str, by: Sequence[GroupBy], window: Window) -> list[tuple[tuple[Any, ...], Amounts]]:
        keys = ", ".join(_GROUPS[one] for one in by)
        where, bound = _where(team_id, window, "e", "s")
        query = f"""
            SELECT {keys}, count(*), sum(e.tokens_in), sum(e.tokens_out), sum(e.reasoning), sum(e.cache_read),
                   sum(e.cache_write), sum(e.cache_write_1h), sum(e.cost_pusd), count(*) - count(e.cost_pusd)
              FROM events e {_joins(keys + where)} WHERE e.is_counted AND {where} GROUP BY {keys} ORDER BY {keys}"""
        with self._pool.transaction() as db:
            rows = db.execute(query, bound).fetchall()
        return [(row[: len(by)], Amounts(*[int(part or 0) for part in row[len(by) :]])) for row in rows]

    def session_count(self, team_id: str, window: Window) -> int:
        if window.is_all_time:  # far fewer sessions than events
            of_sessions, bound = _where(team_id, window, "s", "s")
            events = (
                f"streams s WHERE {of_sessions} AND EXISTS"
                " (SELECT 1 FROM event_keys k WHERE k.team_id = s.team_id AND k.stream = s.stream)"
            )
        else:
            where, bound = _where(team_id, window, "e", "s")
            events = f"events e {_joins('s.')} WHERE {where}"
        items, _ = _where(team_id, window, "i", "i")
        query = f"""
            SELECT count(*) FROM (
              SELECT s.session FROM {events}
              UNION SELECT i.session FROM items i WHERE i.kind = 'sessions' AND {items}) found"""
        with self._pool.transaction() as db:
            return int(only_row(db.execute(query, bound))[0])

    def workspaces(self, team_id: str) -> list[Workspace]:
        with self._pool.transaction() as db:
            rows = db.execute(
                "SELECT hash, project_name, salt_id FROM workspaces WHERE team_id = %s AND hash <> '' ORDER BY hash",
                (team_id,),
            ).fetchall()
        return [Workspace(*row) for row in rows]

    def page(
        self, team_id: str, kind: str, window: Window, after: tuple[int, int] | None, limit: int, *,
        is_newest_first: bool = False,
    ) -> list[Row]:
        source, owner = (f"events x {_joins('s.', 'x')}", "s") if kind == "events" else ("items x", "x")
        where, bound = _where(team_id, window, "x", owner)
        if kind != "events":
            where += " AND x.kind = %(kind)s"
        if after is not None:
            where += f" AND (x.ts_ms, x.id) {'<' if is_newest_first else '>'} (%(after_ms)s, %(after_id)s)"
        order = "DESC" if is_newest_first else "ASC"
        query = f"""
            SELECT x.id, {owner}.workspace, x.ts_ms, x.received_ms, x.body FROM {source} WHERE {where}
             ORDER BY x.ts_ms {order}, x.id {order} LIMIT %(limit)s"""
        after_ms, after_id = after or (0, 0)
        more = {"kind": kind, "after_ms": after_ms, "after_id": after_id, "limit": limit}
        with self._pool.transaction() as db:
            rows = db.execute(query, {**bound, **more}).fetchall()
        return [item_row(kind, *row) for row in rows]

    def events_since(self, team_id: str, after_id: int, limit: int) -> list[Row]:
        with self._pool.transaction() as db:
            rows = db.execute(
                "SELECT e.id, s.workspace, e.ts_ms, e.received_ms, e.body FROM events e JOIN streams s"
                " ON s.team_id = e.team_id AND s.stream = e.stream WHERE e.team_id = %s AND e.id > %s"
                " ORDER BY e.id LIMIT %s",
                (team_id, after_id, limit),
            ).fetchall()
        return [item_row("events", *row) for row in rows]

    def last_event_id(self, team_id: str) -> int:
        with self._pool.transaction() as db:
            query = "SELECT id FROM events WHERE team_id = %s ORDER BY id DESC LIMIT 1"
            row = db.execute(query, (team_id,)).fetchone()
            return 0 if row is None else int(row[0])

    def last_heard_ms(self, team_id: str, sessions: Sequence[str]) -> dict[str, int]:
        with self._pool.transaction() as db:
            rows = db.execute(
                "SELECT s.session, max(k.ts_ms) FROM streams s CROSS JOIN LATERAL (SELECT ts_ms FROM event_keys k"
                " WHERE k.team_id = s.team_id AND k.stream = s.stream ORDER BY k.seq DESC LIMIT 1) k"
                " WHERE s.team_id = %s AND s.session = ANY(%s) GROUP BY s.session",
                (team_id, list(sessions)),
            ).fetchall()
        return dict(rows)

    def erase(self, team_id: str, what: Erasable, name: str, now_ms: int) -> int:
        column: LiteralString = "session" if what == "session" else "workspace"
        gone = 0
        with self._pool.transaction() as db:
            _lock_team(db, team_id)
            streams = [
                row[0]
                for row in db.execute(
                    f"SELECT stream FROM streams WHERE team_id = %s AND {column} = %s", (team_id, name)
                )
            ]
            of_streams = (team_id, streams)
            gone += db.execute("DELETE FROM events WHERE team_id = %s AND stream = ANY(%s)", of_streams).rowcount
            db.execute("DELETE FROM event_keys WHERE team_id = %s AND stream = ANY(%s)", of_streams)
            db.execute("DELETE FROM streams WHERE team_id = %s AND stream = ANY(%s)", of_streams)
            gone += db.execute(f"DELETE FROM items WHERE team_id = %s AND {column} = %s", (team_id, name)).rowcount
            if what == "workspace":
                db.execute("DELETE FROM workspaces WHERE team_id = %s AND hash = %s", (team_id, name))
            db.execute(
                "INSERT INTO tombstones VALUES (%s, %s, %s, %s) ON CONFLICT (team_id, what, name)"
                " DO UPDATE SET created_ms = excluded.created_ms",
                (team_id, what, name, now_ms),
            )
        return gone

    def export(self, team_id: str) -> Iterator[Row]:
        """Read through a cursor of the server: never more than a part of it in memory."""
        with self._pool.transaction() as db:
            with db.cursor("export_events") as cursor:
                cursor.execute(
                    "SELECT e.id, s.workspace, e.ts_ms, e.received_ms, e.body FROM events e JOIN streams s"
                    " ON s.team_id = e.team_id AND s.stream = e.stream WHERE e.team_id = %s ORDER BY e.id",
                    (team_id,),
                )
                for row in cursor:
                    yield item_row("events", *row)
            with db.cursor("export_items") as cursor:
                cursor.execute(
                    "SELECT kind, id, workspace, ts_ms, received_ms, body FROM items WHERE team_id = %s"
                    ' ORDER BY kind COLLATE "C", id',
                    (team_id,),
                )
                for kind, *rest in cursor:
                    yield item_row(kind, *rest)

    def prune(self, team_id: str, before_ms: int, now_ms: int) -> int:
        gone = 0
        with self._pool.transaction() as db:
            _lock_team(db, team_id)
            gone += only_row(db.execute(_OLD_EVENTS, (team_id, before_ms, team_id)))[0]
            gone += db.execute(
                "DELETE FROM items WHERE team_id = %s AND ts_ms < %s AND kind <> 'workspace_facts'",
                (team_id, before_ms),
            ).rowcount
            gone += db.execute(_OLD_FACTS, (team_id, now_ms - KEEP_FACTS_MS)).rowcount
            gone += db.execute(_OLD_SNAPSHOTS, (team_id, team_id, SNAPSHOTS_KEPT, now_ms - KEEP_CHUNKS_MS)).rowcount
            db.execute(
                "DELETE FROM answers WHERE team_id = %s AND created_ms < %s", (team_id, now_ms - KEEP_KEYS_MS)
            )
            db.execute(
                "DELETE FROM tombstones WHERE team_id = %s AND created_ms < %s",
                (team_id, now_ms - KEEP_TOMBSTONES_MS),
            )
        self.forget_buckets()
        self._drop_empty_partitions(before_ms)
        return int(gone)

    def _make_partitions(self, batches: Sequence[Batch], now_ms: int) -> None:
        """Outside the transaction: a partition needs a lock on the whole table, for a moment."""
        oldest = now_ms // DAY_MS - PARTITION_DAYS
        days = {entry.ts_ms // DAY_MS for batch in batches if batch.kind == "events" for entry in batch.entries}
        for day in sorted(one for one in days - self._partitions if one >= oldest):
            # When the day has events in the default partition already, it stays there.
            with contextlib.suppress(psycopg.errors.CheckViolation), self._pool.transaction() as db:
                db.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
                db.execute(
                    sql.SQL("CREATE TABLE IF NOT EXISTS {} PARTITION OF events FOR VALUES FROM ({}) TO ({})").format(
                        sql.Identifier(f"events_d{day}"), sql.Literal(day * DAY_MS), sql.Literal((day + 1) * DAY_MS)
                    )
                )
            self._partitions.add(day)

    def _drop_empty_partitions(self, before_ms: int) -> None:
        with self._pool.transaction() as db:
            db.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            names = db.execute(
                "SELECT relname FROM pg_class WHERE oid IN (SELECT inhrelid FROM pg_inherits"
                " WHERE inhparent = 'events'::regclass) AND relname ~ '^events_d[0-9]+$'"
            ).fetchall()
            for (name,) in names:
                day = int(name.removeprefix("events_d"))
                if (day + 1) * DAY_MS > before_ms:
                    continue
                table = sql.Identifier(name)
                # Everything else locks the parent first: so do we, or two of us could wait for each other.
                db.execute("LOCK TABLE ONLY events IN ACCESS EXCLUSIVE MODE")
                if db.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(table)).fetchone() is None:
                    db.execute(sql.SQL("DROP TABLE {}").format(table))
                    self._partitions.discard(day)


_OLD_EVENTS = """
WITH gone AS (DELETE FROM events WHERE team_id = %s AND ts_ms < %s RETURNING stream, seq),
     keys AS (DELETE FROM event_keys k USING gone g
               WHERE k.team_id = %s AND k.stream = g.stream AND k.seq = g.seq RETURNING 1)
SELECT count(*) FROM gone"""
# All but the newest state of a workspace, when it is old.
_OLD_FACTS = """
DELETE FROM items i WHERE team_id = %s AND kind = 'workspace_facts' AND received_ms < %s
   AND EXISTS (SELECT 1 FROM items n WHERE n.team_id = i.team_id AND n.kind = i.kind AND n.workspace = i.workspace
                  AND (n.rev, n.received_ms, n.id) > (i.rev, i.received_ms, i.id))"""
# Snapshots that are not among the newest complete ones of their workspace, unless they may still become complete.
_OLD_SNAPSHOTS = """
WITH totals AS (SELECT workspace, left(key, 71) AS snapshot, max(ts_ms) AS ts_ms, max(received_ms) AS received_ms,
                       count(*) >= max(chunk_total) AS is_whole
                  FROM items WHERE team_id = %s AND kind = 'repo_snapshots' GROUP BY 1, 2),
     ranked AS (SELECT *, row_number() OVER (PARTITION BY workspace, is_whole ORDER BY ts_ms DESC, snapshot) AS place
                  FROM totals)
DELETE FROM items i USING ranked r
 WHERE i.team_id = %s AND i.kind = 'repo_snapshots' AND i.workspace = r.workspace AND left(i.key, 71) = r.snapshot
   AND ((r.is_whole AND r.place > %s) OR (NOT r.is_whole AND r.received_ms < %s))"""


def _lock_team(db: Connection, team_id: str) -> None:
    db.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, %s))", (team_id, LOCK))


def _joins(used: str, table: str = "e") -> str:
    """Only where a statement names it: sums by agent or model read one index and nothing else."""
    return f"JOIN streams s ON s.team_id = {table}.team_id AND s.stream = {table}.stream" if "s." in used else ""


def _where(team_id: str, window: Window, table: str, owner: str) -> tuple[str, dict[str, Any]]:
    """`owner`: the table that knows workspace and session."""
    parts = [f"{table}.team_id = %(team)s"]
    if not window.is_all_time:
        parts += [f"{table}.ts_ms >= %(start)s", f"{table}.ts_ms < %(end)s"]
    if window.workspace_hash is not None:
        parts.append(f"{owner}.workspace = %(workspace)s")
    if window.sessions is not None:
        parts.append(f"{owner}.session = ANY(%(sessions)s)")
    bound = {"team": team_id, "start": window.start_ms, "end": window.end_ms, "workspace": window.workspace_hash,
             "sessions": list(window.sessions or ())}  # fmt: skip
    return " AND ".join(parts), bound
