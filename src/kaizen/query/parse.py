"""The search language: what a person typed -> a tree.

    login test            both words, anywhere in one event        login OR signup     either
    "login test"          these words in this order                login -test         without; also NOT test
    deplo*                words that begin so                      (a OR b) c          brackets
    near(login test, 5)   at most 5 words between them
    in:prompt             only there: prompt answer tool result error path
    ~ogin  ~"o (b"        exactly these characters, also within a word: three or more
    agent: tool: kind: model: session:      only events of these; `*` stands for anything in tool and model

Whatever is not one of these is text: `std::vector`, `foo.bar()`, `https://x`, `--flag`, an apostrophe.
"""

from typing import NoReturn

import msgspec

from kaizen.errors import BadQuery
from kaizen.query.words import composed, has_words, is_unspaced

MAX_CHARS, MAX_TERMS, MAX_DEPTH = 10_000, 64, 32
MIN_SUBSTRING = 3
PLACES = ("prompt", "answer", "tool", "result", "error", "path")
FIELDS = ("agent", "kind", "model", "session", "tool")
KINDS = ("message", "tool_call", "tool_result", "error", "hook", "lifecycle")
_KIND_ALIASES = {"tool_use": "tool_call", "call": "tool_call", "result": "tool_result"}


class Words(msgspec.Struct, frozen=True, tag=True):
    """One word, or several in this order. `is_prefix`: the last one may go on."""

    text: str
    is_prefix: bool = False


class Literal(msgspec.Struct, frozen=True, tag=True):
    """Signs without any letter or digit, such as `->`: no index knows them, they are looked for in the text itself."""

    text: str
    at: int


class Substring(msgspec.Struct, frozen=True, tag=True):
    """These characters in this order, anywhere, in any case. At least `MIN_SUBSTRING` of them."""

    text: str
    at: int


class Near(msgspec.Struct, frozen=True, tag=True):
    parts: tuple[Words, ...]
    distance: int


class Field(msgspec.Struct, frozen=True, tag=True):
    name: str
    value: str


class In(msgspec.Struct, frozen=True, tag=True):
    place: str
    at: int


class Not(msgspec.Struct, frozen=True, tag=True):
    item: "Node"


class And(msgspec.Struct, frozen=True, tag=True):
    items: tuple["Node", ...]


class Or(msgspec.Struct, frozen=True, tag=True):
    items: tuple["Node", ...]


Node = Words | Literal | Substring | Near | Field | In | Not | And | Or


def parse(typed: str, *, is_literal: bool = False) -> Node:
    """Raises `BadQuery`, with a caret below the place in its hint."""
    text = clean(typed)
    if len(text) > MAX_CHARS:
        raise BadQuery(f"The query is too long: {len(text):,} characters.", hint=f"At most {MAX_CHARS:,}.")
    if not text.strip():
        raise BadQuery("Nothing to search for.", hint="Give it a word: kaizen search deadlock")
    if is_literal:
        return Words(text) if has_words(text) else Literal(text.strip(), 0)
    return _Parser(text).whole()


def clean(typed: str) -> str:
    """Without what no text in the store contains: control characters and halves of surrogate pairs."""
    text = typed.encode("utf-8", "replace").decode()
    return "".join(char if char >= " " and char != "\x7f" else " " for char in text)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text, self._at, self._terms, self._depth = text, 0, 0, 0

    def whole(self) -> Node:
        node = self._either()
        if self._peek() == ")":
            self._fail("A closing bracket without an opening one.", self._at)
        return node

    def _either(self) -> Node:
        items = [self._all()]
        while self._keyword("OR"):
            items.append(self._all())
        return items[0] if len(items) == 1 else Or(tuple(items))

    def _all(self) -> Node:
        begin = self._at
        items: list[Node] = []
        while True:
            char = self._peek()
            if not char or char == ")" or self._next_is("OR"):
                break
            at = self._at
            if self._keyword("AND"):
                if not items or not self._peek() or self._peek() == ")" or self._next_is("OR", "AND"):
                    self._fail("AND needs something on both sides.", at)
                continue
            items.append(self._unary())
        if not items:
            self._fail("Something to search for is missing here.", begin if begin < len(self._text) else begin - 1)
        return items[0] if len(items) == 1 else And(tuple(items))

    def _unary(self) -> Node:
        at = self._at
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail("Nested too deeply.", at)
        if self._keyword("NOT"):
            if not self._peek() or self._peek() == ")" or self._next_is("OR", "AND"):
                self._fail("NOT needs something behind it.", at)
            node: Node = Not(self._unary())
        elif self._is_minus():
            self._at += 1
            node = Not(self._unary())
        else:
            node = self._atom()
        self._depth -= 1
        return node

    def _is_minus(self) -> bool:
        """`-word`, but not `--flag`, `->` or a dash by itself."""
        after = self._text[self._at + 1 : self._at + 2]
        return self._peek() == "-" and (after.isalnum() or after in ('"', "(", "_", "~")) and after != ""

    def _is_tilde(self) -> bool:
        """`~part` and `~"a part"`, but not `~/folder`, `~=` or a tilde by itself."""
        after = self._text[self._at + 1 : self._at + 2]
        return self._peek() == "~" and (after.isalnum() or after in ('"', "_")) and after != ""

    def _atom(self) -> Node:
        at, char = self._at, self._peek()
        if char == "(":
            return self._brackets()
        if self._text[at : at + 5].lower() == "near(":
            return self._near()
        if char == '"':
            return self._term(self._quoted(), at)
        if self._is_tilde():
            return self._substring()
        word = self._word()
        name, colon, value = word.partition(":")
        if colon and name.lower() in (*FIELDS, "in"):
            return self._field(name.lower(), value, at)
        return self._term(word, at)

    def _brackets(self) -> Node:
        at = self._at
        self._at += 1
        node = self._either()
        if self._peek() != ")":
            self._fail("This bracket is not closed.", at)
        self._at += 1
        return node

    def _field(self, name: str, value: str, at: int) -> Node:
        if value[:1] == '"':
            self._at = at + len(name) + 1
            value = self._quoted()
        if not value:
            self._fail(f"{name}: needs a value right behind it.", at)
        if name == "in":
            if value.lower() not in PLACES:
                self._fail(f"There is no in:{value}; there are {', '.join(PLACES)}.", at)
            return In(value.lower(), at)
        if name == "kind":
            value = _KIND_ALIASES.get(value.lower(), value.lower())
            if value not in KINDS:
                self._fail(f"There is no kind:{value}; there are {', '.join(KINDS)}.", at)
        return Field(name, value)

    def _near(self) -> Node:
        begin = self._at
        self._at += 5
        parts: list[Words] = []
        distance = 10
        while (char := self._peek()) not in (")", ","):
            if not char:
                self._fail("near( is not closed.", begin)
            at = self._at
            term = self._term(self._quoted() if char == '"' else self._word(stops="),"), at)
            if not isinstance(term, Words):
                self._fail("near() takes words and phrases.", at)
            parts.append(term)
        if char == ",":
            self._at += 1
            self._peek()
            at, number = self._at, self._word(stops=")")
            if not (number.isascii() and number.isdigit() and len(number) < 5):
                self._fail("The distance is a number of words, as in near(login test, 5).", at)
            distance = int(number)
        if self._peek() != ")":
            self._fail("near( is not closed.", begin)
        self._at += 1
        if len(parts) < 2:
            self._fail("near() needs two words or more.", begin)
        return Near(tuple(parts), distance)

    def _term(self, text: str, at: int) -> Words | Literal:
        self._count(at)
        is_prefix = text.endswith("*") or self._text[self._at : self._at + 1] == "*" != self._text[at : at + 1]
        if is_prefix and not text.endswith("*"):
            self._at += 1
        if has_words(text):
            return Words(text.rstrip("*"), is_prefix and text.rstrip("*")[-1:].isalnum())
        if not text.strip():
            self._fail("These quotes are empty.", at)
        return Literal(text.strip(), at)

    def _count(self, at: int) -> None:
        self._terms += 1
        if self._terms > MAX_TERMS:
            self._fail(f"Too many words: at most {MAX_TERMS}; a phrase in quotes counts as one.", at)

    def _substring(self) -> Words | Substring:
        at = self._at
        self._at += 1
        text = composed(self._quoted() if self._peek() == '"' else self._word())
        self._count(at)
        if is_unspaced(text) and len(text) < MIN_SUBSTRING:
            return Words(text)  # every letter of these scripts is in the index as it is
        if len(text.strip()) < MIN_SUBSTRING:
            self._fail(f"~ needs {MIN_SUBSTRING} characters or more behind it.", at)
        return Substring(text, at)

    def _quoted(self) -> str:
        end = self._text.find('"', self._at + 1)
        if end < 0:
            self._fail("This quote is not closed.", self._at)
        text, self._at = self._text[self._at + 1 : end], end + 1
        return text

    def _word(self, stops: str = "") -> str:
        """Up to a blank, or to a bracket that was opened before the word."""
        begin, inner = self._at, 0
        while self._at < len(self._text):
            char = self._text[self._at]
            inner += (char == "(") - (char == ")")
            if char.isspace() or inner < 0 or (char in stops and not inner):
                break
            self._at += 1
        return self._text[begin : self._at]

    def _peek(self) -> str:
        """The next character that is not blank; '' at the end."""
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1
        return self._text[self._at : self._at + 1]

    def _next_is(self, *names: str) -> bool:
        self._peek()
        for name in names:
            after = self._text[self._at + len(name) : self._at + len(name) + 1]
            if self._text.startswith(name, self._at) and (not after or after in "()" or after.isspace()):
                return True
        return False

    def _keyword(self, name: str) -> bool:
        if not self._next_is(name):
            return False
        self._at += len(name)
        return True

    def _fail(self, what: str, at: int) -> NoReturn:
        raise bad(what, self._text, at)


def bad(what: str, text: str, at: int) -> BadQuery:
    begin = max(0, at - 40)
    shown = text[begin : at + 40]
    return BadQuery(what, hint=f"{shown}\n      {' ' * (at - begin)}^", at=at)
