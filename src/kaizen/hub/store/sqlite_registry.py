"""`hub.db`: who the teams are, what their tokens allow, and how much of its share each has used."""

import secrets
import threading
import time
from pathlib import Path

import msgspec

from kaizen.hub.limits import Buckets, Rate
from kaizen.hub.store.packing import team_row
from kaizen.hub.store.protocol import Grant, Settings, Team, Token
from kaizen.hub.store.sqlite_file import open_file, readable_errors


class SqliteRegistry:
    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._registry = open_file(path, "registry.sql")
        self._registry.execute("INSERT OR IGNORE INTO meta VALUES ('secret', ?)", (secrets.token_bytes(32),))
        # One process serves a folder, so what it counts is all there is to count.
        self._buckets = Buckets()

    def secret(self) -> bytes:
        with self._lock:
            return bytes(self._registry.execute("SELECT value FROM meta WHERE name = 'secret'").fetchone()[0])

    def add_team(self, team: Team) -> bool:
        row = (team.team_id, team.created_ms, msgspec.json.encode(team.settings))
        with self._lock:
            return self._registry.execute("INSERT OR IGNORE INTO teams VALUES (?, ?, ?)", row).rowcount == 1

    def set_team(self, team_id: str, settings: Settings) -> bool:
        row = (msgspec.json.encode(settings), team_id)
        with self._lock:
            return self._registry.execute("UPDATE teams SET settings = ? WHERE team_id = ?", row).rowcount == 1

    def teams(self) -> list[Team]:
        with self._lock:
            rows = self._registry.execute("SELECT team_id, created_ms, settings FROM teams ORDER BY team_id").fetchall()
        return [team_row(*row) for row in rows]

    def add_token(self, token: Token, token_hash: bytes) -> None:
        row = (token_hash, token.token_id, token.team_id, " ".join(token.scopes), token.label, token.created_ms, None)
        with self._lock:
            self._registry.execute("INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def tokens(self, team_id: str) -> list[Token]:
        with self._lock:
            rows = self._registry.execute(
                "SELECT token_id, team_id, scopes, label, created_ms, revoked_ms FROM tokens WHERE team_id = ?"
                " ORDER BY created_ms, token_id",
                (team_id,),
            ).fetchall()
        return [Token(row[0], row[1], row[2].split(), *row[3:]) for row in rows]

    def revoke(self, team_id: str, token_id: str, now_ms: int) -> bool:
        with self._lock:
            done = self._registry.execute(
                "UPDATE tokens SET revoked_ms = ? WHERE team_id = ? AND token_id = ? AND revoked_ms IS NULL",
                (now_ms, team_id, token_id),
            )
            return done.rowcount == 1

    def team_of(self, token_hash: bytes) -> Grant | None:
        with self._lock:
            row = self._registry.execute(
                "SELECT t.token_id, t.scopes, m.team_id, m.created_ms, m.settings FROM tokens t"
                " JOIN teams m USING (team_id) WHERE t.hash = ? AND t.revoked_ms IS NULL",
                (token_hash,),
            ).fetchone()
        return None if row is None else Grant(row[0], team_row(*row[2:]), frozenset(row[1].split()))

    def take(self, name: str, rate: Rate) -> bool:
        with self._lock:
            return self._buckets.take(name, rate, time.monotonic_ns() // 1_000_000)

    def wait_ms(self, name: str, rate: Rate) -> int:
        with self._lock:
            return self._buckets.wait_ms(name, rate, time.monotonic_ns() // 1_000_000)

    def check(self) -> None:
        with self._lock, readable_errors(), self._registry:
            now_ms = time.time_ns() // 1_000_000
            self._registry.execute("INSERT OR REPLACE INTO meta VALUES ('checked_ms', ?)", (now_ms,))
