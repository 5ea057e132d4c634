"""A tree of the search language -> an FTS5 expression and conditions on `events AS e`, `sessions AS s`.

Words that hold for the whole query become one FTS5 expression, which ranks; without any, substrings do. Everything else
is SQL: fields and places, and alternatives that mix words with fields, whose words are looked up in a subquery. Every
term is quoted here, so FTS5 parses nothing a person typed.
"""

from collections.abc import Iterator
from typing import Literal as OneOf
from typing import NamedTuple

import msgspec

from kaizen.errors import BadQuery, SearchUnavailable
from kaizen.query.parse import MIN_SUBSTRING, And, Field, In, Literal, Near, Node, Not, Or, Substring, Words
from kaizen.query.words import prepared

# Event ids in the rowids of the index: see store/search.py.
_MATCHING = "e.id IN (SELECT rowid & 1099511627775 FROM found.{0} WHERE {0} MATCH ?)"
MATCHING, CONTAINING = _MATCHING.format("words"), _MATCHING.format("grams")
_WORDS, _GRAMS = (Words, Near), (Substring,)
_COLUMN = {"prompt": "prompt", "path": "path"}
_PLACE_SQL = {
    "prompt": "e.role = 'prompt'",
    "answer": "(e.kind = 'message' AND e.role IN ('assistant', 'thinking'))",
    "tool": "e.kind = 'tool_call'",
    "result": "e.kind = 'tool_result'",
    "error": "(e.kind = 'error' OR e.is_error = 1)",
}


class Sql(NamedTuple):
    text: str
    args: tuple[object, ...] = ()


class Query(msgspec.Struct, frozen=True):
    """`match` ranks and selects in `table`, None: nothing to rank by. `literals` are (text, is it wanted), `substrings`
    what is to be shown as found."""

    match: str | None
    where: tuple[Sql, ...] = ()
    literals: tuple[tuple[str, bool], ...] = ()
    table: OneOf["words", "grams"] = "words"
    substrings: tuple[str, ...] = ()


def build(tree: Node, *, has_grams: bool = False) -> Query:
    """`has_grams`: the index knows parts of words. Raises `BadQuery` for what cannot be looked for, and
    `SearchUnavailable` for a substring without them."""
    tree = _with_grams(tree) if has_grams else tree
    if not has_grams and _has_substring(tree):
        raise SearchUnavailable(
            "The index does not know parts of words (~).",
            hint="Set substring = true under [search] in the settings, then build it: kaizen search reindex",
        )
    items = _flat(tree)
    places = [item.place for item in items if isinstance(item, In)]
    columns = [place for place in places if place in _COLUMN]
    literals = [(one.text, wanted) for item in items for one, wanted in _literal(item)]
    rest = [item for item in items if not isinstance(item, In) and not list(_literal(item))]
    wanted = [item for item in rest if _is_made_of(item, _WORDS)]
    parts = [item for item in rest if _is_made_of(item, _GRAMS)]
    unwanted = [item.item for item in rest if isinstance(item, Not) and _is_made_of(item.item, _WORDS)]
    others = [
        item
        for item in rest
        if item not in wanted and item not in parts and not (isinstance(item, Not) and item.item in unwanted)
    ]
    where = [Sql(_PLACE_SQL[place]) for place in places if place in _PLACE_SQL]
    where += [_sql(item) for item in others]
    match, table = None, "words"
    # `grams` has no column of its own for prompts: the condition of the place says it all.
    contained = _within([one for one in columns if one == "path"], " AND ".join(map(_fts, parts))) if parts else None
    if wanted:
        match = _within(columns, " AND ".join(_fts(item) for item in wanted))
        if unwanted:
            match = f"({match}) NOT ({' OR '.join(_fts(item) for item in unwanted)})"
        where += [Sql(CONTAINING, (contained,))] if contained else []
    elif contained:
        match, table = contained, "grams"
        where += [Sql(f"NOT {MATCHING}", (_fts(item),)) for item in unwanted]
    elif "path" in columns:
        raise BadQuery("in:path needs a word to look for in paths.", hint="For example: kaizen search 'in:path login'")
    else:
        where += [Sql(f"NOT {MATCHING}", (_fts(item),)) for item in unwanted]
    return Query(match, tuple(where), tuple(literals), table, tuple(_substrings(tree)))  # type: ignore[arg-type]


def _with_grams(node: Node) -> Node:
    """Signs without any letter are found by an index of all characters like anything else."""
    match node:
        case Literal(text, at) if len(text) >= MIN_SUBSTRING:
            return Substring(text, at)
        case Not(item):
            return Not(_with_grams(item))
        case And(items):
            return And(tuple(map(_with_grams, items)))
        case Or(items):
            return Or(tuple(map(_with_grams, items)))
        case _:
            return node


def _has_substring(node: Node) -> bool:
    match node:
        case Not(item):
            return _has_substring(item)
        case And(items) | Or(items):
            return any(map(_has_substring, items))
        case _:
            return isinstance(node, Substring)


def _substrings(node: Node) -> Iterator[str]:
    """Of the whole tree, but for what is excluded."""
    match node:
        case Substring(text):
            yield text
        case And(items) | Or(items):
            for item in items:
                yield from _substrings(item)
        case _:
            return


def _flat(tree: Node) -> list[Node]:
    """The conditions that must all hold."""
    return [one for item in tree.items for one in _flat(item)] if isinstance(tree, And) else [tree]


def _literal(item: Node) -> list[tuple[Literal, bool]]:
    if isinstance(item, Literal):
        return [(item, True)]
    if isinstance(item, Not) and isinstance(item.item, Literal):
        return [(item.item, False)]
    return []


def _is_made_of(node: Node, leaves: tuple[type[Node], ...]) -> bool:
    """Whether FTS5 can answer it alone, from one table."""
    match node:
        case Or(items):
            return all(_is_made_of(item, leaves) for item in items)
        case And(items):
            wanted = [item for item in items if not isinstance(item, Not)]
            return bool(wanted) and all(_is_made_of(i.item if isinstance(i, Not) else i, leaves) for i in items)
        case _:
            return isinstance(node, leaves)


def _fts(node: Node) -> str:
    match node:
        case Words(text, is_prefix):
            spelled = [_quoted(one, is_prefix) for one in _spellings(text)]
            return spelled[0] if len(spelled) == 1 else f"({' OR '.join(spelled)})"
        case Substring(text):
            return '"' + text.replace('"', '""') + '"'
        case Near(parts, distance):
            return f"NEAR({' '.join(_quoted(part.text, part.is_prefix) for part in parts)}, {distance})"
        case Or(items):
            return f"({' OR '.join(_fts(item) for item in items)})"
        case And(items):
            wanted = " AND ".join(_fts(item) for item in items if not isinstance(item, Not))
            unwanted = " OR ".join(_fts(item.item) for item in items if isinstance(item, Not))
            return f"(({wanted}) NOT ({unwanted}))" if unwanted else f"({wanted})"
        case _:
            raise AssertionError(node)


def _within(columns: list[str], expression: str) -> str:
    """All words in this column; two columns at once hold nothing together."""
    for column in sorted(set(columns)):
        expression = f"{{{column}}} : ({expression})"
    return expression


def _quoted(text: str, is_prefix: bool) -> str:
    return '"' + prepared(text).replace('"', '""') + ('" *' if is_prefix else '"')


def _spellings(text: str) -> list[str]:
    """`straße` is `STRASSE`, which folding letter by letter does not know."""
    lower = text.lower()
    if "ss" not in lower and "ß" not in lower:
        return [text]
    return sorted({lower, lower.replace("ß", "ss"), lower.replace("ss", "ß")})


def _sql(node: Node) -> Sql:
    """A condition that FTS5 cannot express."""
    for leaves, matching in ((_WORDS, MATCHING), (_GRAMS, CONTAINING)):
        if _is_made_of(node, leaves):
            return Sql(matching, (_fts(node),))
    match node:
        case Not(item):
            inner = _sql(item)
            return Sql(f"NOT ifnull({inner.text}, 0)", inner.args)
        case And(items) | Or(items):
            parts = [_sql(item) for item in items]
            joined = (" AND " if isinstance(node, And) else " OR ").join(part.text for part in parts)
            return Sql(f"({joined})", tuple(arg for part in parts for arg in part.args))
        case Field(name, value):
            return _field(name, value)
        case In(place, at):
            if place in _PLACE_SQL:
                return Sql(_PLACE_SQL[place])
            raise BadQuery(f"in:{place} cannot be one of several alternatives, or excluded.",
                           hint="It holds for all words beside it.", at=at)
        case Literal(text, at):
            raise BadQuery(f"{text!r} has no letter or digit: it can be asked for beside words, not as an alternative.",
                           hint="Leave it out, or search for the words around it.", at=at)
        case _:
            raise AssertionError(node)


def _field(name: str, value: str) -> Sql:
    match name:
        case "agent":
            return Sql("s.agent = ?", (value.lower(),))
        case "kind":
            return Sql("e.kind = ?", (value,))
        case "tool":
            return Sql("lower(ifnull(e.tool, '')) GLOB ?", (_glob(value),))
        case "model":
            return Sql("""EXISTS (SELECT 1 FROM usage_by_session AS u
                                   WHERE u.session_id = s.id AND lower(u.model) GLOB ?)""", (_glob(value),))
        case _:
            return Sql("substr(s.host_id, 1, ?) = ?", (len(value), value))


def _glob(value: str) -> str:
    """`*` and `?` stand for anything, the rest for itself."""
    return value.lower().replace("[", "[[]")
