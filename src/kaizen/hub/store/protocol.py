"""What a hub needs of a store, in words of the domain. Two implementations pass one suite: tests/hub/test_stores.py.

Methods block; the hub calls them in threads. Everything of a team is reached through its `team_id` only.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal, Protocol

import msgspec

from kaizen.errors import StoreTooNew
from kaizen.hub.accept import Entry
from kaizen.hub.answer import Accepted, Rejected
from kaizen.hub.limits import Rate
from kaizen.wire.ingest import Envelope

Scope = Literal["ingest", "read", "admin"]
SCOPES: tuple[Scope, ...] = ("ingest", "read", "admin")
GroupBy = Literal["agent", "model", "workspace", "session", "quarter"]
Erasable = Literal["session", "workspace"]
QUARTER_MS = 900_000
# Of the tables. A store that says more was written by a newer hub, and is left alone.
SCHEMA_VERSION = 1
# How long a key answers with its first answer, an erased name stays erased, an incomplete snapshot waits for the rest.
KEEP_KEYS_MS = 7 * 86_400_000
KEEP_TOMBSTONES_MS = 30 * 86_400_000
KEEP_FACTS_MS = 30 * 86_400_000
KEEP_CHUNKS_MS = 7 * 86_400_000
SNAPSHOTS_KEPT = 5


_TEAM_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def is_team_id(name: str) -> bool:
    """It is the name of a file, too."""
    return _TEAM_ID.fullmatch(name) is not None


class Settings(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a team decides. `strict_clients`: old clients get a 400 for a bad item, too, instead of losing the item.
    `requests_per_minute` of each token; 0 is no limit, None the hub's own."""

    display_name: str | None = None
    retention_days: int = 400
    requests_per_minute: int | None = None
    strict_clients: bool = False
    allow_free_text: bool = False
    min_client: str = "0.1.0"
    events_per_batch_max: int = 1_000
    max_body_bytes: int = 2_000_000
    flush_interval_ms: int = 10_000
    sample_rate: float = 1.0
    paused_until_ms: int | None = None
    message: str | None = None


class Team(msgspec.Struct, frozen=True):
    team_id: str
    created_ms: int
    settings: Settings = Settings()


class Token(msgspec.Struct, frozen=True):
    """Never the token itself. `token_id` is for people, to name one in a list."""

    token_id: str
    team_id: str
    scopes: list[Scope]
    label: str
    created_ms: int
    revoked_ms: int | None = None


class Grant(msgspec.Struct, frozen=True):
    """What a token allows."""

    token_id: str
    team: Team
    scopes: frozenset[Scope]


class Batch(msgspec.Struct, frozen=True):
    """Checked items of one request. `digest` is that of the body as it was sent, uncompressed.

    `is_partial`: items that turn out wrong are left out; otherwise they refuse the batch.
    """

    path: str
    kind: str
    list_name: str
    key: str | None
    digest: bytes
    envelope: Envelope
    entries: Sequence[Entry]
    received: int
    rejected: Sequence[Rejected] = ()
    is_partial: bool = False


class Stored(msgspec.Struct, frozen=True):
    counts: Accepted
    losers: list[str] = []


class Replayed(msgspec.Struct, frozen=True):
    """The key is known with this body: `response` is what was answered then."""

    response: bytes


class KeyReused(msgspec.Struct, frozen=True):
    """The key is known with another body."""


class Refused(msgspec.Struct, frozen=True):
    """An item contradicts what is stored, and the client did not ask for partial acceptance."""

    first: Rejected


Outcome = Stored | Replayed | KeyReused | Refused


class Amounts(msgspec.Struct, frozen=True, array_like=True):
    """Sums over the counted requests of one group; `cost_pusd` of those with a price."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cost_pusd: int = 0
    unpriced_requests: int = 0


class Window(msgspec.Struct, frozen=True):
    """`start_ms <= ts_ms < end_ms`, of all workspaces or one, of all sessions or some."""

    start_ms: int = 0
    end_ms: int = 2**62
    workspace_hash: str | None = None
    sessions: tuple[str, ...] | None = None

    @property
    def is_all_time(self) -> bool:
        return self.start_ms == 0 and self.end_ms == 2**62


class Row(msgspec.Struct, frozen=True):
    """A stored item; `id` grows with every version that is stored."""

    id: int
    kind: str
    workspace_hash: str
    ts_ms: int
    received_ms: int
    body: bytes


class Workspace(msgspec.Struct, frozen=True):
    workspace_hash: str
    project_name: str | None
    salt_id: str | None


class Full(Exception):
    """There is no room left to store anything."""


def check_version(found: int, where: str) -> None:
    """Raises `StoreTooNew`."""
    if found > SCHEMA_VERSION:
        raise StoreTooNew(f"{where} was written by a newer hub (version {found}, here {SCHEMA_VERSION}).",
                          hint="Update kaizen on this machine.")  # fmt: skip


class Unavailable(Exception):
    """The store cannot be used just now; nothing was stored."""


class HubStore(Protocol):
    def secret(self) -> bytes:
        """The key that tokens are hashed with; made when the store is."""
        ...

    def add_team(self, team: Team) -> bool:
        """False when there is one of that name."""
        ...

    def set_team(self, team_id: str, settings: Settings) -> bool:
        """False when there is none of that name. Requests follow within the seconds that a grant is remembered."""
        ...

    def teams(self) -> list[Team]: ...

    def add_token(self, token: Token, token_hash: bytes) -> None: ...

    def tokens(self, team_id: str) -> list[Token]: ...

    def revoke(self, team_id: str, token_id: str, now_ms: int) -> bool: ...

    def team_of(self, token_hash: bytes) -> Grant | None:
        """None for what is unknown or revoked."""
        ...

    def take(self, name: str, rate: Rate) -> bool:
        """One from a token bucket that all processes of this store share; False when none is left. By the store's own
        clock."""
        ...

    def wait_ms(self, name: str, rate: Rate) -> int:
        """Until there is one to take; 0 when there is one."""
        ...

    def commit(self, team_id: str, batches: Sequence[Batch], now_ms: int) -> list[Outcome]:
        """Batches of one team, in one transaction: each item and its key are there, or neither. Raises `Full` and
        `Unavailable`, as all methods do."""
        ...

    def usage(self, team_id: str, by: Sequence[GroupBy], window: Window) -> list[tuple[tuple[Any, ...], Amounts]]:
        """Billed requests that count, by some keys. `quarter` is the number of the quarter hour since the epoch."""
        ...

    def session_count(self, team_id: str, window: Window) -> int:
        """Sessions that began, or had an event, in the window."""
        ...

    def workspaces(self, team_id: str) -> list[Workspace]: ...

    def page(
        self, team_id: str, kind: str, window: Window, after: tuple[int, int] | None, limit: int, *,
        is_newest_first: bool = False,
    ) -> list[Row]:
        """By `(ts_ms, id)`, oldest first unless told otherwise; `after` is that of the last row seen."""
        ...

    def events_since(self, team_id: str, after_id: int, limit: int) -> list[Row]:
        """In the order in which they were stored."""
        ...

    def last_event_id(self, team_id: str) -> int: ...

    def last_heard_ms(self, team_id: str, sessions: Sequence[str]) -> dict[str, int]:
        """Time of the event with the highest `event_seq`, of those sessions that have events."""
        ...

    def erase(self, team_id: str, what: Erasable, name: str, now_ms: int) -> int:
        """Deletes all rows of a session or workspace and remembers its name. How many rows went."""
        ...

    def export(self, team_id: str) -> Iterator[Row]:
        """Every item, kind by kind."""
        ...

    def prune(self, team_id: str, before_ms: int, now_ms: int) -> int:
        """Deletes items older than `before_ms`, and keys, tombstones, facts and snapshots past their time."""
        ...

    def check(self) -> None:
        """Raises when nothing can be written."""
        ...

    def close(self) -> None: ...
