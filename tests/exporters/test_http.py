"""What an answer means, and that no sentence holds a secret."""

import asyncio
import socket
from email.utils import formatdate
from pathlib import Path

import pytest

from kaizen.config.secret import Secret
from kaizen.exporters.http import Answer, Http, after_s, place, result
from kaizen.wire.sink import Again, Done, Refused
from loopback import Server, reply

from .made import batch, cost, sent

KEY = "sk-very-secret-0123456789"


def answered(status: int, retry_after: str | None = None) -> Answer:
    return Answer(status, "host", b"", "", retry_after=retry_after)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, Done) for status in (200, 201, 202, 204)),
        *((status, Again) for status in (408, 425, 429, 500, 502, 503, 504, 507, 599)),
        *((status, Refused) for status in (301, 302, 307, 400, 401, 403, 404, 405, 409, 413, 415, 422, 501)),
    ],
)
def test_statuses(status: int, kind: type) -> None:
    assert isinstance(result(answered(status)), kind)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("7", 7), (" 120 ", 120), ("0", 0), (formatdate(1_000_060, usegmt=True), 60),
     (formatdate(1_000, usegmt=True), 0), ("soon", None), ("-5", None), ("1.5", None), ("", None)],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert after_s(header, 1_000_000) == seconds


def test_retry_after_counts_also_on_503() -> None:
    assert result(answered(503, "9")) == Again("host answered 503", 9)


def test_a_network_that_fails_is_tried_again(server: Server) -> None:
    async def run(url: str, timeout_s: float = 1) -> object:
        http = Http([], timeout_s)
        try:
            return await http.post(url, b"", {})
        finally:
            await http.close()

    closed = server.url
    server.close()
    found = asyncio.run(run(f"{closed}/path?key={KEY}"))
    assert found == Again(f"{closed.removeprefix('http://')}: cannot connect (nothing listens there)")
    assert isinstance(asyncio.run(run("http://[::1")), Refused)
    server.close = lambda: None  # type: ignore[method-assign]


def test_a_silent_server_is_tried_again() -> None:
    async def run(port: int) -> object:
        http = Http([], 0.1)
        try:
            return await http.get(f"http://127.0.0.1:{port}/", {})
        finally:
            await http.close()

    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = asyncio.run(run(silent.getsockname()[1]))
    assert isinstance(found, Again) and "within 0.1 s" in found.reason


def test_answers_are_quoted_without_our_secrets(server: Server, tmp_path: Path) -> None:
    server.default = reply(400, {"error": f"bad key {KEY}\x1b[31m", "more": "x" * 5_000})
    row = {"type": "webhook", "url": server.url, "secret": KEY}
    (no,) = sent(tmp_path, row, batch(cost()))
    assert isinstance(no, Refused)
    assert "bad key <set, 25 characters>" in no.reason
    assert KEY not in no.reason and "\x1b" not in no.reason and len(no.reason) < 300


def test_a_redirect_is_not_followed(server: Server, tmp_path: Path) -> None:
    server.default = reply(307, location=f"https://elsewhere.example/?key={KEY}")
    (no,) = sent(tmp_path, {"type": "webhook", "url": server.url, "secret": KEY}, batch(cost()))
    assert isinstance(no, Refused) and "points to elsewhere.example" in no.reason and KEY not in no.reason
    assert len(server.received) == 1


def test_a_secret_shows_its_length_only() -> None:
    assert {str(Secret(KEY)), repr(Secret(KEY)), f"{Secret(KEY)}", f"{[Secret(KEY)]}"[1:-1]} == {"<set, 25 characters>"}
    assert repr(Secret("")) == "<empty>"
    assert place(f"https://user:{KEY}@host.example:8443/{KEY}?{KEY}") == "host.example:8443"
