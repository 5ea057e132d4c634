"""Every setting there is, with its default. A docstring below a field is its documentation."""

from typing import Any

import msgspec


class Sources(msgspec.Struct, frozen=True):
    disabled: list[str] = []
    """Sources not to read, by the names that `kaizen doctor` shows."""
    roots: dict[str, list[str]] = {}
    """Folders or files to read besides the usual ones, by source. `~` is your home."""


class Search(msgspec.Struct, frozen=True):
    exclude: list[str] = []
    """Workspaces (path globs) whose text is not indexed. Their numbers are counted all the same."""


class Sync(msgspec.Struct, frozen=True):
    endpoint: str = ""
    """The hub's URL. Empty: nothing is sent anywhere."""
    team_token: str = ""
    """What the hub knows this machine by. Better kept out of the file: see `team_token_env`."""
    team_token_env: str = ""
    """Name of the environment variable that holds the token."""
    team_id: str = ""
    """The team, as the hub calls it."""
    team_salt_hex: str = ""
    """The team's secret for hashing names and paths, the same on every machine of the team, 64 hex digits."""
    allow_insecure: bool = False
    """Allow plain http to a hub that is not on this machine."""


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


DEFAULTS = Config()
