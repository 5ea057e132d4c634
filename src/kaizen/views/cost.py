"""Tokens and cost of a window, grouped by one thing. The rows add up to the total, in every zone, to the micro-dollar.

All time comes from the totals and the roll-up by session, days and windows from the ones by hour and quarter hour; the
parts of a window that are no whole quarter are counted request by request. `tool` is an estimate: nobody bills tools,
so each request is split evenly over the tool calls it made, remainders to the first ones.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import tzinfo
from sqlite3 import Connection
from typing import Any, Literal, get_args

import msgspec

from kaizen.model.times import QUARTER_MS, Periods, Window, offset_runs, whole_quarters
from kaizen.store import costs, rollups, session_rows
from kaizen.store.rollups import Key
from kaizen.store.usage import Amounts
from kaizen.views.scope import Scope, project_names
from kaizen.views.usage import NOTHING, Usage, add_up, added, summed, usage

By = Literal["day", "week", "month", "agent", "model", "project", "session", "branch", "tool"]
GROUPINGS: tuple[By, ...] = get_args(By)
PERIODS = ("day", "week", "month")
UNKNOWN = "(unknown)"
NO_TOOL = "(no tool)"
_NO_TOOLS = [NO_TOOL]


class CostRow(Usage, kw_only=True):
    """`label` says what `key` stands for: a session's title, a project's path."""

    key: str
    label: str | None = None


class UnpricedModel(msgspec.Struct):
    model: str
    requests: int


class Cost(msgspec.Struct, kw_only=True):
    by: By
    tz: str
    rows: list[CostRow]
    total: Usage
    unpriced_models: list[UnpricedModel]
    # Requests are exact; how they are shared among tools is not.
    is_estimate: bool = False


Groups = dict[str, Amounts]


def cost(db: Connection, scope: Scope, window: Window, by: By, tz: tzinfo) -> Cost:
    """Periods oldest first; everything else by cost, then tokens, then key."""
    labels: dict[str, str] = {}
    if by in PERIODS:
        groups = by_period(db, scope, window, Periods(by, tz))  # type: ignore[arg-type]
    elif by == "project":
        groups, labels = _by_project(db, scope, window)
    elif by == "session":
        groups, labels = _by_session(db, scope, window)
    elif by == "branch":
        groups = _named((key or UNKNOWN, amounts) for key, amounts in _by_session_key(db, scope, window, "branch"))
    elif by == "tool":
        groups = _by_tool(db, scope, window)
    else:
        column: Key = "agent" if by == "agent" else "model"
        groups = _named((key or UNKNOWN, amounts) for key, amounts in _by_rollup(db, scope, window, column))
    order = sorted(groups) if by in PERIODS else ranked(groups)
    unpriced = _unpriced(db, scope, window) if any(amounts[8] for amounts in groups.values()) else []
    rows = [(key, groups[key], labels.get(key)) for key in order]
    return _report(by, tz, rows, unpriced, is_estimate=by == "tool")


def ranked(groups: Groups) -> list[str]:
    """Keys by cost, then tokens, then name."""
    return sorted(groups, key=lambda key: _weight(key, groups[key]))


def by_period(db: Connection, scope: Scope, window: Window, periods: Periods) -> Groups:
    """Local days are summed in the database, one query for each stretch between two changes of the clock."""
    first, last, edges = whole_quarters(window)
    span = rollups.quarter_span(db)
    found: list[tuple[int, Amounts]] = []
    if span is not None:
        begin = max(span[0], first if first is not None else span[0])
        end = min(span[1] + 1, last if last is not None else span[1] + 1)
        for start_ms, end_ms, offset_ms in offset_runs(begin * QUARTER_MS, end * QUARTER_MS, periods.tz):
            found += rollups.usage_by_day(
                db, scope.filter, start_ms // QUARTER_MS, end_ms // QUARTER_MS, offset_ms // QUARTER_MS
            )
    for edge in edges:
        found += costs.usage_of_events(db, "quarter", scope.filter, edge.start_ms, edge.end_ms)
    return _named((periods.key(quarter * QUARTER_MS), amounts) for quarter, amounts in found)


def by_agent_and_model(db: Connection, scope: Scope, window: Window) -> tuple[Groups, Groups]:
    """Both groupings for the price of one."""
    agents: list[tuple[str, Amounts]] = []
    models: list[tuple[str, Amounts]] = []
    for key, amounts in _by_rollup(db, scope, window, "agent_model"):
        agent, _, model = key.partition(chr(31))
        agents.append((agent, amounts))
        models.append((model or UNKNOWN, amounts))
    return _named(agents), _named(models)


def _by_rollup(db: Connection, scope: Scope, window: Window, key: Key) -> Iterable[tuple[Any, Amounts]]:
    if window.is_all:
        # The same sums from fewer rows: there are far fewer sessions than quarter hours with something in them.
        yield from rollups.usage_of_all_time(db, key, scope.filter)
        return
    first, last, edges = whole_quarters(window)
    if first is None or last is None or first < last:
        yield from rollups.usage_by(db, key, scope.filter, first, last)
    for edge in edges:
        yield from costs.usage_of_events(db, key, scope.filter, edge.start_ms, edge.end_ms)


def _by_session_key(
    db: Connection, scope: Scope, window: Window, key: Literal["session", "branch"]
) -> Iterable[tuple[Any, Amounts]]:
    if window.is_all:
        return rollups.usage_of_all_time(db, key, scope.filter)
    return costs.usage_of_events(db, key, scope.filter, window.start_ms, window.end_ms)


def _by_project(db: Connection, scope: Scope, window: Window) -> tuple[Groups, dict[str, str]]:
    names = project_names(db)
    groups = _named((names[key][0], amounts) for key, amounts in _by_rollup(db, scope, window, "workspace_id"))
    return groups, dict(name for name in names.values() if name[1])


def _by_session(db: Connection, scope: Scope, window: Window) -> tuple[Groups, dict[str, str]]:
    """Keys are session ids; two agents with the same id are told apart as `agent:id`."""
    found = dict(_by_session_key(db, scope, window, "session"))
    known = session_rows.page(db, scope.filter, limit=0, with_empty=True)
    seen: dict[str, int] = defaultdict(int)
    for one in known:
        seen[one.host_id] += 1
    keys = {one.id: one.host_id if seen[one.host_id] == 1 else f"{one.agent}:{one.host_id}" for one in known}
    return (
        {keys[key]: amounts for key, amounts in found.items()},
        {keys[one.id]: one.title for one in known if one.title},
    )


def _by_tool(db: Connection, scope: Scope, window: Window) -> Groups:
    tools: dict[tuple[str, str], list[str]] = defaultdict(list)
    for agent, request, tool in costs.calls_of(db, msgspec.structs.replace(scope.filter, model=None)):
        tools[agent, request].append(tool)
    groups: dict[str, list[int]] = defaultdict(lambda: [0] * len(NOTHING))
    for _, agent, request, *parts in costs.requests_of(db, scope.filter, window.start_ms, window.end_ms):
        used = tools.get((agent, request), _NO_TOOLS)
        first = groups[used[0]]
        first[0] += 1
        first[8] += parts[6] is None
        for at, amount in enumerate(parts, 1):
            if amount:
                share, rest = divmod(amount, len(used)) if len(used) > 1 else (amount, 0)
                for i, tool in enumerate(used):
                    groups[tool][at] += share + (i < rest)
    return {tool: tuple(amounts) for tool, amounts in groups.items()}  # type: ignore[misc]


def _named(found: Iterable[tuple[str, Amounts]]) -> Groups:
    groups: Groups = {}
    for key, amounts in found:
        groups[key] = added(groups[key], amounts) if key in groups else amounts
    return groups


def _weight(key: str, amounts: Amounts) -> tuple[int, int, str]:
    return -amounts[7], -(amounts[1] + amounts[2] + amounts[4] + amounts[5]), key


def _unpriced(db: Connection, scope: Scope, window: Window) -> list[UnpricedModel]:
    return unpriced_of(_named((key or UNKNOWN, amounts) for key, amounts in _by_rollup(db, scope, window, "model")))


def unpriced_of(by_model: Groups) -> list[UnpricedModel]:
    found = [UnpricedModel(model, amounts[8]) for model, amounts in by_model.items() if amounts[8]]
    return sorted(found, key=lambda one: (-one.requests, one.model))


def _report(
    by: By,
    tz: tzinfo,
    groups: list[tuple[str, Amounts, str | None]],
    unpriced: list[UnpricedModel],
    *,
    is_estimate: bool,
) -> Cost:
    micros, whole = add_up([amounts for _, amounts, _ in groups])
    rows = []
    for (key, amounts, label), micro in zip(groups, micros, strict=True):
        rows.append(CostRow(**msgspec.structs.asdict(usage(amounts, micro)), key=key, label=label))
    all_of_it = usage(summed(amounts for _, amounts, _ in groups), whole)
    return Cost(by=by, tz=str(tz), rows=rows, total=all_of_it, unpriced_models=unpriced, is_estimate=is_estimate)
