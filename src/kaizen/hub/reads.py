"""GET: what a team reads, as JSON. Every answer comes from one view."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from kaizen.hub import views
from kaizen.hub.answer import Refusal
from kaizen.hub.hub import Hub
from kaizen.hub.store.protocol import Window

MAX_LIMIT = 1_000
_HASH = re.compile(r"blake3:[0-9a-f]{64}")
_NUMBER = re.compile(r"[0-9]{1,15}", re.ASCII)
_CURSOR = re.compile(r"([0-9]{1,16}):([0-9]{1,18})", re.ASCII)

Handler = Callable[[Request], Awaitable[Response]]


def summary(hub: Hub) -> Handler:
    async def get(request: Request) -> Response:
        team = (await hub.admit(request, "read")).team.team_id
        return _json(await hub.run(views.summary, hub.store, team, _window(request)))

    return get


def cost(hub: Hub) -> Handler:
    async def get(request: Request) -> Response:
        team = (await hub.admit(request, "read")).team.team_id
        by = request.query_params.get("by", "day")
        if by not in views.GROUPINGS:
            raise Refusal("bad_query", f"by is one of {', '.join(views.GROUPINGS)}.", field="by")
        return _json(await hub.run(views.cost, hub.store, team, _window(request), by, _zone(request)))

    return get


def sessions(hub: Hub) -> Handler:
    async def get(request: Request) -> Response:
        team = (await hub.admit(request, "read")).team.team_id
        return _json(await hub.run(views.sessions, hub.store, team, _window(request), _cut(request), hub.now_ms()))

    return get


def items(hub: Hub, kind: str) -> Handler:
    async def get(request: Request) -> Response:
        team = (await hub.admit(request, "read")).team.team_id
        session = _hash(request, "session_id_hash")
        window = msgspec.structs.replace(_window(request), sessions=None if session is None else (session,))
        return _json(await hub.run(views.page, hub.store, team, kind, window, _cut(request)))

    return get


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json", headers={"Cache-Control": "no-store"})


def _window(request: Request) -> Window:
    bounds: dict[str, Any] = {}
    for name, field in (("from_ms", "start_ms"), ("to_ms", "end_ms")):
        if (number := _number(request, name)) is not None:
            bounds[field] = number
    return Window(**bounds, workspace_hash=_hash(request, "workspace_hash"))


def _number(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    if not _NUMBER.fullmatch(text):
        raise Refusal("bad_query", f"{name} is a whole number.", field=name)
    return int(text)


def _hash(request: Request, name: str) -> str | None:
    text = request.query_params.get(name)
    if text is not None and not _HASH.fullmatch(text):
        raise Refusal("bad_query", f"{name} is blake3: and 64 hexadecimal digits.", field=name)
    return text


def _limit(request: Request) -> int:
    number = _number(request, "limit")
    if number is not None and not 1 <= number <= MAX_LIMIT:
        raise Refusal("bad_query", f"limit is between 1 and {MAX_LIMIT}.", field="limit")
    return 100 if number is None else number


def _cursor(request: Request) -> tuple[int, int] | None:
    text = request.query_params.get("cursor")
    if text is None:
        return None
    if not (match := _CURSOR.fullmatch(text)):
        raise Refusal("bad_query", "cursor is what next_cursor said.", field="cursor")
    return int(match[1]), int(match[2])


def _cut(request: Request) -> views.Cut:
    order = request.query_params.get("order", "asc")
    if order not in ("asc", "desc"):
        raise Refusal("bad_query", "order is asc or desc.", field="order")
    return views.Cut(_cursor(request), _limit(request), order == "desc")


def _zone(request: Request) -> tzinfo:
    name = request.query_params.get("tz", "UTC")
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise Refusal("bad_query", "tz is a zone such as Europe/Berlin.", field="tz") from None
