"""GET /v1/stream: a team's events as they are stored, as server-sent events, without payloads.

Follows the ids of the store, so a reader that comes back with `Last-Event-ID` misses nothing, and several hub processes
on one database serve the same stream. A slow reader is sent no more than its connection takes.
"""

from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from kaizen.hub import views
from kaizen.hub.answer import Refusal
from kaizen.hub.hub import Hub

MAX_ROWS = 500
HEARTBEAT_MS = 15_000


def follow(hub: Hub) -> Callable[[Request], Awaitable[Response]]:
    async def get(request: Request) -> Response:
        grant = await hub.admit(request, "read")
        team = grant.team.team_id
        after = _after(request)
        if after is None:
            after = await hub.run(hub.store.last_event_id, team)
        return _Followed(hub, grant.token_id, _events(hub, request, team, after))

    return get


class _Followed(StreamingResponse):
    """Counted as long as it lasts, which may be until the follower goes away."""

    def __init__(self, hub: Hub, token_id: str, events: AsyncIterator[bytes]) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(events, media_type="text/event-stream", headers=headers)
        self._hub, self._token_id = hub, token_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._hub.streams.one(self._token_id):
            await super().__call__(scope, receive, send)


async def _events(hub: Hub, request: Request, team: str, after: int) -> AsyncIterator[bytes]:
    yield b": following\n\n"
    said_ms = hub.now_ms()
    while not hub.is_stopping.is_set():
        rows = await hub.run(hub.store.events_since, team, after, MAX_ROWS)
        if rows:
            after, said_ms = rows[-1].id, hub.now_ms()
            names = await hub.run(views.projects, hub.store, team)
            yield b"".join(map(_message, views.live(rows, names)))
            continue
        if hub.now_ms() - said_ms >= HEARTBEAT_MS:
            if not await hub.is_still_allowed(request):
                return
            said_ms = hub.now_ms()
            yield b": still here\n\n"
        await hub.news(team)


def _message(event: views.Live) -> bytes:
    return b"id: %d\nevent: event\ndata: %s\n\n" % (event.id, msgspec.json.encode(event))


def _after(request: Request) -> int | None:
    text = request.headers.get("last-event-id") or request.query_params.get("after")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Refusal("bad_query", "after is the id of the last event seen.", field="after")
    return int(text)
