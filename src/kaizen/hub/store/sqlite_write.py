"""One transaction of a team's file: what is known of a batch's items, and writing them. See `commit.Transaction`."""

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from kaizen.hub.accept import Entry
from kaizen.hub.decide import Known
from kaizen.hub.store.commit import cost_pusd, is_counted
from kaizen.hub.store.packing import event_of, pack, unpack
from kaizen.hub.store.protocol import Batch
from kaizen.wire.ingest import SnapshotChunk


class SqliteTransaction:
    def __init__(self, db: sqlite3.Connection, now_ms: int) -> None:
        self._db, self._now_ms = db, now_ms
        self._streams: dict[tuple[int, str], int] = {}

    def answered(self, path: str, key: str) -> tuple[bytes, bytes] | None:
        found: tuple[bytes, bytes] | None = self._db.execute(
            "SELECT digest, response FROM answers WHERE path = ? AND key = ?", (path, key)
        ).fetchone()
        return found

    def buried(self, workspace_hash: str, sessions: Sequence[str]) -> frozenset[str] | None:
        found = self._db.execute(
            "SELECT what, name FROM tombstones WHERE what = 'workspace' AND name = ? UNION ALL"
            " SELECT what, name FROM tombstones WHERE what = 'session' AND name IN (SELECT value FROM json_each(?))",
            (workspace_hash, msgspec.json.encode(sessions).decode()),
        ).fetchall()
        if any(what == "workspace" for what, _ in found):
            return None
        return frozenset(name for _, name in found)

    def known(self, batch: Batch) -> dict[str, Known]:
        workspace = self._workspace(batch.envelope.workspace_hash)
        if workspace is None:
            return {}
        if batch.kind == "events":
            return self._known_events(workspace, batch)
        body = "body" if batch.kind == "sessions" else "NULL"
        rows = self._db.execute(
            f"SELECT key, rev, rank, digest, {body} FROM items"
            " WHERE workspace = ? AND kind = ? AND key IN (SELECT value FROM json_each(?))",
            (workspace, batch.kind, msgspec.json.encode([one.key for one in batch.entries]).decode()),
        )
        return {key: Known(rev, rank, digest, body and unpack(body)) for key, rev, rank, digest, body in rows}

    def _known_events(self, workspace: int, batch: Batch) -> dict[str, Known]:
        wanted: dict[str, list[int]] = {}
        for entry in batch.entries:
            wanted.setdefault(entry.session, []).append(event_of(entry).event_seq)
        found: dict[str, Known] = {}
        for session, numbers in wanted.items():
            row = self._db.execute(
                "SELECT id FROM streams WHERE workspace = ? AND session = ?", (workspace, session)
            ).fetchone()
            if row is None:
                continue
            self._streams[workspace, session] = row[0]
            for seq, rev, digest in self._db.execute(
                "SELECT seq, rev, digest FROM events WHERE stream = ? AND seq IN (SELECT value FROM json_each(?))",
                (row[0], msgspec.json.encode(numbers).decode()),
            ):
                found[f"{session}/{seq}"] = Known(rev, 0, digest)
        return found

    def chunk_totals(self, batch: Batch, snapshots: Sequence[str]) -> dict[str, int]:
        workspace = self._workspace(batch.envelope.workspace_hash)
        totals = {}
        for snapshot in snapshots:
            row = self._db.execute(
                "SELECT body FROM items WHERE workspace = ? AND kind = ? AND key >= ? AND key < ? LIMIT 1",
                (workspace, batch.kind, f"{snapshot}/", f"{snapshot}0"),
            ).fetchone()
            if row is not None:
                totals[snapshot] = msgspec.json.decode(unpack(row[0]), type=SnapshotChunk).chunk_total
        return totals

    def write(self, batch: Batch, new: Sequence[Entry], changed: Sequence[Entry]) -> None:
        """A changed item gets a new id, so that whoever follows sees it again."""
        workspace = self._named_workspace(batch)
        if batch.kind == "events":
            self._write_events(workspace, new, changed)
            return
        self._db.executemany(
            "DELETE FROM items WHERE workspace = ? AND kind = ? AND key = ?",
            [(workspace, batch.kind, one.key) for one in changed],
        )
        self._db.executemany(
            "INSERT INTO items(workspace, kind, key, session, ts_ms, received_ms, rev, rank, digest, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (workspace, batch.kind, one.key, one.session, one.ts_ms, self._now_ms, one.rev, one.rank, one.digest,
                 pack(one.body))
                for one in (*new, *changed)
            ],
        )  # fmt: skip

    def _write_events(self, workspace: int, new: Sequence[Entry], changed: Sequence[Entry]) -> None:
        entries = (*new, *changed)
        streams = {session: self._stream(workspace, session) for session in {one.session for one in entries}}
        rows = [(streams[one.session], self._now_ms, one) for one in entries]
        self._db.executemany(
            "DELETE FROM events WHERE stream = ? AND seq = ?",
            [(stream, event_of(one).event_seq) for stream, _, one in rows[len(new) :]],
        )
        self._db.executemany(
            "INSERT INTO events(stream, seq, ts_ms, received_ms, rev, digest, is_counted, agent, model, kind,"
            " tokens_in, tokens_out, reasoning, cache_read, cache_write, cache_write_1h, cost_pusd, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [_event_row(*row) for row in rows],
        )

    def record(self, batch: Batch, response: bytes) -> None:
        self._db.execute(
            "INSERT INTO answers VALUES (?, ?, ?, ?, ?)", (batch.path, batch.key, batch.digest, response, self._now_ms)
        )

    def _workspace(self, name: str) -> int | None:
        row = self._db.execute("SELECT id FROM workspaces WHERE hash = ?", (name,)).fetchone()
        return None if row is None else int(row[0])

    def _named_workspace(self, batch: Batch) -> int:
        said = batch.envelope
        row = self._db.execute(
            "INSERT INTO workspaces(hash, project_name, repo_hash, salt_id) VALUES (?, ?, ?, ?)"
            " ON CONFLICT(hash) DO UPDATE SET project_name = coalesce(excluded.project_name, project_name),"
            " repo_hash = coalesce(excluded.repo_hash, repo_hash), salt_id = coalesce(excluded.salt_id, salt_id)"
            " RETURNING id",
            (said.workspace_hash, said.project_name, said.repo_hash, said.salt_id),
        ).fetchone()
        return int(row[0])

    def _stream(self, workspace: int, session: str) -> int:
        found = self._streams.get((workspace, session))
        if found is None:
            self._db.execute("INSERT OR IGNORE INTO streams(workspace, session) VALUES (?, ?)", (workspace, session))
            found = int(
                self._db.execute(
                    "SELECT id FROM streams WHERE workspace = ? AND session = ?", (workspace, session)
                ).fetchone()[0]
            )
            self._streams[workspace, session] = found
        return found


def _event_row(stream: int, now_ms: int, one: Entry) -> tuple[Any, ...]:
    event = event_of(one)
    counted = is_counted(event)
    return (
        stream, event.event_seq, event.ts_ms, now_ms, one.rev, one.digest, counted, event.agent, event.model,
        event.kind, event.tokens_in, event.tokens_out, event.reasoning_tokens, event.cache_read_tokens,
        event.cache_creation_tokens, event.cache_creation_1h_tokens, cost_pusd(event) if counted else None,
        pack(one.body),
    )  # fmt: skip
