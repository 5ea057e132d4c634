"""`~part`: exactly these characters, also within a word, wherever the index knows parts of words."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kaizen.capture import index
from kaizen.errors import BadQuery, SearchUnavailable
from kaizen.store import bodies, grams, search
from kaizen.store.open import open_store, transaction
from kaizen.views.search import SearchResult
from kaizen.views.search import search as find
from seeded import T0, Seed

TEXTS = [
    "Fix the loginTest, please",
    "getUserName(id) -> str || None",
    "snake_case_name in foo.bar(baz) !== qux",
    "数据库连接失败了，请检查",
    "the Ünïcode café — Привет мир",
    "C:\\src\\app.py:120: error[E0308] mismatched types",
    'say "hello world" twice',
]


def seeded(home: Path) -> Path:
    seed = Seed(home)
    session = seed.session("aaaa", workspace=seed.workspace("/src/api"))
    for number, text in enumerate(TEXTS):
        role = "prompt" if number == 0 else "assistant"
        seed.event(session, "message", T0 + number, role=role, body={"text": text})
    seed.event(session, "tool_call", T0 + 50, tool="Read", body={"input": {"file_path": "/src/api/authMiddleware.py"}})
    seed.event(session, "tool_result", T0 + 51, tool="Read", is_error=1, body={"output": "authMiddleware: not found"})
    seed.db.execute("UPDATE clock SET rev = 1, next_event_id = 1000")
    seed.done().close()
    return home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = seeded(tmp_path_factory.mktemp("home"))
    index.reindex(home, substring=True)
    return home


@pytest.fixture(scope="module")
def db(home: Path) -> Iterator[Connection]:
    with closing(open_store(home)) as db:
        yield db


def run(db: Connection, home: Path, text: str, **more: Any) -> SearchResult:
    return find(db, home, text, T0, **{"events": True, "limit": 0, **more})


def seqs(result: SearchResult) -> list[int]:
    return sorted(hit.seq for hit in result.hits)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("~ogin", [0]),
        ("~OGINT", [0]),
        ("~serNa", [1]),
        ('~"ase_name in fo"', [2]),
        ("~case ~bar(", [2]),
        ("~据库连", [3]),
        ("~连接", [3]),
        ("~ПРИВ", [4]),
        ("~ünïc", [4]),
        ("~afé", [4]),
        ("~afe\u0301", [4]),
        ("~0308]", [5]),
        ("~ello OR ~ogin", [0, 6]),
        ("login* ~ogin", [0]),
        ("the -~ogin", [4]),
        ("~ogin please", [0]),
        ("~ogin -please", []),
        ("~iddlewar", [7, 8]),
        ("~iddlewar in:path", [7]),
        ("~iddlewar in:error", [8]),
        ("in:prompt ~ogi", [0]),
        ("in:prompt ~iddlewar", []),
        ("tool:Read ~iddlewar", [7, 8]),
        ("tool:Read OR ~ogin", [0, 7, 8]),
        ("kind:message -~e", None),
        ("~zzz", []),
        ("!==", [2]),
        ("!== OR ~ogin", [0, 2]),
        ("||", [1]),
    ],
)
def test_what_is_found(query: str, wanted: list[int] | None, db: Connection, home: Path) -> None:
    if wanted is None:
        with pytest.raises(BadQuery, match="3 characters"):
            run(db, home, query)
        return
    assert seqs(run(db, home, query)) == wanted


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_exactly_the_texts_that_contain_it(data: st.DataObject, db: Connection, home: Path) -> None:
    """Any piece of any text, in either case, finds the texts a plain comparison finds, and marks it in the snippet."""
    text = data.draw(st.sampled_from(TEXTS))
    begin = data.draw(st.integers(0, len(text) - 3))
    part = text[begin : begin + data.draw(st.integers(3, 12))]
    assume('"' not in part and len(part.strip()) >= 3 and part == part.strip())
    typed = data.draw(st.sampled_from([part, part.upper(), part.lower()]))
    assume(len(typed) == len(part))
    found = run(db, home, f'kind:message ~"{typed}"')
    assert seqs(found) == [number for number, one in enumerate(TEXTS) if part.lower() in one.lower()]
    for hit in found.hits:
        assert [hit.snippet[a:b].lower() for a, b in hit.ranges][:1] == [part.lower()]


@pytest.mark.parametrize("typed", ["~/folder", "~ ogin", "~", "~=", "~~~", "foo~bar"])
def test_a_tilde_before_anything_else_is_text(typed: str, tmp_path: Path) -> None:
    """Without parts of words these would be an error if they were taken for one."""
    index.catch_up(seeded(tmp_path))
    with closing(open_store(tmp_path)) as db:
        run(db, tmp_path, typed)


@pytest.mark.parametrize("query", ["~ogin", "login -~ogin", "(tool:Read OR ~ogin)"])
def test_without_parts_of_words_it_says_how_to_get_them(query: str, tmp_path: Path) -> None:
    index.catch_up(seeded(tmp_path))
    with closing(open_store(tmp_path)) as db, pytest.raises(SearchUnavailable) as caught:
        run(db, tmp_path, query)
    assert "substring = true" in caught.value.hint
    assert "kaizen search reindex" in caught.value.hint


def test_the_setting_needs_a_reindex_to_take_effect_both_ways(tmp_path: Path) -> None:
    seeded(tmp_path)
    index.catch_up(tmp_path)
    index.catch_up(tmp_path, substring=True)
    assert not has_grams(tmp_path)
    index.reindex(tmp_path, substring=True)
    assert has_grams(tmp_path)
    index.catch_up(tmp_path)
    assert has_grams(tmp_path)
    index.reindex(tmp_path)
    assert not has_grams(tmp_path)


def test_a_new_index_gets_them_at_once(tmp_path: Path) -> None:
    index.catch_up(seeded(tmp_path), substring=True)
    with closing(open_store(tmp_path)) as db:
        assert seqs(run(db, tmp_path, "~ogin")) == [0]


def test_they_follow_what_is_added_grows_and_goes(tmp_path: Path) -> None:
    index.reindex(seeded(tmp_path), substring=True)
    with closing(open_store(tmp_path, write=True)) as db:
        with transaction(db) as rev:
            bodies.put(db, 1, b'{"text": "now it says catalogue"}')
            db.execute("UPDATE events SET rev = ? WHERE id = 1", (rev,))
        index.catch_up(tmp_path)
        assert seqs(run(db, tmp_path, "~atalog")) == [0]
        with transaction(db):
            db.execute("DELETE FROM events WHERE id = 1")
        assert seqs(run(db, tmp_path, "~atalog")) == []
        assert seqs(run(db, tmp_path, "~serNa")) == [1]


def test_a_text_that_changed_is_found_once(tmp_path: Path) -> None:
    index.reindex(seeded(tmp_path), substring=True)
    with closing(open_store(tmp_path, write=True)) as db:
        with transaction(db) as rev:
            bodies.put(db, 1, b'{"text": "Fix the loginTest, please, and the login page"}')
            db.execute("UPDATE events SET rev = ? WHERE id = 1", (rev,))
        index.catch_up(tmp_path)
        assert run(db, tmp_path, "~ogin").total_at_least == 1


def has_grams(home: Path) -> bool:
    with closing(search.open_index(home)) as db:
        return grams.is_there(db)
