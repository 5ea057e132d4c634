"""The index follows the store: whatever happened on the way, it is the one that would be built from scratch."""

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen.capture import index
from kaizen.errors import SearchUnavailable
from kaizen.store import bodies, search
from kaizen.store.open import open_store, transaction
from kaizen.views.search import search as find
from seeded import T0, Seed

WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta")


def found(home: Path, word: str) -> list[tuple[str, int]]:
    with closing(open_store(home)) as db:
        result = find(db, home, word, T0, events=True, limit=0)
        assert result.behind == 0
        return sorted((hit.session_id, hit.seq) for hit in result.hits)


def everything(home: Path) -> dict[str, list[tuple[str, int]]]:
    return {word: found(home, word) for word in WORDS}


class World:
    """Writes events as ingest does: each change in a transaction with a `rev` of its own."""

    def __init__(self, home: Path) -> None:
        self.db = open_store(home, write=True)
        self.seqs = 0

    def close(self) -> None:
        self.db.close()

    def add(self, texts: list[str]) -> None:
        with transaction(self.db) as rev:
            self.db.execute("INSERT OR IGNORE INTO sessions (id, agent, host_id, started_at_ms, rev) "
                            "VALUES (1, 'claude', 's1', ?, ?)", (T0, rev))
            for text in texts:
                event_id = self.db.execute(
                    "UPDATE clock SET next_event_id = next_event_id + 1 RETURNING next_event_id - 1").fetchone()[0]
                self.seqs += 1
                self.db.execute(
                    """INSERT INTO events (id, session_id, seq, agent, key, ts_ms, ts_exact, kind, role, is_sidechain,
                                           key_hash, rev)
                       VALUES (?, 1, ?, 'claude', ?, ?, 1, 'message', 'assistant', 0, 0, ?)""",
                    (event_id, self.seqs, f"k{event_id}", T0 + self.seqs, rev))
                self._body(event_id, text)

    def grow(self, nth: int, text: str) -> None:
        if row := self._nth(nth):
            with transaction(self.db) as rev:
                old = msgspec.json.decode(bodies.body(self.db, row[0]) or b"")["text"]
                self._body(row[0], f"{old} {text}")
                self.db.execute("UPDATE events SET rev = ? WHERE id = ?", (rev, *row))

    def delete(self, nth: int) -> None:
        if row := self._nth(nth):
            with transaction(self.db):
                self.db.execute("DELETE FROM events WHERE id = ?", row)

    def delete_session(self) -> None:
        with transaction(self.db):
            self.db.execute("DELETE FROM sessions")

    def _nth(self, nth: int) -> tuple[int] | None:
        ids = [row[0] for row in self.db.execute("SELECT id FROM events WHERE body_block IS NOT NULL ORDER BY 1")]
        return (ids[nth % len(ids)],) if ids else None

    def _body(self, event_id: int, text: str) -> None:
        body = msgspec.json.encode({"text": text})
        bodies.put(self.db, event_id, body)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with closing(World(tmp_path)) as made:
        yield made


text = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join)
step = st.one_of(
    st.tuples(st.just("add"), st.lists(text, min_size=1, max_size=4)),
    st.tuples(st.just("grow"), st.tuples(st.integers(0, 50), text)),
    st.tuples(st.just("delete"), st.integers(0, 50)),
    st.tuples(st.just("index"), st.sampled_from([None, 0.0])),
    st.tuples(st.just("delete session"), st.none()),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(step, max_size=25))
def test_any_history_gives_the_index_from_scratch(tmp_path_factory: pytest.TempPathFactory, steps: list[Any]) -> None:
    home = tmp_path_factory.mktemp("home")
    with closing(World(home)) as world:
        for what, how in steps:
            match what:
                case "add":
                    world.add(how)
                case "grow":
                    world.grow(*how)
                case "delete":
                    world.delete(how)
                case "delete session":
                    world.delete_session()
                case _:
                    index.catch_up(home, budget_s=how)
        index.catch_up(home)
        grown = everything(home)
        wanted: dict[str, list[tuple[str, int]]] = {word: [] for word in WORDS}
        for body, seq in world.db.execute(f"SELECT {bodies.BODY}, seq FROM events ORDER BY seq"):
            for word in set(msgspec.json.decode(body)["text"].split()):
                wanted[word].append(("s1", seq))
        assert grown == wanted
        search.remove(home)
        index.catch_up(home)
        assert everything(home) == wanted
        index.reindex(home)
        assert everything(home) == wanted


def test_killed_at_any_moment_it_goes_on_where_it_was(tmp_path: Path) -> None:
    rng = random.Random(5)
    with closing(World(tmp_path)) as world:
        for _ in range(60):
            world.add([" ".join(rng.choices(WORDS, k=200)) + f" only{rng.randrange(9)}" for _ in range(40)])
    code = ("import sys; from pathlib import Path; from kaizen.capture import index; index.COMMIT_CHARS = 100_000; "
            "index.catch_up(Path(sys.argv[1]))")
    for delay in (0.15, 0.2, 0.25, 0.3, 0.4):
        process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)],
                                   env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
        time.sleep(delay)
        process.kill()
        process.wait()
    index.catch_up(tmp_path)
    before = {f"only{i}": found(tmp_path, f"only{i}") for i in range(9)}
    search.remove(tmp_path)
    index.catch_up(tmp_path)
    assert before == {f"only{i}": found(tmp_path, f"only{i}") for i in range(9)}
    assert sum(map(len, before.values())) == 2400


def test_a_budget_is_kept_and_said(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "CHUNK", 10)
    world.add(["alpha"] * 95)
    assert index.catch_up(tmp_path, budget_s=0.0) == index.Behind(85)
    with closing(open_store(tmp_path)) as db:
        result = find(db, tmp_path, "alpha", T0)
    assert (result.behind, result.total_at_least) == (85, 10)
    assert index.catch_up(tmp_path) == index.Behind(0)


def test_while_somebody_else_indexes_nothing_waits(tmp_path: Path, world: World) -> None:
    world.add(["alpha"])
    with closing(search.open_index(tmp_path)) as other, search.writing(other):
        assert index.catch_up(tmp_path, budget_s=0.2) == index.Behind(1, is_busy=True)
    assert index.catch_up(tmp_path, budget_s=0.2) == index.Behind(0)


def test_a_process_indexes_what_an_import_writes_and_ends_with_it(tmp_path: Path, world: World) -> None:
    with index.indexing(tmp_path):
        for _ in range(20):
            world.add(["alpha beta"] * 30)
    assert len(found(tmp_path, "alpha")) == 600


def test_an_interrupted_import_leaves_the_rest_for_later(tmp_path: Path, world: World) -> None:
    def interrupted() -> None:
        with index.indexing(tmp_path):
            world.add(["alpha"] * 30)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    index.catch_up(tmp_path)
    assert len(found(tmp_path, "alpha")) == 30


def test_a_reader_keeps_the_old_index_during_a_rebuild(tmp_path: Path, world: World,
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    world.add(["alpha"] * 30)
    index.catch_up(tmp_path)
    seen = []
    index.reindex(tmp_path, progress=lambda *_: seen.append(len(found(tmp_path, "alpha"))))
    assert set(seen) == {30}
    assert len(found(tmp_path, "alpha")) == 30


def test_the_index_of_another_store_is_not_believed(tmp_path: Path) -> None:
    with closing(World(tmp_path)) as world:
        world.add(["alpha", "beta"])
        index.catch_up(tmp_path)
        world.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (tmp_path / "kaizen.db").rename(tmp_path / "old.db")
    with closing(World(tmp_path)) as world:
        world.add(["gamma", "delta"])
        with closing(open_store(tmp_path)) as db:
            result = find(db, tmp_path, "alpha", T0)
        assert (result.hits, result.behind) == ([], 2)
        index.catch_up(tmp_path)
        assert everything(tmp_path) == {**{one: [] for one in WORDS}, "gamma": [("s1", 1)], "delta": [("s1", 2)]}


def test_a_damaged_index_is_built_again(tmp_path: Path, world: World) -> None:
    world.add(["alpha"])
    search.path_of(tmp_path).write_bytes(b"not a database at all" * 500)
    with closing(open_store(tmp_path)) as db, pytest.raises(SearchUnavailable, match="damaged"):
        find(db, tmp_path, "alpha", T0)
    index.catch_up(tmp_path)
    assert len(found(tmp_path, "alpha")) == 1
    search.path_of(tmp_path).write_bytes(b"not a database at all" * 500)
    assert index.reindex(tmp_path).events == 1
    assert len(found(tmp_path, "alpha")) == 1


def test_excluded_workspaces_are_not_indexed(tmp_path: Path) -> None:
    seed = Seed(tmp_path)
    for host_id, path in (("open", "/src/open"), ("secret", "/src/secret/deep")):
        session = seed.session(host_id, workspace=seed.workspace(path))
        seed.event(session, "message", role="prompt", body={"text": "alpha"})
    seed.db.execute("UPDATE clock SET rev = 1, next_event_id = 10")
    seed.done().close()
    index.catch_up(tmp_path)
    assert len(found(tmp_path, "alpha")) == 2
    index.catch_up(tmp_path, exclude=["/src/secret"])
    with closing(open_store(tmp_path)) as db:
        result = find(db, tmp_path, "alpha", T0, exclude=["/src/secret"])
    assert [hit.session_id for hit in result.hits] == ["open"]
    with closing(sqlite3.connect(search.path_of(tmp_path))) as db:
        assert db.execute("SELECT count(*) FROM words WHERE words MATCH 'alpha'").fetchone() == (1,)


def test_without_fts5_only_search_is_missing(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "has_fts5", lambda: False)
    with pytest.raises(SearchUnavailable):
        index.catch_up(tmp_path)
    with closing(open_store(tmp_path)) as db, pytest.raises(SearchUnavailable):
        find(db, tmp_path, "alpha", T0)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
def test_the_index_is_private(tmp_path: Path, world: World) -> None:
    world.add(["alpha"])
    index.catch_up(tmp_path)
    assert search.path_of(tmp_path).stat().st_mode & 0o077 == 0
