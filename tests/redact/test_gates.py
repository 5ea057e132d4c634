"""Whatever lets the detectors skip a text changes nothing of what they find."""

import hashlib
import random
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen.redact import corpus, decode, engine, entropy, gates, identity, normal, paths, patterns, scrub
from kaizen.redact.engine import narrow
from kaizen.redact.finding import Finding
from kaizen.redact.hashes import nobody
from kaizen.redact.runs import runs
from kaizen.redact.scrub import Scrubber
from redact.test_scrub import PIECES

SCRUBBER = Scrubber(nobody())
REGEXES = {**gates.GATES, **decode.GATES, **identity.GATES, **paths.GATES}
GATED = [rule for rule in engine.bundled().rules if rule.id in gates.OF_RULE]
# A gate is derived from its rule. Where the rule is a new one, look at the gate, then put its number here.
DERIVED_FROM = {
    "authress-service-client-access-key": "4a8a962f",
    "generic-api-key": "6fc4ac45",
    "jwt": "bdcdecaf",
    "kaizen-argument": "7f37b9b9",
    "kaizen-connection-string": "8232f450",
    "kaizen-cursor-key": "a9c21988",
    "kaizen-environment": "8fb6ba76",
    "kaizen-password": "6f14268b",
    "kaizen-quoted-password": "37f2df1f",
    "kaizen-url-password": "66c459a9",
    "kaizen-url-token": "94cfb38a",
    "vault-service-token": "9ada9709",
}
# What expressions are made of: a text of these comes close to many of them.
PARTS = st.sampled_from([
    *'"\'`=:;,.-_/\\~@+()[]{}<>%$&#!?| \n\t',
    *"0 7 42 192 555 0100 a f ab 3c 1e2d4f A Q zZ key token secret api_key password pwd export auth -- -e ey".split(),
    *"eyJ s. sk hvs. SK :: ff /home/ /Users /data ~ $HOME %APPDATA% C: .git git@ ssh:// https:// local .lan".split(),
    *"internal .corp +49".split(),
    "\u0663", "\uff13", "\u00fc", "\u00df", "\u0131", "\u212a", "\u65e5", "\u00ad", "\ud800",
    "A1b2C3d4E5f6G7h8I9j0K1l2", "aGVsbG8gd29ybGQgaGVsbG8gd29ybGQ", "0123456789abcdef0123456789abcdef", "H4sIAAAAAAAA",
    "QUJD" * 18, "\r\n", "41 " * 9, "41:" * 8,
])  # fmt: skip
ADDRESSES = st.text("07afF:.%[- /\\\n+", max_size=30)
HOST_PARTS = st.sampled_from([
    "a", "b1", ".", "-", ".local", ".INTERNAL", ".\u0131nternal", ".corp", ".lan", " ", "\n", ":80", "(", "self", "_",
    "\u00fc", "host ", "ssh ",
])  # fmt: skip
HOSTS = st.lists(HOST_PARTS, max_size=12).map("".join)
TEXTS = (st.lists(PARTS, max_size=40).map("".join) | st.lists(PIECES, max_size=4).map("".join) | st.text(max_size=80)
         | ADDRESSES | HOSTS)  # fmt: skip


def shut(text: str) -> list[Finding]:
    return list(SCRUBBER._look(text))


def ajar(text: str) -> list[Finding]:
    """With every gate open."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scrub, "_gates", lambda data: frozenset(REGEXES))
        return list(SCRUBBER._look(text))


def of_this_machine(size: int) -> Iterator[str]:
    """Chunks of the standard library, and of what lies around in it."""
    drawn = random.Random(5)
    files = [path for path in sorted(Path(re.__file__).parents[1].rglob("*.py")) if path.stat().st_size < 200_000]
    for path in drawn.sample(files, min(size, len(files))):
        text = path.read_text(encoding="utf-8", errors="replace")
        at = drawn.randrange(max(1, len(text) - 4_000))
        yield text[at : at + 4_000]


@settings(max_examples=400, deadline=None)
@given(TEXTS)
def test_gates_change_nothing(text: str) -> None:
    assert shut(text) == ajar(text)


def test_gates_change_nothing_in_real_text() -> None:
    for text in [*of_this_machine(300), *(case.text for case in corpus.cases())]:
        assert shut(text) == ajar(text)


@settings(max_examples=300, deadline=None)
@given(HOSTS)
def test_hosts_are_looked_for_in_lines_that_may_hold_one(text: str) -> None:
    fast = [found.span() for found in identity._in_lines(text, identity._HOST_END, identity._HOST)]
    assert fast == [found.span() for found in identity._HOST.finditer(text)]


@pytest.mark.parametrize("rule", GATED, ids=lambda rule: rule.id)
def test_the_gate_of_a_rule_is_open_for_what_it_finds(rule: engine.Rule) -> None:
    ask = patterns.Gates(gates.GATES)
    pattern = re.compile(patterns.translated(rule.spec.regex))
    # Texts of little entropy are drawn more often.
    easier = engine.Rule(msgspec.structs.replace(rule.spec, entropy=0.0), engine.Allow(engine.AllowSpec()))

    @settings(max_examples=150, deadline=None)
    @given(st.from_regex(pattern, alphabet=st.characters(codec="latin-1")), st.text("a1=-_: \n", max_size=3))
    def holds(text: str, before: str) -> None:
        data = narrow(before + text)
        assert not list(easier.find(data)) or gates.OF_RULE[rule.id] in ask(data)

    holds()


def test_gates_belong_to_the_rules_they_are_derived_from() -> None:
    shown = {rule.id: hashlib.sha256(msgspec.json.encode(rule.spec)).hexdigest()[:8] for rule in GATED}
    assert shown == DERIVED_FROM and set(gates.OF_RULE) == set(DERIVED_FROM)
    assert set(gates.OF_RULE.values()) == set(gates.GATES)


@given(TEXTS)
def test_without_re2_the_same_gates_are_open(text: str) -> None:
    data = narrow(text)
    asked = patterns.Gates(REGEXES)
    assert asked(data) == {name for name, regex in REGEXES.items() if patterns.plain(regex).search(data)}


def test_a_set_that_fails_opens_every_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    re2 = pytest.importorskip("re2")
    monkeypatch.setattr(re2.Set, "Match", lambda *_: None)
    assert patterns.Gates({"a": "x", "b": "y"})(b"nothing") == {"a", "b"}


RUN = re.compile(rb"[A-Za-z0-9+/_-]{16,}")


@given(TEXTS)
def test_runs_are_what_an_expression_finds(text: str) -> None:
    data = narrow(text)
    assert runs(data) == [found.span() for found in RUN.finditer(data)]


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_words_are_decoded_as_every_run_would_be(text: str) -> None:
    data = narrow(text)
    words = runs(data)
    if "spaced-hex" not in patterns.Gates(decode.GATES)(data) and not decode._is_wrapped(data, words):
        assert list(decode._each_word(data, words)) == list(decode._any_run(data))


@given(st.text(max_size=30) | st.binary(max_size=30).map(lambda raw: raw.decode("latin-1")))
def test_readable_words_are_not_ruled_out_by_their_first_letters(said: str) -> None:
    import base64

    raw = said.encode("utf-8", "replace")
    if decode._readable(raw) and len(raw) > 1:
        for encoded in (base64.b64encode(raw), base64.urlsafe_b64encode(raw)):
            assert encoded[:2] in decode._heads()


@given(TEXTS)
def test_normal_text_is_recognised(text: str) -> None:
    pieces = list(normal._pieces(text))
    view = normal.normalised(text)
    assert (view is None) == (not pieces)


def test_entropy_looks_at_words_of_any_length() -> None:
    for text in of_this_machine(50):
        data = narrow(text)
        found = [one.span() for one in re.finditer(rb"[A-Za-z0-9+/_-]{20,}={0,2}", data)]
        assert {(one.start, one.end) for one in entropy.find(data, runs(data))} <= set(found)
