"""The engine's time: real, or one that tests move."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    def now_ms(self) -> int: ...

    async def wait(self, tasks: set[asyncio.Task[None]], until_ms: int | None) -> None:
        """Until one of `tasks` is done, or that time has come; None: for the tasks only."""


class RealClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    async def wait(self, tasks: set[asyncio.Task[None]], until_ms: int | None) -> None:
        left_s = None if until_ms is None else max(until_ms - self.now_ms(), 0) / 1000
        if tasks:
            await asyncio.wait(tasks, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        elif left_s is not None:
            await asyncio.sleep(left_s)
