"""Rules for secrets: keywords first, then regular expressions, then what a rule allows.

A rule is asked only if one of its keywords occurs, so most text meets one automaton and a few expressions. Rules come
from `rules/gitleaks.toml` (vendored, never edited) and `rules/kaizen.toml` (ours); both are read when text is first
scanned, and an expression is compiled when it is first asked.

Everything here works on bytes in which one byte is one character (`narrow`), so places are places in the text, and lone
surrogates or foreign scripts cannot disturb an expression.
"""

import math
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

import msgspec

from kaizen.errors import BadConfig
from kaizen.redact import gates, hyper, patterns
from kaizen.redact.finding import Finding

# A longer line is looked at this far around a match.
_LINE = 400
RULES = Path(__file__).with_name("rules")
FILES = ("gitleaks.toml", "kaizen.toml")
# Rules that know a secret by the name beside it only. The allow-lists that are for all rules hold for these.
GENERIC = frozenset((
    "generic-api-key", "hashicorp-tf-password", "kaizen-argument", "kaizen-authorization", "kaizen-environment",
    "kaizen-password", "kaizen-quoted-password", "kaizen-secret-header",
))  # fmt: skip


class AllowSpec(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """As in the files. What is said about paths and commits does not concern us: a text has none."""

    description: str = ""
    condition: Literal["OR", "AND"] = "OR"
    paths: list[str] = []
    commits: list[str] = []
    regexes: list[str] = []
    regex_target: Literal["secret", "match", "line"] = "secret"
    stopwords: list[str] = []


class RuleSpec(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    id: str
    description: str = ""
    regex: str = ""
    keywords: list[str] = []
    entropy: float = 0.0
    secret_group: int = 0
    path: str = ""
    allowlists: list[AllowSpec] = []


class FileSpec(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A file of rules. A key we do not know is an error, so that an update of the format is noticed."""

    title: str = ""
    min_version: str = ""
    allowlist: AllowSpec = msgspec.field(default_factory=AllowSpec)
    rules: list[RuleSpec] = []


class Allow:
    """What makes a match no secret."""

    def __init__(self, spec: AllowSpec) -> None:
        self._spec = spec

    @cached_property
    def _regexes(self) -> list[patterns.Pattern]:
        return [patterns.compile(regex) for regex in self._spec.regexes]

    @cached_property
    def _stopwords(self) -> patterns.Keywords:
        return patterns.keywords([narrow(word.lower()) for word in self._spec.stopwords])

    def allows(self, secret: bytes, match: bytes, line: bytes) -> bool:
        if self._spec.condition == "AND" and (self._spec.paths or self._spec.commits):
            return False
        target = {"secret": secret, "match": match, "line": line}[self._spec.regex_target]
        if any(regex.search(target) for regex in self._regexes):
            return True
        return bool(self._spec.stopwords and self._stopwords(secret.lower()))


class Rule:
    """One rule, compiled when first asked. `is_generic`: it needs the allow-lists of its file."""

    def __init__(self, spec: RuleSpec, shared: Allow) -> None:
        self.id = spec.id
        self.keywords = tuple(word.lower() for word in spec.keywords)
        self.is_generic = spec.id in GENERIC
        self.spec = spec
        self._allow = [*(Allow(one) for one in spec.allowlists), *([shared] if self.is_generic else [])]

    @cached_property
    def pattern(self) -> patterns.Pattern:
        return patterns.compile(self.spec.regex)

    def find(self, data: bytes) -> Iterator[Finding]:
        for found in self.pattern.finditer(data):
            start, end = self._secret(data, found)
            if start < end and self._is_secret(data, found, start, end):
                yield Finding(self.id, start, end)

    def _secret(self, data: bytes, found: patterns.Match) -> tuple[int, int]:
        """The chosen group, else the first that is not empty, else the match without the quotes around it."""
        if self.spec.secret_group:
            return found.span(self.spec.secret_group)
        for number, group in enumerate(found.groups(), 1):
            if group:
                return found.span(number)
        start, end = found.span()
        text = data[start:end]
        return start + len(text) - len(text.lstrip(b"\"'`")), end - len(text) + len(text.rstrip(b"\"'`"))

    def _is_secret(self, data: bytes, found: patterns.Match, start: int, end: int) -> bool:
        secret = data[start:end]
        if self.spec.entropy and entropy(secret) <= self.spec.entropy:
            return False
        if not self._allow:
            return True
        first, last = found.span()
        before, after = data[max(0, first - _LINE) : first], data[last : last + _LINE]
        line = before.rpartition(b"\n")[2] + data[first:last] + after.partition(b"\n")[0]
        return not any(allow.allows(secret, found.group(), line) for allow in self._allow)


class RuleSet:
    """Rules behind one prefilter: keywords, and once there was a lot of text, Hyperscan where it is installed."""

    def __init__(self, rules: Sequence[Rule], gates: Mapping[str, str] | None = None) -> None:
        """`gates`: by rule, the gate it stands behind (`patterns.Gates`)."""
        self.rules = tuple(rules)
        self._gates = [(gates or {}).get(rule.id) for rule in self.rules]
        self._always = [number for number, rule in enumerate(self.rules) if not rule.keywords]
        owners: dict[str, list[int]] = {}
        for number, rule in enumerate(self.rules):
            for word in rule.keywords:
                owners.setdefault(word, []).append(number)
        self._words = [narrow(word) for word in owners]
        self._owners = list(owners.values())
        self._scanned = 0

    @cached_property
    def _keywords(self) -> patterns.Keywords:
        return patterns.keywords(self._words)

    @cached_property
    def _hyperscan(self) -> hyper.Ask | None:
        return hyper.ask([rule.spec.regex for rule in self.rules])

    def candidates(self, data: bytes, may: AbstractSet[str] | None = None) -> list[Rule]:
        """Rules with a keyword in the text, in their order; perhaps without some that would find nothing. `may`: the
        text's open gates, if they were asked."""
        self._scanned += len(data)
        if self._scanned > hyper.WORTH_BYTES and self._hyperscan is not None:
            return self._likely(data, self._hyperscan)
        hits = self._keywords(data.lower())
        if not hits and not self._always:
            return []
        numbers = {number for hit in hits for number in self._owners[hit]}
        numbers.update(self._always)
        if may is not None:
            gates = self._gates
            numbers = {number for number in numbers if (gate := gates[number]) is None or gate in may}
        return [self.rules[number] for number in sorted(numbers)]

    def _likely(self, data: bytes, ask: hyper.Ask) -> list[Rule]:
        hits = ask(data)
        if not hits:
            return []
        lower = data.lower()
        rules = [self.rules[number] for number in sorted(hits)]
        return [rule for rule in rules if not rule.keywords or any(narrow(word) in lower for word in rule.keywords)]

    def find(self, data: bytes, may: AbstractSet[str] | None = None) -> list[Finding]:
        return [finding for rule in self.candidates(data, may) for finding in rule.find(data)]


def narrow(text: str) -> bytes:
    """One byte a character; what has no byte becomes `?`."""
    return text.encode("latin-1", "replace")


def entropy(data: bytes) -> float:
    """Shannon entropy in bits per character."""
    size = len(data)
    return -sum(n / size * math.log2(n / size) for n in Counter(data).values()) if size else 0.0


def parse(text: str, *, name: str = "rules") -> list[Rule]:
    """The rules of a file in the format of gitleaks. Raises `BadConfig`."""
    try:
        spec = msgspec.convert(tomllib.loads(text), FileSpec)
        shared = Allow(spec.allowlist)
        # A text has no path: rules for files of one kind hold for every text, rules about paths alone for none.
        rules = [Rule(one, shared) for one in spec.rules if one.regex]
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise BadConfig(f"{name}: {error}") from error
    return rules


def checked(rules: Iterable[Rule]) -> list[Rule]:
    """The same rules, compiled now: for rules that a person wrote. Raises `BadConfig`."""
    listed = list(rules)
    for rule in listed:
        try:
            _ = rule.pattern
        except patterns.BadPattern as error:
            raise BadConfig(f"Rule {rule.id!r}: {error}", hint="Rules are written in RE2's syntax.") from error
    return listed


@cache
def bundled() -> RuleSet:
    rules = [rule for name in FILES for rule in parse((RULES / name).read_text(encoding="utf-8"), name=name)]
    return RuleSet(rules, gates.OF_RULE)
