"""Regular expressions in RE2's syntax over bytes, and many keywords at once: by `google-re2` and `ahocorasick_rs`, or,
where these are not installed, by the standard library: the same results, more slowly, and not in guaranteed time."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cache
from typing import Any, Protocol

Keywords = Callable[[bytes], set[int]]
# RE2's have the same methods.
Match = re.Match[bytes]


class Pattern(Protocol):
    def search(self, data: bytes, /) -> Match | None: ...
    def finditer(self, data: bytes, /) -> Iterator[Match]: ...


class BadPattern(ValueError):
    """Not an expression."""


@cache
def is_fast() -> bool:
    """Whether RE2 is installed. `doctor` says so when it is not."""
    try:
        import re2  # noqa: F401
    except ImportError:
        return False
    return True


def compile(regex: str) -> Pattern:
    """Raises `BadPattern`."""
    return _re2(regex) if is_fast() else plain(regex)


class Gates:
    """Cheap questions before expensive expressions: which of them may find anything in a text?

    Each name has an expression that is found wherever the expensive ones behind it find something. RE2 asks all of them
    in one walk over the text, which takes as long as asking one. Compiled when first asked.
    """

    def __init__(self, regexes: Mapping[str, str]) -> None:
        self._regexes = dict(regexes)
        self.all = frozenset(regexes)
        self._ask: Callable[[bytes], AbstractSet[str]] | None = None

    def __call__(self, data: bytes) -> AbstractSet[str]:
        """The names of gates that are open."""
        if self._ask is None:
            self._ask = self._together() if is_fast() else self._one_by_one()
        return self._ask(data)

    def _one_by_one(self) -> Callable[[bytes], AbstractSet[str]]:
        compiled = [(name, compile(regex)) for name, regex in self._regexes.items()]
        return lambda data: {name for name, regex in compiled if regex.search(data)}

    def _together(self) -> Callable[[bytes], AbstractSet[str]]:
        import re2

        names, nothing, everything = list(self._regexes), frozenset[str](), self.all
        gates = re2.Set.SearchSet(_options())
        for regex in self._regexes.values():
            gates.Add(regex.encode("latin-1", "replace"))
        # Every text has an end. Were RE2 to run out of memory it would say that nothing is found, not even this.
        end = gates.Add(rb"\z")
        gates.Compile()
        only_end = [end]

        def ask(data: bytes) -> AbstractSet[str]:
            hits: list[int] | None = gates.Match(data)
            if hits == only_end:
                return nothing
            if not hits or end not in hits:
                return everything
            return {names[hit] for hit in hits if hit != end}

        return ask


@cache
def _options() -> Any:
    import re2

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = 32 << 20
    options.log_errors = False
    return options


def _re2(regex: str) -> Pattern:
    import re2

    try:
        compiled: Pattern = re2.compile(regex.encode("latin-1", "replace"), _options())
    except re2.error as error:
        raise BadPattern(str(error)) from error
    return compiled


# The standard library

WINDOW, OVERLAP = 64 << 10, 4 << 10
_CLASSES = {
    "[:alnum:]": "0-9A-Za-z", "[:alpha:]": "A-Za-z", "[:digit:]": "0-9", "[:lower:]": "a-z", "[:upper:]": "A-Z",
    "[:space:]": r"\s", "[:word:]": r"\w", "[:xdigit:]": "0-9A-Fa-f", "[:punct:]": r"!-/:-@\[-`{-~",
}  # fmt: skip
_POSIX = re.compile(r"\[:\w+:\]")
_FLAGS = re.compile(r"\(\?([ims]+)\)")


class Plain:
    """An expression of the standard library. It may backtrack, so it never sees more than a window of a long text."""

    def __init__(self, compiled: re.Pattern[bytes]) -> None:
        self._compiled = compiled

    def search(self, data: bytes, /) -> Match | None:
        return next(self.finditer(data), None)

    def finditer(self, data: bytes, /) -> Iterator[Match]:
        seen = 0
        for start in range(0, max(len(data), 1), WINDOW):
            for found in self._compiled.finditer(data, max(seen, start - OVERLAP), start + WINDOW):
                seen = found.end()
                yield found


def plain(regex: str) -> Pattern:
    try:
        return Plain(re.compile(translated(regex).encode("latin-1", "replace")))
    except re.error as error:
        raise BadPattern(str(error)) from error


def translated(regex: str) -> str:
    """RE2's syntax in Python's: flags that begin in the middle, the end of the text, POSIX classes."""
    regex = _POSIX.sub(lambda found: _CLASSES.get(found[0], found[0]), regex).replace(r"\z", r"\Z")
    return "".join(_scoped(regex))


def _scoped(regex: str) -> Iterator[str]:
    """`a(?i)b|c` as `a(?i:b)|(?i:c)`: such flags hold up to the end of their group, across alternatives."""
    # Flags that are on, per open group: each was opened as a group of its own and must be closed.
    open_flags: list[list[str]] = [[]]
    at, in_class = 0, False
    while at < len(regex):
        char = regex[at]
        flags = _FLAGS.match(regex, at)
        if char == "\\":
            yield regex[at : at + 2]
            at += 2
            continue
        if in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
            # A bracket that comes first is a character.
            head = re.compile(r"\[\^?\]?").match(regex, at)
            yield head[0] if head else char
            at += len(head[0]) if head else 1
            continue
        elif flags:
            open_flags[-1].append(flags[1])
            yield f"(?{flags[1]}:"
            at = flags.end()
            continue
        elif char == "(":
            open_flags.append([])
        elif char == ")":
            yield ")" * len(open_flags.pop())
        elif char == "|":
            yield ")" * len(open_flags[-1]) + "|" + "".join(f"(?{one}:" for one in open_flags[-1])
            at += 1
            continue
        yield char
        at += 1
    yield ")" * len(open_flags[-1])


# Many keywords


def keywords(words: Sequence[bytes]) -> Keywords:
    """Which of the words occur in a text."""
    try:
        from ahocorasick_rs import BytesAhoCorasick, Implementation
    except ImportError:
        return lambda data: {number for number, word in enumerate(words) if word in data}
    # A DFA is 2.5 times as fast as the default, and small for so few words.
    find = BytesAhoCorasick(words, implementation=Implementation.DFA).find_matches_as_indexes
    return lambda data: {number for number, _, _ in find(data, overlapping=True)}
