"""Level `scrubbed`: text without secrets, places and persons.

A pass looks at a text in several ways (rules, what is encoded in it, entropy, paths, identity), and replaces what any
of them found. Passes repeat until one finds nothing: so nothing is found in what leaves, and scrubbing it again changes
nothing. A text that never comes to rest, or on which a detector fails, leaves as `<redacted:guard>`.

Linear in the length of the text, without a clock: expressions are RE2's or cannot backtrack.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from kaizen.redact import decode, engine, entropy, gates, identity, paths, structure
from kaizen.redact.engine import Rule, RuleSet, narrow
from kaizen.redact.finding import PLACEHOLDER, Finding, merged, outside_placeholders
from kaizen.redact.hashes import Salt
from kaizen.redact.mapped import Mapped
from kaizen.redact.normal import normalised
from kaizen.redact.patterns import Gates
from kaizen.redact.runs import runs

__all__ = ["Finding", "Rule", "Scrubber"]

MAX_PASSES, MAX_DECODED, MAX_DEPTH = 4, 3, 100
# Longer values are no values of a name beside them.
_MAX_VALUE = 4_096
GUARD = "<redacted:guard>"
SECRET = "<redacted:key>"
# What may be in a text, asked once for all that look at it.
_gates = Gates({**gates.GATES, **decode.GATES, **identity.GATES, **paths.GATES})


class Scrubber:
    """`workspace`: its absolute path. `home`: the user's. `names`, `hosts`: of this user and machine, and internal
    domains (`corp.example.com`). `terms`: words that must not leave. `rules`: one's own (`engine.parse`)."""

    def __init__(
        self,
        salt: Salt,
        *,
        workspace: str = "",
        home: str = "",
        names: Sequence[str] = (),
        hosts: Sequence[str] = (),
        terms: Sequence[str] = (),
        rules: Sequence[Rule] = (),
    ) -> None:
        self._salt, self._workspace = salt, workspace
        owner = home.replace("\\", "/").rstrip("/").rpartition("/")[2]
        self._needles = identity.Needles([*names, *([owner] if owner else [])], hosts, terms)
        self._sets = [engine.bundled(), *([RuleSet(rules)] if rules else [])]

    def text(self, text: str) -> tuple[str, list[Finding]]:
        """The text that may leave, and what was found, as places in `text`."""
        try:
            return self._settled(text)
        except Exception:  # whatever a detector could not read must not leave
            return GUARD, [Finding("guard", 0, len(text))]

    def tree(self, value: Any) -> tuple[Any, list[Finding]]:
        """The same for a JSON tree; places are those in a key or value. Deeper than 100 levels nothing is kept."""
        everything: list[Finding] = []
        for number in range(MAX_PASSES + 1):
            found: list[Finding] = []
            try:
                value = _Pass(self, found, is_last=number == MAX_PASSES).node(value, [], 0)
            except Exception:  # as above
                return GUARD, [*everything, Finding("guard", 0, 0)]
            everything += found
            if not found:
                break
        return value, everything

    def _settled(self, text: str) -> tuple[str, list[Finding]]:
        everything: list[Finding] = []
        original = [text]
        steps: list[Mapped] = []
        for _ in range(MAX_PASSES):
            found = self.once(text)
            if not found:
                return text, everything
            everything += [_moved(one, steps) for one in found]
            steps.append(Mapped(text, [(one.start, one.end, one.placeholder) for one in found]))
            text = steps[-1].text
        return (GUARD, [Finding("guard", 0, len(original[0]))]) if self.once(text) else (text, everything)

    def once(self, text: str, names: Iterable[str] = (), more: Iterable[Finding] = ()) -> list[Finding]:
        """What one pass replaces. `names` may belong to the text as a value; `more` was found by looking around it."""
        view = normalised(text)
        found = list(self._look(text if view is None else view.text))
        if view is not None:
            found = [_moved(one, [view]) for one in found]
        for name in names:
            found += self._as_value(name, text)
        return merged(outside_placeholders(text, [*found, *more]))

    def _look(self, text: str) -> Iterator[Finding]:
        data = narrow(text)
        may, words = _gates(data), runs(data)
        yield from self.secrets(data, may)
        inner = decode.decoded(text, data, words, may)
        if inner is not None:
            yield from self._encoded([inner])
        yield from entropy.find(data, words)
        yield from paths.find(text, may, self._salt, self._workspace)
        yield from identity.find(text, may, self._salt)
        yield from self._needles.find(text)

    def secrets(self, data: bytes, may: AbstractSet[str] | None = None) -> list[Finding]:
        return [finding for rules in self._sets for finding in rules.find(data, may)]

    def _encoded(self, steps: list[Mapped]) -> Iterator[Finding]:
        """Secrets that only decoding shows. They cover all of the encoded text they are in."""
        inner = steps[-1]
        data = narrow(inner.text)
        may = _gates(data)
        for one in self.secrets(data, may):
            if inner.touches(one.start, one.end):
                yield _moved(one, steps)
        if len(steps) < MAX_DECODED and (deeper := decode.decoded(inner.text, data, runs(data), may)) is not None:
            yield from self._encoded([*steps, deeper])

    def _as_value(self, name: str, text: str) -> Iterator[Finding]:
        """What rules find that need a name in front."""
        head = f'{name} = "'
        for one in self.secrets(narrow(f'{head}{text}"')):
            start, end = max(one.start - len(head), 0), min(one.end - len(head), len(text))
            if start < end:
                yield Finding(one.rule, start, end)


class _Pass:
    """One pass over a tree. `names` are what may name a value: its key, and the names beside it."""

    def __init__(self, scrubber: Scrubber, found: list[Finding], *, is_last: bool) -> None:
        self._scrubber, self._found, self._is_last = scrubber, found, is_last

    def node(self, value: Any, names: list[str], depth: int, *, is_secret: bool = False) -> Any:
        if isinstance(value, str):
            return self._secret(value) if is_secret else self._text(value, names)
        if depth > MAX_DEPTH and isinstance(value, (dict, list)):
            return self._replaced("depth", "", "<redacted:depth>")
        if isinstance(value, dict):
            return self._object(value, names, depth, is_secret=is_secret)
        if isinstance(value, list):
            return self._array(value, names, depth, is_secret=is_secret)
        if is_secret and isinstance(value, (int, float)) and not isinstance(value, bool):
            return self._secret(str(value))
        return value if value is None or isinstance(value, (bool, int, float)) else self._replaced("guard", "", GUARD)

    def _object(self, fields: Mapping[Any, Any], names: list[str], depth: int, *, is_secret: bool) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        beside = structure.names_beside(fields)
        is_named_secret = any(map(structure.is_secret_key, beside))
        for key, value in fields.items():
            name = key if isinstance(key, str) else str(key)
            hides = (
                is_secret
                or (structure.is_secret_key(name) and not _is_count(value))
                or (structure.is_environment(name) and isinstance(value, (dict, list)))
                or (is_named_secret and structure.is_value_key(name))
            )
            new = self._key(name, names)
            while new in kept:  # two keys that became the same
                new += "'"
            own = [name, *(one for one in beside if one != value)]
            kept[new] = self.node(value, own, depth + 1, is_secret=hides)
        return kept

    def _array(self, items: Sequence[Any], names: list[str], depth: int, *, is_secret: bool) -> list[Any]:
        around = self._as_command(items)
        kept = []
        for number, (item, last) in enumerate(zip(items, structure.before(items), strict=True)):
            previous = items[number - 1] if number else None
            hides = is_secret or (
                isinstance(previous, str)
                and isinstance(item, str)
                and (structure.is_secret_flag(previous) or _is_header(previous))
            )
            if isinstance(item, str) and not hides:
                kept.append(self._text(item, [*names[:1], *([last] if last else [])], around.get(number, ())))
            else:
                kept.append(self.node(item, names, depth + 1, is_secret=hides))
        return kept

    def _as_command(self, items: Sequence[Any]) -> dict[int, list[Finding]]:
        """What rules find in the list as one line, per element."""
        words = [one for one in items if isinstance(one, str)]
        if len(words) < 2 or len(words) != len(items) or sum(map(len, words)) > _MAX_VALUE:
            return {}
        around: dict[int, list[Finding]] = {}
        found = self._scrubber.secrets(narrow(" ".join(words)))
        at = 0
        for number, word in enumerate(words):
            for one in found:
                start, end = max(one.start - at, 0), min(one.end - at, len(word))
                if start < end:
                    around.setdefault(number, []).append(Finding(one.rule, start, end))
            at += len(word) + 1
        return around

    def _key(self, key: str, names: list[str]) -> str:
        return self._text(key, names[:1])

    def _text(self, text: str, names: Iterable[str], more: Iterable[Finding] = ()) -> str:
        if not text:
            return text
        found = self._scrubber.once(text, names if len(text) <= _MAX_VALUE else (), more)
        if not found:
            return text
        if self._is_last:
            return self._replaced("guard", text, GUARD)
        self._found += found
        return Mapped(text, [(one.start, one.end, one.placeholder) for one in found]).text

    def _secret(self, text: str) -> str:
        return text if not text or PLACEHOLDER.fullmatch(text) else self._replaced("key", text, SECRET)

    def _replaced(self, rule: str, text: str, shown: str) -> str:
        self._found.append(Finding(rule, 0, len(text)))
        return shown


def _is_header(word: str) -> bool:
    """A name of a header or variable, in a list in which values follow names."""
    return ("-" in word or "_" in word or word.istitle()) and structure.is_secret_key(word) and word[:1] != "-"


def _is_count(value: Any) -> bool:
    """`{"token": 17}` counts or numbers tokens."""
    return isinstance(value, (int, float)) or value is None


def _moved(one: Finding, steps: Sequence[Mapped]) -> Finding:
    """A finding in the last of several texts, each made of the one before, as a place in the first."""
    start, end = one.start, one.end
    for step in reversed(steps):
        start, end = step.source(start, end)
    return Finding(one.rule, start, end, one.shown)
