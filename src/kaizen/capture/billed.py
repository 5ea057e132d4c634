"""From a parsed record to sums of requests that count: what the import and the first total have in common."""

from collections import defaultdict
from collections.abc import Iterable

from kaizen.model.captured import is_captured, judge_captured
from kaizen.model.event import Draft
from kaizen.model.request import REPLAY, Request, judge
from kaizen.model.usage import Usage
from kaizen.pricing import PriceBook, cost_pusd
from kaizen.store.usage import QUARTER_MS, Amounts

# (session, quarter of an hour, model or "")
Place = tuple[int, int, str]


def name_of(d: Draft) -> str:
    """What a `cost` draft's request is called. Rows of one name are judged together."""
    return d.request or d.key[4:]


def request_of(d: Draft, at: int, ts_exact: bool, session_id: int, file_id: int | None) -> Request:
    """The request of a `cost` draft, without id and price."""
    return Request(
        0, session_id, d.key, d.ts_ms or 0, ts_exact, name_of(d), d.model, d.is_sidechain,
        d.latency_ms, d.stop_reason, REPLAY if d.is_replay else None, d.is_copy, d.input_tokens, d.output_tokens,
        d.reasoning_tokens, d.cache_read_tokens, d.cache_write_tokens, d.cache_write_1h_tokens,
        d.web_search_requests, d.service_tier, d.speed, d.context_max_tokens, d.ttft_ms, d.retry_count,
        d.reported_cost_usd_e6, None, None, d.flag, file_id, at)


def price(row: Request, prices: PriceBook) -> None:
    if row.reported_cost_usd_e6 is not None:
        row.cost_pusd, row.cost_source = row.reported_cost_usd_e6 * 1_000_000, "reported"
        return
    used = Usage(row.input_tokens, row.output_tokens, row.reasoning_tokens, row.cache_read_tokens,
                 row.cache_write_tokens, row.cache_write_1h_tokens, row.web_search_requests or 0)
    found = None if row.flag == "no_cache_split" else prices.match(row.model, ts_ms=row.ts_ms)
    row.cost_pusd = cost_pusd(used, found, speed=row.speed, service_tier=row.service_tier)
    row.cost_source = "unknown" if row.cost_pusd is None else "computed"


def amounts_of(row: Request) -> Amounts:
    """What a counted request adds to a roll-up, in the order of `store.usage.SUMS`."""
    return (1, row.input_tokens or 0, row.output_tokens or 0, row.reasoning_tokens or 0, row.cache_read_tokens or 0,
            row.cache_write_tokens or 0, row.cache_write_1h_tokens or 0, row.cost_pusd or 0, row.cost_pusd is None)


def judge_all(rows: dict[str, Request]) -> None:
    """Mark those of all rows (by key) that repeat another, as `ingest` does a request at a time."""
    first: dict[str, Request] = {}
    groups: dict[str, list[Request]] = {}
    for row in rows.values():
        there = first.setdefault(row.request, row)
        if there is not row:
            groups.setdefault(row.request, [there]).append(row)
    for group in groups.values():
        for key, verdict in judge(group).items():
            rows[key].duplicate_of = verdict
    by_session: dict[int, list[Request]] = {row.session_id: [] for row in rows.values() if is_captured(row)}
    for row in rows.values() if by_session else ():
        if row.session_id in by_session:
            by_session[row.session_id].append(row)
    for told in by_session.values():
        for key, verdict in judge_captured(told).items():
            rows[key].duplicate_of = verdict


def summed(rows: Iterable[Request]) -> dict[Place, list[int]]:
    """The amounts of those that count."""
    told: dict[Place, list[Amounts]] = defaultdict(list)
    for row in rows:
        if row.duplicate_of is None:
            told[row.session_id, row.ts_ms // QUARTER_MS, row.model or ""].append(amounts_of(row))
    return {place: list(map(sum, zip(*parts, strict=True))) for place, parts in told.items()}
