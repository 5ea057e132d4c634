"""May anything leave, under whose name, and in which words: the settings and secrets of sending, checked.

A gate is open when a hub is configured (endpoint, token, team, salt) or at least one exporter is on. A half configured
hub is an error of the commands that send, and a warning of those that only read.
"""

import os
import secrets
import subprocess
from collections.abc import Mapping
from pathlib import Path

import msgspec
from blake3 import blake3

from kaizen import __version__
from kaizen.config.model import Config
from kaizen.errors import BadConfig, SyncSetting
from kaizen.outbox.client import check_endpoint
from kaizen.redact import schema
from kaizen.redact.hashes import Salt

LOCAL_SALT = "local_salt.hex"


class Gate(msgspec.Struct, frozen=True):
    config: Config
    salt: Salt
    endpoint: str
    token: str
    team_id: str

    @property
    def redaction(self) -> str:
        return str(schema.VERSION).replace("metrics", self.config.redaction.level)

    @property
    def identity(self) -> str:
        """Of where things go and as whom: another one means that all of it has to go there."""
        return blake3("\0".join((self.endpoint, self.team_id, self.salt.id)).encode()).hexdigest()[:32]

    @property
    def fingerprint(self) -> str:
        """Of everything whose change may end a pause. Holds no secret."""
        return blake3("\0".join((self.endpoint, self.token, self.team_id, __version__)).encode()).hexdigest()[:32]


def gate(config: Config, env: Mapping[str, str], home: Path) -> Gate | None:
    """None: nothing is to leave. Raises `SyncSetting`, `SaltInvalid` or `BadConfig` for settings that cannot work."""
    sync = config.sync
    if config.redaction.level == "off" or not (sync.endpoint or _has_exporters(config)):
        return None
    if not sync.endpoint:
        return Gate(config, Salt.parse(sync.team_salt_hex or local_salt(home)), "", "", sync.team_id or "local")
    endpoint = check_endpoint(sync.endpoint, allow_insecure=sync.allow_insecure)
    if not sync.team_id:
        raise SyncSetting("sync.team_id is not set.", hint="It stands in what `kaizen hub serve` printed.")
    if not sync.team_salt_hex:
        raise SyncSetting("sync.team_salt_hex is not set.",
                          hint="All of a team share one: 64 hex digits. It stands in what `kaizen hub serve` printed.")
    token = token_of(config, env)
    if not token:
        raise SyncSetting("No token for the hub.", hint="Set it: kaizen sync configure URL --token-stdin")
    return Gate(config, Salt.parse(sync.team_salt_hex), endpoint, token, sync.team_id)


def token_of(config: Config, env: Mapping[str, str]) -> str:
    """From the variable that the settings name, from the command they name, or from the settings themselves."""
    sync = config.sync
    if sync.team_token_env:
        return env.get(sync.team_token_env, "").strip()
    if sync.team_token_cmd:
        try:
            done = subprocess.run(sync.team_token_cmd, capture_output=True, text=True, timeout=30, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            raise SyncSetting(f"sync.team_token_cmd failed: {type(error).__name__}.",
                              hint=f"Try it yourself: {sync.team_token_cmd[0]}") from error
        return done.stdout.strip()
    return sync.team_token.strip()


def local_salt(home: Path) -> str:
    """Made once, for those who have no team."""
    path = home / LOCAL_SALT
    try:
        return path.read_text("ascii").strip()
    except FileNotFoundError:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = secrets.token_hex(32)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
        except FileExistsError:
            return path.read_text("ascii").strip()
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(made + "\n")
        return made
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(f"{path} cannot be read.", hint="Check its owner and mode.") from error


def _has_exporters(config: Config) -> bool:
    return any(row.get("enabled", True) and row.get("type") != "none" for row in config.telemetry.exporters)
