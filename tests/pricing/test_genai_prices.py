"""The table against its source: same models, same prices, on every date, in every mode."""

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from kaizen import pricing
from kaizen.model.usage import Usage

types = pytest.importorskip("genai_prices.types")
data = pytest.importorskip("genai_prices.data")

SCRIPT = Path(__file__).parents[2] / "scripts" / "build_prices.py"
BOOK = pricing.load()
SOLD = {provider.id: provider for provider in data.providers}
MOMENTS = [datetime(*day, *clock, tzinfo=UTC) for day in ((2024, 6, 1), (2025, 9, 1), (2026, 3, 12), (2026, 3, 13),
           (2026, 8, 20), (2026, 10, 15), (2026, 11, 10), (2027, 2, 1)) for clock in ((0, 29), (2, 0), (16, 30))]
USAGES = [Usage(1, 1), Usage(12_757, 81, 40, 3_584), Usage(100_000, 5, None, 100_000), Usage(100_000, 5, None, 100_001),
          Usage(272_001, 7), Usage(5, 184, None, 15_000, 1_200, 1_000), Usage(3, 3, web_search_requests=2)]
CONTEXTS = {None: None, "batch": {"processing": "batch"}, "flex": {"service_tier": "flex"},
            "priority": {"service_tier": "priority"}, "fast": {"speed": "fast", "service_tier": "fast"}}
ROWS = {(provider, rows[0].id): rows for provider, name in BOOK.models() for rows in [BOOK.rows(provider, name)]}


def theirs(usage):
    """Their `input_tokens` is the whole prompt."""
    hour = usage.cache_write_1h_tokens or 0
    return types.Usage(
        input_tokens=usage.prompt_tokens, output_tokens=usage.output_tokens,
        output_reasoning_tokens=usage.reasoning_tokens or 0, cache_read_tokens=usage.cache_read_tokens or 0,
        cache_write_tokens=usage.cache_write_tokens or 0, cache_write_1h_tokens=hour,
        web_searches=usage.web_search_requests)


def comparable(row, usage):
    """Where nobody lists a cache price, they charge Claude's cache as input; we apply Anthropic's rule."""
    used = {"cache_read": usage.cache_read_tokens, "cache_write": usage.cache_write_tokens,
            "cache_write_1h": usage.cache_write_1h_tokens}
    return "claude" not in row.id or not any(used[bucket] for bucket in row.assumed if bucket in used)


@pytest.mark.parametrize("provider", sorted({provider for provider, _ in ROWS}))
def test_costs_agree(provider):
    compared = 0
    for model in SOLD[provider].models:
        if (provider, model.id) not in ROWS:
            continue
        rows = ROWS[provider, model.id]
        for moment in MOMENTS:
            [row] = [row for row in rows if row.holds_at(int(moment.timestamp() * 1000))]
            for usage in USAGES:
                if not comparable(row, usage) or (usage.web_search_requests and not listed_search(model, moment)):
                    continue
                for name, context in CONTEXTS.items():
                    if name and not priced_specially(model, moment, context):
                        continue
                    expected = model.get_prices(moment, context).calc_price(theirs(usage))["total_price"] * 10**12
                    ours = pricing.cost_pusd(usage, row, service_tier=name)
                    compared += 1
                    if expected == expected.to_integral_value():
                        assert ours == expected, (model.id, moment, usage, name)
                    else:  # a price finer than a pico-dollar per token
                        assert abs(ours - expected) <= Decimal("0.5") * (usage.total_tokens or 0)
    assert compared > 100


def listed_search(model, moment):
    return vars(model.get_prices(moment)).get("web_searches_kcount") is not None


def priced_specially(model, moment, context):
    """Before a mode's first date they charge the standard price; we go on with the factor (docs)."""
    return model.get_prices(moment, context) != model.get_prices(moment)


def equals(clause):
    if isinstance(clause, types.ClauseOr):
        return [text for part in clause.or_ for text in equals(part)]
    return [clause.equals] if isinstance(clause, types.ClauseEquals) else []


@pytest.mark.parametrize(
    "provider", ["anthropic", "openai", "google", "x-ai", "mistral", "deepseek", "moonshotai", "zai", "minimax"])
def test_every_id_they_spell_out_is_found_with_the_same_price(provider):
    now = datetime(2026, 11, 23, 18, tzinfo=UTC)
    for model in SOLD[provider].models:
        for name in equals(model.match):
            row = BOOK.match(f"{provider}/{name}", ts_ms=int(now.timestamp() * 1000))
            prices = vars(model.get_prices(now))
            if not prices.get("input_mtok") or not prices.get("output_mtok"):
                continue
            meant = SOLD[provider].find_model(name).get_prices(now)
            expected = meant.calc_price(theirs(Usage(1_000, 100)))["total_price"] * 10**12
            assert row is not None, name
            assert pricing.cost_pusd(Usage(1_000, 100), row) == expected, name


def test_unknown_to_us_is_what_they_match_by_prefix_only():
    from genai_prices import calc_price

    calc_price(types.Usage(input_tokens=1), "claude-opus-4-8-junk")
    assert BOOK.match("claude-opus-4-8-junk", ts_ms=None) is None


def test_prices_json_is_what_the_script_writes():
    from importlib.metadata import version

    if BOOK.package != f"genai-prices {version('genai-prices')}":
        pytest.skip("another version of genai-prices is installed")
    done = subprocess.run([sys.executable, str(SCRIPT), "--check"], check=False)
    assert done.returncode == 0
