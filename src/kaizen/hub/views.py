"""What a team asks: one total across its machines, the same sums by something, pages of items.

Sums are of billed requests that count, exactly: `cost_pusd` is the sum in 10^-12 USD, `cost_usd_e6` the same rounded
once.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, tzinfo
from typing import Any, Literal, get_args

import msgspec

from kaizen.hub.store.protocol import QUARTER_MS, Amounts, GroupBy, HubStore, Row, Window, Workspace
from kaizen.model.status import Status, status_at
from kaizen.model.times import Period, Periods
from kaizen.model.usage import round_half_even
from kaizen.wire.ingest import Event

By = Literal["day", "week", "month", "agent", "model", "project", "session"]
GROUPINGS: tuple[By, ...] = get_args(By)
PERIODS: tuple[Period, ...] = get_args(Period)
UNKNOWN = "(unknown)"


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """As a client's own `usage`: `input_tokens` is uncached, reasoning and the 1 h part are parts of the sums they
    belong to. The cost is that of the priced requests, null when there is none."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cost_usd_e6: int | None = None
    cost_pusd: int = 0
    unpriced_requests: int = 0


class CostRow(Usage, frozen=True, kw_only=True):
    key: str


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    by: By
    tz: str
    rows: list[CostRow]
    total: Usage


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """`salts`: more than one means that clients of the team hash with different salts, and count sessions apart."""

    team_id: str
    sessions: int
    projects: int
    usage: Usage
    by_agent: list[CostRow]
    by_model: list[CostRow]
    by_project: list[CostRow]
    salts: int


class Page(msgspec.Struct, frozen=True):
    """Items as they are posted, and whose they are. `next_cursor` is null on the last page."""

    items: list[dict[str, Any]]
    next_cursor: str | None


class Live(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One event for those who follow: numbers and names, never a payload."""

    id: int
    workspace_hash: str
    project_name: str | None = None
    session_id_hash: str
    event_seq: int
    ts_ms: int
    agent: str
    model: str
    kind: str
    tool: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    cache_read_tokens: int | None = None
    cache_creation_tokens: int | None = None
    cost_usd_e6: int | None = None
    cost_pusd: int | None = None
    is_void: bool = False


_event = msgspec.json.Decoder(Event).decode


def summary(store: HubStore, team_id: str, window: Window) -> Summary:
    spaces = store.workspaces(team_id)
    names = _names(spaces)
    found = store.usage(team_id, ("agent", "model", "workspace"), window)
    total, by_agent = _summed((agent or UNKNOWN, amounts) for (agent, _, _), amounts in found)
    _, by_model = _summed((model or UNKNOWN, amounts) for (_, model, _), amounts in found)
    _, by_project = _summed((names.get(space, space), amounts) for (_, _, space), amounts in found)
    return Summary(
        team_id=team_id,
        sessions=store.session_count(team_id, window),
        projects=len({names.get(one.workspace_hash, one.workspace_hash) for one in spaces}),
        usage=total,
        by_agent=_ranked(by_agent),
        by_model=_ranked(by_model),
        by_project=_ranked(by_project),
        salts=len({one.salt_id for one in spaces} - {None}),
    )


def cost(store: HubStore, team_id: str, window: Window, by: By, tz: tzinfo | None) -> Cost:
    """Periods oldest first; everything else by cost, then tokens, then name."""
    name = _namer(store, team_id, by, tz)
    total, groups = _summed((name(key), amounts) for (key,), amounts in store.usage(team_id, (_group(by),), window))
    rows = [CostRow(key=key, **_usage(groups[key])) for key in sorted(groups)] if by in PERIODS else _ranked(groups)
    return Cost(by=by, tz=str(tz or "UTC"), rows=rows, total=total)


class Cut(msgspec.Struct, frozen=True):
    """Which page: what follows `after`, at most `limit` items."""

    after: tuple[int, int] | None = None
    limit: int = 100
    is_newest_first: bool = False


def page(store: HubStore, team_id: str, kind: str, window: Window, cut: Cut) -> Page:
    rows = store.page(team_id, kind, window, cut.after, cut.limit, is_newest_first=cut.is_newest_first)
    names = projects(store, team_id)
    more = f"{rows[-1].ts_ms}:{rows[-1].id}" if len(rows) == cut.limit else None
    return Page([_item(row, names) for row in rows], more)


def sessions(store: HubStore, team_id: str, window: Window, cut: Cut, now_ms: int) -> Page:
    """Each session with the sum of its requests, of all time, as `usage`, and its status as of `now_ms`."""
    found = page(store, team_id, "sessions", window, cut)
    _hear_silence(store, team_id, found.items, now_ms)
    these = Window(workspace_hash=window.workspace_hash, sessions=tuple(one["session_id_hash"] for one in found.items))
    used = {session: amounts for (session,), amounts in store.usage(team_id, ("session",), these)}
    for item in found.items:
        item["usage"] = Usage(**_usage(used.get(item["session_id_hash"], Amounts())))
    return found


def _hear_silence(store: HubStore, team_id: str, items: list[dict[str, Any]], now_ms: int) -> None:
    """A client sends what changed, and silence changes nothing: it is heard here, as on the machine itself.

    The newest sign of life is the later of the item's own and that of its events, which may have come after it.
    """
    quiet = [item for item in items if _status(item, now_ms, 0) != item["status"]]
    heard = store.last_heard_ms(team_id, [item["session_id_hash"] for item in quiet]) if quiet else {}
    for item in quiet:
        item["status"] = _status(item, now_ms, heard.get(item["session_id_hash"], 0))


def _status(item: dict[str, Any], now_ms: int, heard_ms: int) -> Status:
    said_ms = item.get("ended_at_ms") or item["started_at_ms"]
    return status_at(item["status"], max(said_ms, heard_ms), now_ms)[0]


def live(rows: Iterable[Row], projects: dict[str, str]) -> list[Live]:
    found = []
    for row in rows:
        event = _event(row.body)
        said = {name: getattr(event, name) for name in _SHARED}
        found.append(Live(id=row.id, workspace_hash=row.workspace_hash,
                          project_name=projects.get(row.workspace_hash), **said))  # fmt: skip
    return found


_SHARED = [name for name in Live.__struct_fields__ if name in Event.__struct_fields__]


def projects(store: HubStore, team_id: str) -> dict[str, str]:
    """Names of workspaces that have one."""
    return _names(store.workspaces(team_id))


def _names(spaces: Iterable[Workspace]) -> dict[str, str]:
    return {one.workspace_hash: one.project_name for one in spaces if one.project_name}


def _item(row: Row, names: dict[str, str]) -> dict[str, Any]:
    item: dict[str, Any] = msgspec.json.decode(row.body)
    more = {"project_name": names[row.workspace_hash]} if row.workspace_hash in names else {}
    return {**item, "workspace_hash": row.workspace_hash, **more, "received_ms": row.received_ms}


def _group(by: By) -> GroupBy:
    if by == "day" or by == "week" or by == "month":
        return "quarter"
    return "workspace" if by == "project" else by


def _namer(store: HubStore, team_id: str, by: By, tz: tzinfo | None) -> Callable[[Any], str]:
    if by == "project":
        names = projects(store, team_id)
        return lambda workspace: names.get(workspace, workspace)
    if by in ("day", "week", "month"):
        periods = Periods(by, tz or UTC)
        return lambda quarter: periods.key(quarter * QUARTER_MS)
    return lambda key: key or UNKNOWN


def _summed(found: Iterable[tuple[str, Amounts]]) -> tuple[Usage, dict[str, Amounts]]:
    """The total, and the sum of each key."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0] * len(Amounts.__struct_fields__))
    for key, amounts in found:
        sums[key] = [a + b for a, b in zip(sums[key], msgspec.structs.astuple(amounts), strict=True)]
    groups = {key: Amounts(*parts) for key, parts in sums.items()}
    total = Amounts(*map(sum, zip(*sums.values(), strict=True))) if sums else Amounts()
    return Usage(**_usage(total)), groups


def _ranked(groups: dict[str, Amounts]) -> list[CostRow]:
    order = sorted(groups, key=lambda key: _weight(key, groups[key]))
    return [CostRow(key=key, **_usage(groups[key])) for key in order]


def _usage(amounts: Amounts) -> dict[str, Any]:
    priced = amounts.requests > amounts.unpriced_requests or not amounts.requests
    return {**msgspec.structs.asdict(amounts), "cost_usd_e6": round_half_even(amounts.cost_pusd) if priced else None}


def _weight(key: str, amounts: Amounts) -> tuple[int, int, str]:
    tokens = amounts.input_tokens + amounts.output_tokens + amounts.cache_read_tokens + amounts.cache_write_tokens
    return -amounts.cost_pusd, -tokens, key
