"""`Seen`: what folds are shown of a stored event."""

import msgspec

from kaizen.model.event import Facts


class Seen(msgspec.Struct, gc=False, frozen=True):
    """A stored event without its body. Cost rows are never shown to a fold."""

    seq: int
    ts_ms: int
    kind: str
    ts_exact: bool = True
    role: str | None = None
    tool: str | None = None
    call_id: str | None = None
    request: str | None = None
    is_error: bool | None = None
    latency_ms: int | None = None
    stop_reason: str | None = None
    # Name of a lifecycle or hook event: the payload's `event`.
    event: str | None = None
    facts: Facts | None = None
