"""`datadog`: Logs v2, one log an item. What the service does to logs it does not like, and what we do about it:

    older than 18 h            dropped without a word      not sent, counted as rejected
    above 1 MB                 truncated                   not sent, counted as rejected
    attribute `status`         sets the log's level        the level goes there, a span's status is `span_status`
    the same log twice         stored twice                what was taken of a batch is not sent again (`requests`)

The host's name does not leave the machine; `hostname` is a hash of it.
"""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

import msgspec

from kaizen.config.secret import Secret
from kaizen.errors import BadConfig
from kaizen.exporters.http import Answer, Http, checked, header_safe, result
from kaizen.exporters.machine import machine
from kaizen.exporters.requests import Request, Requests
from kaizen.exporters.rows import env
from kaizen.wire import ingest
from kaizen.wire.canonical import NAMES, records, ts_ms
from kaizen.wire.chunks import cut
from kaizen.wire.ingest import Item
from kaizen.wire.sink import Batch, Done, Exporter, Health, Result, Sink

MAX_ITEMS = 1_000
# 5 MiB less 64 KiB, so that nothing depends on how the service counts.
MAX_BYTES = 5_177_344
MAX_ITEM_BYTES = 1_000_000
MAX_AGE_MS = 18 * 3_600_000
_NUMBERS = ("tokens_in", "tokens_out", "reasoning_tokens", "cache_read_tokens", "cache_creation_tokens", "cost_usd_e6",
            "lead_time_ms", "latency_ms", "turn")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    site: Annotated[str, env("KAIZEN_DD_SITE", "DD_SITE")] = "datadoghq.com"
    """Such as `datadoghq.eu` or `us5.datadoghq.com`."""
    api_key: Annotated[Secret | None, env("KAIZEN_DD_API_KEY", "DD_API_KEY")] = None
    api_key_env: str | None = None
    """The variable that holds the key."""
    intake_url: str | None = None
    """Instead of `https://http-intake.logs.<site>`, for a pipeline of yours."""
    api_url: str | None = None
    """Instead of `https://api.<site>`: where the key is checked."""
    tags: list[str] = []
    """Further `key:value` tags of every log."""


class Datadog:
    def __init__(self, name: str, intake: str, api: str, key: Secret, host: str, tags: list[str]) -> None:
        self.name = name
        self._intake, self._api, self._key, self._host, self._tags = intake, api, key, host, tags
        self._http, self._requests = Http([key]), Requests()

    def accepts(self, kind: str) -> bool:
        return kind in NAMES

    async def send(self, batch: Batch) -> Result:
        whole = logs(batch, self._host, self._tags)
        fresh, ids = [], []
        for log in whole:
            if batch.now_ms - log["timestamp"] <= MAX_AGE_MS:
                fresh.append(log)
                ids.append(log["kaizen"]["id"])
        encoded = [msgspec.json.encode(log) for log in fresh]
        chunks = cut(list(map(len, encoded)), max_items=MAX_ITEMS, max_bytes=MAX_BYTES, frame_bytes=2,
                     max_item_bytes=MAX_ITEM_BYTES)
        old, large = len(whole) - len(fresh), len(chunks.too_large)
        reasons = [f"{old} older than 18 hours" if old else "", f"{large} larger than 1 MB" if large else ""]
        return await self._requests.send(
            batch.batch_id,
            # Named by its first and last item: numbers would shift when something has become too old meanwhile.
            [Request((ids[places[0]], ids[places[-1]]), len(places),
                     partial(self._post, [encoded[place] for place in places])) for places in chunks.requests],
            Done(old + large, ", ".join(filter(None, reasons))),
        )

    async def _post(self, encoded: list[bytes]) -> Result:
        headers = {"Content-Type": "application/json", "DD-API-KEY": self._key.reveal()}
        content = b"[" + b",".join(encoded) + b"]"
        return result(await self._http.post(f"{self._intake}/api/v2/logs", content, headers, is_gzip=True))

    async def health(self) -> Health:
        answer = await self._http.get(f"{self._api}/api/v1/validate", {"DD-API-KEY": self._key.reveal()})
        found = result(answer)
        if not isinstance(found, Done):
            return Health(False, found.reason)
        is_valid = isinstance(answer, Answer) and b'"valid":true' in answer.body.replace(b" ", b"")
        return Health(is_valid, "the key is valid" if is_valid else "the key is not valid")

    async def close(self) -> None:
        await self._http.close()


def logs(batch: Batch, host: str, tags: list[str]) -> list[dict[str, Any]]:
    tag = NAMES[batch.kind].tag
    shared: dict[str, Any] = {
        "hostname": host,
        "ddsource": "kaizen",
        "service": "kaizen",
        "kaizen_type": tag,
        "workspace_hash": batch.envelope.workspace_hash,
    }
    if batch.envelope.project_name:
        shared["project_name"] = batch.envelope.project_name
    return [
        {
            **shared,
            "timestamp": _at_ms(item, batch.now_ms),
            "ddtags": ",".join(_tags(item, tag, batch.envelope.project_name, tags)),
            "status": _level(item),
            "message": _message(item, tag),
            **_facets(item),
            "kaizen": record,
        }
        for item, record in zip(batch.items, records(batch), strict=True)
    ]


def _at_ms(item: Item, now_ms: int) -> int:
    """A session is reported as it stands, however long ago it began: at its end, or now while it runs."""
    if isinstance(item, ingest.Session):
        return item.ended_at_ms or now_ms
    return ts_ms(item, now_ms)


def _tags(item: Item, tag: str, project: str | None, more: list[str]) -> list[str]:
    said = {"agent": getattr(item, "agent", None), "model": getattr(item, "model", None), "project_name": project}
    own = [f"{key}:{str(value).replace(',', '_')}" for key, value in said.items() if value]
    return ["source:kaizen", f"kaizen.type:{tag}", *own, *more]


def _level(item: Item) -> str:
    match item:
        case ingest.Event(kind="error") | ingest.ToolSpan(status="error"):
            return "error"
        case ingest.ToolSpan(status="denied" | "interrupted" | "lost"):
            return "warn"
        case _:
            return "info"


def _message(item: Item, tag: str) -> str:
    match item:
        case ingest.Event():
            return f"{item.agent} {item.model} {item.kind} tokens_in={item.tokens_in} tokens_out={item.tokens_out}"
        case ingest.ToolSpan():
            return f"{item.tool or 'tool'} {item.status}"
        case _:
            return tag


def _facets(item: Item) -> dict[str, Any]:
    """What one filters and sums by, beside the whole item."""
    names = ["session_id_hash", "kind", "tool", "agent", "model", "snapshot_id_hash", *_NUMBERS]
    found = {name: value for name in names if (value := getattr(item, name, None)) is not None}
    if (status := getattr(item, "status", None)) is not None:
        found["span_status" if isinstance(item, ingest.ToolSpan) else "session_status"] = status
    return found


def _open(name: str, settings: Settings, env: Mapping[str, str], home: str, salt: bytes) -> Sink:
    key = settings.api_key
    if key is None or not key.reveal():
        raise BadConfig(f"Exporter {name}: api_key is missing.", hint="Set DD_API_KEY, or api_key_env.", key="api_key")
    if key.reveal().startswith("ddapp_"):
        raise BadConfig(f"Exporter {name}: this is an application key.", hint="Logs need an API key.", key="api_key")
    header_safe(name, "api_key", key)
    intake = checked(name, "intake_url", settings.intake_url or f"https://http-intake.logs.{settings.site}")
    api = checked(name, "api_url", settings.api_url or f"https://api.{settings.site}")
    return Datadog(name, intake, api, key, f"kaizen-{machine(salt)}", settings.tags)


EXPORTER = Exporter("datadog", "Logs of Datadog.", Settings, _open)
