"""Sending one batch as several requests: every request is tried, and what was taken is not sent twice.

An exporter keeps no state, with this exception: when one request of a batch has to wait, the batch comes again as a
whole, and the sink remembers in memory which of its requests were taken. After a restart they are sent again; services
de-duplicate by the ids of the items where they can.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Iterable

import msgspec

from kaizen.wire.sink import Again, Done, Refused, Result

_REMEMBERED = 64


class Request(msgspec.Struct, frozen=True):
    """`id` names it within its batch and is the same whenever that batch comes again."""

    id: Hashable
    items: int
    send: Callable[[], Awaitable[Result]]


class Requests:
    def __init__(self) -> None:
        self._taken: OrderedDict[str, dict[Hashable, Done]] = OrderedDict()

    async def send(self, batch_id: str, requests: Iterable[Request], before: Done | None = None) -> Result:
        """`before`: what was already rejected on our side. Refused only when nothing at all was taken."""
        taken = self._taken.pop(batch_id, {})
        refused: list[tuple[Request, Refused]] = []
        for request in requests:
            if request.id in taken:
                continue
            match await request.send():
                case Done() as done:
                    taken[request.id] = done
                case Refused() as no:
                    refused.append((request, no))
                case Again() as again:
                    self._remember(batch_id, taken)
                    return again
        if refused and not taken:
            return refused[0][1]
        parts = [before or Done(), *taken.values(), *(Done(request.items, no.reason) for request, no in refused)]
        details = dict.fromkeys(part.detail for part in parts if part.detail)
        return Done(sum(part.rejected for part in parts), "; ".join(details))

    def _remember(self, batch_id: str, taken: dict[Hashable, Done]) -> None:
        if taken:
            self._taken[batch_id] = taken
            while len(self._taken) > _REMEMBERED:
                self._taken.popitem(last=False)
