"""The usage of a Claude record: which request it belongs to, and its tokens.

A record's billing is a `Billed`. There are two ways to one: `decoded` reads exactly these fields from a line and skips
the rest (it refuses a line where any has another type), `billed` takes them out of a decoded record of whatever shape,
in ten times the time.
`costs` is the one place that turns either into drafts, so that the first total and the full reading cannot disagree.
"""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import msgspec

from kaizen.model.event import Draft
from kaizen.sources.claude_state import State, is_copy, scoped
from kaizen.sources.shapes import as_count, as_dict, as_list, as_text

IMPLAUSIBLE_TOKENS = 2_000_000
WINDOW, LONG_WINDOW = 200_000, 1_000_000
SYNTHETIC = "<synthetic>"
Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)] | None


class Split(msgspec.Struct, gc=False):
    ephemeral_5m_input_tokens: Count = None
    ephemeral_1h_input_tokens: Count = None


class ServerTools(msgspec.Struct, gc=False):
    web_search_requests: Count = None


class OutputDetails(msgspec.Struct, gc=False):
    thinking_tokens: Count = None


class Step(msgspec.Struct, gc=False):
    """One pass inside a response."""

    type: str | None = None
    model: str | None = None
    input_tokens: Count = None
    output_tokens: Count = None
    cache_read_input_tokens: Count = None
    cache_creation_input_tokens: Count = None
    cache_creation: Split | None = None


class Used(msgspec.Struct, gc=False):
    input_tokens: Count = None
    output_tokens: Count = None
    cache_read_input_tokens: Count = None
    cache_creation_input_tokens: Count = None
    cache_creation: Split | None = None
    server_tool_use: ServerTools | None = None
    output_tokens_details: OutputDetails | None = None
    service_tier: str | None = None
    speed: str | None = None
    iterations: list[Step] | None = None


class Block(msgspec.Struct, gc=False):
    id: str | None = None
    name: str | None = None


class Message(msgspec.Struct, gc=False):
    role: str | None = None
    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    usage: Used | None = None
    content: list[Block] | str | None = None


class Origin(msgspec.Struct, gc=False):
    sessionId: str | None = None


class Billed(msgspec.Struct, gc=False):
    """The fields of a record that matter for money, by the host's names."""

    message: Message
    type: str | None = None
    timestamp: str | None = None
    sessionId: str | None = None
    uuid: str | None = None
    cwd: str | None = None
    gitBranch: str | None = None
    version: str | None = None
    requestId: str | None = None
    isSidechain: bool | None = None
    isApiErrorMessage: bool | None = None
    costUSD: int | float | None = None
    forkedFrom: Origin | None = None


_decode = msgspec.json.Decoder(Billed).decode


def decoded(line: bytes) -> Billed | None:
    """None where `billed` has to look. A text may be empty here, where `billed` has None."""
    try:
        return _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def told(line: bytes, said: dict[str, Any], message: dict[str, Any]) -> Billed:
    """Of the line of which `said` and its `message` are the record."""
    return decoded(line) or billed(said, message)


def billed(said: dict[str, Any], message: dict[str, Any]) -> Billed:
    used, cost = message.get("usage"), said.get("costUSD")
    return Billed(
        Message(None, as_text(message.get("id")), as_text(message.get("model")), as_text(message.get("stop_reason")),
                _used(used) if type(used) is dict else None,
                [Block(as_text(one.get("id")), as_text(one.get("name")))
                 for one in as_list(message.get("content")) if type(one) is dict]),
        timestamp=as_text(said.get("timestamp")), sessionId=as_text(said.get("sessionId")),
        uuid=as_text(said.get("uuid")), requestId=as_text(said.get("requestId")),
        isSidechain=said.get("isSidechain") is True, isApiErrorMessage=said.get("isApiErrorMessage") is True,
        costUSD=cost if type(cost) is int or type(cost) is float else None,
        forkedFrom=Origin(as_text(as_dict(said.get("forkedFrom")).get("sessionId"))))


def _used(used: dict[str, Any]) -> Used:
    return Used(
        as_count(used.get("input_tokens")), as_count(used.get("output_tokens")),
        as_count(used.get("cache_read_input_tokens")), as_count(used.get("cache_creation_input_tokens")),
        _split(used.get("cache_creation")),
        ServerTools(as_count(as_dict(used.get("server_tool_use")).get("web_search_requests"))),
        OutputDetails(as_count(as_dict(used.get("output_tokens_details")).get("thinking_tokens"))),
        as_text(used.get("service_tier")), as_text(used.get("speed")),
        [_step(as_dict(one)) for one in as_list(used.get("iterations"))])


def _step(step: dict[str, Any]) -> Step:
    return Step(as_text(step.get("type")), as_text(step.get("model")), as_count(step.get("input_tokens")),
                as_count(step.get("output_tokens")), as_count(step.get("cache_read_input_tokens")),
                as_count(step.get("cache_creation_input_tokens")), _split(step.get("cache_creation")))


def _split(value: object) -> Split | None:
    if type(value) is not dict:
        return None
    return Split(as_count(value.get("ephemeral_5m_input_tokens")), as_count(value.get("ephemeral_1h_input_tokens")))


def request_of(bill: Billed, at: int, state: State) -> str:
    if name := bill.message.id:
        return name
    return f"uuid:{scoped(bill.uuid, state)}" if bill.uuid else f"line:{state.session}:{at}"


def costs(bill: Billed, ts_ms: int | None, at: int, state: State) -> list[Draft]:
    """One draft for the request, and one for each advisor inside it: advisors are billed on top of it.

    An error of the host counts only when it carries tokens. Draft's fields are given by position: this line runs for
    every record with usage, and names would take six times as long.
    """
    message = bill.message
    used, model, name = message.usage, message.model or None, message.id
    if used is None:
        return []
    fresh, output, cached = used.input_tokens, used.output_tokens, used.cache_read_input_tokens
    written, split = used.cache_creation_input_tokens, used.cache_creation
    hour = None
    if split is not None:
        written, hour = _cache_writes(written, split)
    prompt = (fresh or 0) + (cached or 0) + (written or 0)
    if not (prompt or output) and (model == SYNTHETIC or bill.isApiErrorMessage):
        return []
    request = name or request_of(bill, at, state)
    key = f"req:{name}:{bill.requestId}" if name and bill.requestId else f"req:{request}"
    if type(message.content) is list:
        for block in message.content:
            if block.name == "WebSearch" and block.id:
                state.remember_search(block.id, key, request)
    if prompt > WINDOW:
        state.long_model = model
    is_long = prompt > WINDOW or (model is not None and (model == state.long_model or model.endswith("[1m]")))
    side = bill.isSidechain is True
    copy = is_copy(state, bill.sessionId, bill.forkedFrom.sessionId if bill.forkedFrom else None)
    cost = Draft(
        key, state.session, "cost", ts_ms, None, None, None, request, model, fresh, output,
        used.output_tokens_details.thinking_tokens if used.output_tokens_details else None,
        cached, written, hour, used.server_tool_use.web_search_requests if used.server_tool_use else None,
        used.service_tier or None, used.speed or None, None if bill.costUSD is None else _reported(bill.costUSD),
        message.stop_reason or None, None, None, None,
        None if fresh is None and cached is None and written is None else prompt, LONG_WINDOW if is_long else WINDOW,
        None, side, copy, False, "implausible" if prompt + (output or 0) > IMPLAUSIBLE_TOKENS else None)
    return [cost, *_advisors(cost, used.iterations)] if used.iterations else [cost]


def _advisors(cost: Draft, steps: list[Step]) -> list[Draft]:
    found = []
    for number, step in enumerate(steps):
        if step.type != "advisor_message" or not step.model:
            continue
        written, hour = step.cache_creation_input_tokens, None
        if step.cache_creation is not None:
            written, hour = _cache_writes(written, step.cache_creation)
        found.append(Draft(
            f"{cost.key}:advisor{number}", cost.session, "cost", cost.ts_ms, request=cost.request, model=step.model,
            input_tokens=step.input_tokens, output_tokens=step.output_tokens,
            cache_read_tokens=step.cache_read_input_tokens, cache_write_tokens=written, cache_write_1h_tokens=hour,
            is_sidechain=cost.is_sidechain, is_copy=cost.is_copy))
    return found


def _cache_writes(total: int | None, split: Split) -> tuple[int | None, int | None]:
    """(all cache writes, the 1 h part). The split wins when it says more than the total; else the rest is 5 min."""
    short, hour = split.ephemeral_5m_input_tokens, split.ephemeral_1h_input_tokens
    if short is None and hour is None:
        return total, None
    return max(total or 0, (short or 0) + (hour or 0)), hour or 0


def _reported(dollars: int | float) -> int | None:
    try:
        micro = Decimal(str(dollars)) * 1_000_000
        return int(micro.to_integral_value()) if 0 <= micro < 1 << 53 else None
    except (InvalidOperation, ValueError):  # NaN; integers of more digits than Python prints
        return None
