"""How well secrets are found: known secrets and known harmless texts, and the ways in which secrets come wrapped.

`kaizen redact test` runs all of it; the tests hold us to `Score.goal`.
"""

import base64
import gzip
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec

from kaizen.redact import engine
from kaizen.redact.scrub import Scrubber
from kaizen.redact.structure import IDENTIFIER

HERE = Path(__file__).parent


class Case(msgspec.Struct, frozen=True):
    """A text for which a rule was written: it holds `secret` (`tp`), or looks like it and holds none (`fp`)."""

    rule: str
    kind: Literal["tp", "fp"]
    text: str
    secret: str = ""
    path: str = ""


class Probe(msgspec.Struct, frozen=True):
    """A payload. `needs`: `scrub`, or `schema` for what only default deny keeps in."""

    name: str
    input: Any
    must_not_contain: list[str] = []
    must_equal: str | None = None
    needs: Literal["scrub", "schema"] = "scrub"
    reference: str = ""


class Score(msgspec.Struct, frozen=True):
    """`good` of `total`; `goal` is the share that must be good."""

    name: str
    good: int
    total: int
    goal: float
    # The first that were not, by rule or name.
    bad: list[str] = []

    @property
    def share(self) -> float:
        return self.good / self.total if self.total else 1.0

    @property
    def is_reached(self) -> bool:
        return self.share >= self.goal


@cache
def cases() -> list[Case]:
    return msgspec.json.Decoder(Case).decode_lines(gzip.decompress((HERE / "gitleaks_cases.jsonl.gz").read_bytes()))


@cache
def probes() -> list[Probe]:
    return msgspec.json.Decoder(Probe).decode_lines(gzip.decompress((HERE / "probes.jsonl.gz").read_bytes()))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _percent(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def _hex(text: str) -> str:
    return text.encode().hex()


def _escaped(text: str) -> str:
    return "".join(f"\\u{ord(char):04x}" for char in text)


ENCODINGS: dict[str, Callable[[str], str]] = {
    "base64": _base64,
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "percent": _percent,
    "hex": _hex,
    "escapes": _escaped,
    "base64 of percent": lambda text: _base64(_percent(text)),
    "base64 of base64": lambda text: _base64(_base64(text)),
    "percent of escapes": lambda text: _percent(_escaped(text)),
}

# How a name and its secret lie in a tree.
SHAPES: dict[str, Callable[[str, str], Any]] = {
    "value": lambda name, secret: {name: secret},
    "key": lambda name, secret: {name: {secret: 1}},
    "sibling": lambda name, secret: {"id": name, "v": secret},
    "argv": lambda name, secret: ["tool", "run", f"--{name}", secret],
    "argv with =": lambda name, secret: ["tool", "run", f"--{name}={secret}"],
    "pair": lambda name, secret: [{"name": name, "value": secret}],
    "headers": lambda name, secret: {"headers": [["Accept", "*/*"], [name, secret]]},
    "flat headers": lambda name, secret: {"rawHeaders": ["Accept", "*/*", name, secret]},
}


def run(scrubber: Scrubber, listed: Sequence[Case] | None = None) -> Iterator[Score]:
    """Everything, over the given cases (default: all)."""
    known = cases() if listed is None else listed
    secrets = [case for case in known if case.kind == "tp"]
    harmless = [case for case in known if case.kind == "fp"]
    yield _score("secrets", 1.0, ((case.rule, case.secret not in scrubber.text(case.text)[0]) for case in secrets))
    for name, wrap in ENCODINGS.items():
        yield _score(name, 0.99, ((case.rule, _hides_wrapped(scrubber, case, wrap)) for case in secrets))
    named = [(case, name) for case in secrets if (name := name_in(case))]
    for name, shape in SHAPES.items():
        yield _score(name, 0.98, ((one.rule, _hides_in(scrubber, shape(own, one.secret), one)) for one, own in named))
    yield _score("harmless", 0.98, ((case.rule, not _changed_by_specific_rule(case)) for case in harmless))
    yield _score("probes", 1.0, ((probe.name, holds(probe, scrubber.tree(probe.input)[0])) for probe in probes()))


def holds(probe: Probe, shown: Any) -> bool:
    """Whether what is shown instead of the probe is what it asks for, at level `scrubbed`."""
    if probe.must_equal is not None:
        return bool(shown == probe.input)
    text = "\n".join(strings(shown))
    return probe.needs == "schema" or not any(part in text for part in probe.must_not_contain)


def strings(tree: Any) -> Iterator[str]:
    """Every string of a tree, keys included."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, list):
        for one in tree:
            yield from strings(one)
    elif isinstance(tree, dict):
        for key, one in tree.items():
            yield from (str(key), *strings(one))


_NAME = re.compile(r"([A-Za-z][\w.-]{1,60})['\"\])}]{0,3}[\s]{0,5}(?:=|:|>|,|\|\||\?)[^\w]{0,8}(?:string[^\w]{1,4})?$")


def name_in(case: Case) -> str:
    """The name in front of the secret, if the two together are one to the rules."""
    found = _NAME.search(case.text[: case.text.find(case.secret)])
    if not found or not IDENTIFIER.fullmatch(found[1]) or "\n" in case.secret:
        return ""
    plain = f'{found[1]} = "{case.secret}"'
    return found[1] if engine.bundled().find(engine.narrow(plain)) else ""


def _score(name: str, goal: float, results: Iterable[tuple[str, bool]]) -> Score:
    done = list(results)
    bad = dict.fromkeys(label for label, is_good in done if not is_good)
    return Score(name, sum(is_good for _, is_good in done), len(done), goal, list(bad)[:8])


def _hides_wrapped(scrubber: Scrubber, case: Case, wrap: Callable[[str], str]) -> bool:
    wrapped = wrap(case.text)
    return wrapped not in scrubber.text(f"log: {wrapped} end")[0]


def _hides_in(scrubber: Scrubber, tree: Any, case: Case) -> bool:
    return not any(case.secret in one for one in strings(scrubber.tree(tree)[0]))


def _changed_by_specific_rule(case: Case) -> bool:
    found = engine.bundled().find(engine.narrow(case.text))
    return any(one.rule not in engine.GENERIC for one in found)
