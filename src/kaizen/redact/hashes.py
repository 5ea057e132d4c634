"""Ids and paths as hashes. All of a team share a salt, so the same thing has the same hash on every machine of a team,
and nobody else can try out guesses."""

import re
from functools import lru_cache

from blake3 import blake3

from kaizen.errors import SaltInvalid

_HEX = re.compile(r"[0-9a-fA-F]{64}")


class Salt:
    """32 secret bytes. Never printed."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.id = blake3(b"salt-id" + raw).hexdigest()[:8]
        self.hash = lru_cache(maxsize=20_000)(self._hash)

    @classmethod
    def parse(cls, text: str) -> "Salt":
        """Raises `SaltInvalid` for anything but 64 hex digits."""
        if not _HEX.fullmatch(text.strip()):
            raise SaltInvalid()
        return cls(bytes.fromhex(text.strip()))

    def _hash(self, material: str) -> str:
        """`blake3:` and 64 hex digits over salt and material, as the ingest contract has it."""
        return "blake3:" + blake3(self.raw + material.encode("utf-8", "replace")).hexdigest()

    def short(self, context: str, text: str) -> str:
        """16 hex digits. Different contexts have different keys, so equal texts in two of them do not look equal."""
        key = blake3(self.raw, derive_key_context=f"kaizen {context}").digest()
        return blake3(text.encode("utf-8", "replace"), key=key).hexdigest()[:16]

    def sample(self, session_id: str) -> float:
        """In [0, 1), the same on every machine: a session is sampled whole or not at all."""
        digest = blake3(self.raw + b"sample:" + session_id.encode("utf-8", "replace")).digest()
        return int.from_bytes(digest[:8], "big") / 2**64

    def __repr__(self) -> str:
        return f"Salt({self.id})"
