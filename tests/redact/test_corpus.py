"""The goals: known secrets do not survive, plain, encoded or in a tree; harmless texts do.

The tests take a sample; `kaizen redact test` runs everything.
"""

import random

import pytest

from kaizen.redact import corpus, engine
from kaizen.redact.corpus import Case
from kaizen.redact.hashes import Salt
from kaizen.redact.schema import payload
from kaizen.redact.scrub import Scrubber

SALT = Salt(bytes([7] * 32))
SCRUBBER = Scrubber(SALT)
SECRETS = [case for case in corpus.cases() if case.kind == "tp"]
HARMLESS = [case for case in corpus.cases() if case.kind == "fp"]


def sample(size: int) -> list[Case]:
    return random.Random(11).sample(SECRETS, size)


def test_the_corpus_is_whole() -> None:
    assert len(SECRETS) == 2_968 and len(corpus.cases()) == 3_145 and len(corpus.probes()) == 48


def test_no_secret_survives_the_rules() -> None:
    """By the rules alone: neither entropy nor anything else hides what a rule misses."""
    missed = []
    for case in SECRETS:
        text = bytearray(engine.narrow(case.text))
        for one in engine.bundled().find(bytes(text)):
            text[one.start : one.end] = bytes(one.end - one.start)
        if engine.narrow(case.secret) in text:
            missed.append(case.rule)
    assert missed == []


def test_goals() -> None:
    scores = list(corpus.run(SCRUBBER, [*sample(120), *HARMLESS]))
    assert len(scores) == 3 + len(corpus.ENCODINGS) + len(corpus.SHAPES) and all(score.total > 40 for score in scores)
    assert [score for score in scores if not score.is_reached] == []


@pytest.mark.parametrize("name", corpus.ENCODINGS)
def test_nothing_of_an_encoded_secret_is_left(name: str) -> None:
    for case in sample(60):
        wrapped = corpus.ENCODINGS[name](case.text)
        shown = SCRUBBER.text(f"log: {wrapped} end")[0]
        assert not any(wrapped[at : at + 20] in shown for at in range(0, len(wrapped) - 20, 5)), case.rule


def test_scrubbing_twice_changes_nothing_more() -> None:
    for case in [*sample(300), *HARMLESS]:
        once, _ = SCRUBBER.text(case.text)
        assert SCRUBBER.text(once) == (once, [])


@pytest.mark.parametrize("probe", corpus.probes(), ids=lambda probe: probe.name)
def test_probes_at_both_levels(probe: corpus.Probe) -> None:
    scrubbed, _ = SCRUBBER.tree(probe.input)
    assert corpus.holds(probe, scrubbed)
    assert SCRUBBER.tree(scrubbed) == (scrubbed, [])
    for kind in ("tool_call", "tool_result", "message", "hook", "lifecycle", "error"):
        left = "\n".join(corpus.strings(payload(kind, None, None, probe.input, SALT, "")))
        assert not any(part in left for part in probe.must_not_contain)
