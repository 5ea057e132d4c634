"""A PostgreSQL database, which any number of hub processes share (docs/adr/0013).

Writes of a team hold one advisory lock until they commit. Under it what is known cannot change, so the rules of
`decide` are applied to plain reads, and the ids of events become visible in their order.
"""

import contextlib
import secrets
import time
from collections.abc import Iterator, Sequence
from importlib.resources import files
from queue import Empty, LifoQueue
from typing import Any, LiteralString

import msgspec
import psycopg
from psycopg import sql

from kaizen.hub.accept import Entry
from kaizen.hub.decide import Known
from kaizen.hub.store.commit import commit, cost_pusd, is_counted
from kaizen.hub.store.packing import pack, unpack
from kaizen.hub.store.protocol import (
    KEEP_CHUNKS_MS,
    KEEP_FACTS_MS,
    KEEP_KEYS_MS,
    KEEP_TOMBSTONES_MS,
    SNAPSHOTS_KEPT,
    Amounts,
    Batch,
    Erasable,
    Full,
    Grant,
    GroupBy,
    Outcome,
    Row,
    Settings,
    Team,
    Token,
    Unavailable,
    Window,
    Workspace,
    is_team_id,
)
from kaizen.wire.ingest import Event, SnapshotChunk

DAY_MS = 86_400_000
# Older days share the default partition.
PARTITION_DAYS = 400
_LOCK = 7879
_GROUPS: dict[GroupBy, LiteralString] = {
    "agent": 'e.agent COLLATE "C"',
    "model": 'e.model COLLATE "C"',
    "workspace": 's.workspace COLLATE "C"',
    "session": 's.session COLLATE "C"',
    "quarter": "e.ts_ms / 900000",  # QUARTER_MS
}
_COPY_EVENTS = """COPY events(team_id, ts_ms, stream, seq, received_ms, is_counted, agent, model, kind, tokens_in,
  tokens_out, reasoning, cache_read, cache_write, cache_write_1h, cost_pusd, body) FROM STDIN (FORMAT BINARY)"""
_EVENT_TYPES = ["text", "int8", "int8", "int8", "int8", "bool", "text", "text", "text", *["int8"] * 7, "bytea"]
_COPY_KEYS = "COPY event_keys(team_id, stream, seq, ts_ms, rev, digest) FROM STDIN (FORMAT BINARY)"
_KEY_TYPES = ["text", "int8", "int8", "int8", "int8", "bytea"]

Connection = psycopg.Connection[tuple[Any, ...]]


class PostgresStore:
    def __init__(self, url: str, connections: int = 8) -> None:
        self._pool = _Pool(url, connections)
        self._partitions: set[int] = set()
        with self._pool.transaction() as db:
            db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            schema = files("kaizen.hub.store").joinpath("postgres.sql").read_text(encoding="utf-8")
            db.execute(schema)
            db.execute(
                "INSERT INTO meta VALUES ('secret', %s) ON CONFLICT DO NOTHING", (secrets.token_bytes(32),)
            )

    def secret(self) -> bytes:
        with self._pool.transaction() as db:
            return bytes(_one(db.execute("SELECT value FROM meta WHERE name = 'secret'"))[0])

    def add_team(self, team: Team) -> bool:
        if not is_team_id(team.team_id):
            raise ValueError(f"{team.team_id!r} is no team id")
        row = (team.team_id, team.created_ms, msgspec.json.encode(team.settings))
        with self._pool.transaction() as db:
            return db.execute("INSERT INTO teams VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", row).rowcount == 1

    def teams(self) -> list[Team]:
        with self._pool.transaction() as db:
            rows = db.execute('SELECT team_id, created_ms, settings FROM teams ORDER BY team_id COLLATE "C"').fetchall()
        return [_team(*row) for row in rows]

    def add_token(self, token: Token, token_hash: bytes) -> None:
        row = (token.team_id, token.token_id, token_hash, " ".join(token.scopes), _text(token.label), token.created_ms)
        with self._pool.transaction() as db:
            db.execute("INSERT INTO tokens VALUES (%s, %s, %s, %s, %s, %s)", row)

    def tokens(self, team_id: str) -> list[Token]:
        with self._pool.transaction() as db:
            rows = db.execute(
                "SELECT token_id, team_id, scopes, label, created_ms, revoked_ms FROM tokens WHERE team_id = %s"
                " ORDER BY created_ms, token_id",
                (team_id,),
            ).fetchall()
        return [Token(row[0], row[1], row[2].split(), *row[3:]) for row in rows]

    def revoke(self, team_id: str, token_id: str, now_ms: int) -> bool:
        with self._pool.transaction() as db:
            done = db.execute(
                "UPDATE tokens SET revoked_ms = %s WHERE team_id = %s AND token_id = %s AND revoked_ms IS NULL",
                (now_ms, team_id, token_id),
            )
            return done.rowcount == 1

    def team_of(self, token_hash: bytes) -> Grant | None:
        with self._pool.transaction() as db:
            row = db.execute(
                "SELECT t.token_id, t.scopes, m.team_id, m.created_ms, m.settings FROM tokens t"
                " JOIN teams m USING (team_id) WHERE t.hash = %s AND t.revoked_ms IS NULL",
                (token_hash,),
            ).fetchone()
        return None if row is None else Grant(row[0], _team(*row[2:]), frozenset(row[1].split()))

    def commit(self, team_id: str, batches: Sequence[Batch], now_ms: int) -> list[Outcome]:
        self._make_partitions(batches, now_ms)
        with self._pool.transaction() as db:
            _lock_team(db, team_id)
            tx = _Transaction(db, team_id, now_ms)
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
            return int(_one(db.execute(query, bound))[0])

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
        return [_row(kind, *row) for row in rows]

    def events_since(self, team_id: str, after_id: int, limit: int) -> list[Row]:
        with self._pool.transaction() as db:
            rows = db.execute(
                "SELECT e.id, s.workspace, e.ts_ms, e.received_ms, e.body FROM events e JOIN streams s"
                " ON s.team_id = e.team_id AND s.stream = e.stream WHERE e.team_id = %s AND e.id > %s"
                " ORDER BY e.id LIMIT %s",
                (team_id, after_id, limit),
            ).fetchall()
        return [_row("events", *row) for row in rows]

    def last_event_id(self, team_id: str) -> int:
        with self._pool.transaction() as db:
            query = "SELECT id FROM events WHERE team_id = %s ORDER BY id DESC LIMIT 1"
            row = db.execute(query, (team_id,)).fetchone()
            return 0 if row is None else int(row[0])

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
                    yield _row("events", *row)
            with db.cursor("export_items") as cursor:
                cursor.execute(
                    "SELECT kind, id, workspace, ts_ms, received_ms, body FROM items WHERE team_id = %s"
                    ' ORDER BY kind COLLATE "C", id',
                    (team_id,),
                )
                for kind, *rest in cursor:
                    yield _row(kind, *rest)

    def prune(self, team_id: str, before_ms: int, now_ms: int) -> int:
        gone = 0
        with self._pool.transaction() as db:
            _lock_team(db, team_id)
            gone += _one(db.execute(_OLD_EVENTS, (team_id, before_ms, team_id)))[0]
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
        self._drop_empty_partitions(before_ms)
        return int(gone)

    def check(self) -> None:
        with self._pool.transaction() as db:
            db.execute(
                "INSERT INTO meta VALUES ('checked_ms', %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (str(time.time_ns()).encode(),),
            )

    def close(self) -> None:
        self._pool.close()

    def _make_partitions(self, batches: Sequence[Batch], now_ms: int) -> None:
        """Outside the transaction: a partition needs a lock on the whole table, for a moment."""
        oldest = now_ms // DAY_MS - PARTITION_DAYS
        days = {entry.ts_ms // DAY_MS for batch in batches if batch.kind == "events" for entry in batch.entries}
        for day in sorted(one for one in days - self._partitions if one >= oldest):
            # When the day has events in the default partition already, it stays there.
            with contextlib.suppress(psycopg.errors.CheckViolation), self._pool.transaction() as db:
                db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                db.execute(
                    sql.SQL("CREATE TABLE IF NOT EXISTS {} PARTITION OF events FOR VALUES FROM ({}) TO ({})").format(
                        sql.Identifier(f"events_d{day}"), sql.Literal(day * DAY_MS), sql.Literal((day + 1) * DAY_MS)
                    )
                )
            self._partitions.add(day)

    def _drop_empty_partitions(self, before_ms: int) -> None:
        with self._pool.transaction() as db:
            db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
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


class _Pool:
    """Some connections, made when needed. One that failed is not used again."""

    def __init__(self, url: str, size: int) -> None:
        self._url = url
        self._free: LifoQueue[Connection | None] = LifoQueue()
        for _ in range(size):
            self._free.put(None)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        with _readable_errors():
            held = self._free.get()
            try:
                if held is None or held.closed:
                    held = psycopg.connect(self._url, connect_timeout=5)
                with held.transaction():
                    yield held
            except psycopg.OperationalError:
                if held is not None:
                    held.close()
                raise
            finally:
                self._free.put(held)

    def close(self) -> None:
        with contextlib.suppress(Empty):
            while True:
                if held := self._free.get_nowait():
                    held.close()


class _Transaction:
    """See `commit.Transaction`."""

    def __init__(self, db: Connection, team_id: str, now_ms: int) -> None:
        self._db, self._team, self._now_ms = db, team_id, now_ms
        self._streams: dict[tuple[str, str], int] = {}

    def answered(self, path: str, key: str) -> tuple[bytes, bytes] | None:
        row = self._db.execute(
            "SELECT digest, response FROM answers WHERE team_id = %s AND path = %s AND key = %s",
            (self._team, path, key),
        ).fetchone()
        return None if row is None else (row[0], row[1])

    def buried(self, workspace_hash: str, sessions: Sequence[str]) -> frozenset[str] | None:
        found = self._db.execute(
            "SELECT what, name FROM tombstones WHERE team_id = %s AND (what, name) = ('workspace', %s) UNION ALL"
            " SELECT what, name FROM tombstones WHERE team_id = %s AND what = 'session' AND name = ANY(%s)",
            (self._team, workspace_hash, self._team, list(sessions)),
        ).fetchall()
        if any(what == "workspace" for what, _ in found):
            return None
        return frozenset(name for _, name in found)

    def known(self, batch: Batch) -> dict[str, Known]:
        workspace = batch.envelope.workspace_hash
        if batch.kind == "events":
            return self._known_events(workspace, batch)
        body: LiteralString = "body" if batch.kind == "sessions" else "NULL"
        rows = self._db.execute(
            f"SELECT key, rev, rank, digest, {body} FROM items"
            " WHERE team_id = %s AND workspace = %s AND kind = %s AND key = ANY(%s)",
            (self._team, workspace, batch.kind, [one.key for one in batch.entries]),
        )
        return {key: Known(rev, rank, digest, body and unpack(body)) for key, rev, rank, digest, body in rows}

    def _known_events(self, workspace: str, batch: Batch) -> dict[str, Known]:
        sessions = {one.session for one in batch.entries}
        names: dict[int, str] = {}
        for stream, session in self._db.execute(
            "SELECT stream, session FROM streams WHERE team_id = %s AND workspace = %s AND session = ANY(%s)",
            (self._team, workspace, sorted(sessions)),
        ):
            self._streams[workspace, session] = stream
            names[stream] = session
        wanted = [
            (self._streams[workspace, one.session], _event(one).event_seq)
            for one in batch.entries
            if (workspace, one.session) in self._streams
        ]
        if not wanted:
            return {}
        rows = self._db.execute(
            "SELECT k.stream, k.seq, k.rev, k.digest FROM unnest(%s::bigint[], %s::bigint[]) AS w(stream, seq)"
            " JOIN event_keys k ON k.team_id = %s AND k.stream = w.stream AND k.seq = w.seq",
            ([stream for stream, _ in wanted], [seq for _, seq in wanted], self._team),
        )
        return {f"{names[stream]}/{seq}": Known(rev, 0, digest) for stream, seq, rev, digest in rows}

    def chunk_totals(self, batch: Batch, snapshots: Sequence[str]) -> dict[str, int]:
        rows = self._db.execute(
            "SELECT left(key, 71), max(chunk_total) FROM items"
            " WHERE team_id = %s AND workspace = %s AND kind = %s AND left(key, 71) = ANY(%s) GROUP BY 1",
            (self._team, batch.envelope.workspace_hash, batch.kind, list(snapshots)),
        )
        return dict(rows)

    def write(self, batch: Batch, new: Sequence[Entry], changed: Sequence[Entry]) -> None:
        """A changed item gets a new id, so that whoever follows sees it again."""
        said = batch.envelope
        self._db.execute(
            "INSERT INTO workspaces AS w VALUES (%s, %s, %s, %s, %s) ON CONFLICT (team_id, hash) DO UPDATE SET"
            " project_name = coalesce(excluded.project_name, w.project_name),"
            " repo_hash = coalesce(excluded.repo_hash, w.repo_hash),"
            " salt_id = coalesce(excluded.salt_id, w.salt_id)",
            (self._team, said.workspace_hash, _text(said.project_name), said.repo_hash, said.salt_id),
        )
        if batch.kind == "events":
            self._write_events(said.workspace_hash, new, changed)
            return
        with self._db.cursor() as cursor:
            if changed:
                cursor.execute(
                    "DELETE FROM items WHERE team_id = %s AND workspace = %s AND kind = %s AND key = ANY(%s)",
                    (self._team, said.workspace_hash, batch.kind, [one.key for one in changed]),
                )
            cursor.executemany(
                "INSERT INTO items(team_id, workspace, kind, key, session, ts_ms, received_ms, rev, rank, digest,"
                " chunk_total, body) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    (self._team, said.workspace_hash, batch.kind, one.key, one.session, one.ts_ms, self._now_ms,
                     one.rev, one.rank, one.digest,
                     one.item.chunk_total if isinstance(one.item, SnapshotChunk) else None, pack(one.body))
                    for one in (*new, *changed)
                ],
            )  # fmt: skip

    def _write_events(self, workspace: str, new: Sequence[Entry], changed: Sequence[Entry]) -> None:
        entries = (*new, *changed)
        self._make_streams(workspace, {one.session for one in entries})
        streams = [self._streams[workspace, one.session] for one in entries]
        if changed:
            of_changed = (self._team, streams[len(new) :], [_event(one).event_seq for one in changed])
            self._db.execute(_DELETE_CHANGED, of_changed)
        with self._db.cursor() as cursor:
            with cursor.copy(_COPY_EVENTS) as copy:
                copy.set_types(_EVENT_TYPES)
                for stream, one in zip(streams, entries, strict=True):
                    copy.write_row(self._event_row(stream, one))
            with cursor.copy(_COPY_KEYS) as copy:
                copy.set_types(_KEY_TYPES)
                for stream, one in zip(streams, entries, strict=True):
                    copy.write_row((self._team, stream, _event(one).event_seq, one.ts_ms, one.rev, one.digest))

    def _make_streams(self, workspace: str, sessions: set[str]) -> None:
        fresh = sorted(one for one in sessions if (workspace, one) not in self._streams)
        if not fresh:
            return
        rows = self._db.execute(
            "INSERT INTO streams(team_id, workspace, session) SELECT %s, %s, unnest(%s::text[])"
            " RETURNING session, stream",
            (self._team, workspace, fresh),
        )
        for session, stream in rows:
            self._streams[workspace, session] = stream

    def _event_row(self, stream: int, one: Entry) -> tuple[Any, ...]:
        event = _event(one)
        counted = is_counted(event)
        return (
            self._team, event.ts_ms, stream, event.event_seq, self._now_ms, counted, _text(event.agent),
            _text(event.model), _text(event.kind), event.tokens_in, event.tokens_out, event.reasoning_tokens,
            event.cache_read_tokens, event.cache_creation_tokens, event.cache_creation_1h_tokens,
            cost_pusd(event) if counted else None, pack(one.body),
        )  # fmt: skip

    def record(self, batch: Batch, response: bytes) -> None:
        self._db.execute(
            "INSERT INTO answers VALUES (%s, %s, %s, %s, %s, %s)",
            (self._team, batch.path, batch.key, batch.digest, response, self._now_ms),
        )


# Its key says when an event was, and so in which partition it is looked for.
_DELETE_CHANGED = """
WITH gone AS (
  DELETE FROM event_keys k USING (SELECT %s AS team_id, unnest(%s::bigint[]) AS stream, unnest(%s::bigint[]) AS seq) w
   WHERE k.team_id = w.team_id AND k.stream = w.stream AND k.seq = w.seq RETURNING k.*)
DELETE FROM events e USING gone g
 WHERE e.team_id = g.team_id AND e.ts_ms = g.ts_ms AND e.stream = g.stream AND e.seq = g.seq"""
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
    db.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, %s))", (team_id, _LOCK))


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


def _event(entry: Entry) -> Event:
    assert isinstance(entry.item, Event)
    return entry.item


def _text(value: str | None) -> str | None:
    """The one character that JSON has and PostgreSQL's text has not."""
    return value.replace("\x00", "\ufffd") if value is not None and "\x00" in value else value


def _one(cursor: "psycopg.Cursor[tuple[Any, ...]]") -> tuple[Any, ...]:
    row = cursor.fetchone()
    assert row is not None
    return row


def _row(kind: str, id: int, workspace: str, ts_ms: int, received_ms: int, body: bytes) -> Row:
    return Row(id, kind, workspace, ts_ms, received_ms, unpack(body))


def _team(team_id: str, created_ms: int, settings: bytes) -> Team:
    return Team(team_id, created_ms, msgspec.json.decode(settings, type=Settings))


@contextlib.contextmanager
def _readable_errors() -> Iterator[None]:
    try:
        yield
    except psycopg.errors.DiskFull as error:
        raise Full from error
    except psycopg.OperationalError as error:
        raise Unavailable from error
