"""What every store promises, kind by kind."""

import itertools
import random
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kaizen.errors import StoreError, StoreTooNew
from kaizen.hub.answer import Accepted
from kaizen.hub.limits import Rate
from kaizen.hub.store.open import open_store
from kaizen.hub.store.protocol import (
    Amounts,
    Batch,
    Full,
    HubStore,
    KeyReused,
    Refused,
    Replayed,
    Settings,
    Stored,
    Team,
    Token,
    Window,
    Workspace,
)
from kaizen.hub.store.sqlite import SqliteStore

from .conftest import POSTGRES
from .made import MAKE, NOW, TEAM, WORKSPACE, batch, chunk, cost, event, facts, hashed, session, span

DAY = 86_400_000


def put(store: HubStore, *batches: Batch, now_ms: int = NOW) -> Accepted:
    outcomes = store.commit(TEAM, batches, now_ms)
    last = outcomes[-1]
    assert isinstance(last, Stored), last
    return last.counts


def rows(store: HubStore, kind: str, **more: Any) -> list[dict[str, Any]]:
    return [msgspec.json.decode(row.body) for row in store.page(TEAM, kind, Window(**more), None, 1000)]


def total(store: HubStore, team: str = TEAM, **window: Any) -> Amounts:
    found = [amounts for _, amounts in store.usage(team, ["agent"], Window(**window))]
    return found[0] if found else Amounts()


@pytest.mark.parametrize("kind", MAKE)
def test_an_item_is_kept_as_it_was_sent(kind: str, store: HubStore) -> None:
    item = MAKE[kind]()
    assert put(store, batch(kind, item)) == Accepted(received=1)
    kept = rows(store, kind)[0]
    assert {name: value for name, value in item.items() if value or value is None} == {
        name: value for name, value in kept.items() if name in item and (value or value is None)
    }


@pytest.mark.parametrize("kind", MAKE)
def test_an_identical_item_counts_as_known(kind: str, store: HubStore) -> None:
    put(store, batch(kind, MAKE[kind]()))
    assert put(store, batch(kind, MAKE[kind]())) == Accepted(received=1, deduped=1)
    assert len(rows(store, kind)) == 1


@pytest.mark.parametrize("kind", [kind for kind in MAKE if kind != "workspace_facts"])  # its identity is its content
def test_the_higher_rev_is_kept_in_either_order(kind: str, store: HubStore) -> None:
    other = {"sessions": {"status": "done"}, "events": {"model": "other"}, "tool_spans": {"status": "open"},
             "session_feedback": {"score": 1}, "session_evals": {"score": 0.1},
             "repo_snapshots": {"dirty": True}}[kind]  # fmt: skip
    old, new = MAKE[kind](rev=1), MAKE[kind](rev=2, **other)
    assert put(store, batch(kind, old)).updated == 0
    assert put(store, batch(kind, new)) == Accepted(received=1, updated=1)
    assert put(store, batch(kind, old)) == Accepted(received=1, deduped=1)
    assert [one["rev"] for one in rows(store, kind)] == [2]
    assert put(store, batch(kind, {**new, "rev": 1})).deduped == 1


def test_equal_revs_with_other_content_are_a_conflict(store: HubStore) -> None:
    put(store, batch("events", event(rev=1)))
    assert put(store, batch("events", event(rev=1, model="x"))) == Accepted(received=1, deduped=1, conflicts=1)


def test_the_first_event_without_rev_wins(store: HubStore) -> None:
    put(store, batch("events", event(model="first")))
    assert put(store, batch("events", event(model="second"))) == Accepted(received=1, deduped=1, conflicts=1)
    assert [one["model"] for one in rows(store, "events")] == ["first"]


def test_duplicates_inside_a_batch_are_counted(store: HubStore) -> None:
    counts = put(store, batch("events", event(1), event(1), event(2, rev=1), event(2, rev=2), event(3)))
    assert counts == Accepted(received=5, deduped=1, updated=1)
    assert [one["event_seq"] for one in rows(store, "events")] == [1, 2, 3]


def test_a_more_final_span_replaces_and_then_the_later_end(store: HubStore) -> None:
    put(store, batch("tool_spans", span(status="done", ended_at_ms=NOW - 40_000)))
    assert put(store, batch("tool_spans", span(status="open", ended_at_ms=None))).deduped == 1
    assert put(store, batch("tool_spans", span(status="error", ended_at_ms=NOW - 30_000))).updated == 1
    assert [one["status"] for one in rows(store, "tool_spans")] == ["error"]


def test_sessions_without_rev_are_merged(store: HubStore) -> None:
    put(store, batch("sessions", session(status="done", ended_at_ms=NOW - 10)))
    put(store, batch("sessions", session(started_at_ms=NOW - 200_000, status="running", model="m")))
    merged = rows(store, "sessions")[0]
    assert (merged["status"], merged["started_at_ms"], merged["ended_at_ms"], merged["model"]) == (
        "done", NOW - 200_000, NOW - 10, "m",
    )  # fmt: skip
    put(store, batch("sessions", session(status="running", reopened=True)))
    assert rows(store, "sessions")[0]["status"] == "running"


def test_chunks_of_a_snapshot_agree_on_their_number(store: HubStore) -> None:
    put(store, batch("repo_snapshots", chunk(0, 2)))
    refused = store.commit(TEAM, [batch("repo_snapshots", chunk(1, 3))], NOW)[0]
    assert isinstance(refused, Refused)
    assert refused.first.code == "chunk_total_mismatch"
    counts = put(store, batch("repo_snapshots", chunk(1, 3), chunk(1, 2), is_partial=True))
    assert (counts.rejected_total, counts.rejected[0].index, len(rows(store, "repo_snapshots"))) == (1, 0, 2)


def test_a_known_key_answers_as_before_and_stores_nothing(store: HubStore) -> None:
    first = batch("events", event(1), event(1), key="k")
    counts = put(store, first)
    again = store.commit(TEAM, [first], NOW)[0]
    assert again == Replayed(msgspec.json.encode(counts))
    assert store.commit(TEAM, [batch("events", event(9), key="k")], NOW) == [KeyReused()]
    assert len(rows(store, "events")) == 1


def test_a_key_belongs_to_its_route_and_team(store: HubStore) -> None:
    store.add_team(Team("other", NOW))
    put(store, batch("events", event(), key="k"))
    put(store, batch("sessions", session(), key="k"))
    assert isinstance(store.commit("other", [batch("events", event(), key="k")], NOW)[0], Stored)


def test_several_batches_share_a_transaction(store: HubStore) -> None:
    one, other = batch("events", event(1), key="k"), batch("events", event(1), event(2))
    outcomes = store.commit(TEAM, [one, one, other], NOW)
    assert [type(outcome) for outcome in outcomes] == [Stored, Replayed, Stored]
    assert isinstance(outcomes[2], Stored)
    assert outcomes[2].counts == Accepted(received=2, deduped=1)


def test_a_key_is_forgotten_after_a_week(store: HubStore) -> None:
    first = batch("events", event(), key="k")
    put(store, first)
    store.prune(TEAM, 0, NOW + 7 * DAY + 1)
    assert put(store, first) == Accepted(received=1, deduped=1)


def test_usage_counts_billed_requests_only(store: HubStore) -> None:
    put(store, batch("events", cost(1), cost(2, cost_pusd=None), cost(3, is_void=True), event(4, tokens_in=9),
                     cost(5, cost_pusd=None, cost_usd_e6=3)))  # fmt: skip
    assert total(store) == Amounts(3, 30, 60, 15, 300, 90, 21, 4_500_000, 1)
    put(store, batch("events", cost(1, rev=1, is_void=True)))
    assert total(store).requests == 2


@pytest.mark.parametrize(
    ("by", "keys"),
    [
        ("agent", ["claude", "codex"]),
        ("model", ["claude-opus-4", "gpt"]),
        ("session", sorted([hashed("s"), hashed("t")])),
        ("workspace", sorted([WORKSPACE, hashed("w2")])),
        ("quarter", [(NOW - 60_000) // 900_000, NOW // 900_000 + 4]),
    ],
)
def test_usage_by(by: Any, keys: list[Any], store: HubStore) -> None:
    later = (NOW // 900_000 + 4) * 900_000
    other = cost(1, "t", agent="codex", model="gpt", ts_ms=later, cost_pusd=7)
    put(store, batch("events", cost(1)), batch("events", other, workspace=hashed("w2")))
    found = store.usage(TEAM, [by], Window())
    assert [key for (key,), _ in found] == keys
    assert sum(amounts.cost_pusd for _, amounts in found) == 1_500_007


def test_usage_by_several_keys(store: HubStore) -> None:
    put(store, batch("events", cost(1), cost(2, model="a"), cost(3, "t", agent="codex")))
    found = store.usage(TEAM, ["agent", "model"], Window())
    assert [key for key, _ in found] == [("claude", "a"), ("claude", "claude-opus-4"), ("codex", "claude-opus-4")]
    assert [amounts.requests for _, amounts in store.usage(TEAM, ["session"], Window(sessions=(hashed("s"),)))] == [2]


def test_usage_of_a_window_and_a_workspace(store: HubStore) -> None:
    put(store, batch("events", cost(1), cost(2)), batch("events", cost(1), workspace=hashed("w2")))
    at = NOW - 60_000
    assert total(store, start_ms=at + 2).requests == 1
    assert total(store, end_ms=at + 2).requests == 2
    assert total(store, end_ms=at + 2, workspace_hash=WORKSPACE).requests == 1
    assert total(store, workspace_hash=hashed("nowhere")) == Amounts()


def test_the_largest_numbers_add_up_exactly(store: HubStore) -> None:
    most = 2**53
    numbers = {"tokens_in": most, "tokens_out": most, "cost_pusd": -most}
    for start in range(0, 3000, 1000):
        put(store, batch("events", *[cost(start + i, **numbers) for i in range(1000)]))
    found = total(store)
    assert (found.input_tokens, found.cost_pusd) == (3000 * most, -3000 * most)


def test_sessions_are_counted_once(store: HubStore) -> None:
    put(store, batch("sessions", session("a"), session("s")), batch("events", event(1), event(2), event(1, "b")))
    assert store.session_count(TEAM, Window()) == 3
    assert store.session_count(TEAM, Window(start_ms=NOW - 60_000 + 2)) == 1
    assert store.session_count(TEAM, Window(workspace_hash=hashed("w2"))) == 0


@pytest.mark.parametrize("kind", ["events", "tool_spans"])
def test_pages_follow_each_other_without_gap(kind: str, store: HubStore) -> None:
    made = [event(i, ts_ms=NOW - i // 3) if kind == "events" else span(str(i), started_at_ms=NOW - 40_000 - i // 3)
            for i in range(20)]  # fmt: skip
    put(store, batch(kind, *made))
    seen, after = [], None
    while page := store.page(TEAM, kind, Window(), after, 6):
        seen += page
        after = (page[-1].ts_ms, page[-1].id)
    assert [(row.ts_ms, row.id) for row in seen] == sorted({(row.ts_ms, row.id) for row in seen})
    assert len(seen) == 20
    assert len(store.page(TEAM, kind, Window(sessions=(hashed("s"),)), None, 99)) == 20
    assert store.page(TEAM, kind, Window(sessions=(hashed("t"),)), None, 99) == []
    assert [row.id for row in store.page(TEAM, kind, Window(), None, 99, is_newest_first=True)] == [
        row.id for row in reversed(seen)
    ]


def test_followers_see_new_and_changed_events(store: HubStore) -> None:
    put(store, batch("events", event(1), event(2)))
    last = store.last_event_id(TEAM)
    assert store.events_since(TEAM, last, 10) == []
    put(store, batch("events", event(3), event(1, rev=1)))
    assert [msgspec.json.decode(row.body)["event_seq"] for row in store.events_since(TEAM, last, 10)] == [3, 1]
    assert len(store.events_since(TEAM, 0, 2)) == 2


def test_sessions_are_heard_of_by_their_last_event(store: HubStore) -> None:
    here = batch("events", event(7, "s", ts_ms=70), event(2, "s", ts_ms=20), event(1, "t", ts_ms=10))
    store.commit(TEAM, [here], NOW)
    other = batch("events", event(1, "s", ts_ms=90), workspace=hashed("elsewhere"))
    store.commit(TEAM, [other], NOW)
    asked = [hashed("s"), hashed("t"), hashed("nobody")]
    assert store.last_heard_ms(TEAM, asked) == {hashed("s"): 90, hashed("t"): 10}
    assert store.last_heard_ms("other", asked) == {}


def test_the_last_project_name_is_kept(store: HubStore) -> None:
    put(store, batch("events", event()))
    assert store.workspaces(TEAM) == [Workspace(WORKSPACE, "shop", None)]


def test_teams_see_nothing_of_each_other(store: HubStore) -> None:
    store.add_team(Team("other", NOW))
    put(store, batch("events", cost()), batch("sessions", session()))
    assert total(store, "other") == Amounts()
    assert store.page("other", "events", Window(), None, 9) == []
    assert store.events_since("other", 0, 9) == []
    assert store.workspaces("other") == []
    assert list(store.export("other")) == []
    store.erase("other", "workspace", WORKSPACE, NOW)
    assert len(list(store.export(TEAM))) == 2


def test_an_erased_session_does_not_come_back(store: HubStore) -> None:
    put(store, batch("events", cost(1), cost(1, "t")), batch("sessions", session()), batch("tool_spans", span()))
    assert store.erase(TEAM, "session", hashed("s"), NOW) == 3
    assert put(store, batch("events", cost(1), cost(2))) == Accepted(received=2, deduped=2)
    assert [one["session_id_hash"] for one in rows(store, "events")] == [hashed("t")]
    store.prune(TEAM, 0, NOW + 31 * DAY)
    assert put(store, batch("events", cost(1))) == Accepted(received=1)


def test_an_erased_workspace_does_not_come_back(store: HubStore) -> None:
    put(store, batch("events", cost(1)), batch("events", cost(1), workspace=hashed("w2")))
    assert store.erase(TEAM, "workspace", WORKSPACE, NOW) == 1
    assert put(store, batch("events", cost(1))) == Accepted(received=1, deduped=1)
    assert [key for (key,), _ in store.usage(TEAM, ["workspace"], Window())] == [hashed("w2")]


def test_retention_deletes_what_is_old(store: HubStore) -> None:
    put(store, batch("events", cost(1, ts_ms=NOW - 10 * DAY), cost(2)), batch("tool_spans", span()))
    assert store.prune(TEAM, NOW - 5 * DAY, NOW) == 1
    assert total(store).requests == 1
    assert put(store, batch("events", cost(1))) == Accepted(received=1)


def test_old_facts_and_incomplete_snapshots_go(store: HubStore) -> None:
    put(store, batch("workspace_facts", facts("a", rev=1)), batch("workspace_facts", facts("b", rev=2)))
    put(store, batch("repo_snapshots", chunk(0, 2, "torn"), chunk(0, 1, "whole")))
    put(store, *[batch("repo_snapshots", chunk(0, 1, f"new{i}", indexed_at_ms=NOW - i)) for i in range(5)])
    assert store.prune(TEAM, 0, NOW + 1000) == 1
    assert store.prune(TEAM, 0, NOW + 31 * DAY) == 2
    assert [one["rev"] for one in rows(store, "workspace_facts")] == [2]
    assert len(rows(store, "repo_snapshots")) == 5


def test_the_same_facts_again_are_one_row_with_the_higher_rev(store: HubStore) -> None:
    put(store, batch("workspace_facts", facts("a", rev=1)), batch("workspace_facts", facts("b", rev=2)))
    assert put(store, batch("workspace_facts", facts("a", rev=3))) == Accepted(received=1, updated=1)
    assert sorted(one["rev"] for one in rows(store, "workspace_facts")) == [2, 3]


def test_export_holds_everything(store: HubStore) -> None:
    put(store, *[batch(kind, make()) for kind, make in MAKE.items()])
    assert sorted(row.kind for row in store.export(TEAM)) == sorted(MAKE)


def test_tokens_are_found_by_hash_until_revoked(store: HubStore) -> None:
    token = Token("t1", TEAM, ["ingest", "read"], "laptop", NOW)
    store.add_token(token, b"h" * 32)
    grant = store.team_of(b"h" * 32)
    assert grant is not None
    assert (grant.team.team_id, grant.scopes) == (TEAM, {"ingest", "read"})
    assert store.team_of(b"x" * 32) is None
    assert store.tokens(TEAM) == [token]
    assert store.revoke(TEAM, "t1", NOW)
    assert not store.revoke(TEAM, "t1", NOW)
    assert store.team_of(b"h" * 32) is None
    assert store.tokens(TEAM)[0].revoked_ms == NOW


def test_a_team_is_added_once(store: HubStore) -> None:
    assert not store.add_team(Team(TEAM, NOW + 1))
    assert [team.team_id for team in store.teams()] == [TEAM]
    assert len(store.secret()) == 32
    assert store.secret() == store.secret()
    store.check()


def test_what_a_team_decides_can_change(store: HubStore) -> None:
    decided = Settings(display_name="The team", retention_days=7, requests_per_minute=30)
    store.add_token(Token("t-1", TEAM, ["read"], "", NOW), b"hash")
    assert store.set_team(TEAM, decided)
    assert [one.settings for one in store.teams()] == [decided]
    grant = store.team_of(b"hash")
    assert grant is not None
    assert grant.team.settings == decided
    assert not store.set_team("nobody", decided)


def test_a_bucket_gives_what_it_holds_and_fills_again(store: HubStore) -> None:
    slow = Rate(per_minute=2, burst=3)
    assert store.wait_ms("a", slow) == 0
    assert [store.take("a", slow) for _ in range(4)] == [True, True, True, False]
    assert 25_000 < store.wait_ms("a", slow) <= 30_000
    assert store.take("b", slow)
    quick = Rate(per_minute=60_000, burst=1)  # one each millisecond
    assert store.take("c", quick)
    time.sleep(0.01)
    assert store.wait_ms("c", quick) == 0
    assert store.take("c", quick)


def test_waiting_as_long_as_told_is_enough(store: HubStore) -> None:
    quick = Rate(per_minute=1_200, burst=1)  # one each 50 ms
    assert store.take("a", quick)
    for _ in range(3):
        wait_ms = store.wait_ms("a", quick)
        assert wait_ms <= 50
        time.sleep(wait_ms / 1000 + 0.002)
        assert store.wait_ms("a", quick) == 0
        assert store.take("a", quick)


def test_looking_at_a_bucket_takes_nothing(store: HubStore) -> None:
    slow = Rate(per_minute=1, burst=1)
    assert [store.wait_ms("a", slow) for _ in range(5)] == [0] * 5
    assert store.take("a", slow)


def test_a_bucket_is_shared_by_all_who_take_at_once(store: HubStore) -> None:
    rate = Rate(per_minute=1, burst=40)
    taken: list[bool] = []

    def take() -> None:
        taken.extend(store.take("a", rate) for _ in range(20))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sum(taken) == 40


def test_a_full_disk_is_told_apart_and_nothing_is_stored(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path)) as store:
        store.add_team(Team(TEAM, NOW))
        put(store, batch("events", cost(1)))
        with store._file(TEAM).writing() as db:
            pages = db.execute("PRAGMA page_count").fetchone()[0]
            db.execute(f"PRAGMA max_page_count = {pages}")
        text = {"text": random.Random(1).randbytes(20_000).hex()}
        with pytest.raises(Full):
            store.commit(TEAM, [batch("events", *[event(i, payload=text) for i in range(2, 50)])], NOW)
        assert len(rows(store, "events")) == 1


def test_a_store_of_a_newer_hub_is_left_alone(tmp_path: Path) -> None:
    SqliteStore(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "hub.db")) as db:
        db.execute("PRAGMA user_version = 2")
    with pytest.raises(StoreTooNew, match="newer hub"):
        open_store(str(tmp_path))
    (tmp_path / "hub.db").write_bytes(b"not a database" * 500)
    with pytest.raises(StoreError, match="cannot be used"):
        open_store(str(tmp_path))


@pytest.mark.skipif(not POSTGRES, reason="needs PostgreSQL: make test-postgres")
def test_a_lost_connection_is_made_again() -> None:
    import psycopg

    from kaizen.hub.store.postgres import PostgresStore

    from .private_postgres import empty_database

    url = empty_database(POSTGRES)
    with closing(PostgresStore(url)) as store:
        store.add_team(Team(TEAM, NOW))
        put(store, batch("events", cost(1)))
        with psycopg.connect(url, autocommit=True) as db:
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert put(store, batch("events", cost(1))) == Accepted(received=1, deduped=1)


@pytest.mark.skipif(not POSTGRES, reason="needs PostgreSQL: make test-postgres")
def test_days_have_partitions_that_go_when_they_are_empty() -> None:
    import psycopg

    from kaizen.hub.store.postgres import PostgresStore

    from .private_postgres import empty_database

    def partitions(url: str) -> int:
        with psycopg.connect(url) as db:
            row = db.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = 'events'::regclass").fetchone()
            return int(row[0]) if row else 0

    url = empty_database(POSTGRES)
    with closing(PostgresStore(url)) as store:
        store.add_team(Team(TEAM, NOW))
        put(store, batch("events", *[cost(i, ts_ms=NOW - i * DAY) for i in (0, 1, 2, 900)]))
        assert partitions(url) == 1 + 3
        assert store.prune(TEAM, NOW - DAY - DAY // 2, NOW) == 2
        assert partitions(url) == 1 + 2
        put(store, batch("events", cost(5, ts_ms=NOW - 2 * DAY)))
        assert total(store).requests == 3


VERSIONS = st.lists(
    st.one_of(
        st.builds(lambda seq, rev: ("events", cost(seq, rev=rev, model=f"m{rev}", tokens_in=rev)),
                  st.integers(0, 2), st.integers(0, 3)),
        st.builds(lambda status, end: ("tool_spans", span(status=status, ended_at_ms=NOW - end)),
                  st.sampled_from(["open", "orphaned", "done", "ok"]), st.integers(0, 3)),
        st.builds(lambda status, start, end, model: ("sessions", session(status=status, started_at_ms=NOW - 9 - start,
                  ended_at_ms=end and NOW - end, model=model)), st.sampled_from(["running", "idle", "done"]),
                  st.integers(0, 2), st.sampled_from([None, 1, 2]), st.sampled_from([None, "a", "b"])),
        st.builds(lambda score, at: ("session_evals", {**MAKE["session_evals"](), "score": score,
                  "created_at_ms": NOW - at}), st.sampled_from([0.1, 0.2]), st.integers(1, 3)),
    ), min_size=1, max_size=6,
)  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(versions=VERSIONS, chance=st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(
    versions: list[tuple[str, dict[str, Any]]], chance: random.Random, store: HubStore
) -> None:
    def state(team: str) -> list[tuple[str, bytes]]:
        return sorted((row.kind, row.body) for row in store.export(team))

    number = len(store.teams())
    first, second = f"one{number}", f"two{number}"
    again = [*versions, *versions]
    chance.shuffle(again)
    for team, order in ((first, versions), (second, again)):
        store.add_team(Team(team, NOW))
        for kind, group in itertools.groupby(order, key=lambda one: one[0]):
            assert isinstance(store.commit(team, [batch(kind, *[item for _, item in group])], NOW)[0], Stored)
    assert state(first) == state(second)
