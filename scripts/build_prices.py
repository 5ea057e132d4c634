"""Write src/kaizen/pricing/prices.json from the installed genai-prices package.

    python scripts/build_prices.py [--date 2026-11-23] [--check]

Run it after upgrading genai-prices (a development dependency: importing it takes 0.4 s, so the program itself reads
the table written here). Same package version, same date: same bytes. `--check` only compares.

The package finds models by prefix, substring and regular expression, which prices `gpt-5.4-anything` as something.
We export concrete ids only: a model's own id, the ids its clauses spell out, and the few of `KNOWN_IDS`; each must be
found by the package as that same model. Dated forms of an id are left to kaizen.pricing.names.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from importlib.metadata import distribution, version
from itertools import pairwise
from pathlib import Path
from typing import Any

from genai_prices import types
from genai_prices.data import providers as PROVIDERS

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from kaizen.pricing.names import bedrock, canonical

HOME = Path(__file__).parents[1] / "src" / "kaizen" / "pricing"
# In order of preference: where two list the same id, the first one is used.
MAKERS = ("anthropic", "openai", "google", "x-ai", "mistral", "deepseek", "moonshotai", "zai", "zhipuai", "minimax",
          "meta", "cohere", "cursor")
RESELLERS = ("aws", "azure", "cerebras", "fireworks", "github-copilot", "groq", "openrouter", "together")
KEYS = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok")
# Prices per request, or for a part of the output: a request of such a model is more than our buckets can say.
BEYOND_US = {"output_reasoning_mtok", "output_citation_mtok", "requests_kcount"}
# How our names of a mode are asked for in the package's price context.
MODES = {"batch": {"processing": "batch"}, "flex": {"service_tier": "flex"},
         "priority": {"service_tier": "priority"}, "fast": {"speed": "fast", "service_tier": "fast"}}
# Not in the package: fast mode of Opus 4.6 and 4.7, 6x, as another cost tool (ccusage) had it in mid 2026.
EXTRA_MODES = {("anthropic", "claude-opus-4-6"): {"fast": "6"}, ("anthropic", "claude-opus-4-7"): {"fast": "6"}}
# Ids that were sold, that agents write, and that the package knows by prefix only.
KNOWN_IDS = {
    "google": ("gemini-2.5-pro-preview-03-25", "gemini-2.5-pro-preview-05-06", "gemini-2.5-pro-preview-06-05",
               "gemini-2.5-pro-preview", "gemini-2.5-pro-exp-03-25", "gemini-2.5-flash-preview-09-2025",
               "gemini-2.5-flash-lite-preview-09-2025", "gemini-2.5-flash-lite-preview-06-17",
               "gemini-3.1-pro-preview-customtools"),
}
NOTICE = "Prices from genai-prices, (c) Pydantic Services Inc., MIT licence: see LICENSE-genai-prices.txt."

Rates = list[Decimal | None]
Priced = tuple[Rates, list[tuple[int, Rates]]]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--date", help="day the table was made; default: the present one's if the package is the same")
    options.add_argument("--check", action="store_true")
    args = options.parse_args()
    path = HOME / "prices.json"
    text = written(args.date or kept_date(path))
    if args.check:
        return 0 if path.read_text("utf-8") == text else 1
    path.write_text(text, "utf-8")
    (HOME / "LICENSE-genai-prices.txt").write_text(licence(), "utf-8")
    print(f"{path}: {len(text)} bytes", file=sys.stderr)
    return 0


def kept_date(path: Path) -> str:
    if path.exists():
        old = json.loads(path.read_text("utf-8"))
        if old["package"] == package():
            return str(old["date"])
    return datetime.now(UTC).date().isoformat()


def package() -> str:
    return f"genai-prices {version('genai-prices')}"


def licence() -> str:
    found = [file for file in distribution("genai-prices").files or () if file.name == "LICENSE"]
    return f"{NOTICE.split(':')[0]}\n\n{found[0].read_text()}"


def written(day: str) -> str:
    """The file: one model a line."""
    sold = {provider.id: provider for provider in PROVIDERS}
    head = {"date": day, "package": package(), "notice": NOTICE, "makers": len(MAKERS)}
    blocks = []
    for provider_id in (*MAKERS, *RESELLERS):
        models = [model for model in sold[provider_id].models if sells_tokens(model)]
        names = dict(sorted(names_of(sold[provider_id], models).items()))
        lines = ",\n".join(dense({"id": model.id, "stretches": stretches(provider_id, model)}) for model in models)
        blocks.append(f'{{"id":{dense(provider_id)},\n"names":{dense(names)},\n"models":[\n{lines}]}}')
    return dense(head)[:-1] + ',\n"providers":[\n' + ",\n".join(blocks) + "]}\n"


def dense(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# --- ids ---------------------------------------------------------------------------------------------------------


def names_of(provider: types.Provider, models: list[types.ModelInfo]) -> dict[str, int]:
    """Canonical id -> position. An id of its own beats an alias of another model."""
    names: dict[str, int] = {}
    for at, model in enumerate(models):
        claim(names, canonical_of(provider, model.id), at, models)
    for ids in (spelled_out, reversed_claude, without_date):
        for at, model in enumerate(models):
            for name in ids(provider, model):
                names.setdefault(canonical_of(provider, name), at)
    for name in KNOWN_IDS.get(provider.id, ()):
        found = provider.find_model(name)
        if found in models:
            names.setdefault(canonical(name), models.index(found))
    return names


def claim(names: dict[str, int], name: str, at: int, models: list[types.ModelInfo]) -> None:
    if name in names and models[names[name]].prices != models[at].prices:
        raise SystemExit(f"{models[names[name]].id} and {models[at].id} are both {name}, with different prices")
    names.setdefault(name, at)


def canonical_of(provider: types.Provider, name: str) -> str:
    name = canonical(name)
    found = bedrock(name.removeprefix("regional.")) if provider.id == "aws" else None
    return found[0] if found else name


def spelled_out(provider: types.Provider, model: types.ModelInfo) -> Iterator[str]:
    """Ids written out in the model's clauses that the package itself takes for this model."""
    for text in literals(model.match):
        if is_whole_id(text) and provider.find_model(text) is model:
            yield text


def literals(clause: Any) -> Iterator[str]:
    match clause:
        case types.ClauseOr(or_=parts) | types.ClauseAnd(and_=parts):
            for part in parts:
                yield from literals(part)
        case types.ClauseEquals(equals=text) | types.ClauseStartsWith(starts_with=text):
            yield text
        case types.ClauseContains(contains=text) | types.ClauseEndsWith(ends_with=text):
            yield text
        case types.ClauseRegex(regex=pattern):
            # Only a pattern that is nothing but an escaped id: `^composer-2\.5\[fast=true\]$`.
            text = re.sub(r"\\(\W)", r"\1", pattern[1:-1])
            if pattern == "^" + re.escape(text).replace(r"\-", "-") + "$":
                yield text


def is_whole_id(text: str) -> bool:
    """Not the beginning of an id (`claude-sonnet-4-2025`, `gemma-3-`), nor a family of fine-tuned ones (`ft:...`)."""
    return re.search(r"(?:[-.@:/]|-20\d\d)$", text) is None and not text.startswith(("ft:", "/"))


def reversed_claude(provider: types.Provider, model: types.ModelInfo) -> Iterator[str]:
    """`claude-4-6-sonnet` for `claude-sonnet-4-6` and back: hosts write both."""
    for name in {model.id, *spelled_out(provider, model)}:
        family_first = re.fullmatch(r"claude-([a-z]+)-(\d(?:-\d)?)", canonical(name))
        family_last = re.fullmatch(r"claude-(\d(?:-\d)?)-([a-z]+)", canonical(name))
        if found := family_first or family_last:
            yield f"claude-{found[2]}-{found[1]}"


def without_date(provider: types.Provider, model: types.ModelInfo) -> Iterator[str]:
    """Bedrock lists old models with their date only."""
    if provider.id == "aws":
        yield re.sub(r"-20\d{6}(?:-v\d+)?(?::\d+)?$", "", model.id)


# --- prices ------------------------------------------------------------------------------------------------------


def sells_tokens(model: types.ModelInfo) -> bool:
    """It has prices for our buckets, and no others that a text request would pay: unknown is better than too low."""
    prices = [model.prices] if isinstance(model.prices, types.ModelPrice) else [row.prices for row in model.prices]
    listed = [{key for key, price in vars(row).items() if price is not None} for row in prices]
    return all({"input_mtok", "output_mtok"} <= keys and not keys & BEYOND_US for keys in listed)


def stretches(provider: str, model: types.ModelInfo) -> list[dict[str, object]]:
    """The model's prices, one entry per stretch of time in which nothing changes."""
    days, parts = changes(model)
    rows = [stretch(provider, model, start, end, daily)
            for start, end in pairwise([None, *days, None]) for daily in parts]
    for row, after in reversed(list(pairwise(rows))):
        row["modes"] = backdated(row, after)
    return [{key: value for key, value in row.items() if value or key == "priced"} for row in merged(rows)]


def changes(model: types.ModelInfo) -> tuple[list[date], list[tuple[int, int] | None]]:
    """Days on which a price changes, and the parts of a day between which it does."""
    rules = [row.constraint for row in (model.prices if isinstance(model.prices, list) else [])]
    rules += [variant.constraint for variant in model.price_variants or []]
    days = sorted({rule.start_date for rule in rules if isinstance(rule, types.StartDateConstraint)})
    marks = {0, 1440}
    for rule in rules:
        if isinstance(rule, types.TimeOfDateConstraint):
            marks |= {minute(rule.start_time), minute(rule.end_time)}
    edges = sorted(marks)
    return days, [None] if len(edges) == 2 else list(pairwise(edges))


def minute(at: time) -> int:
    assert at.utcoffset() == timedelta(0), at
    return at.hour * 60 + at.minute


def stretch(provider: str, model: types.ModelInfo, start: date | None, end: date | None,
            daily: tuple[int, int] | None) -> dict[str, Any]:
    day = start or (end - timedelta(days=1) if end else date(2026, 1, 1))
    moment = datetime.combine(day, time(), UTC) + timedelta(minutes=daily[0] if daily else 0)
    standard = model.get_prices(moment)
    base = priced(standard)
    modes: dict[str, Any] = {}
    for name, context in MODES.items():
        special = priced(model.get_prices(moment, context))
        if special != base:
            modes[name] = mode(base, special)
    modes.update(EXTRA_MODES.get((provider, model.id), {}))
    search = vars(standard).get("web_searches_kcount")
    return {"priced": shown(base), "start": start and start.isoformat(), "end": end and end.isoformat(),
            "daily": daily, "search": None if search is None else plain(search), "modes": modes}


def priced(price: types.ModelPrice) -> Priced:
    values = [vars(price).get(key) for key in KEYS]
    starts = sorted({tier.start for value in values if isinstance(value, types.TieredPrices) for tier in value.tiers})
    return [at(value, 0) for value in values], [(start, [at(value, start) for value in values]) for start in starts]


def at(value: Decimal | types.TieredPrices | None, start: int) -> Decimal | None:
    """The price of a request of more than `start` tokens."""
    if not isinstance(value, types.TieredPrices):
        return value
    return next((tier.price for tier in reversed(value.tiers) if 0 < tier.start <= start), value.base)


def mode(base: Priced, special: Priced) -> Any:
    """A factor where one factor explains every price, else the prices."""
    pairs = [pair for left, right in zip([base[0], *(rates for _, rates in base[1])],
                                         [special[0], *(rates for _, rates in special[1])], strict=False)
             for pair in zip(left, right, strict=True)]
    same_shape = [over for over, _ in base[1]] == [over for over, _ in special[1]]
    factors = {Fraction(new) / Fraction(old) for old, new in pairs if old and new is not None}
    if same_shape and len(factors) == 1 and all((old is None) == (new is None) for old, new in pairs):
        return str(factors.pop())
    return shown(special)


def backdated(row: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Modes of the next stretch, for one in which the package does not know them yet ("history is not modelled").

    A factor holds for other prices too; prices of a mode only while the standard price is the same.
    """
    if row["daily"] or after["daily"]:
        return dict(row["modes"])
    older = {name: mode for name, mode in after["modes"].items()
             if name not in row["modes"] and (isinstance(mode, str) or row["priced"] == after["priced"])}
    return {**older, **row["modes"]}


def merged(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Neighbours in time with the same prices become one."""
    out: list[dict[str, Any]] = []
    for row in rows:
        if out and not row["daily"] and all(row[key] == out[-1][key] for key in ("priced", "search", "modes", "daily")):
            out[-1] = {**out[-1], "end": row["end"]}
        else:
            out.append(row)
    return out


def shown(value: Priced) -> list[Any]:
    rates, tiers = value
    texts = [None if rate is None else plain(rate) for rate in rates]
    steps = [[over, [None if rate is None else plain(rate) for rate in prices]] for over, prices in tiers]
    return [texts, steps] if steps else [texts]


def plain(price: Decimal) -> str:
    """A decimal string without exponent or trailing zeros, at most six decimals: a whole number of pUSD per token.

    Finer prices exist at resellers only (0.0833333333333333); a test bounds what rounding them loses.
    """
    return format(price.quantize(Decimal("0.000001")).normalize(), "f")


if __name__ == "__main__":
    sys.exit(main())
