"""A window at a glance: sessions, tokens, cost, by agent and model, the tools used most, how sure the numbers are."""

from datetime import tzinfo
from sqlite3 import Connection

import msgspec

from kaizen.model.times import DAY_MS, QUARTER_MS, Periods, Window, days_of
from kaizen.store import rollups, session_rows, used
from kaizen.views.cost import UNKNOWN, Groups, UnpricedModel, by_agent_and_model, by_period, ranked, unpriced_of
from kaizen.views.scope import Scope
from kaizen.views.usage import Usage, add_up, summed, usage

DAYS_SHOWN = 14
TOOLS_SHOWN = 10


class Share(Usage, kw_only=True):
    name: str
    # Sessions whose last request was by this model, or of this agent.
    sessions: int


class ToolUse(msgspec.Struct):
    tool: str
    calls: int
    errors: int


class Day(msgspec.Struct):
    day: str
    requests: int
    cost_usd_e6: int | None


class Summary(msgspec.Struct, kw_only=True):
    session_count: int
    root_sessions: int
    prompts: int
    tool_calls: int
    errors: int
    usage: Usage
    total_cost_usd_e6: int | None
    cost_usd: float | None
    cost_note: str | None
    # Part of the prompt tokens that came from a cache.
    cache_hit_share: float | None
    by_agent: list[Share]
    by_model: list[Share]
    top_tools: list[ToolUse]
    # The last days of the window, up to the last one with anything, gaps included.
    days: list[Day]
    unpriced_models: list[UnpricedModel]


def summary(db: Connection, scope: Scope, window: Window, tz: tzinfo, now_ms: int) -> Summary:
    counts = session_rows.counts(db, scope.filter, window.start_ms, window.end_ms)
    by_agent, by_model = by_agent_and_model(db, scope, window)
    _, whole = add_up(list(by_agent.values()))
    total = usage(summed(by_agent.values()), whole)
    sessions = sum(row[2] for row in counts)
    return Summary(
        session_count=sessions,
        root_sessions=sum(row[3] for row in counts),
        prompts=sum(row[4] for row in counts),
        tool_calls=sum(row[5] for row in counts),
        errors=sum(row[6] for row in counts),
        usage=total,
        total_cost_usd_e6=total.cost_usd_e6,
        cost_usd=None if total.cost_usd_e6 is None else total.cost_usd_e6 / 1e6,
        cost_note=_note(sessions, total),
        cache_hit_share=total.cache_read_tokens / total.prompt_tokens if total.prompt_tokens else None,
        by_agent=_shares(by_agent, counts, 0),
        by_model=_shares(by_model, counts, 1),
        top_tools=[
            ToolUse(tool, calls, errors)
            for tool, calls, errors, _ in used.span_tools(db, scope.filter, window.start_ms, window.end_ms)[
                :TOOLS_SHOWN
            ]
        ],
        days=_days(db, scope, window, tz, now_ms),
        unpriced_models=unpriced_of(by_model),
    )


def _shares(groups: Groups, counts: list[tuple[object, ...]], at: int) -> list[Share]:
    sessions: dict[str, int] = {}
    for row in counts:
        name = str(row[at]) or UNKNOWN
        sessions[name] = sessions.get(name, 0) + int(str(row[2]))
    order = ranked(groups)
    costs, _ = add_up([groups[name] for name in order])
    shares = [
        Share(**msgspec.structs.asdict(usage(groups[name], cost)), name=name, sessions=sessions.pop(name, 0))
        for name, cost in zip(order, costs, strict=True)
    ]
    return shares + [Share(name=name, sessions=number) for name, number in sorted(sessions.items())]


def _note(sessions: int, total: Usage) -> str | None:
    if sessions and not total.requests:
        return "These agents wrote down no token counts, so the cost is unknown."
    if total.unpriced_requests:
        return (
            f"{total.unpriced_requests:,} of {total.requests:,} requests have no known price and are not in the cost."
        )
    return None


def _days(db: Connection, scope: Scope, window: Window, tz: tzinfo, now_ms: int) -> list[Day]:
    span = rollups.quarter_span(db)
    last = now_ms if span is None else min(now_ms, (span[1] + 1) * QUARTER_MS - 1)
    end = window.end_ms if window.end_ms is not None else last + 1
    start = max(window.start_ms or 0, end - DAYS_SHOWN * DAY_MS)
    groups = by_period(db, scope, Window(start, end), Periods("day", tz))
    keys = list(days_of(Window(start, end), tz))[-DAYS_SHOWN:]
    found = [groups.get(key) for key in keys]
    costs, _ = add_up([one for one in found if one is not None])
    rest = iter(costs)
    return [
        Day(key, one[0], next(rest)) if one is not None else Day(key, 0, 0)
        for key, one in zip(keys, found, strict=True)
    ]
