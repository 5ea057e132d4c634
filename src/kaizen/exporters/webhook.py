"""`webhook`: the bytes of a batch, as a hub would get them, signed.

    POST <url>
    Content-Type: application/json
    X-Kaizen-Kind: events
    X-Kaizen-Batch: <id, the same when the batch comes again>
    X-Kaizen-Signature: t=<Unix seconds>,v1=<hex HMAC-SHA256 of the secret over "<t>.<body>">

A receiver computes the signature over the bytes as they came, compares in constant time, refuses old `t`, and ignores
a batch id it has seen. Any 2xx is an acknowledgement.
"""

import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Annotated

import msgspec

from kaizen.config.secret import Secret
from kaizen.errors import BadConfig
from kaizen.exporters.http import Http, checked, headers, result
from kaizen.exporters.rows import env
from kaizen.wire.ingest import KINDS
from kaizen.wire.sink import Batch, Done, Exporter, Health, Result, Sink

_OURS = frozenset({"content-type", "content-length", "host", "x-kaizen-kind", "x-kaizen-batch", "x-kaizen-signature"})


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    url: Annotated[str | None, env("KAIZEN_WEBHOOK_URL")] = None
    secret: Annotated[Secret | None, env("KAIZEN_WEBHOOK_SECRET")] = None
    """The key of the signature. Without one nothing is sent: a receiver could not tell who sends."""
    secret_env: str | None = None
    """The variable that holds the secret."""
    headers: dict[str, Secret] = {}
    """Further headers, such as an authorization."""
    kinds: list[str] = []
    """Only batches of these kinds; empty: all."""


class Webhook:
    def __init__(self, name: str, url: str, secret: Secret, headers: Mapping[str, str], settings: Settings) -> None:
        self.name = name
        self._url, self._secret, self._headers = url, secret, headers
        self._kinds = frozenset(settings.kinds)
        self._http = Http([secret, *settings.headers.values()])

    def accepts(self, kind: str) -> bool:
        return kind in self._kinds if self._kinds else kind in KINDS

    async def send(self, batch: Batch) -> Result:
        said = {
            **self._headers,
            "Content-Type": "application/json",
            "X-Kaizen-Kind": batch.kind,
            "X-Kaizen-Batch": batch.batch_id,
            "X-Kaizen-Signature": signature(self._secret, int(time.time()), batch.body),
        }
        return result(await self._http.post(self._url, batch.body, said))

    async def health(self) -> Health:
        """An empty object, signed: a receiver that checks signatures answers 2xx, and has nothing to store."""
        said = {
            **self._headers,
            "Content-Type": "application/json",
            "X-Kaizen-Kind": "ping",
            "X-Kaizen-Signature": signature(self._secret, int(time.time()), b"{}"),
        }
        found = result(await self._http.post(self._url, b"{}", said))
        return Health(True, "answers") if isinstance(found, Done) else Health(False, found.reason)

    async def close(self) -> None:
        await self._http.close()


def signature(secret: Secret, at_s: int, body: bytes) -> str:
    mac = hmac.new(secret.reveal().encode(), f"{at_s}.".encode() + body, hashlib.sha256)
    return f"t={at_s},v1={mac.hexdigest()}"


def _open(name: str, settings: Settings, env: Mapping[str, str], home: str, salt: bytes) -> Sink:
    if settings.url is None:
        raise BadConfig(f"Exporter {name}: url is missing.", hint="Set url, or KAIZEN_WEBHOOK_URL.", key="url")
    if settings.secret is None or not settings.secret.reveal():
        raise BadConfig(f"Exporter {name}: secret is missing.",
                        hint="Set secret_env to the name of a variable that holds it.", key="secret")
    if unknown := sorted(set(settings.kinds) - set(KINDS)):
        raise BadConfig(f"Exporter {name}: there is no kind {unknown[0]!r}.", hint=f"There are: {', '.join(KINDS)}.",
                        key="kinds")
    if taken := [header for header in settings.headers if header.lower() in _OURS]:
        raise BadConfig(f"Exporter {name}: the header {taken[0]} is ours.", hint="Leave it away.", key="headers")
    further = headers(name, settings.headers)
    return Webhook(name, checked(name, "url", settings.url), settings.secret, further, settings)


EXPORTER = Exporter("webhook", "Signed POST requests to an address of yours.", Settings, _open)
