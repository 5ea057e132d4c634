"""How much of everything a hub takes; health publishes it. Counters live in one process: n processes allow n times."""

import contextlib
from collections import Counter
from collections.abc import Iterator

import msgspec

from kaizen.hub.answer import Refusal

# Buckets that nobody used for a minute are full again, so forgetting them changes nothing.
_MAX_BUCKETS = 10_000


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


class Buckets:
    """Token buckets by name: `burst` at once, refilled at `per_minute`."""

    def __init__(self, per_minute: int, burst: int) -> None:
        self._per_ms, self._burst = per_minute / 60_000, float(burst)
        self._left: dict[object, tuple[float, int]] = {}

    def wait_s(self, name: object, now_ms: int) -> int:
        """0 when there is one left; it is not taken yet. Otherwise whole seconds until there is."""
        left = self._now(name, now_ms)
        return 0 if left >= 1 or not self._per_ms else max(1, -int(-(1 - left) / self._per_ms // 1000))

    def take(self, name: object, now_ms: int) -> None:
        if len(self._left) >= _MAX_BUCKETS:
            self._left = {one: (left, at) for one, (left, at) in self._left.items() if now_ms - at < 60_000}
        self._left[name] = max(0.0, self._now(name, now_ms) - 1), now_ms

    def _now(self, name: object, now_ms: int) -> float:
        left, at = self._left.get(name, (self._burst, now_ms))
        return min(self._burst, left + max(0, now_ms - at) * self._per_ms)


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
