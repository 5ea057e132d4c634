"""Group commit: batches that arrive while their team's transaction runs share the next one.

A disk confirms some hundred transactions a second; a lone client waits for one, a crowd for two at most. Nobody waits
for company: the first batch starts at once.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from kaizen.hub.store.protocol import Batch, HubStore, Outcome

MAX_BATCHES = 32

_Waiting = list[tuple[Batch, asyncio.Future[Outcome]]]


class Committer:
    def __init__(
        self, store: HubStore, threads: ThreadPoolExecutor, now_ms: Callable[[], int], stored: Callable[[str], None]
    ) -> None:
        """`stored(team_id)` is called after each transaction."""
        self._store, self._threads, self._now_ms, self._stored = store, threads, now_ms, stored
        self._waiting: dict[str, _Waiting] = {}
        self._running: dict[str, asyncio.Task[None]] = {}

    async def commit(self, team_id: str, batch: Batch) -> Outcome:
        """When this returns the batch is on disk. A caller that gives up does not undo it."""
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(team_id, []).append((batch, answer))
        if team_id not in self._running:
            self._running[team_id] = asyncio.create_task(self._drain(team_id))
        return await answer

    async def finish(self) -> None:
        """Returns when everything handed over is stored."""
        while self._running:
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _drain(self, team_id: str) -> None:
        try:
            while group := self._waiting.get(team_id, [])[:MAX_BATCHES]:
                del self._waiting[team_id][: len(group)]
                await self._together(team_id, group)
                self._stored(team_id)
        finally:
            del self._running[team_id]
            self._waiting.pop(team_id, None)

    async def _together(self, team_id: str, group: _Waiting) -> None:
        try:
            outcomes = await self._run(team_id, [batch for batch, _ in group])
        except Exception as error:
            if len(group) == 1:
                _tell(group[0][1], error)
                return
            for one in group:  # one batch must not spoil the others'
                await self._together(team_id, [one])
            return
        for (_, answer), outcome in zip(group, outcomes, strict=True):
            _tell(answer, outcome)

    async def _run(self, team_id: str, batches: Sequence[Batch]) -> list[Outcome]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._store.commit, team_id, batches, self._now_ms())


def _tell(answer: asyncio.Future[Outcome], result: Outcome | Exception) -> None:
    if answer.done():
        return
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)
