"""Who the teams are, what their tokens allow, and how much of its share each has used at all processes together."""

import secrets
import time
from importlib.resources import files
from typing import LiteralString

import msgspec

from kaizen.hub.limits import FULL_AFTER_MS, Rate, wait_ms
from kaizen.hub.store.packing import team_row
from kaizen.hub.store.postgres_pool import LOCK, Pool, only_row
from kaizen.hub.store.postgres_write import as_text
from kaizen.hub.store.protocol import SCHEMA_VERSION, Grant, Settings, Team, Token, check_version, is_team_id


class PostgresRegistry:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        with self._pool.transaction() as db:
            db.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            schema = files("kaizen.hub.store").joinpath("postgres.sql").read_text(encoding="utf-8")
            db.execute(schema)
            for name, value in (("schema", b"%d" % SCHEMA_VERSION), ("secret", secrets.token_bytes(32))):
                db.execute("INSERT INTO meta VALUES (%s, %s) ON CONFLICT DO NOTHING", (name, value))
            check_version(int(only_row(db.execute("SELECT value FROM meta WHERE name = 'schema'"))[0]), "The database")

    def secret(self) -> bytes:
        with self._pool.transaction() as db:
            return bytes(only_row(db.execute("SELECT value FROM meta WHERE name = 'secret'"))[0])

    def add_team(self, team: Team) -> bool:
        if not is_team_id(team.team_id):
            raise ValueError(f"{team.team_id!r} is no team id")
        row = (team.team_id, team.created_ms, msgspec.json.encode(team.settings))
        with self._pool.transaction() as db:
            return db.execute("INSERT INTO teams VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", row).rowcount == 1

    def set_team(self, team_id: str, settings: Settings) -> bool:
        row = (msgspec.json.encode(settings), team_id)
        with self._pool.transaction() as db:
            return db.execute("UPDATE teams SET settings = %s WHERE team_id = %s", row).rowcount == 1

    def teams(self) -> list[Team]:
        with self._pool.transaction() as db:
            rows = db.execute('SELECT team_id, created_ms, settings FROM teams ORDER BY team_id COLLATE "C"').fetchall()
        return [team_row(*row) for row in rows]

    def add_token(self, token: Token, token_hash: bytes) -> None:
        label = as_text(token.label)
        row = (token.team_id, token.token_id, token_hash, " ".join(token.scopes), label, token.created_ms)
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
        return None if row is None else Grant(row[0], team_row(*row[2:]), frozenset(row[1].split()))

    def take(self, name: str, rate: Rate) -> bool:
        """One statement, so no two processes can take the same one. The clock is the database's: those of several
        machines differ, and whoever is ahead would fill the buckets."""
        bound = {"name": name, "burst": rate.burst, "per_ms": rate.per_ms}
        with self._pool.transaction() as db:
            return db.execute(_TAKE, bound).rowcount == 1

    def wait_ms(self, name: str, rate: Rate) -> int:
        with self._pool.transaction() as db:
            row = db.execute(f"SELECT tokens, {_NOW} - at_ms FROM buckets WHERE name = %s", (name,)).fetchone()
        return 0 if row is None else wait_ms(row[0], row[1], rate)

    def forget_buckets(self) -> None:
        """Those that nobody used for an hour; all are full again by then."""
        with self._pool.transaction() as db:
            db.execute(f"DELETE FROM buckets WHERE at_ms < {_NOW} - %s", (FULL_AFTER_MS,))

    def check(self) -> None:
        with self._pool.transaction() as db:
            db.execute(
                "INSERT INTO meta VALUES ('checked_ms', %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (str(time.time_ns()).encode(),),
            )

    def close(self) -> None:
        self._pool.close()


_NOW: LiteralString = "(extract(epoch FROM clock_timestamp()) * 1000)::float8"
_REFILLED: LiteralString = (
    "least(%(burst)s::float8, b.tokens + greatest(0, excluded.at_ms - b.at_ms) * %(per_ms)s::float8)"
)
_TAKE: LiteralString = f"""
INSERT INTO buckets AS b (name, tokens, at_ms) VALUES (%(name)s, %(burst)s::float8 - 1, {_NOW})
ON CONFLICT (name) DO UPDATE SET tokens = {_REFILLED} - 1, at_ms = greatest(b.at_ms, excluded.at_ms)
 WHERE {_REFILLED} >= 1"""
