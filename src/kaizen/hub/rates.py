"""How often a token may ask and an address may fail, by the buckets of the store.

What the store refused is remembered until it would allow it again, so a flood asks the store no more often than that.
"""

import math
import time

from kaizen.hub.limits import Rate
from kaizen.hub.store.protocol import HubStore

_MAX_REMEMBERED = 10_000


class Rates:
    """`take` and `look` block. All answers are whole seconds to wait, 0 for none."""

    def __init__(self, store: HubStore) -> None:
        self._store = store
        self._refused: dict[str, float] = {}  # until when, by a clock that never goes back

    def refused_s(self, name: str) -> int:
        """Without the store: what it said a moment ago."""
        return math.ceil(max(0.0, self._refused.get(name, 0.0) - time.monotonic()))

    def take(self, name: str, rate: Rate) -> int:
        return 0 if self._store.take(name, rate) else max(1, self.look(name, rate))

    def look(self, name: str, rate: Rate) -> int:
        """Takes nothing."""
        wait_ms = self._store.wait_ms(name, rate)
        if wait_ms:
            if len(self._refused) >= _MAX_REMEMBERED:
                self._refused.clear()
            self._refused[name] = time.monotonic() + wait_ms / 1000
        return math.ceil(wait_ms / 1000)
