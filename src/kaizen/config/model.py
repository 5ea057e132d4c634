"""Every setting there is, with its default. A docstring below a field is its documentation."""

from typing import Annotated, Any, Literal

import msgspec


def _between(low: int, high: int) -> msgspec.Meta:
    return msgspec.Meta(ge=low, le=high)


class Sources(msgspec.Struct, frozen=True):
    disabled: list[str] = []
    """Sources not to read, by the names that `kaizen doctor` shows."""
    roots: dict[str, list[str]] = {}
    """Folders or files to read besides the usual ones, by source. `~` is your home."""


class Search(msgspec.Struct, frozen=True):
    exclude: list[str] = []
    """Workspaces (path globs) whose text is not indexed. Their numbers are counted all the same."""
    substring: bool = False
    """Also index parts of words, for `~part` in a search. Several times the size; build it: kaizen search reindex."""


class Sync(msgspec.Struct, frozen=True):
    endpoint: str = ""
    """Your team's hub, such as https://hub.example.com. Empty: nothing is sent to a hub."""
    team_id: str = ""
    team_token: str = ""
    team_token_env: str = ""
    """Environment variable that holds the token, instead of `team_token`."""
    team_token_cmd: list[str] = []
    """Command that prints the token, such as ["pass", "show", "kaizen"]."""
    team_salt_hex: str = ""
    """64 hex digits that all of a team share; ids and paths leave only as hashes with it."""
    allow_insecure: bool = False
    """Allow an http endpoint that is not on this machine."""
    sample_rate: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    """Share of sessions that are sent, each whole or not at all."""
    events_per_batch_max: Annotated[int, _between(1, 5_000)] = 500
    max_body_bytes: Annotated[int, _between(64 << 10, 8 << 20)] = 1_000_000
    flush_interval_ms: Annotated[int, _between(1_000, 3_600_000)] = 10_000
    max_in_flight: Annotated[int, _between(1, 16)] = 4
    deadline_s: Annotated[int, _between(1, 86_400)] = 300
    """How long `sync run --once` tries."""
    max_age_days: Annotated[int, _between(1, 3_650)] = 30
    """What waits longer is put aside as dead."""


class Redaction(msgspec.Struct, frozen=True):
    level: Literal["metrics", "scrubbed", "off"] = "metrics"
    """What leaves: numbers, enums and hashes; or also the texts of `allow_keys`, scrubbed; or nothing."""
    allow_keys: list[str] = []
    """Payload keys whose text is sent at level `scrubbed`: text, input, output."""
    terms: list[str] = []
    """Words to redact wherever they stand, such as names of clients."""
    rules: str = ""
    """A file of your own rules, in the format of gitleaks."""


class Telemetry(msgspec.Struct, frozen=True):
    exporters: list[dict[str, Any]] = []
    """One table each: `type`, if you like `name`, `enabled`, `fail_open`, `ignore_env`, and the keys of that type.

    [[telemetry.exporters]]
    type = "otlp"
    endpoint = "http://localhost:4318"
    """
    fail_open: bool = True
    """An exporter that fails does not hold anything up; false: an item is done when every exporter has it."""
    fan_out: Literal["parallel", "after"] = "parallel"
    """Exporters get a batch beside the hub, or only after the hub took it."""
    sink_retry_max_age_h: Annotated[int, _between(1, 720)] = 24
    """How long a batch is kept for an exporter that fails, when `fail_open`."""


class Identity(msgspec.Struct, frozen=True):
    project_name: bool = False
    """Send names of repositories in clear text."""


class Config(msgspec.Struct, frozen=True):
    sources: Sources = Sources()
    prices: dict[str, dict[str, Any]] = {}
    """Your own prices, by model: USD per million tokens as text. They come before the bundled ones.

    [prices."my-model"]
    input = "0.20"
    output = "0.80"
    cache_read = "0.02"
    """
    search: Search = Search()
    sync: Sync = Sync()
    redaction: Redaction = Redaction()
    identity: Identity = Identity()
    telemetry: Telemetry = Telemetry()


DEFAULTS = Config()
