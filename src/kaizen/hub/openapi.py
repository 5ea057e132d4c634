"""The contract as an OpenAPI 3.1 document, made from the structs that decode the bodies and the table of codes."""

from typing import Any

import msgspec

from kaizen.hub import views
from kaizen.hub.accept import MAX_ITEM_BYTES
from kaizen.hub.answer import CODES, ITEM_CODES, Accepted
from kaizen.hub.ingest import MAY_COME_ALONE
from kaizen.hub.unpack import ENCODINGS
from kaizen.wire.ingest import KINDS, Envelope, Observation

JSON = "application/json"
HASH = {"type": "string", "pattern": "^blake3:[0-9a-f]{64}$"}
MS = {"type": "integer", "minimum": 0, "maximum": 999_999_999_999_999}
# What any request with a token may be answered with, and what a body adds.
COMMON = ("unauthorized", "scope_missing", "rate_limited", "internal", "maintenance", "degraded")
BODY = (
    "bad_json", "bad_envelope", "envelope_missing", "empty_batch", "json_too_deep", "idempotency_key_missing",
    "idempotency_key_invalid", "schema_unsupported", "digest_mismatch", "item_invalid", "team_mismatch",
    "body_timeout", "idempotent_replay", "body_too_large", "too_many_items", "bad_compression",
    "unsupported_encoding", "unsupported_media_type", "idempotency_key_reused", "client_too_old",
    "too_many_in_flight", "in_progress", "storage_full",
)  # fmt: skip


def document() -> dict[str, Any]:
    kinds = {kind.item.__name__: kind for kind in KINDS.values()}
    types = [*[kind.item for kind in KINDS.values()], Observation, Envelope, Accepted,
             views.Summary, views.Cost, views.Page]  # fmt: skip
    _, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    envelope = components.pop("Envelope")
    for name, kind in kinds.items():
        components[f"{name}Batch"] = _batch(envelope, kind.list_name, name)
    paths: dict[str, Any] = {}
    for name, kind in kinds.items():
        text = f"Send {kind.name.replace('_', ' ')}."
        needs_key = kind.name not in MAY_COME_ALONE
        paths[kind.path] = {"post": _post(text, _body_of(kind.name, name), needs_key=needs_key)}
    paths["/v1/experiments/{id}/observation"] = {
        "post": _post("Send one session's observation of an experiment.", _ref("Observation"), needs_key=False,
                      more=[_path("id", {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"})],
                      codes=("bad_query",))
    }  # fmt: skip
    for what in ("sessions", "workspaces"):
        erased = {"type": "object", "properties": {"erased": {"type": "integer"}}, "required": ["erased"]}
        paths[f"/v1/{what}/{{name}}"] = {
            "delete": _operation(f"Erase a {what[:-1]} and remember not to take it again.", {"202": _answer(erased)},
                                 (*COMMON, "bad_query", "storage_full"), [_path("name", HASH)], "admin")
        }  # fmt: skip
    paths |= _reads()
    components["Error"] = _error()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Kaizen hub",
            "version": "1",
            "description": "What clients send to a team's hub, and what the team reads. "
            f"Encodings: {', '.join(ENCODINGS)}. One item has at most {MAX_ITEM_BYTES} bytes. An answer with an error "
            "holds a code of this document; codes of single items: " + ", ".join(ITEM_CODES) + ".",
        },
        "security": [{"token": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _batch(envelope: dict[str, Any], list_name: str, item: str) -> dict[str, Any]:
    items = {"type": "array", "items": _ref(item), "minItems": 1, "maxItems": 5_000}
    return {
        "type": "object",
        "title": f"{item}Batch",
        "description": envelope["description"],
        "properties": {**envelope["properties"], list_name: items},
        "required": [*envelope["required"], list_name],
    }


def _body_of(kind: str, item: str) -> dict[str, Any]:
    batch = _ref(f"{item}Batch")
    if kind != "sessions":
        return batch
    alone = {"type": "object", "properties": {"team_id": {"type": "string"}, "workspace_hash": HASH},
             "required": ["team_id", "workspace_hash"]}  # fmt: skip
    return {"anyOf": [batch, {"allOf": [alone, _ref(item)]}]}


def _post(
    summary: str, body: dict[str, Any], *, needs_key: bool = True, more: list[dict[str, Any]] | None = None,
    codes: tuple[str, ...] = (),
) -> dict[str, Any]:
    key = {"type": "string", "format": "uuid"}
    headers = [
        _header("X-Kaizen-Idempotency-Key", key, "The same for every attempt to send this body.", needs_key),
        _header("X-Kaizen-Client", {"type": "string"}, "Name and version, such as kaizen/1.2.3."),
        _header("X-Kaizen-Schema", {"type": "integer", "const": 1}, "Version of the bodies."),
        _header("X-Kaizen-Accept", {"type": "string"}, "`partial`: store the good items of a batch with bad ones."),
        _header("X-Kaizen-Body-Digest", {"type": "string"}, "`blake3:` and the hex digest of the uncompressed body."),
        _header("Content-Encoding", {"type": "string", "enum": list(ENCODINGS)}, "How the body is compressed."),
    ]
    made = _operation(summary, {"202": _answer(_ref("Accepted"))}, (*COMMON, *BODY, *codes),
                      [*(more or []), *headers], "ingest")  # fmt: skip
    return {**made, "requestBody": {"required": True, "content": {JSON: {"schema": body}}}}


def _reads() -> dict[str, Any]:
    window = [
        _query("from_ms", MS, "Not before."),
        _query("to_ms", MS, "Before."),
        _query("workspace_hash", HASH, "Only this workspace."),
    ]
    cut = [
        _query("limit", {"type": "integer", "minimum": 1, "maximum": 1000}, "Items of a page."),
        _query("cursor", {"type": "string", "pattern": "^[0-9]{1,16}:[0-9]{1,18}$"}, "`next_cursor` of the last page."),
        _query("order", {"enum": ["asc", "desc"]}, "By time."),
    ]
    session = _query("session_id_hash", HASH, "Only this session.")
    by = [
        _query("by", {"enum": list(views.GROUPINGS)}, "What a row stands for."),
        _query("tz", {"type": "string"}, "Time zone of days, weeks and months."),
    ]
    codes = (*COMMON, "bad_query")

    def read(summary: str, shape: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
        return {"get": _operation(summary, {"200": _answer(_ref(shape))}, codes, parameters, "read")}

    health = {"type": "object", "properties": {"status": {"type": "string"}}, "required": ["status"]}
    settings = {"type": "object", "properties": {"config_version": {"type": "string"}}, "required": ["config_version"]}
    followed = {"description": "Server-sent events, for as long as one listens.", "content": {"text/event-stream": {}}}
    not_modified = {"description": "As it was: If-None-Match."}
    return {
        "/v1/health": {
            "get": {
                "summary": "Whether the hub takes writes.",
                "security": [],
                "responses": {"200": _answer(health), "503": _answer(health)},
            }
        },
        "/v1/config": {
            "get": _operation("What the team asks of its clients.", {"200": _answer(settings), "304": not_modified},
                              COMMON, [], "ingest")
        },
        "/v1/query/summary": read("One total across the team's machines.", "Summary", window),
        "/v1/query/cost": read("The same sums by something.", "Cost", [*window, *by]),
        "/v1/query/sessions": read("Sessions, each with its sum.", "Page", [*window, *cut]),
        "/v1/query/events": read("Events as they were sent.", "Page", [*window, *cut, session]),
        "/v1/query/tool-spans": read("Tool spans as they were sent.", "Page", [*window, *cut, session]),
        "/v1/stream": {
            "get": _operation("Follow events as they are stored, without payloads.", {"200": followed},
                              (*codes, "too_many_in_flight"),
                              [_query("after", {"type": "integer", "minimum": 0, "maximum": 10**18 - 1},
                                      "The id of the last event seen."),
                               _header("Last-Event-ID", {"type": "string"}, "The same.")], "read")
        },
    }  # fmt: skip


def _operation(
    summary: str, good: dict[str, Any], codes: tuple[str, ...], parameters: list[dict[str, Any]], scope: str
) -> dict[str, Any]:
    responses = dict(good)
    by_status: dict[str, list[str]] = {}
    for code in codes:
        by_status.setdefault(str(CODES[code][0]), []).append(code)
    for status, names in by_status.items():
        said = _answer(_ref("Error"))
        responses[status] = {**said, "description": ", ".join(sorted(set(names)))}
    responses = dict(sorted(responses.items()))
    return {"summary": summary, "description": f"Scope: {scope}.", "parameters": parameters, "responses": responses}


def _error() -> dict[str, Any]:
    codes = {"type": "string", "enum": sorted(CODES)}
    return {
        "type": "object",
        "properties": {
            "code": codes,
            "message": {"type": "string"},
            "field": {"type": "string"},
            "retryable": {"type": "boolean"},
            "request_id": {"type": "string"},
        },
        "required": ["code", "message", "retryable", "request_id"],
    }


def _answer(schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": "Done.", "content": {JSON: {"schema": schema}}}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _header(name: str, schema: dict[str, Any], description: str, required: bool = False) -> dict[str, Any]:
    return {"in": "header", "name": name, "schema": schema, "description": description, "required": required}


def _path(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"in": "path", "name": name, "schema": schema, "required": True}


def _query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"in": "query", "name": name, "schema": schema, "description": description}
