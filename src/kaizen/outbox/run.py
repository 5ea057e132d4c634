"""One run of sending: what the hub allows, then the engine, until there is nothing left to do."""

import asyncio
import signal
import time
from collections.abc import Callable, Sequence
from sqlite3 import Connection
from typing import Any

import msgspec

from kaizen.outbox.client import Hub
from kaizen.outbox.deliver import Engine
from kaizen.outbox.gate import Gate
from kaizen.outbox.seal import Guard
from kaizen.outbox.settings import Report, Settings
from kaizen.store import outbox
from kaizen.store.open import transaction, use_little_memory
from kaizen.wire.sink import Sink

MIN_TTL_S, MAX_TTL_S = 60, 86_400


class Allowed(msgspec.Struct):
    """What a hub may ask of its clients (GET /v1/config): less, never more."""

    events_per_batch_max: int | None = None
    max_body_bytes: int | None = None
    flush_interval_ms: int | None = None
    paused_until_ms: int | None = None
    ttl_seconds: int = 3_600
    message: str | None = None


def settings(gate: Gate, allowed: Allowed, kinds: Sequence[str], fail_open_of: dict[str, bool]) -> Settings:
    """Ours, and where the hub asks for less, that; within bounds, so that no answer can stop or flood anybody."""
    sync, telemetry = gate.config.sync, gate.config.telemetry

    def least(mine: int, theirs: int | None, low: int, high: int) -> int:
        return mine if theirs is None else min(mine, max(low, min(theirs, high)))

    return Settings(
        max_items=least(sync.events_per_batch_max, allowed.events_per_batch_max, 1, 5_000),
        max_bytes=least(sync.max_body_bytes, allowed.max_body_bytes, 64 << 10, 8 << 20),
        flush_interval_ms=max(sync.flush_interval_ms, min(allowed.flush_interval_ms or 0, 3_600_000)),
        max_in_flight=sync.max_in_flight,
        fail_open=telemetry.fail_open,
        fail_open_of=fail_open_of,
        fan_out=telemetry.fan_out,
        max_age_ms=sync.max_age_days * 86_400_000,
        sink_max_age_ms=telemetry.sink_retry_max_age_h * 3_600_000,
        kinds=frozenset(kinds),
        redaction=gate.redaction,
        fingerprint=gate.fingerprint,
    )


def send(db: Connection, gate: Gate, sinks: Sequence[Sink], guard: Guard, *, kinds: Sequence[str] = (),
         fail_open_of: dict[str, bool] | None = None, deadline_s: float | None = None, is_once: bool = True,
         on_look: Callable[[], None] = lambda: None, on_progress: Callable[[Report], None] = lambda _: None,
         at: Callable[[str], None] = lambda _: None) -> Report:
    """Blocks until done, the deadline, SIGINT or SIGTERM. The caller holds `sync.lock`."""
    use_little_memory(db)
    return asyncio.run(_send(
        db, gate, sinks, guard, kinds, fail_open_of or {}, deadline_s, is_once, on_look, on_progress, at))


async def _send(db: Connection, gate: Gate, sinks: Sequence[Sink], guard: Guard, kinds: Sequence[str],
                fail_open_of: dict[str, bool], deadline_s: float | None, is_once: bool, on_look: Callable[[], None],
                on_progress: Callable[[Report], None], at: Callable[[str], None]) -> Report:
    hub = Hub(gate.endpoint, gate.token, connections=gate.config.sync.max_in_flight) if gate.endpoint else None
    try:
        allowed = await _allowed(db, hub) if hub else Allowed()
        engine = Engine(db, settings(gate, allowed, kinds, fail_open_of), hub.post if hub else None, sinks, guard=guard,
                        is_alive=hub.is_alive if hub else None, on_look=on_look, on_progress=on_progress, at=at)
        loop = asyncio.get_running_loop()
        for one in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(one, engine.stop)
        deadline_ms = None if deadline_s is None else time.time_ns() // 1_000_000 + int(deadline_s * 1000)
        return await engine.run(deadline_ms=deadline_ms, is_once=is_once)
    finally:
        for sink in sinks:
            await sink.close()
        if hub:
            await hub.close()


async def _allowed(db: Connection, hub: Hub) -> Allowed:
    """Asked again when its time is over; without an answer what was last known holds."""
    now_s = time.time()
    known = _read(outbox.get(db, "server_config"))
    if known is not None and now_s < float(outbox.get(db, "server_config_until_s") or 0):
        return known
    etag = outbox.get(db, "server_config_etag")
    answer = await hub.get("/v1/config", {"If-None-Match": etag} if etag and known else None)
    if answer is None or answer.status_code not in (200, 304):
        return known or Allowed()
    found = known if answer.status_code == 304 else _read(answer.text)
    if found is None:
        return Allowed()
    until_s = now_s + max(MIN_TTL_S, min(found.ttl_seconds, MAX_TTL_S))
    with transaction(db):
        if answer.status_code == 200:
            outbox.set_(db, "server_config", answer.text)
            outbox.set_(db, "server_config_etag", answer.headers.get("etag"))
        outbox.set_(db, "server_config_until_s", str(until_s))
    return found


def _read(text: Any) -> Allowed | None:
    try:
        return None if text is None else msgspec.json.decode(text, type=Allowed)
    except msgspec.DecodeError:
        return None
