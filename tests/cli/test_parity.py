"""One question, one answer: every surface that tells tokens or money tells the same, whatever the filter."""

import csv
import io
from typing import Any

import pytest

from kaizen.capture import demo as transcripts
from kaizen.capture import load as capture
from kaizen.config.model import Config

from .conftest import NOW, Kaizen

AMOUNTS = ("requests", "input_tokens", "output_tokens", "reasoning_tokens", "cache_read_tokens", "cache_write_tokens",
           "cache_write_1h_tokens", "cost_usd_e6", "unpriced_requests")  # fmt: skip
GROUPS = ("day", "week", "month", "agent", "model", "project", "session", "branch", "tool")
FILTERS = {
    "everything": ("--all",),
    "an agent": ("--all", "--agent", "claude"),
    "a model": ("--all", "--model", "claude-*"),
    "a project": ("--project", "tidepool"),
    "an agent in a project": ("--project", "shopfront", "--agent", "codex"),
    "an agent that counts nothing": ("--all", "--agent", "cursor"),
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("demo")
    transcripts.write(folder, NOW)
    env = {"HOME": str(folder), "KAIZEN_HOME": str(folder / "store")}
    capture.load(folder / "store", env, Config())
    return env


@pytest.fixture
def ask(kaizen: Kaizen, demo: dict[str, str]) -> Any:
    def call(*argv: str) -> Any:
        result = kaizen(*argv, "--no-refresh", "--json", env=demo)
        assert result.status == 0, result.err
        return result.json["data"]

    return call


def total(rows: list[dict[str, Any]]) -> dict[str, int]:
    return {name: sum(row[name] or 0 for row in rows) for name in AMOUNTS}


def near(found: dict[str, int], expected: dict[str, int], roundings: int) -> None:
    """Each session is rounded by itself, so only the money may differ, and by less than a micro-dollar each."""
    assert abs(found.pop("cost_usd_e6") - expected["cost_usd_e6"]) <= roundings
    assert found == {name: amount for name, amount in expected.items() if name != "cost_usd_e6"}


@pytest.mark.parametrize("name", FILTERS)
def test_all_surfaces_have_one_total(ask: Any, name: str) -> None:
    chosen = FILTERS[name]
    expected = total([ask("summary", *chosen)["usage"]])
    assert bool(expected["requests"]) == (name != "an agent that counts nothing")
    for by in GROUPS:
        found = ask("cost", "--by", by, *chosen)
        assert total([found["total"]]) == expected, by
        assert total(found["rows"]) == expected, by
    sessions = ask("sessions", "list", "--limit", "0", *chosen)
    summary = ask("summary", *chosen)
    for split in ("by_agent", "by_model"):
        assert total(summary[split]) == expected, split
    assert summary["session_count"] == len(sessions)
    if "--model" not in chosen:  # a session is listed with all it used
        near(total(sessions), expected, len(sessions))


def test_each_session_is_the_same_wherever_it_is_shown(ask: Any) -> None:
    by_session = {row["key"]: row for row in ask("cost", "--by", "session", "--all")["rows"]}
    for listed in ask("sessions", "list", "--all", "--limit", "0"):
        shown = ask("show", listed["id"])
        told = ask("explain", "cost", listed["id"])
        tree = ask("sessions", "tree", listed["id"])
        for amount in AMOUNTS:
            assert shown[amount] == listed[amount]
            if listed["id"] in by_session and amount != "cost_usd_e6":
                assert by_session[listed["id"]][amount] == listed[amount]
        assert told["cost_usd_e6"] == listed["cost_usd_e6"]
        assert told["counted_requests"] == listed["requests"]
        assert told["unpriced_requests"] == listed["unpriced_requests"]
        assert tree["subtree_cost_usd_e6"] == shown["subtree"]["cost_usd_e6"]
        assert tree["requests"] == shown["subtree"]["requests"]


def test_an_export_is_what_the_table_says(kaizen: Kaizen, ask: Any, demo: dict[str, str]) -> None:
    written = kaizen("cost", "--by", "model", "--all", "--no-refresh", "--format", "csv", env=demo).out
    rows = ask("cost", "--by", "model", "--all")["rows"]
    assert [{name: int(row[name] or 0) for name in AMOUNTS} for row in csv.DictReader(io.StringIO(written))] == [
        {name: row[name] or 0 for name in AMOUNTS} for row in rows
    ]


def test_projects_add_up(ask: Any) -> None:
    assert total(ask("projects", "list")) == total([ask("summary", "--all")["usage"]])
