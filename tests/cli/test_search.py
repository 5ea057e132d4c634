"""`kaizen search` on the small world."""

from pathlib import Path

import pytest

from kaizen.store.open import open_store

from .conftest import Kaizen

READ = "--no-refresh"
CONTRACT = {"session_id", "seq", "ts_ms", "score", "snippet", "kind", "tool"}


@pytest.fixture(autouse=True)
def _written(home: Path) -> None:
    """Seeded events have `rev` 1, and so has the store then."""
    db = open_store(home, write=True)
    db.execute("UPDATE clock SET rev = 1, next_event_id = 1000")
    db.close()


def test_search_keeps_its_contract(kaizen: Kaizen) -> None:
    data = kaizen("search", READ, "login", "--json").json["data"]
    assert set(data) == {"query", "took_ms", "behind", "total_at_least", "is_partial", "hits", "groups", "next"}
    assert all(set(hit) >= CONTRACT for hit in data["hits"])
    assert [one["session_id"][:4] for one in data["groups"]] == ["aaaa"]
    assert data["behind"] == 0
    assert data["hits"][0]["snippet"] == "Fix the login test please"
    assert data["hits"][0]["ranges"] == [[8, 13]]


def test_text_shows_session_and_snippet(kaizen: Kaizen) -> None:
    result = kaizen("search", READ, "dark", "theme")
    assert result.status == 0, result.err
    assert "Add a dark theme" in result.out
    assert "1 match in" in result.out
    assert "\x1b" not in result.out


def test_a_flat_list_and_other_formats(kaizen: Kaizen) -> None:
    assert "#0 prompt" in kaizen("search", READ, "login", "--events").out
    assert len(kaizen("search", READ, "login", "--events", "--format", "jsonl").out.splitlines()) == 3
    assert kaizen("search", READ, "login", "--format", "csv").out.startswith("session_id,seq,")


def test_nothing_found_is_no_error(kaizen: Kaizen) -> None:
    result = kaizen("search", READ, "nonexistent")
    assert (result.status, result.out.split(".")[0]) == (0, "Nothing found")


def test_a_bad_query_shows_the_place(kaizen: Kaizen) -> None:
    result = kaizen("search", READ, 'say "hello')
    assert result.status == 2
    assert result.err.splitlines()[-1].index("^") == result.err.splitlines()[-2].index('"')
    assert kaizen("search", READ, "(", "--json").error["code"] == "bad_query"


def test_filters(kaizen: Kaizen) -> None:
    def found(*options: str) -> int:
        return len(kaizen("search", READ, "login", "--events", "--json", *options).json["data"]["hits"])

    assert found() == 3
    assert found("--kind", "message") == 1
    assert found("--agent", "codex") == 0
    assert found("--until", "2026-02-01") == 0
    assert found("--limit", "2") == 2


def test_the_next_page(kaizen: Kaizen) -> None:
    first = kaizen("search", READ, "login", "--events", "--json", "--limit", "2").json["data"]
    second = kaizen("search", READ, "login", "--events", "--json", "--after", first["next"]).json["data"]
    assert len({(hit["session_id"], hit["seq"]) for hit in first["hits"] + second["hits"]}) == 3


def test_reindex_and_the_word_reindex(kaizen: Kaizen) -> None:
    done = kaizen("search", "reindex", "--json")
    assert done.json["schema"] == "search reindex/1"
    assert done.json["data"]["events"] > 5
    assert "Indexed" in kaizen("search", "reindex").out
    assert kaizen("search", READ, "--json", "--", "reindex").json["data"]["hits"] == []
    assert kaizen("search", "reindex", "login", READ, "--json").json["data"]["hits"] == []
    assert "Examples:" in kaizen("search", "reindex", "--help").out


def test_sessions_search_is_the_same(kaizen: Kaizen) -> None:
    assert kaizen("sessions", "search", READ, "login", "--json").json["data"]["hits"]


def test_parts_of_words_are_a_setting_that_reindex_applies(kaizen: Kaizen, home: Path) -> None:
    missing = kaizen("search", READ, "~ogin", "--json")
    assert (missing.status, missing.error["code"]) == (1, "search_unavailable")
    assert "substring = true" in missing.error["hint"]
    (home / "config.toml").write_text("[search]\nsubstring = true\n")
    assert kaizen("search", READ, "~ogin", "--json").status == 1
    assert kaizen("search", "reindex").status == 0
    found = kaizen("search", READ, "~ogin", "--events", "--json").json["data"]["hits"]
    assert {hit["snippet"][a:b] for hit in found for a, b in hit["ranges"]} == {"ogin"}
    assert len(found) == 3
