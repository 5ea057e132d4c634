"""How much of everything a hub takes; health publishes it.

How often a token may ask and an address may fail is counted by the store (`take`), for all processes together. What
protects one process from too much at a time is counted in that process: n processes can do n times as much.
"""

import contextlib
import math
from collections import Counter
from collections.abc import Iterator

import msgspec

from kaizen.hub.answer import Refusal

_MAX_BUCKETS = 10_000
# Buckets that nobody used for so long are full again, so forgetting them changes nothing.
FULL_AFTER_MS = 3_600_000


class Rate(msgspec.Struct, frozen=True):
    """`burst` at once, refilled at `per_minute`, which is more than 0; it takes less than an hour to fill."""

    per_minute: int
    burst: int

    @property
    def per_ms(self) -> float:
        return self.per_minute / 60_000


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    max_compressed_bytes: int = 4 << 20
    max_body_bytes: int = 8 << 20
    max_ratio: int = 200
    max_items: int = 5_000
    # 0 is no limit.
    requests_per_minute: int = 600
    burst: int = 120
    failures_per_minute: int = 20
    max_in_flight: int = 16
    max_streams: int = 8
    # A whole body, from its first byte to the last.
    body_timeout_s: float = 30.0
    # From connecting to the end of the headers.
    header_timeout_s: float = 10.0
    max_header_bytes: int = 64 << 10
    max_connections: int = 4_096

    @property
    def failures(self) -> Rate:
        return Rate(self.failures_per_minute, self.failures_per_minute)

    def requests(self, of_team: int | None) -> Rate | None:
        """Of one token, or what its team allows it. None is no limit."""
        if of_team is not None:
            return Rate(of_team, burst_of(of_team)) if of_team else None
        return Rate(self.requests_per_minute, self.burst) if self.requests_per_minute else None


def burst_of(per_minute: int) -> int:
    """A fifth of a minute's share at once."""
    return max(1, per_minute // 5)


def refilled(tokens: float, elapsed_ms: float, rate: Rate) -> float:
    """A token bucket after some time."""
    return min(float(rate.burst), tokens + max(0.0, elapsed_ms) * rate.per_ms)


def wait_ms(tokens: float, elapsed_ms: float, rate: Rate) -> int:
    """Until there is a token to take; 0 when there is one."""
    missing = 1 - refilled(tokens, elapsed_ms, rate)
    return math.ceil(missing / rate.per_ms) if missing > 0 else 0


class Buckets:
    """Token buckets by name, for stores that one process has to itself."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[float, int]] = {}

    def take(self, name: str, rate: Rate, now_ms: int) -> bool:
        if len(self._left) >= _MAX_BUCKETS:
            self._left = {one: (left, at) for one, (left, at) in self._left.items() if now_ms - at < FULL_AFTER_MS}
        left, at = self._left.get(name, (float(rate.burst), now_ms))
        left = refilled(left, now_ms - at, rate)
        if left < 1:
            return False
        self._left[name] = left - 1, now_ms
        return True

    def wait_ms(self, name: str, rate: Rate, now_ms: int) -> int:
        left, at = self._left.get(name, (float(rate.burst), now_ms))
        return wait_ms(left, now_ms - at, rate)


class InFlight:
    """At most so many at once for each name."""

    def __init__(self, limit: int) -> None:
        self._limit, self._open = limit, Counter[object]()

    @contextlib.contextmanager
    def one(self, name: object) -> Iterator[None]:
        if self._open[name] >= self._limit:
            raise Refusal("too_many_in_flight", f"At most {self._limit} requests at once.", retry_after_s=1)
        self._open[name] += 1
        try:
            yield
        finally:
            self._open[name] -= 1
            if not self._open[name]:
                del self._open[name]
