"""What a batch is to an exporter, and what an exporter may answer.

The engine (`outbox.deliver`) owns retries, timeouts, state and concurrency; an exporter only translates and sends.

A plug-in is an entry point of the group `kaizen.exporters` whose object is an `Exporter`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from kaizen.wire.ingest import Envelope, Item


class Batch(msgspec.Struct, frozen=True):
    """Redacted items of one kind, as they are posted to a hub. `ids` are stable UUIDs, one for each item: the same item
    always has the same id, so a sink that can de-duplicate has something to do it by."""

    batch_id: str
    kind: str
    envelope: Envelope
    items: Sequence[Item]
    ids: Sequence[str]
    # The bytes that a hub would get.
    body: bytes
    now_ms: int


class Done(msgspec.Struct, frozen=True):
    """The sink has the batch. `rejected`: items it refused for good, counted and not sent again."""

    rejected: int = 0
    detail: str = ""


class Again(msgspec.Struct, frozen=True):
    """Not this time. `after_s`: what the sink asked for, if it did."""

    reason: str
    after_s: float | None = None


class Refused(msgspec.Struct, frozen=True):
    """The sink will never take this batch (credentials, unknown route, malformed)."""

    reason: str


Result = Done | Again | Refused


class Health(msgspec.Struct, frozen=True):
    is_ok: bool
    detail: str


class Sink(Protocol):
    """One configured destination."""

    name: str

    def accepts(self, kind: str) -> bool: ...

    async def send(self, batch: Batch) -> Result: ...

    async def health(self) -> Health: ...

    async def close(self) -> None: ...


class Exporter(msgspec.Struct, frozen=True):
    """A type of sink. `settings` is the struct of its configuration; `open` raises `BadConfig` for what cannot work."""

    # The `type` of its configuration.
    name: str
    help: str
    settings: type[msgspec.Struct]
    # (name, settings, environment, home folder, salt) -> sink
    open: Callable[[str, Any, Mapping[str, str], str, bytes], Sink]
