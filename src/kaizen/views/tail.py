"""One line of `kaizen tail`: an event as it is stored."""

from sqlite3 import Connection

import msgspec

from kaizen.derive.summary import headline
from kaizen.model.usage import round_half_even
from kaizen.store import feed
from kaizen.store.bodies import payload


class Line(msgspec.Struct, frozen=True):
    """`cost_usd_e6` is this request's, `session_cost_usd_e6` the session's so far; both None when unknown."""

    session_id: str
    agent: str
    workspace: str | None
    seq: int
    ts_ms: int
    kind: str
    role: str | None
    tool: str | None
    call_id: str | None
    model: str | None
    text: str
    is_error: bool | None
    latency_ms: int | None
    input_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    cost_usd_e6: int | None
    session_cost_usd_e6: int | None


def line(db: Connection, event: feed.Fed) -> Line:
    so_far = feed.cost_so_far(db, event.session_id)
    return Line(
        event.host_id, event.agent, event.workspace, event.seq, event.ts_ms, event.kind, event.role, event.tool,
        event.call_id, event.model, headline(event.kind, event.role, event.tool, payload(event.codec, event.body)),
        None if event.is_error is None else bool(event.is_error), event.latency_ms, event.input_tokens,
        event.output_tokens, event.reasoning_tokens, event.cache_read_tokens, event.cache_write_tokens,
        None if event.cost_pusd is None else round_half_even(event.cost_pusd),
        None if so_far is None else round_half_even(so_far))
