"""The usage of a Claude record: which request it belongs to, and its tokens."""

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from kaizen.model.event import Draft
from kaizen.sources.claude_state import State
from kaizen.sources.shapes import as_count, as_dict, as_list, as_text

IMPLAUSIBLE_TOKENS = 2_000_000


class QuickMessage(msgspec.Struct, gc=False):
    role: str | None = None
    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    usage: dict[str, Any] | None = None


class QuickRecord(msgspec.Struct, gc=False):
    """The fields of a record that matter for money; the rest is skipped while decoding."""

    message: QuickMessage
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
    forkedFrom: dict[str, Any] | None = None


decode = msgspec.json.Decoder(QuickRecord).decode


def is_copy(said: dict[str, Any], state: State) -> bool:
    """Does the record say itself that it repeats another session's?"""
    if state.is_agent:
        return False
    theirs = as_text(said.get("sessionId"))
    if theirs is not None and theirs != state.session:
        return True
    forked = said.get("forkedFrom")
    return forked is not None and as_dict(forked).get("messageUuid") == said.get("uuid") is not None


def request_of(said: dict[str, Any], message: dict[str, Any], at: int, state: State) -> str:
    if name := as_text(message.get("id")):
        return name
    if uuid := as_text(said.get("uuid")):
        return f"uuid:{uuid}"
    return f"line:{state.session}:{at}"


def key_of(said: dict[str, Any], message: dict[str, Any], at: int, state: State) -> str:
    request = request_of(said, message, at, state)
    variant = as_text(said.get("requestId"))
    return f"req:{request}:{variant}" if variant and as_text(message.get("id")) else f"req:{request}"


def costs(said: dict[str, Any], message: dict[str, Any], ts_ms: int | None, at: int, state: State) -> Iterator[Draft]:
    """One draft for the request, and one for each advisor inside it that has a model of its own."""
    used = message.get("usage")
    model = as_text(message.get("model"))
    if model == "<synthetic>" or said.get("isApiErrorMessage") is True or type(used) is not dict:
        return
    key, request = key_of(said, message, at, state), request_of(said, message, at, state)
    total, hour = _cache_writes(used)
    fresh, cached = as_count(used.get("input_tokens")), as_count(used.get("cache_read_input_tokens"))
    prompt = (fresh or 0) + (cached or 0) + (total or 0)
    output = as_count(used.get("output_tokens"))
    tier, speed = as_text(used.get("service_tier")), as_text(used.get("speed"))
    yield Draft(
        key, state.session, "cost", ts_ms, request=request, model=model,
        input_tokens=fresh, output_tokens=output,
        reasoning_tokens=as_count(as_dict(used.get("output_tokens_details")).get("thinking_tokens")),
        cache_read_tokens=cached, cache_write_tokens=total, cache_write_1h_tokens=hour,
        web_search_requests=as_count(as_dict(used.get("server_tool_use")).get("web_search_requests")),
        service_tier=tier, speed=speed, reported_cost_usd_e6=_reported(said.get("costUSD")),
        stop_reason=as_text(message.get("stop_reason")), context_used_tokens=prompt,
        context_max_tokens=1_000_000 if prompt > 200_000 or (model or "").endswith("[1m]") else 200_000,
        is_sidechain=said.get("isSidechain") is True, is_copy=is_copy(said, state),
        flag="implausible" if prompt + (output or 0) > IMPLAUSIBLE_TOKENS else None)
    for number, part in enumerate(as_list(used.get("iterations"))):
        step = as_dict(part)
        advisor = as_text(step.get("model"))
        if step.get("type") == "advisor_message" and advisor and advisor != model:
            total, hour = _cache_writes(step)
            yield Draft(
                f"{key}:advisor{number}", state.session, "cost", ts_ms, request=request, model=advisor,
                input_tokens=as_count(step.get("input_tokens")), output_tokens=as_count(step.get("output_tokens")),
                cache_read_tokens=as_count(step.get("cache_read_input_tokens")), cache_write_tokens=total,
                cache_write_1h_tokens=hour, is_sidechain=said.get("isSidechain") is True,
                is_copy=is_copy(said, state))


def _cache_writes(used: dict[str, Any]) -> tuple[int | None, int | None]:
    """(all cache writes, the 1 h part). The split wins when it says more than the total."""
    total = as_count(used.get("cache_creation_input_tokens"))
    split = used.get("cache_creation")
    if type(split) is not dict:
        return total, None
    short, hour = as_count(split.get("ephemeral_5m_input_tokens")), as_count(split.get("ephemeral_1h_input_tokens"))
    if short is None and hour is None:
        return total, None
    return max(total or 0, (short or 0) + (hour or 0)), hour or 0


def _reported(value: object) -> int | None:
    if type(value) not in (int, float):
        return None
    try:
        micro = Decimal(str(value)) * 1_000_000
        return int(micro.to_integral_value()) if 0 <= micro < 1 << 53 else None
    except InvalidOperation:
        return None
