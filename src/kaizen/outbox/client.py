"""One POST to a hub, and what came back."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import httpx
import msgspec

from kaizen import __version__, net
from kaizen.errors import EndpointRefused
from kaizen.outbox.policy import Answer, Rejection

# Of the answer; a hub's is a few hundred bytes, a proxy's error page may be anything.
MAX_ANSWER_BYTES = 256 << 10
TOTAL_S = 120.0

# (path, key, body, digest of the uncompressed body, is it gzip) -> answer
Post = Callable[[str, str, bytes, str, bool], Awaitable[Answer]]


class Said(msgspec.Struct):
    """The fields of a hub's answer that matter; anything else may be there."""

    code: str | None = None
    message: str = ""
    field: str | None = None
    received: int | None = None
    deduped: int = 0
    rejected: list[Rejection] = []
    rejected_total: int = 0


_said = msgspec.json.Decoder(Said, strict=False).decode


def _only_code(body: bytes) -> Said:
    """Of an answer whose other fields are of some other kind."""
    found = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    return Said(code=msgspec.json.decode(found.get("code", msgspec.Raw(b"null")), type=str | None))


def check_endpoint(url: str, *, allow_insecure: bool) -> str:
    """The endpoint without its trailing slashes. A token never travels in clear text over a network unasked."""
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise EndpointRefused(f"sync.endpoint is no http(s) address: {url!r}.", hint="Such as https://hub.example.com")
    if parts.scheme == "http" and not allow_insecure and not net.is_loopback(parts.hostname):
        raise EndpointRefused(f"sync.endpoint would send your token in clear text to {parts.hostname}.",
                        hint="Use https, or set sync.allow_insecure = true.")
    return url.strip().rstrip("/")


class Hub:
    """A hub over HTTP/1.1, a few connections kept open. Never follows a redirect."""

    def __init__(self, endpoint: str, token: str, *, connections: int = 4,
                 transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._endpoint = endpoint
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json",
                     "X-Kaizen-Client": f"kaizen/{__version__}", "X-Kaizen-Accept": "partial"},
            timeout=httpx.Timeout(30, connect=10), transport=transport,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            **net.options(endpoint))

    async def post(self, path: str, key: str, body: bytes, digest: str, is_compressed: bool) -> Answer:
        headers = {"X-Kaizen-Idempotency-Key": key, "X-Kaizen-Body-Digest": f"blake3:{digest}"}
        if is_compressed:
            headers["Content-Encoding"] = "gzip"
        try:
            async with asyncio.timeout(TOTAL_S), self._client.stream(
                    "POST", self._endpoint + path, content=body, headers=headers) as response:
                return _answer(response, await net.beginning(response, MAX_ANSWER_BYTES))
        except TimeoutError:
            return Answer(status=None, message="no answer in time")
        except httpx.InvalidURL as error:
            raise EndpointRefused(f"sync.endpoint is no address: {error}.") from error
        except httpx.HTTPError as error:
            return Answer(status=None, message=net.why(error))

    async def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response | None:
        """None when nothing answered."""
        try:
            return await self._client.get(self._endpoint + path, headers=headers, timeout=5)
        except httpx.HTTPError:
            return None

    async def is_alive(self) -> bool:
        answer = await self.get("/v1/health")
        return answer is not None and answer.status_code < 500

    async def close(self) -> None:
        await self._client.aclose()


def _answer(response: httpx.Response, body: bytes) -> Answer:
    said = Said()
    for decode in (_said, _only_code):
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            said = decode(body)
            break
    location = response.headers.get("location", "")
    return Answer(
        status=response.status_code, code=said.code, message=said.message[:200], field=said.field,
        has_body=bool(body.strip()), retry_after=response.headers.get("retry-after"),
        location=urlsplit(location).hostname or location[:100], received=said.received, deduped=said.deduped,
        rejected=said.rejected, rejected_total=said.rejected_total)
