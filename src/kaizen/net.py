"""Going onto the network, the same for every destination: whom to trust, which way to go, and what went wrong in words.

Trusted are the certificates of the operating system, so a company's own authority is enough if the machine knows it, or
those of SSL_CERT_FILE and SSL_CERT_DIR; where there are none, certifi's. The environment's proxies are for https only:
plain http stays on this machine. A redirect is never followed: it would take a token elsewhere.
"""

import ipaddress
import socket
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx


def options(url: str) -> dict[str, Any]:
    """Keyword arguments of an httpx client for this address."""
    return {"verify": _trusted(), "trust_env": url.lower().startswith("https:"), "follow_redirects": False}


def is_loopback(host: str | None) -> bool:
    """What is sent there stays on this machine."""
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost" or (host or "").endswith(".localhost")


def why(error: "httpx.HTTPError") -> str:
    """What went wrong. Never the error's own text: it may hold an address, and an address a secret."""
    said = _WORDS.get(type(error).__name__, type(error).__name__)
    cause = next(filter(None, map(_cause, _chain(error))), None)
    return f"{said} ({cause})" if cause else said


async def beginning(response: "httpx.Response", limit: int) -> bytes:
    """Of a streamed body: all of it, or somewhat more than `limit` bytes. No answer that is understood is longer."""
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > limit:
            break
    return body


def _cause(error: BaseException) -> str | None:
    match error:
        case ssl.SSLCertVerificationError():
            return f"certificate not trusted: {error.verify_message}"
        case ssl.SSLError():
            return "no TLS there"
        case socket.gaierror():
            return "unknown name"
        case ConnectionRefusedError():
            return "nothing listens there"
    return None


_WORDS = {
    "ConnectError": "cannot connect",
    "ConnectTimeout": "cannot connect in time",
    "ReadTimeout": "no answer in time",
    "WriteTimeout": "cannot send in time",
    "ReadError": "connection lost",
    "WriteError": "connection lost",
    "ProxyError": "the proxy refuses",
    "RemoteProtocolError": "connection closed without an answer",
}


def _trusted() -> ssl.SSLContext:
    context = ssl.create_default_context()
    places = ssl.get_default_verify_paths()
    if places.cafile is None and places.capath is None and not context.get_ca_certs():
        import certifi

        context.load_verify_locations(certifi.where())
    return context


def _chain(error: BaseException) -> Iterator[BaseException]:
    """What an exception came of: its causes, and all members of groups."""
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
        waiting += [cause for cause in (one.__cause__, one.__context__) if cause is not None]
