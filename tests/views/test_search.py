"""What a search finds, in which order, and what it shows."""

import contextlib
import unicodedata
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen.capture import index
from kaizen.errors import BadQuery, SearchUnavailable, UsageError
from kaizen.model.times import Window
from kaizen.store.open import database_of, open_store
from kaizen.views.scope import Scope
from kaizen.views.search import SearchResult, search
from seeded import T0, Seed

DAY = 86_400_000
TEXTS = [
    "Fix the login test, please",
    "The login page of the café is broken; naïve Straße",
    "connection refused: deadlock in snake_case_name at foo.bar()",
    "数据库连接失败了，请检查",
    "deadlocks happen when a -> b and b => a",
    "deploy deployment deployed",
    "the quick brown fox jumps over the lazy dog near the river bank",
    "Привет мир, й",
]


def made(home: Path) -> Connection:
    seed = Seed(home)
    api = seed.workspace("/src/api")
    first = seed.session("aaaa", "claude", api)
    second = seed.session("bbbb", "codex", seed.workspace("/src/web"))
    for i, text in enumerate(TEXTS):
        seed.event(first, "message", T0 + i, role="prompt" if i == 0 else "assistant", body={"text": text})
    seed.event(first, "tool_call", T0 + 100, tool="Read",
               body={"input": {"file_path": "/src/api/auth/getUserName.py", "note": "parseHTTPHeader"}})
    seed.event(first, "tool_result", T0 + 101, tool="Read", is_error=1, body={"output": "no such file: login"})
    seed.event(second, "message", T0 + DAY, role="prompt", body={"text": "login login signup"})
    seed.event(second, "message", T0 + DAY + 1, role="assistant", body={"text": "Done with the signup."})
    seed.cost(second, T0 + DAY, model="gpt-5-codex")
    seed.db.execute("UPDATE clock SET rev = 1, next_event_id = 1000")
    seed.done().close()
    index.catch_up(home)
    return open_store(home)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    made(home).close()
    return home


@pytest.fixture(scope="module")
def db(home: Path) -> Any:
    with closing(open_store(home)) as db:
        yield db


def run(db: Connection, home: Path, text: str, **more: Any) -> SearchResult:
    return search(db, home, text, T0 + 2 * DAY, **{"events": True, "limit": 0, **more})


def seqs(result: SearchResult, session: str = "aaaa") -> list[int]:
    return sorted(hit.seq for hit in result.hits if hit.session_id == session)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("login", [0, 1, 9]),
        ("login test", [0]),
        ('"login test"', [0]),
        ('"test login"', []),
        ("login -test", [1, 9]),
        ("login NOT (test OR page)", [9]),
        ("fox OR deadlock", [2, 6]),
        ("deadlock*", [2, 4]),
        ("depl*", [5]),
        ("near(quick jumps, 5)", [6]),
        ("near(quick bank, 5)", []),
        ("snake_case_name", [2]),
        ("case name", [2]),
        ("foo.bar()", [2]),
        ("getUserName", [8]),
        ('"user name"', [8]),
        ("http header", [8]),
        ("in:prompt login", [0]),
        ("in:answer login", [1]),
        ("in:error login", [9]),
        ("in:result login", [9]),
        ("in:tool auth", [8]),
        ("in:path auth", [8]),
        ("in:path login", []),
        ("tool:read", [8, 9]),
        ("tool:R* -login", [8]),
        ("kind:tool_result", [9]),
        ("kind:message -the -login", [2, 3, 4, 5, 7]),
        ("agent:claude login", [0, 1, 9]),
        ("agent:codex login", []),
        ("session:aa login", [0, 1, 9]),
        ("tool:Read OR fox", [6, 8, 9]),
        ("-> a", [4]),
        ("=>", [4]),
        ("deadlock* ->", [4]),
        ("deadlock* NOT ->", [2]),
        ("连接", [3]),
        ("数据库", [3]),
        ("库数", []),
        ("失败 请检", [3]),
        ("CAFÉ", [1]),
        ("cafe", [1]),
        ("cafe\u0301", [1]),
        ("NAIVE", [1]),
        ("STRASSE", [1]),
        ("straße", [1]),
        ("ПРИВЕТ", [7]),
        ("и\u0306", [7]),
    ],
)
def test_what_is_found(query: str, wanted: list[int], db: Connection, home: Path) -> None:
    assert seqs(run(db, home, query)) == wanted


def test_model_is_that_of_the_session(db: Connection, home: Path) -> None:
    assert seqs(run(db, home, "model:gpt-* signup"), "bbbb") == [0, 1]
    assert run(db, home, "model:gpt-* fox").hits == []


def test_scope_window_and_kind(db: Connection, home: Path) -> None:
    assert {hit.session_id for hit in run(db, home, "login", scope=Scope(agent="codex")).hits} == {"bbbb"}
    assert {hit.session_id for hit in run(db, home, "login", scope=Scope(model="gpt-*")).hits} == {"bbbb"}
    assert {hit.session_id for hit in run(db, home, "login", scope=Scope((1,))).hits} == {"aaaa"}
    assert {hit.session_id for hit in run(db, home, "login", window=Window(T0 + DAY)).hits} == {"bbbb"}
    assert seqs(run(db, home, "login", kind="tool_result")) == [9]


def test_prompts_rank_before_other_text_and_sessions_hold_their_hits(db: Connection, home: Path) -> None:
    result = search(db, home, "login", T0 + 2 * DAY)
    assert [(one.session_id, one.matches, len(one.hits)) for one in result.groups] == [("bbbb", 1, 1), ("aaaa", 3, 3)]
    assert result.groups[1].hits[0].seq == 0
    shown = sorted((hit.session_id, hit.seq) for hit in result.hits)
    assert shown == [("aaaa", 0), ("aaaa", 1), ("aaaa", 9), ("bbbb", 0)]
    assert (result.total_at_least, result.is_partial, result.next) == (4, False, None)


def test_sort_by_time(db: Connection, home: Path) -> None:
    assert [hit.ts_ms for hit in run(db, home, "login", sort="time").hits] == [T0 + DAY, T0 + 101, T0 + 1, T0]


def test_snippet_says_where_the_match_is(db: Connection, home: Path) -> None:
    (hit,) = run(db, home, "strasse cafe").hits
    assert [hit.snippet[a:b] for a, b in hit.ranges] == ["café", "Straße"]
    (hit,) = run(db, home, "连接").hits
    assert (hit.snippet, hit.ranges) == (TEXTS[3], [[3, 5]])
    (hit,) = run(db, home, "=>").hits
    assert [hit.snippet[a:b] for a, b in hit.ranges] == ["=>"]


@pytest.mark.parametrize("events", [True, False])
@pytest.mark.parametrize("sort", ["score", "time"])
def test_pages_are_all_hits_once(events: bool, sort: str, db: Connection, home: Path) -> None:
    def keys(result: SearchResult) -> Sequence[object]:
        return result.hits if events else result.groups

    whole = search(db, home, "login OR the OR signup", T0, events=events, limit=0, sort=sort)  # type: ignore[arg-type]
    pages: list[object] = []
    after, now_ms = None, T0
    while True:
        page = search(db, home, "login OR the OR signup", now_ms, events=events, limit=1, sort=sort,  # type: ignore[arg-type]
                      after=after)
        pages += keys(page)
        if (after := page.next) is None:
            break
        now_ms += DAY  # freshness stays that of the first page
    assert pages == list(keys(whole))
    assert len(pages) > 1


@pytest.mark.parametrize("token", ["x", "aGVsbG8", "é", ""])
def test_a_wrong_page_is_said(token: str, db: Connection, home: Path) -> None:
    with pytest.raises(UsageError):
        search(db, home, "login", T0, after=token)


def test_ties_go_to_the_newer(tmp_path: Path) -> None:
    seed = Seed(tmp_path)
    session = seed.session("aaaa")
    for ts_ms in (T0, T0 + 1, T0):
        seed.event(session, "message", ts_ms, role="assistant", body={"text": "same words"})
    seed.db.execute("UPDATE clock SET rev = 1, next_event_id = 10")
    seed.done().close()
    index.catch_up(tmp_path)
    with closing(open_store(tmp_path)) as db:
        assert [hit.seq for hit in search(db, tmp_path, "same", T0 + DAY, events=True).hits] == [1, 2, 0]


def test_nothing_is_written_to_the_store(tmp_path: Path) -> None:
    with closing(made(tmp_path)) as db:
        before = database_of(tmp_path).read_bytes(), db.execute("PRAGMA data_version").fetchone()
        run(db, tmp_path, "login")
        assert (database_of(tmp_path).read_bytes(), db.execute("PRAGMA data_version").fetchone()) == before
        with pytest.raises(Exception, match="readonly"):
            db.execute("DELETE FROM events")


def test_without_a_store_nothing_is_found(tmp_path: Path) -> None:
    assert index.catch_up(tmp_path) == index.Behind()
    with closing(open_store(tmp_path)) as db:
        assert run(db, tmp_path, "login").hits == []
    assert list(tmp_path.iterdir()) == []


def test_a_word_that_is_everywhere_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kaizen.store import search as store

    monkeypatch.setattr(store, "HALF", 3)
    with closing(made(tmp_path)) as db:
        result = run(db, tmp_path, "the OR login OR signup")
        assert result.is_partial
        assert result.total_at_least == 6
        assert not run(db, tmp_path, "fox").is_partial
        login = run(db, tmp_path, "login")
        assert (login.total_at_least, login.is_partial) == (4, False)


VOCABULARY = sorted({word.strip(",.;:()，") for text in TEXTS for word in text.split()} - {"->", "=>", "and"})
word = st.sampled_from(VOCABULARY)


@settings(max_examples=150, deadline=None)
@given(a=word, b=word, condition=st.sampled_from(["agent:claude", "in:answer", "kind:message", "tool:Read"]))
def test_more_conditions_never_find_more(a: str, b: str, condition: str, home: Path, db: Connection) -> None:
    def ids(query: str) -> set[tuple[str, int]]:
        return {(hit.session_id, hit.seq) for hit in run(db, home, query).hits}

    assert ids(f"{a} {b}") == ids(a) & ids(b)
    assert ids(f"{a} OR {b}") == ids(a) | ids(b)
    assert ids(f"{a} NOT {b}") == ids(a) - ids(b)
    assert ids(f'"{a} {b}"') <= ids(f"{a} AND {b}")
    assert ids(f"{a}*") >= ids(a)
    assert ids(f"{a} {condition}") <= ids(a)


@settings(max_examples=100, deadline=None)
@given(one=word, case=st.sampled_from([str, str.upper, str.lower, str.title]), form=st.sampled_from(["NFC", "NFD"]))
def test_spelling_of_a_word_does_not_matter(one: str, case: Any, form: Any, home: Path, db: Connection) -> None:
    result = run(db, home, unicodedata.normalize(form, case(one)))
    assert result.hits
    assert result.hits == run(db, home, one).hits
    assert all(hit.ranges and 0 <= a < b <= len(hit.snippet) for hit in result.hits for a, b in hit.ranges)


@settings(max_examples=300, deadline=None)
@given(text=st.one_of(st.text(), st.text(alphabet='"()*-: ab\x00\ud800^{}+ORNT,'),
                      st.just('"' + "a b " * 2_400 + '"'), st.just("x" * 10_000)))
def test_any_text_finds_something_or_is_an_error_with_a_hint(text: str, home: Path, db: Connection) -> None:
    for literal in (False, True):
        with contextlib.suppress(BadQuery, SearchUnavailable):  # `~part`: this index knows whole words
            run(db, home, text, is_literal=literal)


def test_all_hits_are_shown_without_all_their_texts_in_memory(tmp_path: Path) -> None:
    """400 events of 60 kB: 24 MB of text, several times that where it is folded and marked."""
    import tracemalloc

    seed = Seed(tmp_path)
    session = seed.session("aaaa")
    for number in range(400):
        seed.event(session, "message", T0 + number, role="assistant", body={"text": f"needle {'lorem ipsum ' * 5_000}"})
    seed.db.execute("UPDATE clock SET rev = 1, next_event_id = 1000")
    seed.done().close()
    index.catch_up(tmp_path)
    with closing(open_store(tmp_path)) as db:
        tracemalloc.start()
        found = run(db, tmp_path, "needle")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert len(found.hits) == 400
    assert peak < 20_000_000
