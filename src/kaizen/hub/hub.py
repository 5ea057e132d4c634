"""What all routes share: the store and its threads, who may come in, and how much at once."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from starlette.requests import Request

from kaizen.hub.address import NOBODY, Proxies, neighbourhood
from kaizen.hub.answer import Refusal
from kaizen.hub.auth import Authority, require
from kaizen.hub.committer import Committer
from kaizen.hub.item_rules import keep_nothing
from kaizen.hub.limits import InFlight, Limits
from kaizen.hub.rates import Rates
from kaizen.hub.store.protocol import Grant, HubStore, Scope

P = ParamSpec("P")
T = TypeVar("T")

# How often followers look for what another process stored.
POLL_S = 0.5


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Hub:
    """`guard(text)`: whether a text would leak. `reduce(kind, payload)`: what of an old client's payload stays.
    `proxies`: whose word about a client's address is taken."""

    def __init__(
        self,
        store: HubStore,
        limits: Limits = Limits(),  # noqa: B008  frozen
        *,
        guard: Callable[[bytes], bool] = lambda _: False,
        reduce: Callable[[str, Mapping[str, Any]], dict[str, Any]] = keep_nothing,
        proxies: Proxies = NOBODY,
        clock: Callable[[], int] = now_ms,
        threads: int = 4,
    ) -> None:
        self.store, self.limits, self.guard, self.reduce, self.now_ms = store, limits, guard, reduce, clock
        self.proxies = proxies
        self.is_stopping = asyncio.Event()
        self.alerts = 0
        # Three pools: a long report must keep neither a commit from its thread nor anybody at the door.
        self._door = ThreadPoolExecutor(2, "hub-door")
        self._work = ThreadPoolExecutor(threads, "hub-work")
        self._commits = ThreadPoolExecutor(threads, "hub-commit")
        self.committer = Committer(store, self._commits, clock, self._wake)
        self.in_progress: set[tuple[str, str, str]] = set()
        self.in_flight = InFlight(limits.max_in_flight)
        self.streams = InFlight(limits.max_streams)
        self._authority = Authority(store)
        self._rates = Rates(store)
        self._news: dict[str, asyncio.Event] = {}

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """In a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._work, lambda: function(*args, **kwargs))

    async def _ask(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What a request waits for before it is let in, in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._door, lambda: function(*args, **kwargs))

    async def admit(self, request: Request, scope: Scope) -> Grant:
        """Before a byte of the body is read: a known token, its scope, and a request left in its minute."""
        if self.is_stopping.is_set():
            raise Refusal("maintenance", "The hub is stopping.", retry_after_s=5)
        now = self.now_ms()
        header = request.headers.get("authorization", "")
        grant = self._authority.recall(header, now)
        if grant is None:
            grant = await self._looked_up(request, header, now)
        log(request, team=grant.team.team_id, token=grant.token_id)
        require(grant, scope)
        if rate := self.limits.requests(grant.team.settings.requests_per_minute):
            name = f"requests {grant.team.team_id}/{grant.token_id}"
            if wait := self._rates.refused_s(name) or await self._ask(self._rates.take, name, rate):
                raise Refusal("rate_limited", "Too many requests of this token.", retry_after_s=wait)
        return grant

    async def is_still_allowed(self, request: Request) -> bool:
        header = request.headers.get("authorization", "")
        return await self._ask(self._authority.find, header, self.now_ms()) is not None

    async def news(self, team_id: str) -> None:
        """Returns after something of the team was stored, or when it is time to look for it."""
        event = self._news.setdefault(team_id, asyncio.Event())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                await event.wait()

    async def close(self) -> None:
        self.is_stopping.set()
        await self.committer.finish()
        for pool in (self._commits, self._work, self._door):
            pool.shutdown()

    @contextlib.asynccontextmanager
    async def only_one(self, name: tuple[str, str, str]) -> AsyncIterator[None]:
        """No two requests with the same key at once."""
        if name in self.in_progress:
            raise Refusal("in_progress", "A request with this key is still running.", retry_after_s=1)
        self.in_progress.add(name)
        try:
            yield
        finally:
            self.in_progress.discard(name)

    async def _looked_up(self, request: Request, header: str, now: int) -> Grant:
        name, rate = f"failures {neighbourhood(request.scope['hub.address'])}", self.limits.failures
        if wait := self._rates.refused_s(name) or await self._ask(self._rates.look, name, rate):
            raise Refusal("rate_limited", "Too many failed attempts from this address.", retry_after_s=wait)
        grant = await self._ask(self._authority.find, header, now)
        if grant is None:
            await self._ask(self._rates.take, name, rate)
            raise Refusal("unauthorized", "The token is missing or unknown.")
        return grant

    def _wake(self, team_id: str) -> None:
        if event := self._news.pop(team_id, None):
            event.set()


def log(request: Request, **said: object) -> None:
    """For the one line about this request. Never a payload, never a token."""
    request.scope["hub.log"].update(said)
