"""Whom a client trusts, which way it goes, and how it says what went wrong."""

import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from kaizen import net

PEM = Path(__file__).parent / "loopback.pem"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/" else 307)
        self.send_header("Location", "/")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Quiet(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what some of these tests are about."""


@pytest.fixture(params=["http", "https"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    server = Quiet(("127.0.0.1", 0), Handler)
    if request.param == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(PEM)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"{request.param}://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def said(url: str) -> str:
    try:
        with httpx.Client(timeout=5, **net.options(url)) as client:
            return str(client.get(url).status_code)
    except httpx.HTTPError as error:
        return net.why(error)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        for spelled in (name, name.lower()):
            monkeypatch.delenv(spelled, raising=False)


@pytest.mark.parametrize("url", ["https"], indirect=True)
def test_an_authority_of_ones_own_is_trusted_when_it_is_named(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(url) == "cannot connect (certificate not trusted: self-signed certificate)"
    monkeypatch.setenv("SSL_CERT_FILE", str(PEM))
    assert said(url) == "200"
    wrong = url.replace("127.0.0.1", "127.0.0.2")
    assert "certificate not trusted" in said(wrong) or "nothing listens" in said(wrong)


@pytest.mark.parametrize("url", ["http"], indirect=True)
def test_plain_http_knows_no_tls_and_no_proxy(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(url.replace("http:", "https:")) == "cannot connect (no TLS there)"
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert said(url) == "200"


@pytest.mark.parametrize("url", ["https"], indirect=True)
def test_https_goes_through_the_proxy(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert said(url) == "cannot connect (nothing listens there)"


def test_a_redirect_is_not_followed(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(PEM))
    assert said(f"{url}/elsewhere") == "307"


def test_nothing_and_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert said(f"http://127.0.0.1:{port}/secret") == "cannot connect (nothing listens there)"

    def nowhere(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    assert said("http://hub.example.com/secret") == "cannot connect (unknown name)"


@pytest.mark.parametrize(("error", "expected"), [
    (httpx.ReadTimeout("https://secret"), "no answer in time"),
    (httpx.RemoteProtocolError("secret"), "connection closed without an answer"),
    (httpx.DecodingError("secret"), "DecodingError"),
    (httpx.ProxyError("secret"), "the proxy refuses"),
])  # fmt: skip
def test_the_words_of_the_library_are_not_repeated(error: httpx.HTTPError, expected: str) -> None:
    assert net.why(error) == expected


@pytest.mark.parametrize(("host", "expected"), [
    ("localhost", True), ("api.localhost", True), ("127.0.0.1", True), ("127.8.9.1", True), ("::1", True),
    ("localhost.example.com", False), ("notlocalhost", False), ("127.0.0.1.example.com", False),
    ("0.0.0.0", False), ("10.0.0.1", False), ("::", False), ("", False), (None, False),
])  # fmt: skip
def test_what_stays_on_this_machine(host: str | None, expected: bool) -> None:
    assert net.is_loopback(host) is expected
