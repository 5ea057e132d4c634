"""The rule of section 4: worked examples, tiers, modes, what is unknown."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen import pricing
from kaizen.model.usage import Usage, round_half_even
from kaizen.pricing.cost import mode_of
from kaizen.pricing.row import SYNTHETIC, PriceRow, Rates

BOOK = pricing.load()
FEBRUARY = int(datetime(2026, 2, 1, tzinfo=UTC).timestamp() * 1000)


def used(fresh=0, read=0, short=0, hour=0, out=0, searches=0):
    return Usage(fresh, out, None, read, short + hour, hour, searches)


def pusd(model, usage, ts_ms=FEBRUARY, **mode):
    return pricing.cost_pusd(usage, BOOK.match(model, ts_ms=ts_ms), **mode)


@pytest.mark.parametrize(("model", "usage", "pico", "micro"), [
    ("claude-sonnet-4-20250514", used(3, out=1), 24_000_000, 24),
    ("claude-sonnet-4-20250514", used(1, 1, 1, 1, 0), 13_050_000, 13),
    ("claude-sonnet-4-20250514", used(818, 3_647_854, 137_976, 0, 51_933), 2_393_215_200_000, 2_393_215),
    ("claude-opus-4-8", used(5, 15_000, 200, 1_000, 184), 23_375_000_000, 23_375),
    ("gpt-5-codex", used(12_757, 3_584, out=81), 17_204_250_000, 17_204),
    ("unknown-model", used(10, out=10), None, None),
])
def test_worked_examples(model, usage, pico, micro):
    assert pusd(model, usage) == pico
    assert micro is None or round_half_even(pico) == micro


@pytest.mark.parametrize(("model", "prompt", "usd_e6"), [
    ("gpt-5.4", 272_000, 680_000),
    ("gpt-5.4", 272_001, 1_360_005),
    ("claude-sonnet-4-5", 200_000, 600_000),
    ("claude-sonnet-4-5", 200_001, 1_200_006),
    ("claude-sonnet-4-5", 300_000, 1_800_000),
    ("claude-sonnet-4-20250514", 300_000, 900_000),
])
def test_tiers_take_the_whole_request_and_only_above_the_threshold(model, prompt, usd_e6):
    assert pusd(model, used(prompt)) == usd_e6 * 1_000_000


def test_cached_tokens_count_for_the_tier():
    row = BOOK.match("claude-sonnet-4-5", ts_ms=FEBRUARY)
    assert pricing.explain_cost(used(1, 200_000), row).tier_over == 200_000
    assert pricing.explain_cost(used(0, 100_000, 50_000, 50_000, 99), row).tier_over is None
    assert pusd("claude-sonnet-4-5", used(1, 200_000, out=10)) == 6_000_000 + 200_000 * 600_000 + 10 * 22_500_000


@given(st.lists(st.integers(1, 200_000), min_size=100, max_size=100))
def test_a_sum_of_small_requests_never_crosses_a_tier(prompts):
    assert sum(pusd("claude-sonnet-4-5", used(size)) for size in prompts) == sum(prompts) * 3_000_000


def test_dated_prices():
    march_12, march_13 = (int(datetime(2026, 3, day, tzinfo=UTC).timestamp() * 1000) for day in (12, 13))
    big = used(300_000)
    assert pusd("claude-sonnet-4-6", big, march_12) == 1_800_000 * 10**6
    assert pusd("claude-sonnet-4-6", big, march_13 - 1) == 1_800_000 * 10**6
    assert pusd("claude-sonnet-4-6", big, march_13) == 900_000 * 10**6


def test_peak_hours():
    day = int(datetime(2026, 10, 1, tzinfo=UTC).timestamp() * 1000)
    at = [pusd("deepseek-v4-flash", used(1_000), day + minutes * 60_000) for minutes in (59, 60, 239, 240, 360, 600)]
    cheap, dear = 150_000_000, 300_000_000
    assert at == [cheap, dear, dear, cheap, dear, cheap]


@pytest.mark.parametrize(("model", "mode", "num", "den"), [
    ("claude-opus-4-6", {"speed": "fast"}, 6, 1),
    ("claude-opus-4-7", {"speed": "fast"}, 6, 1),
    ("claude-opus-4-8", {"speed": "fast"}, 2, 1),
    ("gpt-5.5", {"service_tier": "priority"}, 5, 2),
    ("gpt-5.5", {"service_tier": "fast"}, 5, 2),
    ("gpt-5.4", {"service_tier": "priority"}, 2, 1),
    ("gpt-5.3-codex", {"service_tier": "priority"}, 2, 1),
    ("claude-opus-4-8", {"service_tier": "batch"}, 1, 2),
    ("claude-opus-4-8", {"service_tier": "priority"}, 1, 1),
    ("claude-opus-4-8", {"service_tier": "standard", "speed": "standard"}, 1, 1),
    ("claude-opus-4-8", {"service_tier": "standard", "speed": "FAST"}, 2, 1),
    ("claude-opus-4-8", {"service_tier": "default"}, 1, 1),
    ("claude-opus-4-8", {"service_tier": "never heard of"}, 1, 1),
    ("gpt-5", {"service_tier": "flex"}, 1, 2),
])
def test_modes(model, mode, num, den):
    usage = used(1_000, 2_000, out=100)
    assert pusd(model, usage, **mode) * den == pusd(model, usage) * num


def test_searches_are_not_multiplied():
    assert pusd("claude-opus-4-8", used(2, searches=3), speed="fast") == 2 * 5_000_000 * 2 + 3 * 10**10


def test_a_mode_with_prices_of_its_own_leaves_other_buckets_alone():
    row = BOOK.match("gemini-2.5-pro", ts_ms=FEBRUARY)
    name, rates, tiers, factor = mode_of(row, None, "batch")
    assert (name, factor) == ("batch", None)
    assert (rates.input * 2, rates.cache_read) == (row.input, row.cache_read)
    assert [over for over, _ in tiers] == [200_000]


def test_priority_has_no_long_prompt_price_for_gpt_5_5():
    assert pusd("gpt-5.5", used(272_001), service_tier="priority") == 272_001 * 12_500_000


def test_unknown_is_not_free():
    assert pricing.cost_pusd(used(1), None) is None
    assert pusd("claude-opus-4-8", Usage()) is None
    half = PriceRow("half", "user", "user", Rates(1, None, None, None, None))
    assert pricing.cost_pusd(used(5), half) == 5
    for usage in (used(out=1), used(read=1), used(short=1), used(hour=1), used(searches=1)):
        assert pricing.cost_pusd(usage, half) is None
        assert pricing.explain_cost(usage, half).total_pusd is None


def test_a_known_zero_is_zero():
    assert pricing.cost_pusd(Usage(), BOOK.match("<synthetic>", ts_ms=None)) == 0
    assert pricing.cost_pusd(used(5, out=9), SYNTHETIC) == 0
    assert pusd("claude-opus-4-8", used()) == 0


def test_reasoning_is_a_part_of_the_output():
    row = BOOK.match("gpt-5", ts_ms=FEBRUARY)
    assert pricing.cost_pusd(Usage(1, 100, 90), row) == pricing.cost_pusd(Usage(1, 100), row)


def test_an_hour_part_without_a_whole_is_paid_once():
    row = BOOK.match("claude-opus-4-8", ts_ms=FEBRUARY)
    for whole in (None, 0, 7, 10):
        usage = Usage(0, 0, cache_write_tokens=whole, cache_write_1h_tokens=10)
        assert pricing.cost_pusd(usage, row) == 10 * row.cache_write_1h
        assert pricing.explain_cost(usage, row).total_pusd == 10 * row.cache_write_1h


COUNTS = st.none() | st.integers(0, 500_000)


@given(st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, st.integers(0, 3)),
       st.sampled_from(["claude-opus-4-8", "claude-sonnet-4-5", "gpt-5.5", "gpt-4o-mini", "gemini-2.5-pro", "o4-mini",
                        "grok-4.20", "gpt-5.4", "unknown-model", "<synthetic>", "kimi-k3"]),
       st.sampled_from([None, "standard", "fast", "nonsense"]),
       st.sampled_from([None, "default", "batch", "priority", "flex"]))
def test_the_bill_adds_up_to_the_cost(usage, model, speed, service_tier):
    row = BOOK.match(model, ts_ms=FEBRUARY)
    total = pricing.cost_pusd(usage, row, speed=speed, service_tier=service_tier)
    bill = pricing.explain_cost(usage, row, speed=speed, service_tier=service_tier)
    assert bill.total_pusd == total
    assert bill.prompt_tokens == (usage.prompt_tokens or 0)
    if total is None:
        assert bill.notes
        return
    assert bill.cost_usd_e6 * 1_000_000 == total + bill.rounding_pusd
    assert sum(line.amount_pusd for line in bill.lines) == total
    assert abs(bill.rounding_pusd) <= 500_000


def test_a_bill_says_what_it_assumed_and_ignored():
    bill = pricing.explain_cost(used(1, 5), BOOK.match("deepseek-v3.2", ts_ms=FEBRUARY), service_tier="scale")
    assert [line.bucket for line in bill.lines if line.is_assumed] == ["cache_read"]
    assert any("Assumed" in note for note in bill.notes)
    assert any("'scale'" in note for note in bill.notes)
    partial = pricing.explain_cost(Usage(output_tokens=3), BOOK.match("gpt-5", ts_ms=FEBRUARY))
    assert any("lower bound" in note for note in partial.notes)


def test_a_bill_says_that_the_split_of_cache_writes_is_missing():
    row = BOOK.match("claude-opus-4-8", ts_ms=FEBRUARY)
    for hour, said in ((None, True), (0, False), (5, False)):
        bill = pricing.explain_cost(Usage(1, 1, cache_write_tokens=10, cache_write_1h_tokens=hour), row)
        assert any("1 h" in note for note in bill.notes) is said


def test_a_bill_is_plain_data():
    bill = pricing.explain_cost(used(5, out=1), BOOK.match("gpt-5", ts_ms=FEBRUARY))
    assert msgspec.json.decode(msgspec.json.encode(bill), type=pricing.Bill) == bill


def test_rounded_requests_drift_and_exact_sums_do_not():
    costs = [pusd("claude-sonnet-4-20250514", used(read=1)) for _ in range(10)]
    assert sum(map(round_half_even, costs)) == 0
    assert round_half_even(sum(costs)) == 3
