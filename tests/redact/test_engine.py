"""Rules: read strictly, asked rarely, and the same without RE2."""

import random

import pytest

from kaizen.redact import corpus, engine, patterns

RULES = engine.bundled().rules
VENDORED = engine.parse((engine.RULES / "gitleaks.toml").read_text(encoding="utf-8"))
OWN = engine.parse((engine.RULES / "kaizen.toml").read_text(encoding="utf-8"))


def test_the_rules_are_those_we_measured() -> None:
    """An update of the vendored file changes these numbers, and is then measured again."""
    assert len(VENDORED) == 221 and len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.keywords for rule in RULES), "a rule without a keyword is asked for every text"
    assert {rule.id for rule in RULES} >= engine.GENERIC


def test_every_expression_compiles() -> None:
    assert engine.checked(RULES)


@pytest.mark.parametrize("rule", OWN, ids=lambda rule: rule.id)
def test_our_rules_are_named_and_their_keywords_lower_case(rule: engine.Rule) -> None:
    assert rule.id.startswith("kaizen-") and list(rule.keywords) == [word.lower() for word in rule.spec.keywords]


def test_a_text_without_keywords_asks_no_rule() -> None:
    assert engine.bundled().candidates(b"nothing to find in here") == []


def test_rules_are_asked_in_any_case() -> None:
    assert "aws-access-token" in [rule.id for rule in engine.bundled().candidates(b"AKIA")]


@pytest.mark.parametrize(("regex", "translated"), [
    (r"(?i)a", r"(?i:a)"),
    (r"a(?i)b|c", r"a(?i:b)|(?i:c)"),
    (r"(a(?i)b)c", r"(a(?i:b))c"),
    (r"[(?i)]\(", r"[(?i)]\("),
    (r"[]|[]\z", r"[]|[]\Z"),
    (r"[[:alnum:]_]", r"[0-9A-Za-z_]"),
])  # fmt: skip
def test_translation_for_the_standard_library(regex: str, translated: str) -> None:
    assert patterns.translated(regex) == translated


def test_without_re2_the_same_is_found() -> None:
    drawn = random.Random(3).sample(corpus.cases(), 150)
    plain = {rule.id: patterns.plain(rule.spec.regex) for rule in RULES}
    for case in drawn:
        data = engine.narrow(case.text)
        for rule in engine.bundled().candidates(data):
            with_re2 = [found.span() for found in rule.pattern.finditer(data)]
            assert [found.span() for found in plain[rule.id].finditer(data)] == with_re2, (rule.id, case.text)


def test_windows_of_a_long_text_overlap() -> None:
    data = b"x" * (patterns.WINDOW - 3) + b"needle" + b"x" * patterns.WINDOW
    assert [found.span() for found in patterns.plain("needle").finditer(data)] == [(65_533, 65_539)]


def test_entropy() -> None:
    assert engine.entropy(b"") == engine.entropy(b"aaaa") == 0 and engine.entropy(b"abcd") == 2


def test_with_hyperscan_the_same_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("hyperscan")
    texts = [engine.narrow(case.text) for case in corpus.cases()]
    slowly = [engine.bundled().find(text) for text in texts]
    monkeypatch.setattr("kaizen.redact.hyper.WORTH_BYTES", -1)
    fast = engine.RuleSet(RULES)
    assert [fast.find(text) for text in texts] == slowly
