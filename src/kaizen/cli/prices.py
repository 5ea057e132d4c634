"""`kaizen prices` and `kaizen prices explain MODEL`."""

from collections.abc import Iterator
from datetime import UTC, datetime

import click

from kaizen.cli.command import command, group
from kaizen.cli.explain import exact
from kaizen.cli.group import DefaultGroup, did_you_mean
from kaizen.cli.ink import Cell, Column, Ink, table
from kaizen.cli.run import Run
from kaizen.cli.summary import facts
from kaizen.errors import ModelNotFound, UsageError
from kaizen.views import prices as views


@command(
    schema="prices/1",
    name="list",
    is_list=True,
    examples=["kaizen prices", "kaizen prices --provider anthropic", "kaizen prices --every --format csv"],
)
@click.option("--every", is_flag=True, help="The whole price book, not only models you used.")
@click.option("--provider", metavar="NAME", help="The price book of one provider.")
def list_(run: Run, every: bool, provider: str | None) -> None:
    """What a model costs, in USD per million tokens.

    Lists the models your agents used; a model without a price is listed without one. JSON is in pico-dollars per token.
    """
    from kaizen import pricing
    from kaizen.store import rollups

    book = pricing.load(run.config.prices)
    if provider is not None and provider not in (known := views.providers(book)):
        raise UsageError(
            f"No provider {provider!r} in the price book.{did_you_mean(provider, known)}",
            hint=f"There are: {', '.join(known)}.",
        )
    if every or provider:
        found = views.of_book(book, provider, run.now_ms)
    else:
        with run.store(refresh=False) as db:
            found = views.of_models(book, rollups.models(db), run.now_ms)
    run.out.note(f"{book.package}, {book.source}, USD per million tokens")
    run.out.show(found, lines)


@command(
    schema="prices explain/1",
    examples=[
        "kaizen prices explain claude-sonnet-4-5",
        "kaizen prices explain us.anthropic.claude-opus-4-8-v1:0 --json",
    ],
)
@click.argument("model")
def explain(run: Run, model: str) -> None:
    """Which price a model gets, how its name was understood, and what it cost before."""
    from kaizen import pricing

    book = pricing.load(run.config.prices)
    found = views.explain(book, model, run.now_ms)
    if not found.is_known and not found.steps:
        run.out.warn(found.reason)
    elif not found.is_known:
        names = list(dict.fromkeys(name for _, name in book.models()))
        raise ModelNotFound(
            found.reason, hint=did_you_mean(model, names).strip() or "See all: kaizen prices --every", steps=found.steps
        )
    run.out.show(found, _explained)


def lines(found: list[views.PriceLine], ink: Ink) -> Iterator[str]:
    if not found:
        yield "No models used yet. The whole price book: kaizen prices --every"
        return
    yield from table(_COLUMNS, [_row(one) for one in found], ink)


_COLUMNS = [
    Column("Model", style="bold", flexible=True, least=16),
    Column("Provider", drop=1),
    Column("Input", right=True),
    Column("Output", right=True),
    Column("Cache read", right=True),
    Column("Cache write", right=True),
    Column("1 h write", right=True),
    Column("Since", drop=2),
    Column("", style="dim", flexible=True, least=10, drop=3),
]


def _row(one: views.PriceLine) -> list[Cell]:
    if one.provider is None:
        return [one.model, ("no price", "yellow"), "-", "-", "-", "-", "-", "-", "give it one under [prices]"]
    more = [
        f"dearer over {one.tiers[0]:,}" if one.tiers else "",
        ", ".join(one.modes),
        "yours" if one.source == "user" else "",
    ]
    return [
        one.model,
        one.provider,
        *[
            _usd(value)
            for value in (
                one.input_pusd,
                one.output_pusd,
                one.cache_read_pusd,
                one.cache_write_pusd,
                one.cache_write_1h_pusd,
            )
        ],
        _day(one.valid_from_ms),
        "; ".join(part for part in more if part),
    ]


def _usd(pusd: int | None) -> str:
    return "-" if pusd is None else exact(pusd * 1_000_000)


def _day(ts_ms: int | None) -> str:
    return "" if ts_ms is None else f"{datetime.fromtimestamp(ts_ms / 1000, UTC):%Y-%m-%d}"


def _explained(found: views.Explained, ink: Ink) -> Iterator[str]:
    yield from facts(
        ink,
        [
            ("Model", [ink.bold(found.model)]),
            (
                "Price",
                [f"{found.price.provider}/{found.price.model}", found.price.source or ""]
                if found.price
                else [found.reason],
            ),
            ("Book", [found.price_book]),
            *([("Looked for", [", then ".join(found.steps)])] if found.steps else []),
            *([("Not used", [", ".join(found.alternatives)])] if found.alternatives else []),
            *(
                [
                    (
                        "Assumed",
                        [", ".join(found.price.assumed) + " (nobody lists these; they follow from the input price)"],
                    )
                ]
                if found.price and found.price.assumed
                else []
            ),
        ],
    )
    if found.history:
        yield ""
        yield from table(_COLUMNS, [_row(one) for one in found.history], ink)


prices = group("prices", "The price book, and which price a model gets.", [list_, explain], kind=DefaultGroup)
