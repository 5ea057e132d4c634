"""Every setting there is, with its default. A docstring below a field is its documentation."""

from typing import Annotated, Any, Literal

import msgspec


class Sources(msgspec.Struct, frozen=True):
    disabled: list[str] = []
    """Sources not to read, by the names that `kaizen doctor` shows."""
    roots: dict[str, list[str]] = {}
    """Folders or files to read besides the usual ones, by source. `~` is your home."""


class Search(msgspec.Struct, frozen=True):
    exclude: list[str] = []
    """Workspaces (path globs) whose text is not indexed. Their numbers are counted all the same."""


class Telemetry(msgspec.Struct, frozen=True):
    """Where redacted items go besides a hub: docs/telemetry.md."""

    exporters: list[dict[str, Any]] = []
    """One table each: `type`, if you like `name`, `enabled`, `fail_open`, `ignore_env`, and the keys of that type.

    [[telemetry.exporters]]
    type = "otlp"
    endpoint = "http://localhost:4318"
    """
    fail_open: bool = True
    """A sink that fails holds nothing else up; its items are kept for it for a while. An exporter may say otherwise."""
    fan_out: Literal["parallel", "after"] = "parallel"
    """Exporters get a batch together with the hub, or only after the hub has it."""
    sink_retry_max_age_h: Annotated[int, msgspec.Meta(ge=0)] = 24
    """Hours for which items are kept for a sink that does not take them."""


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
    telemetry: Telemetry = Telemetry()


DEFAULTS = Config()
