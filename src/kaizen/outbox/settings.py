"""What a run of the engine goes by, and what it reports."""

from typing import Literal

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a run of the engine goes by. `kinds`: only these lanes; empty = all."""

    max_items: int = 500
    max_bytes: int = 1_000_000
    hard_bytes: int = 8 << 20
    max_in_flight: int = 4
    flush_interval_ms: int = 10_000
    fail_open: bool = True
    # Where a sink says otherwise: name -> its own `fail_open`.
    fail_open_of: dict[str, bool] = {}
    fan_out: Literal["parallel", "after"] = "parallel"
    max_age_ms: int = 30 * 86_400_000
    sink_max_age_ms: int = 86_400_000
    kinds: frozenset[str] = frozenset()
    redaction: str = ""
    # Of endpoint, token and version: when it changes, what paused the lanes may have changed, too.
    fingerprint: str = ""


class Report(msgspec.Struct):
    """What one run did. `exit_status` as in policy.exit_status."""

    exit_status: int = 0
    posts: int = 0
    batches: int = 0
    retired: int = 0
    died: int = 0
    replays: int = 0
    pending: int = 0
    awaiting_sinks: int = 0
    sink_failures: dict[str, str] = {}
    unknown_kinds: dict[str, int] = {}
    paused: dict[str, str] = {}
    # Why the hub could not be reached, the last time that it could not.
    last_error: str | None = None
    seconds: float = 0.0
