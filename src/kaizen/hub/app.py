"""The hub as an ASGI application: the routes, and around them one layer for errors, request ids and the log.

Refusals are raised anywhere below and become answers here; nothing else may end a request but the bug it is.
"""

import contextlib
import re
import secrets
import sys
import time
import traceback
from collections.abc import AsyncIterator, Callable

import msgspec
from blake3 import blake3
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kaizen import __version__
from kaizen.hub import ingest, reads, stream
from kaizen.hub.address import Proxies
from kaizen.hub.answer import Refusal
from kaizen.hub.hub import Hub
from kaizen.hub.store.protocol import Erasable, Full, Unavailable
from kaizen.hub.unpack import ENCODINGS
from kaizen.wire.ingest import KINDS

CONFIG_TTL_S = 3_600
_HASH = re.compile(r"blake3:[0-9a-f]{64}")
# How long one look at the store's health is good for.
_HEALTH_MS = 1_000

Write = Callable[[bytes], object]


def to_stderr(line: bytes) -> None:
    sys.stderr.buffer.write(line + b"\n")
    sys.stderr.flush()


def make(hub: Hub, write_log: Write = to_stderr) -> ASGIApp:
    routes = [
        *[Route(kind.path, ingest.batches_of(hub, kind), methods=["POST"]) for kind in KINDS.values()],
        Route("/v1/experiments/{id}/observation", ingest.observations(hub), methods=["POST"]),
        Route("/v1/sessions/{name}", _erase(hub, "session"), methods=["DELETE"]),
        Route("/v1/workspaces/{name}", _erase(hub, "workspace"), methods=["DELETE"]),
        Route("/v1/health", _health(hub)),
        Route("/v1/config", _config(hub)),
        Route("/v1/query/summary", reads.summary(hub)),
        Route("/v1/query/cost", reads.cost(hub)),
        Route("/v1/query/sessions", reads.sessions(hub)),
        Route("/v1/query/events", reads.items(hub, "events")),
        Route("/v1/query/tool-spans", reads.items(hub, "tool_spans")),
        Route("/v1/stream", stream.follow(hub)),
    ]

    @contextlib.asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        yield
        await hub.close()

    router = Router(routes, redirect_slashes=False, default=_unknown_route, lifespan=lifespan)
    return Outermost(router, hub.proxies, write_log)


class Outermost:
    """Gives every request an id, an address and a line in the log, and turns what was raised into an answer."""

    def __init__(self, inner: ASGIApp, proxies: Proxies, write_log: Write) -> None:
        self._inner, self._proxies, self._write_log = inner, proxies, write_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        request_id = secrets.token_hex(8)
        scope["app"] = self
        scope["hub.request_id"] = request_id
        address = scope["hub.address"] = self._proxies.client_of(scope)
        said: dict[str, object] = {}
        scope["hub.log"] = said
        started, status, is_read = time.perf_counter(), 0, False

        async def receiving() -> Message:
            nonlocal is_read
            message = await receive()
            is_read = is_read or not message.get("more_body", False)
            return message

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", request_id.encode()))
                if not is_read and _has_body(scope):
                    # What is left of the body would be taken for the next request.
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        try:
            await self._inner(scope, receiving, sending)
        except Exception as error:
            if status:  # half an answer is out: a follower that went away, or a bug
                said["error"] = type(error).__name__
                raise
            await _answer_to(error, request_id, said)(scope, receiving, sending)
        finally:
            line = {"ts_ms": time.time_ns() // 1_000_000, "request_id": request_id, "address": address,
                    "method": scope["method"], "path": scope["path"][:200], "status": status,
                    "ms": round((time.perf_counter() - started) * 1000, 1), **said}  # fmt: skip
            self._write_log(msgspec.json.encode(line))


def _has_body(scope: Scope) -> bool:
    return any(name in (b"content-length", b"transfer-encoding") and value != b"0" for name, value in scope["headers"])


def _answer_to(error: Exception, request_id: str, said: dict[str, object]) -> Response:
    match error:
        case Refusal():
            refusal = error
        case HTTPException(status_code=405):
            refusal = Refusal("method_not_allowed", "This route knows other methods only.")
        case Full():
            refusal = Refusal("storage_full", "The disk is full.", retry_after_s=60)
        case Unavailable():
            refusal = Refusal("degraded", "The store cannot be used just now.", retry_after_s=5)
            said["error"] = str(error.__cause__)[:200]
        case _:
            refusal = Refusal("internal", "This is a bug in the hub.")
            # The text of an error can quote what was posted; where it happened cannot.
            said["traceback"] = [f"{one.filename}:{one.lineno} {one.name}" for one in
                                 traceback.extract_tb(error.__traceback__)[-8:]]  # fmt: skip
            said["error"] = type(error).__name__
    said["code"] = refusal.code
    headers = {}
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if refusal.retry_after_s is not None:
        headers["Retry-After"] = str(refusal.retry_after_s)
    if isinstance(error, HTTPException) and error.headers:
        headers.update(error.headers)
    return Response(refusal.body(request_id), refusal.status, headers, "application/json")


async def _unknown_route(scope: Scope, _receive: Receive, _send: Send) -> None:
    raise Refusal("unknown_route", "There is nothing here.")


def _health(hub: Hub) -> ingest.Handler:
    checked_ms = 0
    reason = ""

    async def get(_request: Request) -> Response:
        nonlocal checked_ms, reason
        if hub.is_stopping.is_set():
            return _degraded("maintenance")
        if hub.now_ms() - checked_ms >= _HEALTH_MS:
            checked_ms = hub.now_ms()
            try:
                await hub.run(hub.store.check)
                reason = ""
            except Full:
                reason = "storage_full"
            except Exception as error:
                reason = f"store: {type(error).__name__}"
        if reason:
            return _degraded(reason)
        return _json({
            "status": "ok",
            "server": f"hub/{__version__}",
            "time_ms": hub.now_ms(),
            "schema_versions": ingest.SCHEMA_VERSIONS,
            "encodings": ENCODINGS,
            "routes": [*[kind.path.removeprefix("/v1/") for kind in KINDS.values()], "experiments"],
            "limits": {"max_body_bytes": hub.limits.max_body_bytes, "max_items": hub.limits.max_items,
                       "max_compressed_bytes": hub.limits.max_compressed_bytes,
                       "requests_per_minute": hub.limits.requests_per_minute,
                       "max_in_flight": hub.limits.max_in_flight},
        })  # fmt: skip

    return get


def _degraded(reason: str) -> Response:
    body = msgspec.json.encode({"status": "degraded", "reason": reason})
    return Response(body, 503, {"Retry-After": "5"}, "application/json")


def _config(hub: Hub) -> ingest.Handler:
    async def get(request: Request) -> Response:
        settings = (await hub.admit(request, "ingest")).team.settings
        said = {
            "ttl_seconds": CONFIG_TTL_S,
            "events_per_batch_max": min(settings.events_per_batch_max, hub.limits.max_items),
            "max_body_bytes": min(settings.max_body_bytes, hub.limits.max_body_bytes),
            "flush_interval_ms": settings.flush_interval_ms,
            "sample_rate": settings.sample_rate,
            "paused_until_ms": settings.paused_until_ms,
            "min_client": settings.min_client,
            "message": settings.message,
        }
        version = blake3(msgspec.json.encode(said)).hexdigest(length=8)
        tag = {"ETag": f'"{version}"'}
        if tag["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=tag)
        return _json({"config_version": version, **said}, tag)

    return get


def _erase(hub: Hub, what: Erasable) -> ingest.Handler:
    async def delete(request: Request) -> Response:
        grant = await hub.admit(request, "admin")
        name = request.path_params["name"]
        if not _HASH.fullmatch(name):
            raise Refusal("bad_query", "The name is blake3: and 64 hexadecimal digits.", field="name")
        gone = await hub.run(hub.store.erase, grant.team.team_id, what, name, hub.now_ms())
        return _json({"erased": gone}, status=202)

    return delete


def _json(value: object, headers: dict[str, str] | None = None, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, headers, "application/json")
