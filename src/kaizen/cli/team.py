"""`kaizen team`: the same questions as on one machine, answered by the team's hub."""

import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, tzinfo

import click
import msgspec

from kaizen.cli import cost as local_cost
from kaizen.cli.command import command, group
from kaizen.cli.ink import (
    AGENT_COLORS,
    STATUS_COLORS,
    Cell,
    Column,
    Ink,
    ago,
    count,
    duration,
    one_line,
    percent,
    plural,
    short_count,
    table,
    usd,
)
from kaizen.cli.options import When, limit_option, window_options, zone_options
from kaizen.cli.outgoing import own_names
from kaizen.cli.output import said_window
from kaizen.cli.run import Run
from kaizen.cli.summary import facts
from kaizen.cli.team_hub import TeamHub
from kaizen.cli.zone import zone_name
from kaizen.model.times import Window
from kaizen.views.cost import Cost, CostRow, UnpricedModel
from kaizen.views.usage import Usage, add_up, usage

GROUPINGS = ("day", "week", "month", "agent", "model", "project", "session")
# Rows of a table in the summary; the rest is a command away.
MOST_SHARES = 10
SHORT_HASH = len("blake3:") + 8

# Names of this machine's repositories, by hash.
Names = dict[str, str]


class Sums(Usage, kw_only=True):
    """As the hub says it: with the exact sum, from which rows are rounded so that they add up."""

    cost_pusd: int = 0

    @property
    def amounts(self) -> tuple[int, int, int, int, int, int, int, int, int]:
        said = msgspec.structs.astuple(self)
        return *said[:7], self.cost_pusd, self.unpriced_requests


class KeyedSums(Sums, kw_only=True):
    key: str


class TeamCost(msgspec.Struct):
    rows: list[KeyedSums]
    total: Sums


class TeamSummary(msgspec.Struct):
    team_id: str
    sessions: int
    projects: int
    usage: Sums
    by_agent: list[KeyedSums]
    by_model: list[KeyedSums]
    by_project: list[KeyedSums]
    salts: int = 1


class TeamSession(msgspec.Struct):
    session_id_hash: str
    agent: str
    status: str
    started_at_ms: int
    usage: Sums
    workspace_hash: str
    model: str | None = None
    ended_at_ms: int | None = None
    project_name: str | None = None
    parent_session_id_hash: str | None = None
    errors: int | None = None


class Sessions(msgspec.Struct):
    items: list[TeamSession]
    next_cursor: str | None = None


class LiveEvent(msgspec.Struct, omit_defaults=True):
    id: int
    session_id_hash: str
    ts_ms: int
    agent: str
    model: str
    kind: str
    workspace_hash: str
    project_name: str | None = None
    tool: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    cache_read_tokens: int | None = None
    cache_creation_tokens: int | None = None
    cost_usd_e6: int | None = None
    cost_pusd: int | None = None
    is_void: bool = False


@command(schema="team summary/1", examples=["kaizen team summary", "kaizen team summary --days 30 --json"])
@window_options
def summary(run: Run, when: When) -> None:
    """The team's sessions, tokens and cost at a glance: one total across all machines."""
    tz, window = when.zone(), when.window(run.now_ms)
    with closing(TeamHub(run)) as hub:
        found = hub.get("/v1/query/summary", TeamSummary, _bounds(window))
    _heading(run, found.team_id, window, tz)
    if found.salts > 1:
        run.out.warn("Machines of this team hash with different salts, so the same project may appear twice.")
    names = own_names(run)
    run.out.show(found, lambda data, ink: _summary_lines(data, ink, names))


def _summary_lines(found: TeamSummary, ink: Ink, names: Names) -> Iterator[str]:
    used = found.usage
    if not (found.sessions or used.requests):
        yield "Nothing was sent yet for this period. On a machine of the team: kaizen sync run --once"
        return
    yield from facts(
        ink,
        [
            ("Cost", [ink.paint(usd(used.cost_usd_e6, is_partial=used.is_partial), "bold", "green")]),
            ("Sessions", [count(found.sessions), f"in {plural(found.projects, 'project')}"]),
            (
                "Tokens",
                [
                    f"{short_count(used.input_tokens)} input",
                    f"{short_count(used.cache_write_tokens)} cache write",
                    f"{short_count(used.cache_read_tokens)} cache read",
                    f"{short_count(used.output_tokens)} output",
                ],
            ),
            (
                "Requests",
                [
                    count(used.requests),
                    f"{percent(used.cache_read_tokens, used.prompt_tokens)} of prompt tokens from cache"
                    if used.prompt_tokens
                    else "",
                ],
            ),
        ],
    )
    for title, rows in (("Agent", found.by_agent), ("Model", found.by_model), ("Project", found.by_project)):
        yield ""
        yield from _shares(title, rows, ink, names)


def _shares(title: str, rows: list[KeyedSums], ink: Ink, names: Names) -> Iterator[str]:
    costs, _ = add_up([one.amounts for one in rows])
    shown = list(zip(rows, costs, strict=True))[:MOST_SHARES]
    columns = [
        Column(title, flexible=True, least=14),
        Column("Requests", right=True),
        Column("Tokens", right=True),
        Column("Cost", right=True, style="bold"),
    ]
    yield from table(
        columns,
        [
            [_short(names.get(one.key, one.key), ink), count(one.requests), short_count(one.total_tokens),
             usd(cost, is_partial=one.is_partial)]
            for one, cost in shown
        ],
        ink,
    )  # fmt: skip
    if len(rows) > len(shown):
        yield ink.dim(f"and {len(rows) - len(shown)} more: kaizen team cost --by {title.lower()}")


@command(
    schema="team cost/1",
    is_list=True,
    examples=["kaizen team cost --by project --since monday", "kaizen team cost --by day --tz Europe/Berlin --json"],
)
@window_options
@click.option("--by", type=click.Choice(GROUPINGS), default="day", show_default=True, help="What a row stands for.")
def cost(run: Run, when: When, by: str) -> None:
    """The team's tokens and cost by day, model, project and more; the same sums as `kaizen cost` on each machine."""
    tz, window = when.zone(), when.window(run.now_ms)
    with closing(TeamHub(run)) as hub:
        bounds = _bounds(window)
        found = hub.get("/v1/query/cost", TeamCost, {**bounds, "by": by, "tz": _zone(tz)})
        unpriced = []
        if found.total.unpriced_requests:
            models = hub.get("/v1/query/cost", TeamCost, {**bounds, "by": "model"})
            unpriced = [UnpricedModel(one.key, one.unpriced_requests) for one in models.rows if one.is_partial]
    _heading(run, run.config.sync.team_id, window, tz)
    shown = _as_local(found, by, tz, unpriced)
    names = own_names(run) if by == "project" and run.out.is_text else {}
    for row in shown.rows:
        row.key = names.get(row.key or "", row.key)
    run.out.show(shown, local_cost.lines, rows=shown.rows)


def _as_local(found: TeamCost, by: str, tz: tzinfo, unpriced: list[UnpricedModel]) -> Cost:
    costs, whole = add_up([row.amounts for row in found.rows])
    rows = [
        CostRow(**msgspec.structs.asdict(usage(row.amounts, micro)), key=row.key)
        for row, micro in zip(found.rows, costs, strict=True)
    ]
    return Cost(by=by, tz=zone_name(tz), rows=rows, total=usage(found.total.amounts, whole),  # type: ignore[arg-type]
                unpriced_models=unpriced)  # fmt: skip


@command(schema="team sessions/1", is_list=True, examples=["kaizen team sessions", "kaizen team sessions --since 7d"])
@window_options
@limit_option(50)
def sessions(run: Run, when: When, limit: int) -> None:
    """The team's sessions, newest first, each with all its requests."""
    tz, window = when.zone(), when.window(run.now_ms)
    with closing(TeamHub(run)) as hub:
        found = _pages(hub, window, limit)
    _heading(run, run.config.sync.team_id, window, tz)
    names = own_names(run)
    run.out.show(found, lambda data, ink: _session_lines(data, ink, names))


def _pages(hub: TeamHub, window: Window, limit: int) -> list[TeamSession]:
    found: list[TeamSession] = []
    cursor: str | None = None
    while not limit or len(found) < limit:
        some = min(limit - len(found), 1000) if limit else 1000
        page = hub.get(
            "/v1/query/sessions", Sessions, {**_bounds(window), "order": "desc", "limit": some, "cursor": cursor}
        )
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    return found


def _session_lines(found: list[TeamSession], ink: Ink, names: Names) -> Iterator[str]:
    if not found:
        yield "No sessions of this period were sent."
        return
    columns = [
        Column("Session", style="cyan"),
        Column("Started"),
        Column("Agent"),
        Column("Status", drop=1),
        Column("Took", right=True, drop=3),
        Column("Tokens", right=True, drop=2),
        Column("Cost", right=True, style="bold"),
        Column("Project", flexible=True, least=12),
    ]
    yield from table(columns, [_session_row(one, ink, names) for one in found], ink)


def _session_row(one: TeamSession, ink: Ink, names: Names) -> list[Cell]:
    project = one.project_name or names.get(one.workspace_hash) or _short(one.workspace_hash, ink)
    took = None if one.ended_at_ms is None else one.ended_at_ms - one.started_at_ms
    return [
        _short(one.session_id_hash, ink),
        ago(one.started_at_ms, ink.now_ms),
        (one_line(one.agent), AGENT_COLORS.get(one.agent, "blue")),
        (one.status, STATUS_COLORS.get(one.status, "dim")),
        duration(took),
        short_count(one.usage.total_tokens),
        usd(one.usage.cost_usd_e6, is_partial=one.usage.is_partial),
        ("↳ " if one.parent_session_id_hash else "") + one_line(project),
    ]


@command(schema="team tail/1", examples=["kaizen team tail", "kaizen team tail --json | jq .cost_pusd"])
@zone_options
@click.option("-n", "--count", type=click.IntRange(min=1), metavar="N", help="Stop after N events.")
def tail(run: Run, tz: tzinfo, count: int | None) -> None:
    """Follow the team's sessions as their events reach the hub: names and numbers, no texts."""
    as_json = run.out.format == "json" or not sys.stdout.isatty()
    names = {} if as_json else own_names(run)
    with closing(TeamHub(run)) as hub:
        for number, event in enumerate(hub.follow(LiveEvent), 1):
            said = msgspec.json.encode(event).decode() if as_json else _live_line(event, run.out.ink, tz, names)
            sys.stdout.write(said + "\n")
            sys.stdout.flush()
            if number == count:
                return


def _live_line(event: LiveEvent, ink: Ink, tz: tzinfo, names: Names) -> str:
    at = datetime.fromtimestamp(event.ts_ms / 1000, tz).strftime("%H:%M:%S")
    micro = event.cost_usd_e6 if event.cost_pusd is None else round(event.cost_pusd / 1_000_000)
    tokens = sum(n or 0 for n in (event.tokens_in, event.tokens_out, event.cache_read_tokens,
                                  event.cache_creation_tokens))  # fmt: skip
    what = one_line(event.tool or (event.model if event.kind == "cost" else event.kind))
    numbers = f"{short_count(tokens)} {usd(micro)}" if event.kind == "cost" else ""
    project = one_line(event.project_name or names.get(event.workspace_hash) or _short(event.workspace_hash, ink))
    name = event.session_id_hash[len("blake3:") : SHORT_HASH]
    return (f"{ink.dim(at)} {ink.agent(f'{one_line(event.agent):<7}')} {ink.dim(name)} {project:<20} {what:<28} "
            f"{ink.bold(numbers)}").rstrip()  # fmt: skip


def _bounds(window: Window) -> dict[str, object]:
    return {"from_ms": window.start_ms, "to_ms": window.end_ms}


def _heading(run: Run, team: str, window: Window, tz: tzinfo) -> None:
    run.out.scope = {"team_id": team, "from_ms": window.start_ms, "to_ms": window.end_ms}
    run.out.note(f"team {team} · {said_window(window, tz)}\n")


def _zone(tz: tzinfo) -> str:
    name = zone_name(tz)
    return "UTC" if name == "local" else name


def _short(name: str, ink: Ink) -> str:
    """A hash in a terminal is its beginning; everywhere else it is whole."""
    if ink.width and name.startswith("blake3:"):
        return name[len("blake3:") : SHORT_HASH]
    return one_line(name)


team = group("team", "Your team's sessions, tokens and cost, from its hub.", [summary, sessions, cost, tail])
