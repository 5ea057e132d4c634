"""Where a session's cost comes from: every record, what was dropped and why, the price row, line items, rounding."""

from sqlite3 import Connection

import msgspec

from kaizen import pricing
from kaizen.model.request import REPLAY
from kaizen.model.usage import PUSD_PER_USD_E6, Usage, round_half_even
from kaizen.pricing import Bill, PriceBook, PriceRow
from kaizen.store import costs
from kaizen.store.costs import CostRow
from kaizen.store.session_rows import SessionRow


class Record(msgspec.Struct):
    """A line of a file that describes the request. `is_used`: its numbers are the ones that count."""

    file: str | None
    offset: int | None
    output_tokens: int | None
    is_used: bool


class Price(msgspec.Struct):
    """The price row used; `valid_from_ms` and `valid_to_ms` are open when null."""

    model: str
    provider: str
    source: str
    valid_from_ms: int | None
    valid_to_ms: int | None


class Item(msgspec.Struct):
    """One bucket of a bill. `price_pusd` is per token (per search): 3,000,000 is 3 USD per million tokens."""

    bucket: str
    count: int
    price_pusd: int | None
    amount_pusd: int | None
    is_assumed: bool


class Request(msgspec.Struct, kw_only=True):
    key: str
    ts_ms: int
    model: str | None
    is_counted: bool
    # Why it is not counted.
    reason: str | None
    records: list[Record]
    cost_pusd: int | None
    cost_usd_e6: int | None
    # reported | computed | unknown
    cost_source: str | None
    reported_cost_usd_e6: int | None
    flag: str | None
    price: Price | None
    items: list[Item]
    tier_over_tokens: int | None
    mode: str | None
    multiplier: str | None
    rounding_pusd: int | None
    notes: list[str]


class Elsewhere(msgspec.Struct):
    """Requests that this transcript shows and another session owns, because its transcript begins first."""

    session_id: str
    requests: int


class Explanation(msgspec.Struct, kw_only=True):
    session_id: str
    agent: str
    price_book: str
    counted_requests: int
    unpriced_requests: int
    dropped_requests: int
    # Records beyond the one used of each request: streamed snapshots and copies.
    dropped_records: int
    cost_pusd: int | None
    cost_usd_e6: int | None
    rounding_pusd: int | None
    counted_elsewhere: list[Elsewhere]
    items: list[Item]
    requests: list[Request]


def explain(db: Connection, one: SessionRow, prices: PriceBook) -> Explanation:
    """In time. The session's cost is the exact sum of its counted requests, rounded once, half to even."""
    sightings: dict[int, list[tuple[str | None, int, int | None]]] = {}
    for event_id, file, offset, output_tokens in costs.sighting_rows(db, one.id):
        sightings.setdefault(event_id, []).append((file, offset, output_tokens))
    requests = [_request(row, sightings.get(row.id, []), prices) for row in costs.cost_rows(db, one.id)]
    counted = [request for request in requests if request.is_counted]
    known = [request.cost_pusd for request in counted if request.cost_pusd is not None]
    total = sum(known) if known or (requests and not counted) else None
    micro = None if total is None else round_half_even(total)
    return Explanation(
        session_id=one.host_id,
        agent=one.agent,
        price_book=f"{prices.package}, {prices.source}",
        counted_requests=len(counted),
        unpriced_requests=len(counted) - len(known),
        dropped_requests=len(requests) - len(counted),
        dropped_records=sum(max(0, len(request.records) - 1) for request in requests),
        cost_pusd=total,
        cost_usd_e6=micro,
        rounding_pusd=None if total is None or micro is None else micro * PUSD_PER_USD_E6 - total,
        counted_elsewhere=[
            Elsewhere(host_id, count)
            for _, host_id, count in (costs.counted_elsewhere(db, one.trace_path, one.id) if one.trace_path else [])
        ],
        items=_added(counted),
        requests=requests,
    )


def _request(row: CostRow, seen: list[tuple[str | None, int, int | None]], prices: PriceBook) -> Request:
    usage = Usage(
        row.input_tokens,
        row.output_tokens,
        row.reasoning_tokens,
        row.cache_read_tokens,
        row.cache_write_tokens,
        row.cache_write_1h_tokens,
        row.web_search_requests or 0,
    )
    price = prices.explain(row.model, row.ts_ms).row
    bill = pricing.explain_cost(usage, price, speed=row.speed, service_tier=row.service_tier)
    records = [
        Record(file, offset, output, (file, offset) == (row.file, row.file_offset)) for file, offset, output in seen
    ]
    if not records and row.file is not None:
        records = [Record(row.file, row.file_offset, row.output_tokens, True)]
    return Request(
        key=row.key,
        ts_ms=row.ts_ms,
        model=row.model,
        is_counted=row.duplicate_of is None,
        reason=_reason(row.duplicate_of),
        records=records,
        cost_pusd=row.cost_pusd,
        cost_usd_e6=None if row.cost_pusd is None else round_half_even(row.cost_pusd),
        cost_source=row.cost_source,
        reported_cost_usd_e6=row.reported_cost_usd_e6,
        flag=row.flag,
        price=_price(price),
        items=[Item(*(getattr(line, name) for name in Item.__struct_fields__)) for line in bill.lines],
        tier_over_tokens=bill.tier_over,
        mode=bill.mode,
        multiplier=None if bill.multiplier is None else "/".join(map(str, bill.multiplier)).removesuffix("/1"),
        rounding_pusd=None
        if row.cost_pusd is None
        else round_half_even(row.cost_pusd) * PUSD_PER_USD_E6 - row.cost_pusd,
        notes=[*bill.notes, *_stale(row, bill)],
    )


def _reason(duplicate_of: str | None) -> str | None:
    if duplicate_of is None:
        return None
    if duplicate_of == REPLAY:
        return "A replay of another session's history, which no file shows first hand."
    return f"The same model call as {duplicate_of}, which counts."


def _price(row: PriceRow | None) -> Price | None:
    return None if row is None else Price(row.id, row.provider, row.source, row.from_ms, row.to_ms)


def _stale(row: CostRow, bill: Bill) -> list[str]:
    if row.cost_source == "reported":
        return ["The agent reported this cost itself; the line items are what it would be at list prices."]
    if row.duplicate_of is None and row.cost_pusd != bill.total_pusd:
        return ["The stored cost was computed with other prices than today's; kaizen load --rebuild computes it anew."]
    return []


def _added(counted: list[Request]) -> list[Item]:
    """Line items of all counted requests by bucket and price."""
    found: dict[tuple[str, int | None], Item] = {}
    for request in counted:
        for item in request.items:
            kept = found.setdefault((item.bucket, item.price_pusd), Item(item.bucket, 0, item.price_pusd, None, False))
            kept.count += item.count
            kept.is_assumed |= item.is_assumed
            if item.amount_pusd is not None:
                kept.amount_pusd = (kept.amount_pusd or 0) + item.amount_pusd
    order = ("input", "cache_write", "cache_write_1h", "cache_read", "output", "web_search")
    return sorted(found.values(), key=lambda item: (order.index(item.bucket), item.price_pusd or 0))
