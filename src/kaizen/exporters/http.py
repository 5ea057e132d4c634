"""One destination's HTTP: requests that never raise for what a network does, and what an answer means for a batch.

Sentences made here name hosts and status codes. They never hold a header, a URL's path or query, or the text of an
exception of the HTTP library (which quotes headers it does not like): secrets live in all of those. What a service
answers is quoted with our secrets taken out.
"""

import gzip
import re
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import msgspec

from kaizen import __version__, net
from kaizen.config.secret import Secret
from kaizen.errors import BadConfig
from kaizen.wire.sink import Again, Done, Refused, Result

if TYPE_CHECKING:
    import httpx

TIMEOUT_S = 30.0
RETRY = frozenset({408, 425, 429, *range(500, 600)} - {501, 505, 511})
MAX_ANSWER_BYTES = 64 << 10
_QUOTED = 200
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Answer(msgspec.Struct, frozen=True):
    """`said`: the beginning of a textual body, one line, without our secrets."""

    status: int
    host: str
    body: bytes
    said: str
    content_type: str = ""
    retry_after: str | None = None
    location: str | None = None

    @property
    def is_ok(self) -> bool:
        return 200 <= self.status < 300


Outcome = Answer | Again | Refused


class Recorded(msgspec.Struct, frozen=True):
    """A request that was not made. Our secrets are taken out of it; of headers that may hold one only the name is
    there."""

    method: str
    url: str
    headers: dict[str, str]
    content: bytes


_recorder: ContextVar[list[Recorded] | None] = ContextVar("recorder", default=None)
_OPEN_HEADERS = frozenset({"content-type", "content-encoding", "x-kaizen-kind", "x-kaizen-batch"})


@contextmanager
def recording() -> Iterator[list[Recorded]]:
    """Within it no request leaves; each is kept, and answered with 200."""
    kept: list[Recorded] = []
    token = _recorder.set(kept)
    try:
        yield kept
    finally:
        _recorder.reset(token)


class Http:
    """A connection that opens with its first request and belongs to the event loop of that request."""

    def __init__(self, secrets: Collection[Secret], timeout_s: float = TIMEOUT_S) -> None:
        self._secrets, self._timeout_s = secrets, timeout_s
        self._client: httpx.AsyncClient | None = None

    async def post(self, url: str, content: bytes, headers: Mapping[str, str], *, is_gzip: bool = False,
                   timeout_s: float | None = None) -> Outcome:
        """`is_gzip`: compressed on the way, with the same bytes for the same content."""
        recorder = _recorder.get()
        if recorder is not None:
            recorder.append(self._recorded(url, headers, content))
            return Answer(200, place(url), b"", "")
        if is_gzip:
            content, headers = gzip.compress(content, 6, mtime=0), {**headers, "Content-Encoding": "gzip"}
        return await self._request("POST", url, headers, content, timeout_s or self._timeout_s)

    async def get(self, url: str, headers: Mapping[str, str]) -> Outcome:
        return await self._request("GET", url, headers, None, self._timeout_s)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _request(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None,
                       timeout_s: float) -> Outcome:
        import httpx

        if self._client is None:
            self._client = httpx.AsyncClient(headers={"User-Agent": f"kaizen/{__version__}"}, **net.options(url))
        host = place(url)
        try:
            async with self._client.stream(
                    method, url, headers=dict(headers), content=content, timeout=timeout_s) as found:
                return self._answer(found, await net.beginning(found, MAX_ANSWER_BYTES), host)
        except httpx.TimeoutException:
            return Again(f"no answer from {host} within {timeout_s:g} s")
        except (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            return Refused(f"no request to {host} can be made ({type(error).__name__})")
        except httpx.RequestError as error:
            return Again(f"{host}: {net.why(error)}")

    def _recorded(self, url: str, headers: Mapping[str, str], content: bytes) -> Recorded:
        shown = {name: value if name.lower() in _OPEN_HEADERS else "<not shown>" for name, value in headers.items()}
        for secret in self._secrets:
            if hidden := secret.reveal():
                url, content = url.replace(hidden, str(secret)), content.replace(hidden.encode(), str(secret).encode())
        return Recorded("POST", _without_query(url), shown, content)

    def _answer(self, found: "httpx.Response", body: bytes, host: str) -> Answer:
        kind = found.headers.get("content-type", "").partition(";")[0].strip().lower()
        is_text = kind.startswith("text/") or kind.endswith(("json", "xml")) or not kind
        text = body[: 10 * _QUOTED].decode("utf-8", "replace") if is_text else ""
        for secret in self._secrets:
            text = text.replace(secret.reveal(), str(secret)) if secret.reveal() else text
        said = " ".join("".join(char if char.isprintable() else " " for char in text).split())[:_QUOTED]
        return Answer(found.status_code, host, body, said, kind, found.headers.get("retry-after"),
                      place(found.headers["location"]) if "location" in found.headers else None)


def _without_query(url: str) -> str:
    """Keys that we do not know to be any stand there."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")) + "?..." * bool(parts.query)


def result(answer: Outcome, *, retry: Collection[int] = RETRY, now_s: float | None = None) -> Result:
    """What an answer means for what was sent. `retry`: the status codes after which it may be sent again. `now_s`: for
    a `Retry-After` that is a date; else the clock's."""
    if not isinstance(answer, Answer):
        return answer
    if answer.is_ok:
        return Done()
    said = f": {answer.said}" if answer.said else ""
    if answer.status in retry:
        return Again(f"{answer.host} answered {answer.status}{said}",
                     after_s(answer.retry_after, time.time() if now_s is None else now_s))
    if 300 <= answer.status < 400:
        return Refused(f"{answer.host} answered {answer.status} and points to {answer.location or 'nowhere'}; "
                       "configure that address if you trust it")
    if answer.status in (401, 403):
        return Refused(f"{answer.host} does not accept the credentials ({answer.status}){said}")
    return Refused(f"{answer.host} answered {answer.status}{said}")


def after_s(header: str | None, now_s: float) -> float | None:
    """`Retry-After`: seconds or a date. None for what is neither."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    from email.utils import parsedate_to_datetime

    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return None if at.tzinfo is None else max(0.0, at.timestamp() - now_s)


def place(url: str) -> str:
    """`host:port` of a URL, all of it that may be shown."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or "an address without a host"
    except ValueError:
        return "an address that is none"


def checked(name: str, key: str, url: str, *, is_plain_allowed: bool = False) -> str:
    """`url` without a slash at its end. Raises `BadConfig` for what is no http(s) URL; plain http only to this machine
    unless allowed, because what is sent there could be read, credentials included."""
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url:
        raise BadConfig(f"Exporter {name}: {key} is no http(s) URL.", hint=f'{key} = "https://..."', key=key)
    if parts.username or parts.password:
        raise BadConfig(f"Exporter {name}: {key} holds credentials.", hint="Put them into a header or a key.", key=key)
    if parts.scheme == "http" and not is_plain_allowed and not net.is_loopback(parts.hostname):
        raise BadConfig(f"Exporter {name}: {key} is not encrypted.", hint="Use https.", key=key)
    return url.rstrip("/")


def headers(name: str, given: Mapping[str, Secret]) -> dict[str, str]:
    """Headers of the configuration, ready to be sent. Raises `BadConfig` for one that cannot be a header."""
    for header in given:
        if not _HEADER_NAME.fullmatch(header):
            raise BadConfig(f"Exporter {name}: {header!r} is no header.", hint="Letters, digits and dashes.",
                            key="headers")
    return {header: header_safe(name, f"headers.{header}", text) for header, text in given.items()}


def header_safe(name: str, key: str, secret: Secret | str) -> str:
    """The text of a header's value. Raises `BadConfig` when it cannot be one; the HTTP library would quote it."""
    text = secret.reveal() if isinstance(secret, Secret) else secret
    if not (text.isascii() and text.isprintable()) or text != text.strip():
        raise BadConfig(f"Exporter {name}: {key} holds characters that no header can.",
                        hint="Often a line break at its end.", key=key)
    return text
