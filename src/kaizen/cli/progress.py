"""A progress bar on stderr: bytes, rate, time left. Redrawn at most ten times a second."""

import time
from typing import TextIO

from kaizen.cli.ink import Ink, bar, duration, percent, size

_INTERVAL_S = 0.1


class Progress:
    """`progress(done_bytes, total_bytes)` may be called as often as one likes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._start, self._last = stream, time.monotonic(), 0.0
        self._ink = Ink(color=True)
        self._is_drawn = False

    def __call__(self, done_bytes: int, total_bytes: int) -> None:
        now = time.monotonic()
        if now - self._last < _INTERVAL_S or not total_bytes:
            return
        self._last = now
        spent = now - self._start
        pace = done_bytes / spent if spent > 0.2 else 0
        left = duration(round((total_bytes - done_bytes) / pace * 1000)) if pace else "..."
        drawn = self._ink.paint(bar(done_bytes / total_bytes, 28).ljust(28), "green")
        self._stream.write(
            f"\r\x1b[K{drawn} {percent(done_bytes, total_bytes):>6}"
            f"  {size(done_bytes)} of {size(total_bytes)}  {size(round(pace))}/s  {left} left"
        )
        self._stream.flush()
        self._is_drawn = True

    def close(self) -> None:
        if self._is_drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
