"""Clients that mean harm: answered with a documented 4xx or cut off, in bounded memory, while other teams go on."""

import resource
import socket
import sys
import threading
import time
import uuid
import zlib
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from kaizen.hub.limits import Limits
from kaizen.hub.store.protocol import HubStore

from .made import NOW, TEAM, body, event
from .serving import Client, code, serving

QUICK = Limits(requests_per_minute=0, body_timeout_s=0.4, header_timeout_s=0.4, max_connections=3_000)


@pytest.fixture
def hub(store: HubStore) -> Iterator[Client]:
    with serving(store, QUICK, clock=lambda: NOW) as client:
        yield client


def head(hub: Client, *lines: str, token: str | None = None) -> bytes:
    said = ["POST /v1/events HTTP/1.1", "Host: hub", f"Authorization: Bearer {token or hub.token}",
            "Content-Type: application/json", f"X-Kaizen-Idempotency-Key: {uuid.uuid4()}", *lines, "", ""]  # fmt: skip
    return "\r\n".join(said).encode()


def connect(hub: Client) -> socket.socket:
    return socket.create_connection(("127.0.0.1", hub.http.base_url.port or 0), timeout=10)


def answer(opened: socket.socket) -> bytes:
    """Everything until the hub closes the connection."""
    parts = []
    try:
        while part := opened.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def bomb(megabytes: int) -> bytes:
    """Zeros as gzip. A block that was flushed refers to nothing before it, so it can be repeated."""
    packer, zeros = zlib.compressobj(9, wbits=31), bytes(1 << 20)
    first = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + again * (megabytes - 1)


def test_a_bomb_is_stopped_in_bounded_memory(hub: Client) -> None:
    gigabyte = bomb(1024)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(8):
        found = hub.post("/v1/events", gigabyte, headers={"Content-Encoding": "gzip"})
        assert code(found) == (413, "body_too_large")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    assert hub.get("/v1/query/events").json()["items"] == []


def pushed(opened: socket.socket, parts: list[bytes]) -> int:
    """How many parts went out before the hub cut the connection."""
    for number, part in enumerate(parts):
        try:
            opened.sendall(part)
        except (ConnectionResetError, BrokenPipeError):
            return number
    return len(parts)


def test_a_declared_gigabyte_is_refused_before_it_comes(hub: Client) -> None:
    with connect(hub) as opened:
        opened.sendall(head(hub, "Content-Length: 1073741824"))
        assert b"413" in answer(opened).split(b"\r\n")[0]


def test_a_chunked_body_without_length_stops_at_the_limit(hub: Client) -> None:
    with connect(hub) as opened:
        opened.sendall(head(hub, "Transfer-Encoding: chunked"))
        part = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
        assert pushed(opened, [part] * 64) < 64


def test_chunked_bodies_are_taken(hub: Client) -> None:
    text = body("events", event())
    headers = {"Authorization": f"Bearer {hub.token}", "Content-Type": "application/json",
               "X-Kaizen-Idempotency-Key": str(uuid.uuid4())}  # fmt: skip
    assert hub.http.post("/v1/events", content=iter([text[:50], text[50:]]), headers=headers).status_code == 202


def test_a_slow_body_ends_in_a_408(hub: Client) -> None:
    with connect(hub) as opened:
        opened.sendall(head(hub, "Content-Length: 1000") + b"{")
        found = answer(opened)
    assert b"408" in found.split(b"\r\n")[0]
    assert b'"body_timeout"' in found


def test_a_wrong_token_is_refused_before_the_body(hub: Client) -> None:
    with connect(hub) as opened:
        opened.sendall(head(hub, "Content-Length: 1000000", token="kzn_wrong"))
        found = answer(opened)
    assert b"401" in found.split(b"\r\n")[0]


@pytest.mark.parametrize("start", [b"", b"POST /v1/ev", b"GET / HTTP/1.1\r\nA: b\r\n"])
def test_a_connection_that_never_asks_is_closed(start: bytes, hub: Client) -> None:
    with connect(hub) as opened:
        opened.sendall(start)
        assert answer(opened) == b""


def test_endless_headers_are_cut_off(hub: Client) -> None:
    with connect(hub) as opened:
        opened.sendall(b"GET / HTTP/1.1\r\n")
        assert pushed(opened, [b"X-%d: %s\r\n" % (i, b"x" * 1000) for i in range(20_000)]) < 20_000


def test_half_open_bodies_of_one_token_leave_the_others_alone(hub: Client) -> None:
    count = 2_000 if resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 8_192 else 400
    other = hub.grant(team="other")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with ExitStack() as all_of_them:
        opened = []
        for _ in range(count):
            opened.append(all_of_them.enter_context(connect(hub)))
            opened[-1].sendall(head(hub, "Content-Length: 1000") + b"{")
        started = time.perf_counter()
        text = body("events", event(), team="other")
        assert hub.post("/v1/events", text, token=other).status_code == 202
        assert time.perf_counter() - started < 5
        statuses = [answer(one)[9:12] for one in opened]
    assert set(statuses) <= {b"429", b"408"}
    assert statuses.count(b"408") <= 16 * 8
    if sys.platform == "linux":
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000
    assert hub.get("/v1/query/events").json()["items"] == []


def test_too_many_requests_at_once_are_told_to_wait(hub: Client) -> None:
    with ExitStack() as held:
        for _ in range(16):
            held.enter_context(connect(hub)).sendall(head(hub, "Content-Length: 1000") + b"{")
        time.sleep(0.1)
        found = hub.events(event())
        assert code(found) == (429, "too_many_in_flight")
        assert found.headers["retry-after"] == "1"


def test_a_key_in_use_is_told_to_wait(hub: Client) -> None:
    key = str(uuid.uuid4())
    name = (TEAM, "/v1/events", key)
    hub.hub.in_progress.add(name)
    found = hub.events(event(), key=key)
    assert code(found) == (429, "in_progress")
    hub.hub.in_progress.discard(name)
    assert hub.events(event(), key=key).status_code == 202


def test_one_team_at_work_does_not_stop_another(hub: Client) -> None:
    other = hub.grant(team="other")
    threads = [
        threading.Thread(target=lambda i=i: hub.events(*[event(j, f"s{i}") for j in range(3_000)])) for i in range(4)
    ]
    for one in threads:
        one.start()
    took = []
    for i in range(20):
        started = time.perf_counter()
        assert hub.post("/v1/events", body("events", event(i), team="other"), token=other).status_code == 202
        took.append(time.perf_counter() - started)
    for one in threads:
        one.join()
    assert sorted(took)[10] < 1
