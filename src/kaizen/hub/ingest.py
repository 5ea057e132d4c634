"""POST: headers, body, verdicts, one transaction, an answer."""

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import msgspec
from blake3 import blake3
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from kaizen.hub import accept
from kaizen.hub.accept import OBSERVATIONS
from kaizen.hub.answer import Accepted, Refusal, refused
from kaizen.hub.hub import Hub, log
from kaizen.hub.item_rules import Rules
from kaizen.hub.store.protocol import Batch, Grant, KeyReused, Outcome, Refused, Replayed, Settings, Stored
from kaizen.hub.unpack import ENCODINGS, too_large, unpack
from kaizen.wire.ingest import Kind

SCHEMA_VERSIONS = [1]
# One item that is its own envelope needs no key: sent again it changes nothing.
MAY_COME_ALONE = ("sessions", OBSERVATIONS.name)
_EXPERIMENT = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CLIENT = re.compile(r"kaizen/(\d+)\.(\d+)\.(\d+)")

Handler = Callable[[Request], Awaitable[Response]]


class Head(msgspec.Struct, frozen=True):
    """What the headers say about the body."""

    key: str | None
    encoding: str
    digest: str | None
    is_partial: bool
    is_old_client: bool


def batches_of(hub: Hub, kind: Kind) -> Handler:
    async def post(request: Request) -> Response:
        return await _take(hub, request, kind)

    return post


def observations(hub: Hub) -> Handler:
    async def post(request: Request) -> Response:
        experiment = request.path_params["id"]
        if not _EXPERIMENT.fullmatch(experiment):
            raise Refusal("bad_query", "An experiment's id is made of A-Z a-z 0-9 _ -, at most 64.", field="id")
        return await _take(hub, request, OBSERVATIONS, experiment)

    return post


async def _take(hub: Hub, request: Request, kind: Kind, experiment: str | None = None) -> Response:
    grant = await hub.admit(request, "ingest")
    head = _head(request, grant.team.settings)
    if head.key is None and kind.name not in MAY_COME_ALONE:
        raise _key_missing()
    path = request.url.path
    async with AsyncExitStack() as held:
        held.enter_context(hub.in_flight.one(grant.token_id))
        if head.key is not None:
            await held.enter_async_context(hub.only_one((grant.team.team_id, path, head.key)))
        content = await _read(hub, request)
        rules = _rules(hub, grant, head)
        is_test = request.query_params.get("test") == "1"
        batch = await hub.run(
            _prepared, hub, kind, path, head, content, rules, experiment, is_test, grant, request.scope["hub.log"]
        )
        log(request, bytes=len(content), items=batch.received)
        return _answer(hub, request, kind, await hub.committer.commit(grant.team.team_id, batch))


def _head(request: Request, settings: Settings) -> Head:
    headers = request.headers
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json":
        raise Refusal("unsupported_media_type", "The body must be application/json.")
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ENCODINGS:
        raise Refusal("unsupported_encoding", f"Encodings: {', '.join(ENCODINGS)}.")
    if headers.get("x-kaizen-schema", "1").strip() != "1":
        raise Refusal("schema_unsupported", "Only version 1 is known here.", supported=SCHEMA_VERSIONS)
    client = _CLIENT.match(headers.get("x-kaizen-client", ""))
    if client:
        log(request, client=client[0])
    _check_client(client, settings)
    accepts = {one.strip() for one in headers.get("x-kaizen-accept", "").split(",")} - {""}
    return Head(
        _key(headers.get("x-kaizen-idempotency-key")),
        encoding,
        headers.get("x-kaizen-body-digest"),
        "partial" in accepts,
        client is not None and client[1] == "0" and not accepts and not settings.strict_clients,
    )


def _key_missing() -> Refusal:
    return Refusal("idempotency_key_missing", "X-Kaizen-Idempotency-Key is required.")


def _key(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return str(uuid.UUID(text.strip()))
    except ValueError:
        raise Refusal("idempotency_key_invalid", "X-Kaizen-Idempotency-Key must be a UUID.") from None


def _check_client(client: re.Match[str] | None, settings: Settings) -> None:
    least = _CLIENT.match(f"kaizen/{settings.min_client}")
    if client and least and tuple(map(int, client.groups())) < tuple(map(int, least.groups())):
        raise Refusal("client_too_old", f"This team needs kaizen {settings.min_client} or newer.",
                      min_client=settings.min_client)  # fmt: skip


async def _read(hub: Hub, request: Request) -> bytes:
    """The body as sent, within the limits of size and time."""
    limit = hub.limits.max_compressed_bytes
    if request.headers.get("content-encoding", "identity") == "identity":
        limit = hub.limits.max_body_bytes
    said = request.headers.get("content-length", "")
    if said.isascii() and said.isdigit() and int(said[:20]) > limit:
        raise too_large(limit)
    content = bytearray()
    try:
        async with asyncio.timeout(hub.limits.body_timeout_s):
            async for part in request.stream():
                content += part
                if len(content) > limit:
                    raise too_large(limit)
    except TimeoutError:
        raise Refusal("body_timeout", "The body took too long.") from None
    except ClientDisconnect:
        raise Refusal("body_timeout", "The client went away.") from None
    return bytes(content)


def _rules(hub: Hub, grant: Grant, head: Head) -> Rules:
    return Rules(hub.now_ms(), hub.limits.max_items, head.is_old_client, grant.team.settings.allow_free_text,
                 hub.guard, hub.reduce)  # fmt: skip


def _prepared(
    hub: Hub, kind: Kind, path: str, head: Head, content: bytes, rules: Rules, experiment: str | None, is_test: bool,
    grant: Grant, said: dict[str, object],
) -> Batch:
    limits = hub.limits
    body = unpack(content, head.encoding, max_bytes=limits.max_body_bytes, max_ratio=limits.max_ratio)
    digest = blake3(body)
    if head.digest is not None and head.digest.strip().lower() != f"blake3:{digest.hexdigest()}":
        raise Refusal("digest_mismatch", "The body is not what X-Kaizen-Body-Digest says.")
    if experiment is not None:
        taken = accept.observation(experiment, body, rules)
    else:
        taken = accept.batch(kind, body, rules, is_test=is_test)
    if head.key is None and not taken.is_alone:
        raise _key_missing()
    if taken.envelope.team_id != grant.team.team_id:
        raise Refusal("team_mismatch", "The token belongs to another team.", field="team_id")
    if leaks := sum(one.code == "unredacted_content" for one in taken.rejected):
        hub.alerts += leaks
        said["unredacted"] = leaks
    may_reject = head.is_partial or head.is_old_client
    if taken.rejected and not may_reject:
        raise refused(taken.rejected[0], kind.list_name)
    return Batch(path, kind.name, kind.list_name, head.key, digest.digest(), taken.envelope, taken.entries,
                 taken.received, taken.rejected, may_reject)  # fmt: skip


def _answer(hub: Hub, request: Request, kind: Kind, outcome: Outcome) -> Response:
    match outcome:
        case Stored(counts=counts, losers=losers):
            log(request, **_logged(counts), **({"conflict_digests": losers[:10]} if losers else {}))
            return Response(msgspec.json.encode(counts), 202, media_type="application/json")
        case Replayed(response=response):
            body = {
                "code": "idempotent_replay",
                "message": "This batch was accepted before.",
                **msgspec.json.decode(response),
                "retryable": False,
                "request_id": request.scope["hub.request_id"],
            }
            log(request, code="idempotent_replay")
            return Response(
                msgspec.json.encode(body), 409, {"X-Kaizen-Replay": "true"}, media_type="application/json"
            )
        case KeyReused():
            raise Refusal("idempotency_key_reused", "This key was used for another body.")
        case Refused(first=first):
            raise refused(first, kind.list_name)


def _logged(counts: Accepted) -> dict[str, object]:
    return {name: value for name in ("deduped", "updated", "conflicts", "rejected_total")
            if (value := getattr(counts, name))}  # fmt: skip
