"""What the scrubber must know of this machine: who works here and what it is called. Read once, never stored."""

import getpass
import os
import socket
from pathlib import Path

from kaizen.errors import BadConfig
from kaizen.outbox.gate import Gate
from kaizen.redact.engine import parse
from kaizen.redact.scrub import Scrubber


def scrubber(gate: Gate, workspace: str) -> Scrubber:
    settings = gate.config.redaction
    rules = []
    if settings.rules:
        path = Path(settings.rules).expanduser()
        try:
            rules = parse(path.read_text("utf-8"), name=str(path))
        except OSError as error:
            raise BadConfig(f"redaction.rules: {path} cannot be read.", hint="Check the path and its mode.") from error
    return Scrubber(gate.salt, workspace=workspace, home=os.path.expanduser("~"), names=_names(), hosts=_hosts(),
                    terms=settings.terms, rules=rules)


def _names() -> list[str]:
    """The login and the full name, as far as the system tells."""
    found: list[str] = []
    try:
        found.append(getpass.getuser())
    except (KeyError, OSError):
        return found
    try:
        import pwd

        found.append(pwd.getpwuid(os.getuid()).pw_gecos.split(",")[0])
    except (ImportError, KeyError):
        pass
    return [name for name in found if len(name) > 2 and name not in ("root", "user", "admin")]


def _hosts() -> list[str]:
    name = socket.gethostname()
    return [name] if name and name != "localhost" else []
