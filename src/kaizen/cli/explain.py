"""`kaizen explain cost SESSION`."""

from collections.abc import Iterator
from datetime import UTC, datetime

import click

from kaizen.cli import candidates
from kaizen.cli.command import command, group
from kaizen.cli.group import KaizenGroup
from kaizen.cli.ink import Column, Ink, count, one_line, plural, table, usd
from kaizen.cli.options import Where, limit_option, place_options
from kaizen.cli.run import Run
from kaizen.cli.summary import facts
from kaizen.views import explain as views
from kaizen.views.session import find


@command(
    schema="explain cost/1",
    examples=[
        "kaizen explain cost @last",
        "kaizen explain cost 3f2a9c --limit 0",
        "kaizen explain cost 3f2a9c --json | jq '.data.requests[0].records'",
    ],
)
@click.argument("session", metavar="SESSION", shell_complete=candidates.sessions)
@limit_option(20)
@place_options
def cost(run: Run, where: Where, session: str, limit: int) -> None:
    """Where a session's cost comes from.

    Every request with the file and offset of its records, which duplicates were dropped and why, the price row and its
    date, the line items, and the rounding. --limit is about the text; --json has all requests.
    """
    from kaizen import pricing

    with run.reading(where, notes=False) as (db, scope):
        found = views.explain(db, find(db, scope, session), pricing.load(run.config.prices))
        run.out.show(found, lambda data, ink: lines(data, ink, limit))


def lines(found: views.Explanation, ink: Ink, limit: int) -> Iterator[str]:
    if not found.requests:
        yield f"No requests with token counts in {found.session_id}."
        yield from _elsewhere(found, ink)
        return
    yield from facts(
        ink,
        [
            (
                "Cost",
                [
                    ink.paint(usd(found.cost_usd_e6, is_partial=found.unpriced_requests > 0), "bold", "green"),
                    exact(found.cost_pusd),
                    f"rounded by {found.rounding_pusd:+,} pUSD, once" if found.rounding_pusd else "no rounding",
                ],
            ),
            (
                "Requests",
                [
                    f"{found.counted_requests:,} counted",
                    ink.paint(f"{found.unpriced_requests:,} without price", "yellow")
                    if found.unpriced_requests
                    else "",
                    f"{found.dropped_requests:,} dropped as duplicates",
                    f"{found.dropped_records:,} further records of counted ones",
                ],
            ),
            ("Prices", [found.price_book]),
        ],
    )
    if found.items:
        yield ""
        yield from table(
            [
                Column("Bucket"),
                Column("Tokens", right=True),
                Column("USD per million", right=True),
                Column("USD", right=True, style="bold"),
                Column("", style="dim"),
            ],
            [
                [
                    item.bucket,
                    count(item.count),
                    per_million(item),
                    exact(item.amount_pusd),
                    "assumed price" if item.is_assumed else "",
                ]
                for item in found.items
            ],
            ink,
        )
    yield from _elsewhere(found, ink)
    for request in found.requests[: limit or None]:
        yield ""
        yield from _request(request, ink)
    if limit and len(found.requests) > limit:
        yield ""
        yield ink.dim(f"{len(found.requests) - limit:,} more requests: --limit 0")


def _elsewhere(found: views.Explanation, ink: Ink) -> Iterator[str]:
    for other in found.counted_elsewhere:
        yield ink.dim(
            f"{plural(other.requests, 'request')} in this transcript count in session {other.session_id}, "
            "whose transcript shows them first."
        )


def _request(request: views.Request, ink: Ink) -> Iterator[str]:
    when = f"{datetime.fromtimestamp(request.ts_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}Z"
    cost = ink.bold(exact(request.cost_pusd)) if request.is_counted else ink.dim("not counted")
    model, source = request.model or "(unknown)", ink.dim(request.cost_source or "")
    yield f"{ink.paint(one_line(request.key), 'cyan')}  {when}  {model}  {cost}  {source}"
    if request.reason:
        yield ink.paint(f"  dropped: {request.reason}", "yellow")
    for record in request.records:
        mark = "used   " if record.is_used and request.is_counted else "dropped"
        why = (
            ""
            if record.is_used or request.reason
            else "an earlier snapshot or a copy; the record with most output counts"
        )
        yield ink.dim(f"  {mark} {record.file}:{record.offset}  output {count(record.output_tokens)}  {why}".rstrip())
    if request.price:
        until = f" to {_day(request.price.valid_to_ms)}" if request.price.valid_to_ms else ""
        since = f", valid from {_day(request.price.valid_from_ms)}{until}" if request.price.valid_from_ms else until
        extra = "".join([
            f", over {request.tier_over_tokens:,} prompt tokens" if request.tier_over_tokens else "",
            f", {request.mode} x{request.multiplier or '1'}" if request.mode else "",
        ])
        yield ink.dim(f"  price  {request.price.provider}/{request.price.model}, {request.price.source}{since}{extra}")
    if request.items and request.is_counted:
        yield (
            "  "
            + " + ".join(f"{item.count:,} {item.bucket} x {per_million(item)}" for item in request.items)
            + f" = {exact(request.cost_pusd)}"
        )
    for note in request.notes if request.is_counted else []:
        yield ink.paint(f"  {note}", "yellow")
    if request.flag:
        yield ink.paint(f"  doubt: {request.flag}", "yellow")


def exact(pusd: int | None) -> str:
    """All digits: `$0.012345678901`."""
    if pusd is None:
        return "-"
    whole, rest = divmod(abs(pusd), 1_000_000_000_000)
    digits = f"{rest:012}".rstrip("0").ljust(2, "0")
    return f"{'-' if pusd < 0 else ''}${whole:,}.{digits}"


def per_million(item: views.Item) -> str:
    if item.price_pusd is None:
        return "-"
    return exact(item.price_pusd * 1_000_000) if item.bucket != "web_search" else f"{exact(item.price_pusd)} each"


def _day(ts_ms: int | None) -> str:
    return "-" if ts_ms is None else f"{datetime.fromtimestamp(ts_ms / 1000, UTC):%Y-%m-%d}"


explain = group("explain", "Where a number comes from, record by record.", [cost], kind=KaizenGroup)
