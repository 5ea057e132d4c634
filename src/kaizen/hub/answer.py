"""What a hub answers: the documented refusals, and the counts of a batch that it took.

`CODES` is the whole table. A refusal that is not in it cannot be raised, and the OpenAPI document is made from it.
"""

import msgspec

# code -> status, whether the same bytes may succeed later
CODES: dict[str, tuple[int, bool]] = {
    "bad_json": (400, False),
    "bad_envelope": (400, False),
    "bad_query": (400, False),
    "envelope_missing": (400, False),
    "empty_batch": (400, False),
    "json_too_deep": (400, False),
    "idempotency_key_missing": (400, False),
    "idempotency_key_invalid": (400, False),
    "schema_unsupported": (400, False),
    "digest_mismatch": (400, True),
    "item_invalid": (400, False),
    "unauthorized": (401, False),
    "team_mismatch": (403, False),
    "scope_missing": (403, False),
    "unknown_route": (404, False),
    "method_not_allowed": (405, False),
    "body_timeout": (408, True),
    "idempotent_replay": (409, False),
    "body_too_large": (413, False),
    "too_many_items": (413, False),
    "bad_compression": (413, False),
    "unsupported_encoding": (415, False),
    "unsupported_media_type": (415, False),
    "idempotency_key_reused": (422, False),
    "client_too_old": (426, False),
    "rate_limited": (429, True),
    "too_many_in_flight": (429, True),
    "in_progress": (429, True),
    "internal": (500, True),
    "degraded": (503, True),
    "storage_full": (503, True),
    "maintenance": (503, True),
}
# What can be wrong with one item of a batch.
ITEM_CODES = (
    "item_invalid",
    "item_too_large",
    "field_too_long",
    "number_out_of_range",
    "ts_out_of_range",
    "unredacted_content",
    "chunk_total_mismatch",
)
# Listed in an answer; `rejected_total` has the count.
MAX_REJECTED_LISTED = 100


class Refusal(Exception):
    """The request is answered with this error, and nothing of it is stored."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        field: str | None = None,
        retry_after_s: int | None = None,
        **more: object,
    ) -> None:
        super().__init__(message)
        self.code, self.field, self.retry_after_s, self.more = code, field, retry_after_s, more
        self.status, self.is_retryable = CODES[code]

    def body(self, request_id: str) -> bytes:
        said: dict[str, object] = {"code": self.code, "message": str(self)}
        if self.field is not None:
            said["field"] = self.field
        return msgspec.json.encode({**said, "retryable": self.is_retryable, **self.more, "request_id": request_id})


class Rejected(msgspec.Struct, frozen=True, omit_defaults=True):
    """One item that is not stored. `field` as in the item, `index` in the batch."""

    index: int
    code: str
    message: str
    field: str | None = None


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """Body of a 202: `received` = stored_new + `deduped` + `updated` + `rejected_total`, always.

    `conflicts`: items among `deduped` whose content differs from what is kept.
    """

    received: int
    deduped: int = 0
    updated: int = 0
    conflicts: int = 0
    rejected: list[Rejected] = []
    rejected_total: int = 0


def refused(first: Rejected, list_name: str) -> Refusal:
    """For clients that did not ask for partial acceptance: the first bad item refuses the batch."""
    field = f"{list_name}[{first.index}]" + (f".{first.field}" if first.field else "")
    return Refusal("item_invalid", first.message, field=field, item_code=first.code)
