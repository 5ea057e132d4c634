"""Which id gets which price: never by prefix or substring, unknown stays unknown, the user's own price wins."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen import pricing
from kaizen.errors import BadConfig
from kaizen.model.usage import Usage
from kaizen.pricing.names import bedrock, canonical, spellings

BOOK = pricing.load()
MAKERS = {"anthropic", "openai", "google", "x-ai", "mistral", "deepseek", "moonshotai", "zai", "minimax", "cursor"}
KNOWN = {name for _, name in BOOK.models()}
MAKER_NAMES = sorted({name for provider, name in BOOK.models() if provider in MAKERS})


def found(model, book=BOOK):
    row = book.match(model, ts_ms=None)
    return None if row is None else (row.provider, row.id)


@pytest.mark.parametrize(("model", "provider", "id_"), [
    ("claude-sonnet-4-20250514", "anthropic", "claude-sonnet-4-0"),
    ("claude-sonnet-4", "anthropic", "claude-sonnet-4-0"),
    ("claude-opus-4-8", "anthropic", "claude-opus-4-8"),
    ("claude-opus-4.8", "anthropic", "claude-opus-4-8"),
    ("Claude-Opus-4-8", "anthropic", "claude-opus-4-8"),
    ("Claude Sonnet 4.6", "anthropic", "claude-sonnet-4-6"),
    ("claude-4.6-sonnet", "anthropic", "claude-sonnet-4-6"),
    ("claude-4.6-opus-high-thinking", "anthropic", "claude-opus-4-6"),
    ("claude-sonnet-4-5[1m]", "anthropic", "claude-sonnet-4-5"),
    ("claude-sonnet-4-5-20250929[1m]", "anthropic", "claude-sonnet-4-5"),
    ("anthropic/claude-haiku-4.5", "anthropic", "claude-haiku-4-5"),
    ("generic-copilot/litellm/anthropic/claude-haiku-4.5", "anthropic", "claude-haiku-4-5"),
    ("claude-opus-4-5@20251101", "anthropic", "claude-opus-4-5"),
    ("claude-3-sonnet-20240229", "anthropic", "claude-3-sonnet"),
    ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "aws", "regional.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("global.anthropic.claude-opus-4-8-v1:0", "aws", "global.anthropic.claude-opus-4-8-v1:0"),
    ("bedrock/anthropic.claude-opus-4-8-v1:0", "aws", "regional.anthropic.claude-opus-4-8-v1:0"),
    ("us.anthropic.claude-sonnet-3-7", "anthropic", "claude-3-7-sonnet-latest"),
    ("openrouter/anthropic/claude-sonnet-4-6", "openrouter", "anthropic/claude-sonnet-4.6"),
    ("copilot/claude-sonnet-4", "github-copilot", "claude-sonnet-4"),
    ("copilot/claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5"),
    ("cursor/grok-4.5", "cursor", "grok-4.5"),
    ("grok-4.5", "x-ai", "grok-4.5"),
    ("xai/grok-4.5", "x-ai", "grok-4.5"),
    ("composer-2.5[fast=true]", "cursor", "composer-2.5-fast"),
    ("moonshot-ai/kimi-k2.7-code", "moonshotai", "kimi-k2.7-code"),
    ("gpt-5-codex", "openai", "gpt-5"),
    ("gpt-5 (medium)", "openai", "gpt-5"),
    ("gpt-5.5-high", "openai", "gpt-5.5"),
    ("o3-mini-high", "openai", "o3-mini"),
    ("gpt-5.2-20251211", "openai", "gpt-5.2"),
    ("gpt-4o-2024-05-13", "openai", "gpt-4o-2024-05-13"),
    ("gpt-4o-20240513", "openai", "gpt-4o-2024-05-13"),
    ("gpt-4o-2024-08-06", "openai", "gpt-4o"),
    ("kimi-k2-thinking", "moonshotai", "kimi-k2-thinking"),
    ("gemini-2.5-pro", "google", "gemini-2.5-pro"),
    ("models/gemini-2.5-pro", "google", "gemini-2.5-pro"),
    ("gemini-3-flash-preview", "google", "gemini-3-flash-preview"),
    ("glm-4.7", "zai", "GLM-4.7"),
    ("mistral-medium-3.5", "mistral", "mistral-medium-3-5"),
    ("qwen/qwen3-coder", "openrouter", "qwen/qwen3-coder"),
])
def test_aliases(model, provider, id_):
    assert found(model) == (provider, id_)


@pytest.mark.parametrize("model", [
    None, "", "  ", "/", "auto", "default", "cursor-auto", "copilot/auto", "aide-gpt-5", "gpt-5-turbo-9", "gpt",
    "claude", "claude-opus-4.8-fast", "claude-opus-9", "gpt-5-mini-pro", "codex-auto-review", "coder-model", "polly",
    "synthetic", "xgpt-5", "gpt-5x", "gpt-5-99999999", "gpt-5-20259999", "-high", "[1m]", "ollama/gpt-oss-20b",
    "lmstudio/glm-4.7", "kimi-k2.5-thinking", "gpt-5.5-turbo-high", "claude-sonnet-4-5-20250929-20250930",
])
def test_unknown_stays_unknown_and_says_why(model):
    match = BOOK.explain(model, None)
    assert match.row is None
    assert match.reason
    assert pricing.cost_pusd(Usage(10, 10), match.row) is None


def test_a_shorter_id_does_not_price_a_longer_one():
    assert found("gpt-5") == ("openai", "gpt-5")
    assert found("gpt-5-mini") == ("openai", "gpt-5-mini")
    assert BOOK.match("gpt-5", ts_ms=None).input != BOOK.match("gpt-5-mini", ts_ms=None).input


def test_opus_4_5_is_not_billed_as_legacy_opus():
    assert BOOK.match("claude-opus-4-5-20251101", ts_ms=None).input == 5_000_000
    assert BOOK.match("claude-opus-4-20250514", ts_ms=None).input == 15_000_000


JUNK = st.from_regex(r"[a-z0-9._:+~-]{1,12}", fullmatch=True)


def is_spelling(name):
    """Some known id is a declared spelling of `name` or of its last part."""
    whole = canonical(name)
    return any(other in KNOWN for part in (whole, whole.rsplit("/")[-1]) for other, _ in spellings(part))


@given(st.sampled_from(MAKER_NAMES), JUNK)
def test_junk_behind_a_known_id_never_matches(name, junk):
    if not is_spelling(name + junk):
        assert found(name + junk) is None


@given(st.sampled_from([name for name in MAKER_NAMES if "/" not in name]),
       st.from_regex(r"[a-z0-9]{1,6}-?", fullmatch=True))
def test_junk_before_a_known_id_never_matches(name, junk):
    if not is_spelling(junk + name):
        assert found(junk + name) is None


@given(st.sampled_from(MAKER_NAMES))
def test_no_part_of_a_known_id_matches_unless_it_is_an_id(name):
    for cut in range(1, len(name)):
        if not is_spelling(name[:cut]):
            assert found(name[:cut]) is None


@given(st.sampled_from(MAKER_NAMES), st.sampled_from(["-latest", "[1m]", " (high)", "-high", "-20260203", "@20260203",
                                                      "-2026-02-03"]))
def test_declared_suffixes_do_not_change_the_price(name, suffix):
    if canonical(name + suffix) not in MAKER_NAMES:
        assert found(name + suffix) == found(name)


@given(st.sampled_from(MAKER_NAMES), st.sampled_from(["", "openrouter-clone/", "my/proxy/"]))
def test_case_and_unknown_prefixes_do_not_matter(name, prefix):
    assert found(prefix + name.upper()) == found(name)


@given(st.none() | st.text(max_size=60), st.none() | st.integers(-10**15, 10**15))
def test_any_text_has_an_answer(model, ts_ms):
    match = BOOK.explain(model, ts_ms)
    assert (match.row is None) == bool(match.reason)
    assert match.row is BOOK.match(model, ts_ms=ts_ms)


def test_names_are_canonical():
    assert all(name == canonical(name) for _, name in BOOK.models())


def test_no_effort_suffix_hides_a_model_of_its_own_price():
    for provider, name in BOOK.models():
        bare = re.sub(r"-(minimal|low|medium|high|xhigh)$", "", name)
        assert found(f"{provider}/{name}") is not None or bare == name
    assert found("mistral-medium") == ("mistral", "mistral-medium-3-1")


def test_explain_lists_steps_dates_and_alternatives():
    match = BOOK.explain("anthropic/claude-sonnet-4-6-20260203", None)
    assert match.steps[0] == "anthropic: anthropic/claude-sonnet-4-6-20260203"
    assert match.steps[-1] == "anthropic: claude-sonnet-4-6 (without date)"
    assert "github-copilot/claude-sonnet-4-6" in match.alternatives
    assert len(match.rows) == 2
    assert match.row.source == f"bundled@{BOOK.date}"
    assert match.row.from_ms == int(datetime(2026, 3, 13, tzinfo=UTC).timestamp() * 1000)
    assert match.reason == ""


def test_every_bundled_row_is_readable_and_covers_all_times():
    moments = [0, 1_700_000_000_000, 1_771_000_000_123, 1_800_000_000_000, 4_000_000_000_000]
    for provider, name in BOOK.models():
        rows = BOOK.rows(provider, name)
        assert rows
        for moment in moments:
            assert sum(row.holds_at(moment) for row in rows) == 1, (provider, name)
        for row in rows:
            assert all(price is not None for price in row.rates)
            assert sorted(over for over, _ in row.tiers) == [over for over, _ in row.tiers]


@pytest.mark.parametrize(("name", "ours", "makers"), [
    ("us.anthropic.claude-opus-4-5-20251101-v1:0", "regional.anthropic.claude-opus-4-5-20251101",
     "claude-opus-4-5-20251101"),
    ("anthropic.claude-opus-5", "regional.anthropic.claude-opus-5", "claude-opus-5"),
    ("global.openai.gpt-6-sol", "global.openai.gpt-6-sol", "gpt-6-sol"),
])
def test_bedrock_ids(name, ours, makers):
    assert bedrock(name) == (ours, makers)


@pytest.mark.parametrize("name", ["claude-opus-4-5", "usanthropic.claude-opus-5", "acme.gpt-5", "anthropic."])
def test_other_ids_are_not_bedrock(name):
    assert bedrock(name) is None


# --- the user's own prices ---------------------------------------------------------------------------------------


def test_the_users_price_wins_and_is_labelled():
    book = pricing.load({"claude-sonnet-4.5": {"input": "1", "output": "2.5"}})
    row = book.match("openrouter/anthropic/claude-sonnet-4-5-20250929", ts_ms=1)
    assert (row.source, row.provider, row.input, row.output) == ("user", "user", 1_000_000, 2_500_000)
    assert (row.cache_read, row.cache_write, row.cache_write_1h) == (100_000, 1_250_000, 2_000_000)
    assert row.assumed == ("cache_read", "cache_write", "cache_write_1h")
    assert row.tiers == ()
    assert "anthropic/claude-sonnet-4-5" in book.explain("claude-sonnet-4-5", 1).alternatives
    assert found("claude-sonnet-4-5-mine", book) is None


def test_a_users_price_can_name_what_we_do_not_know():
    book = pricing.load({"auto": {"input": "1", "output": "1"}, "ollama/gpt-oss-20b": {"input": "0", "output": "0"},
                         "my model": {"input": "0.2", "web_search": "10"}})
    assert found("auto", book) == ("user", "auto")
    assert pricing.cost_pusd(Usage(10, 10), book.match("ollama/gpt-oss-20b", ts_ms=None)) == 0
    assert found("gpt-oss-20b", book) == ("openai", "gpt-oss-20b")
    mine = book.match("my-model", ts_ms=None)
    assert (mine.cache_read, mine.output, mine.search_pusd) == (200_000, None, 10**10)
    assert pricing.cost_pusd(Usage(10, 10), mine) is None


@pytest.mark.parametrize("prices", [
    {}, {"output": "1"}, {"input": "-1"}, {"input": "a lot"}, {"input": "NaN"}, {"input": "inf"}, {"input": ""},
    {"input": "0.0000001"}, {"input": "1e99"}, {"input": "1", "inputs": "2"},
])
def test_a_wrong_price_names_the_setting(prices):
    with pytest.raises(BadConfig, match="my-model") as caught:
        pricing.load({"my-model": prices})
    assert caught.value.hint
