"""The salt of this machine's hashes where no team gave one: made once, kept in `local_salt.hex`, readable by its owner
only. Whoever loses it gets other hashes for the same sessions, so nothing deletes it."""

import os
import secrets
from pathlib import Path

from kaizen.errors import BadConfig

FILE_NAME = "local_salt.hex"
SALT_BYTES = 32


def local_salt(home: Path) -> bytes:
    """Raises `BadConfig` for a file that does not hold 64 hex digits: a new salt would silently rename everything."""
    path = home / FILE_NAME
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        _create(path)
    try:
        salt = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (ValueError, OSError) as error:
        raise BadConfig(f"{path} holds no salt.", hint="Restore it from a backup, or delete it to get new hashes.") \
            from error
    if len(salt) != SALT_BYTES:
        raise BadConfig(f"{path} is not {2 * SALT_BYTES} hex digits.",
                        hint="Restore it from a backup, or delete it to get new hashes.")
    return salt


def _create(path: Path) -> None:
    """Whole or not at all; of two processes that do it at once the first wins."""
    unfinished = path.with_name(f"{FILE_NAME}.{os.getpid()}")
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w") as file:
        file.write(secrets.token_hex(SALT_BYTES) + "\n")
    try:
        os.link(unfinished, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
