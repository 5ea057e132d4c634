"""What a team asks all day is answered from an index of the SQLite store, not by reading bodies."""

from contextlib import closing
from pathlib import Path

from kaizen.hub.store.protocol import Team, Window
from kaizen.hub.store.sqlite import SqliteStore

from .made import NOW, TEAM, batch, cost


def plan(store: SqliteStore, ask: str) -> str:
    """The plans of all statements that answer a question."""
    seen: list[str] = []
    with store._file(TEAM).reading() as db:
        db.set_trace_callback(seen.append)
    if ask == "usage":
        store.usage(TEAM, ["agent", "model"], Window(start_ms=1, end_ms=NOW))
    elif ask == "usage of sessions":
        store.usage(TEAM, ["session"], Window(sessions=("a", "b")))
    elif ask == "page":
        store.page(TEAM, "events", Window(start_ms=1), (1, 1), 10)
    elif ask == "last heard":
        store.last_heard_ms(TEAM, ["a", "b"])
    else:
        store.session_count(TEAM, Window())
    with store._file(TEAM).reading() as db:
        db.set_trace_callback(None)
        return "\n".join(row[3] for sql in seen for row in db.execute(f"EXPLAIN QUERY PLAN {sql}"))


def test_hot_questions_use_their_indexes(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path)) as store:
        store.add_team(Team(TEAM, NOW))
        store.commit(TEAM, [batch("events", *[cost(i) for i in range(50)])], NOW)
        assert "COVERING INDEX events_counted (ts_ms>? AND ts_ms<?)" in plan(store, "usage")
        assert "SEARCH s USING COVERING INDEX streams_session" in plan(store, "usage of sessions")
        assert "USE TEMP B-TREE" not in plan(store, "page")
        assert "USING INDEX events_time" in plan(store, "page")
        assert "SCAN e" not in plan(store, "session count")
        assert "SEARCH e USING INDEX sqlite_autoindex_events_1 (stream=?)" in plan(store, "last heard")
