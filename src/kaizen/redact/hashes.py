"""Salted hashes: equal values can be counted and joined, and nobody without the salt can tell what they were.

`Salt.hash` is the contract's format (docs of the hub: `blake3:` and 64 hex digits). `Salt.short` is for people to read,
and keyed: hashes of different contexts cannot be joined with each other.
"""

import re
from functools import cache

from blake3 import blake3

from kaizen.errors import SaltInvalid

_HEX = re.compile(r"[0-9a-fA-F]{64}")


class Salt:
    """32 bytes shared by a team."""

    __slots__ = ("_keys", "id", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        # Tells a hub that two clients of a team use different salts.
        self.id: str = blake3(b"salt-id" + raw).hexdigest()[:8]
        self._keys: dict[str, bytes] = {}

    @staticmethod
    def parse(text: str) -> "Salt":
        """Of 64 hex digits; blanks around them do not matter. Raises `SaltInvalid`, which never shows the text."""
        digits = text.strip()
        if not _HEX.fullmatch(digits):
            raise SaltInvalid(len(digits))
        return Salt(bytes.fromhex(digits))

    def hash(self, material: str) -> str:
        """`blake3:` and the hex of BLAKE3(salt || material). Lone surrogates count as `?`."""
        return f"blake3:{blake3(self.raw + _utf8(material)).hexdigest()}"

    def short(self, context: str, text: str) -> str:
        """16 hex digits of BLAKE3, keyed for this context. Contexts are literals of the code, so there are few."""
        key = self._keys.get(context)
        if key is None:
            key = self._keys[context] = blake3(self.raw, derive_key_context=context).digest()
        return blake3(_utf8(text), key=key).hexdigest()[:16]

    def sample(self, session_id: str) -> float:
        """Where a session stands in [0, 1): the same on every machine of a team. Sent when below the sample rate."""
        return int.from_bytes(blake3(self.raw + b"sample:" + _utf8(session_id)).digest(length=8), "big") / 2**64


@cache
def nobody() -> Salt:
    """The salt of output that stays on this machine and names nobody's team."""
    return Salt(bytes(32))


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")
