"""UUIDs of version 7 (RFC 9562): time-ordered keys. The standard library has them from Python 3.14 on."""

import secrets
import uuid


class Keys:
    """Each call's key is greater than the one before, also within a millisecond and when the clock steps back."""

    def __init__(self) -> None:
        self._last = 0

    def __call__(self, now_ms: int) -> str:
        # 48 bit time, then 74 random bits around the version and the variant.
        made = (now_ms & (1 << 48) - 1) << 74 | secrets.randbits(74)
        self._last = made if made > self._last else self._last + 1 + secrets.randbits(32)
        high, low = self._last >> 62, self._last & (1 << 62) - 1
        return str(uuid.UUID(int=(high >> 12) << 80 | 0x7 << 76 | (high & 0xFFF) << 64 | 0b10 << 62 | low))
