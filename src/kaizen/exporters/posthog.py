"""`posthog`: one capture an item, dated when it happened and with the item's own uuid, by which PostHog de-duplicates.

Nobody becomes a person there: captures are made without a person profile; `distinct_id` is the workspace's hash. The
capture endpoint accepts everything, a wrong key included, so `health` asks the endpoint for feature flags, which
does look at the key.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

import msgspec

from kaizen.config.secret import Secret
from kaizen.errors import BadConfig
from kaizen.exporters.http import Answer, Http, checked, result
from kaizen.exporters.requests import Request, Requests
from kaizen.exporters.rows import env
from kaizen.wire.canonical import NAMES, SCHEMA_VERSION, ts_ms
from kaizen.wire.chunks import cut
from kaizen.wire.sink import Again, Batch, Done, Exporter, Health, Result, Sink

MAX_ITEMS = 1_000
# The service takes 20 MB a request and 1 MB an event.
MAX_BYTES = 20_000_000 - 65_536
MAX_ITEM_BYTES = 1_000_000
# Older ones are an import, which PostHog processes apart from what happens now.
HISTORICAL_MS = 48 * 3_600_000
QUOTA_WAIT_S = 3_600.0
# The end of the year 9999: dates go no further.
_LAST_MS = 253_402_300_799_000


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    host: Annotated[str, env("KAIZEN_POSTHOG_HOST", "POSTHOG_HOST")] = "https://us.i.posthog.com"
    """`https://eu.i.posthog.com`, or your own."""
    project_api_key: Annotated[Secret | None, env("KAIZEN_POSTHOG_API_KEY", "POSTHOG_API_KEY")] = None
    """The key of the project (`phc_...`), not a personal one."""
    project_api_key_env: str | None = None
    """The variable that holds the key."""


class PostHog:
    def __init__(self, name: str, host: str, key: Secret) -> None:
        self.name = name
        self._host, self._key = host, key
        self._http, self._requests = Http([key]), Requests()

    def accepts(self, kind: str) -> bool:
        return kind in NAMES

    async def send(self, batch: Batch) -> Result:
        encoded = [msgspec.json.encode(one) for one in captures(batch)]
        chunks = cut(list(map(len, encoded)), max_items=MAX_ITEMS, max_bytes=MAX_BYTES, frame_bytes=512,
                     max_item_bytes=MAX_ITEM_BYTES)
        is_import = all(batch.now_ms - ts_ms(item, batch.now_ms) > HISTORICAL_MS for item in batch.items)
        large = len(chunks.too_large)
        return await self._requests.send(
            batch.batch_id,
            [Request(tuple(places), len(places), partial(self._post, [encoded[place] for place in places], is_import))
             for places in chunks.requests],
            Done(large, f"{large} larger than 1 MB" if large else ""),
        )

    async def _post(self, encoded: list[bytes], is_import: bool) -> Result:
        head = {"api_key": self._key.reveal(), "historical_migration": is_import}
        body = msgspec.json.encode(head)[:-1] + b',"batch":[' + b",".join(encoded) + b"]}"
        answer = await self._http.post(f"{self._host}/batch/", body, {"Content-Type": "application/json"}, is_gzip=True)
        if isinstance(answer, Answer) and answer.is_ok and _is_over_quota(answer.body):
            return Again(f"{answer.host} says that its quota is used up", QUOTA_WAIT_S)
        return result(answer)

    async def health(self) -> Health:
        body = msgspec.json.encode({"api_key": self._key.reveal(), "distinct_id": "kaizen-health"})
        answer = await self._http.post(f"{self._host}/flags/?v=2", body, {"Content-Type": "application/json"})
        if isinstance(answer, Answer) and answer.status in (404, 405):
            return Health(True, f"{answer.host} answers, but cannot say whether the key is valid")
        found = result(answer)
        return Health(True, "the key is valid") if isinstance(found, Done) else Health(False, found.reason)

    async def close(self) -> None:
        await self._http.close()


def captures(batch: Batch) -> list[dict[str, Any]]:
    name, envelope = NAMES[batch.kind], batch.envelope
    shared: dict[str, Any] = {
        "kaizen_schema_version": SCHEMA_VERSION,
        "team_id": envelope.team_id,
        "workspace_hash": envelope.workspace_hash,
        "$process_person_profile": False,
    }
    if envelope.project_name:
        shared["project_name"] = envelope.project_name
    return [
        {
            "event": name.tag,
            "uuid": id,
            "timestamp": _iso(ts_ms(item, batch.now_ms)),
            "distinct_id": envelope.workspace_hash,
            # An event's and a session's fields are properties themselves: one filters by them.
            "properties": {**msgspec.to_builtins(item), **shared}
            if name.field in ("event", "session")
            else {**shared, name.field: msgspec.to_builtins(item)},
        }
        for id, item in zip(batch.ids, batch.items, strict=True)
    ]


def _iso(ms: int) -> str:
    at = datetime.fromtimestamp(min(ms, _LAST_MS) / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _is_over_quota(body: bytes) -> bool:
    try:
        said = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return False
    return isinstance(said, dict) and bool(said.get("quota_limited"))


def _open(name: str, settings: Settings, env: Mapping[str, str], home: str, salt: bytes) -> Sink:
    key = settings.project_api_key
    if key is None or not key.reveal():
        raise BadConfig(f"Exporter {name}: project_api_key is missing.",
                        hint="Set POSTHOG_API_KEY, or project_api_key_env.", key="project_api_key")
    if key.reveal().startswith("phx_"):
        raise BadConfig(f"Exporter {name}: this is a personal key.", hint="Use the key of the project (phc_...).",
                        key="project_api_key")
    return PostHog(name, checked(name, "host", settings.host), key)


EXPORTER = Exporter("posthog", "Captures of PostHog.", Settings, _open)
