"""A real hub on a free port of loopback, in a thread, and a client for it."""

import contextlib
import gzip
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import uvicorn

from kaizen.hub import serve
from kaizen.hub.auth import new_token
from kaizen.hub.hub import Hub
from kaizen.hub.limits import Limits
from kaizen.hub.store.protocol import SCOPES, HubStore, Scope, Settings, Team

from . import made

WIDE = Limits(requests_per_minute=0, failures_per_minute=100_000)


class Client:
    """Posts with all headers in order; `headers=` replaces single ones, None leaves one out."""

    def __init__(self, url: str, token: str, hub: Hub, log: list[dict[str, Any]]) -> None:
        self.url, self.token, self.hub, self.log = url, token, hub, log
        self.http = httpx.Client(base_url=url, timeout=20)

    def post(self, path: str, body: bytes, *, key: str | None = None, headers: dict[str, str | None] | None = None,
             token: str | None = None) -> httpx.Response:  # fmt: skip
        said: dict[str, str | None] = {
            "Authorization": f"Bearer {token or self.token}",
            "Content-Type": "application/json",
            "X-Kaizen-Idempotency-Key": key or str(uuid.uuid4()),
            **(headers or {}),
        }
        return self.http.post(path, content=body, headers={n: v for n, v in said.items() if v is not None})

    def events(self, *events: Any, **more: Any) -> httpx.Response:
        return self.post("/v1/events", made.body("events", *events), **more)

    def get(self, path: str, token: str | None = None, **more: Any) -> httpx.Response:
        return self.http.get(path, headers={"Authorization": f"Bearer {token or self.token}"}, **more)

    def grant(self, *scopes: Scope, team: str = made.TEAM, settings: Settings | None = None) -> str:
        """A token of a team that is made when there is none."""
        self.hub.store.add_team(Team(team, 1, settings or Settings()))
        return new_token(self.hub.store, team, list(scopes or SCOPES), "", 1)[1]


@contextlib.contextmanager
def serving(store: HubStore, limits: Limits = WIDE, **more: Any) -> Iterator[Client]:
    hub = Hub(store, limits, **more)
    opened = serve.listen("127.0.0.1", 0)
    port = opened.getsockname()[1]
    log: list[dict[str, Any]] = []
    servers: list[uvicorn.Server] = []
    keep = uvicorn.Server.startup

    async def startup(self: uvicorn.Server, sockets: Any = None) -> None:
        servers.append(self)
        await keep(self, sockets)

    uvicorn.Server.startup = startup  # type: ignore[method-assign]
    thread = threading.Thread(
        target=serve.serve, args=(hub, opened), kwargs={"write_log": lambda line: log.append(msgspec.json.decode(line))}
    )
    thread.start()
    client = Client(f"http://127.0.0.1:{port}", new_token(store, made.TEAM, list(SCOPES), "", 1)[1], hub, log)
    try:
        while not servers or not servers[0].started:
            time.sleep(0.005)
        yield client
    finally:
        uvicorn.Server.startup = keep  # type: ignore[method-assign]
        client.http.close()
        servers[0].should_exit = True
        thread.join(60)  # a busy machine; the hub itself gives up waiting after 20 s
        assert not thread.is_alive()


def code(response: httpx.Response) -> tuple[int, str]:
    """Status and code; the body of every error has the same fields."""
    body = response.json()
    assert {"code", "message", "retryable", "request_id"} <= set(body), body
    assert response.headers["x-request-id"] == body["request_id"]
    assert response.headers["content-type"] == "application/json"
    return response.status_code, body["code"]


def zipped(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)
