"""One process that serves a hub: sockets, signals, and the two chores that nobody asks for (retention, a clean end)."""

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kaizen.hub.app import Write, make, to_stderr
from kaizen.hub.hub import Hub
from kaizen.hub.limits import Limits
from kaizen.model.times import DAY_MS

RETENTION_EVERY_S = 3_600
GRACE_S = 20


def listen(host: str, port: int) -> socket.socket:
    """Port 0 takes any that is free. Raises `OSError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host, port))
        opened.listen(1024)
    except OSError:
        opened.close()
        raise
    return opened


def serve(hub: Hub, opened: socket.socket, write_log: Write = to_stderr) -> None:
    """Until SIGTERM or SIGINT: then no new requests, the running ones are answered, what was taken is stored."""
    config = uvicorn.Config(
        make(hub, write_log),
        http=_guarded(hub.limits),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # it would trust this machine; see kaizen.hub.address
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=75,
    )
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_run(_Server(config, hub), hub, opened, write_log))


async def _run(server: uvicorn.Server, hub: Hub, opened: socket.socket, write_log: Write) -> None:
    async with asyncio.TaskGroup() as group:
        chores = group.create_task(_retention(hub, write_log))
        try:
            await server.serve(sockets=[opened])
        finally:
            chores.cancel()


async def _retention(hub: Hub, write_log: Write) -> None:
    """Each team's old items go, once an hour. What fails is tried again in the next one."""
    while True:
        now = hub.now_ms()
        said: dict[str, object] = {}
        try:
            for team in await hub.run(hub.store.teams):
                before_ms = now - team.settings.retention_days * DAY_MS
                said[team.team_id] = await hub.run(hub.store.prune, team.team_id, before_ms, now)
        except Exception as error:
            said["error"] = type(error).__name__
        if any(said.values()):
            write_log(msgspec.json.encode({"ts_ms": now, "retention": said}))
        await asyncio.sleep(RETENTION_EVERY_S)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """A signal ends the server and nothing more: whoever called it has a store to close."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        kept = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in kept.items():
                signal.signal(number, handler)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Followers are told first; they would keep us waiting otherwise."""
        self._hub.is_stopping.set()
        await super().shutdown(sockets)


def _guarded(limits: Limits) -> type[HttpToolsProtocol]:
    """Connections that send no request, endless headers, or are simply too many, are closed."""

    class Guarded(HttpToolsProtocol):
        _deadline: asyncio.TimerHandle | None = None
        _head_bytes = 0

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > limits.max_connections:
                transport.abort()
                return
            self._deadline = self.loop.call_later(limits.header_timeout_s, transport.abort)

        def data_received(self, data: bytes) -> None:
            if self._deadline is not None:
                self._head_bytes += len(data)
            super().data_received(data)
            if self._deadline is not None and self._head_bytes > limits.max_header_bytes:
                self.transport.abort()

        def on_message_begin(self) -> None:
            """Also of the second request of a connection."""
            super().on_message_begin()
            if self._deadline is None:
                self._head_bytes = 0
                self._deadline = self.loop.call_later(limits.header_timeout_s, self.transport.abort)

        def on_headers_complete(self) -> None:
            self._met()
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._met()
            super().connection_lost(exc)

        def _met(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

    return Guarded


