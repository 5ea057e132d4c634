"""One transaction of a team: what is known of a batch's items, and writing them in bulk. See `commit.Transaction`."""

from collections.abc import Sequence
from typing import Any, LiteralString

from kaizen.hub.accept import Entry
from kaizen.hub.decide import Known
from kaizen.hub.store.commit import cost_pusd, is_counted
from kaizen.hub.store.packing import event_of, pack, unpack
from kaizen.hub.store.postgres_pool import Connection
from kaizen.hub.store.protocol import Batch
from kaizen.wire.ingest import SnapshotChunk

_COPY_EVENTS = """COPY events(team_id, ts_ms, stream, seq, received_ms, is_counted, agent, model, kind, tokens_in,
  tokens_out, reasoning, cache_read, cache_write, cache_write_1h, cost_pusd, body) FROM STDIN (FORMAT BINARY)"""
_EVENT_TYPES = ["text", "int8", "int8", "int8", "int8", "bool", "text", "text", "text", *["int8"] * 7, "bytea"]
_COPY_KEYS = "COPY event_keys(team_id, stream, seq, ts_ms, rev, digest) FROM STDIN (FORMAT BINARY)"
_KEY_TYPES = ["text", "int8", "int8", "int8", "int8", "bytea"]
# Its key says when an event was, and so in which partition it is looked for.
_DELETE_CHANGED = """
WITH gone AS (
  DELETE FROM event_keys k USING (SELECT %s AS team_id, unnest(%s::bigint[]) AS stream, unnest(%s::bigint[]) AS seq) w
   WHERE k.team_id = w.team_id AND k.stream = w.stream AND k.seq = w.seq RETURNING k.*)
DELETE FROM events e USING gone g
 WHERE e.team_id = g.team_id AND e.ts_ms = g.ts_ms AND e.stream = g.stream AND e.seq = g.seq"""


class PostgresTransaction:
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
            (self._streams[workspace, one.session], event_of(one).event_seq)
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
            (self._team, said.workspace_hash, as_text(said.project_name), said.repo_hash, said.salt_id),
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
            of_changed = (self._team, streams[len(new) :], [event_of(one).event_seq for one in changed])
            self._db.execute(_DELETE_CHANGED, of_changed)
        with self._db.cursor() as cursor:
            with cursor.copy(_COPY_EVENTS) as copy:
                copy.set_types(_EVENT_TYPES)
                for stream, one in zip(streams, entries, strict=True):
                    copy.write_row(self._event_row(stream, one))
            with cursor.copy(_COPY_KEYS) as copy:
                copy.set_types(_KEY_TYPES)
                for stream, one in zip(streams, entries, strict=True):
                    copy.write_row((self._team, stream, event_of(one).event_seq, one.ts_ms, one.rev, one.digest))

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
        event = event_of(one)
        counted = is_counted(event)
        return (
            self._team, event.ts_ms, stream, event.event_seq, self._now_ms, counted, as_text(event.agent),
            as_text(event.model), as_text(event.kind), event.tokens_in, event.tokens_out, event.reasoning_tokens,
            event.cache_read_tokens, event.cache_creation_tokens, event.cache_creation_1h_tokens,
            cost_pusd(event) if counted else None, pack(one.body),
        )  # fmt: skip

    def record(self, batch: Batch, response: bytes) -> None:
        self._db.execute(
            "INSERT INTO answers VALUES (%s, %s, %s, %s, %s, %s)",
            (self._team, batch.path, batch.key, batch.digest, response, self._now_ms),
        )


def as_text(value: str | None) -> str | None:
    """The one character that JSON has and PostgreSQL's text has not."""
    return value.replace("\x00", "\ufffd") if value is not None and "\x00" in value else value
