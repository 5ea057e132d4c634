"""What people type, and what it means."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen.errors import BadQuery
from kaizen.query.fts import build
from kaizen.query.parse import And, Field, In, Literal, Near, Node, Not, Or, Words, parse


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("login", Words("login")),
        ("login test", And((Words("login"), Words("test")))),
        ("login AND test", And((Words("login"), Words("test")))),
        ("login OR test me", Or((Words("login"), And((Words("test"), Words("me")))))),
        ("(a OR b) c", And((Or((Words("a"), Words("b"))), Words("c")))),
        ('"login test"', Words("login test")),
        ('"login te"*', Words("login te", True)),
        ("deplo*", Words("deplo", True)),
        ("a -b", And((Words("a"), Not(Words("b"))))),
        ("a NOT b", And((Words("a"), Not(Words("b"))))),
        ("a -(b OR c)", And((Words("a"), Not(Or((Words("b"), Words("c"))))))),
        ("near(a b, 5)", Near((Words("a"), Words("b")), 5)),
        ('NEAR("a b" c* )', Near((Words("a b"), Words("c", True)), 10)),
        ("in:prompt x", And((In("prompt", 0), Words("x")))),
        ("tool:Bash", Field("tool", "Bash")),
        ('model:"gpt 5"', Field("model", "gpt 5")),
        ("kind:tool_use", Field("kind", "tool_call")),
        ("std::vector", Words("std::vector")),
        ("foo.bar()", Words("foo.bar()")),
        ("(foo() OR b)", Or((Words("foo()"), Words("b")))),
        ("https://x.y/z", Words("https://x.y/z")),
        ("--json", Words("--json")),
        ("don't", Words("don't")),
        ('5"', Words('5"')),
        ("or and not", And((Words("or"), Words("and"), Words("not")))),
        ("->", Literal("->", 0)),
        ("ORDER", Words("ORDER")),
    ],
)
def test_meaning(typed: str, meant: Node) -> None:
    assert parse(typed) == meant


@pytest.mark.parametrize(
    ("typed", "at"),
    [
        ('say "hello', 4),
        ("(a b", 0),
        ("a b)", 3),
        ("a OR", 3),
        ("OR a", 0),
        ("a AND", 2),
        ("a NOT", 2),
        ("()", 1),
        ("near(a)", 0),
        ("near(a b, x)", 10),
        ("near(a b", 0),
        ("in:there", 0),
        ("x kind:nonsense", 2),
        ("tool: x", 0),
        ('a ""', 2),
        ("x " * 65, 128),
        ("(" * 40 + "x", 32),
    ],
)
def test_problems_show_their_place(typed: str, at: int) -> None:
    with pytest.raises(BadQuery) as caught:
        parse(typed)
    assert caught.value.hint.splitlines()[-1].endswith("^")
    assert caught.value.details["at"] == pytest.approx(at, abs=1)


@pytest.mark.parametrize("typed", ["", "  ", "\x00", "x" * 10_001])
def test_nothing_and_too_much(typed: str) -> None:
    with pytest.raises(BadQuery):
        parse(typed)


def test_literal_has_no_operators() -> None:
    assert parse('a OR "b (', is_literal=True) == Words('a OR "b (')


@pytest.mark.parametrize("typed", ["in:path", "in:path tool:Bash", "a OR ->", "a OR in:path"])
def test_what_cannot_be_looked_for_is_said(typed: str) -> None:
    with pytest.raises(BadQuery):
        build(parse(typed))


PIECES = st.sampled_from([
    "(", ")", '"', "-", "*", "OR", "AND", "NOT", "near(", ",", "5", "in:", "in:path", "kind:", "tool:", "a", "b ", "'",
    "\x00", "\ud800", "ß", "日本", "{", "}", "^", "+", ":", ";", "\\", " ",
])  # fmt: skip


@settings(max_examples=1_000, deadline=None)
@given(st.one_of(st.text(), st.lists(PIECES, max_size=40).map("".join), st.lists(PIECES, max_size=40).map(" ".join)))
def test_any_text_is_a_query_or_a_typed_error(typed: str) -> None:
    with contextlib.suppress(BadQuery):
        build(parse(typed))
