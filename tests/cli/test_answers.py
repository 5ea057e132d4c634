"""What single commands answer on the small world."""

from pathlib import Path

import msgspec
import pytest

from kaizen.store import integrity
from kaizen.store.open import open_store

from .conftest import Kaizen

READ = "--no-refresh"
CONTRACT = {
    "requests",
    "input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "cost_usd_e6",
    "unpriced_requests",
}


@pytest.mark.parametrize("by", ["day", "week", "month", "agent", "model", "project", "session", "branch", "tool"])
def test_cost_keeps_its_contract(by: str, kaizen: Kaizen) -> None:
    data = kaizen("cost", READ, "--by", by, "--json").json["data"]
    assert set(data["total"]) == CONTRACT
    assert all(set(row) >= {*CONTRACT, "key"} for row in data["rows"])
    for name in CONTRACT:
        assert sum(row[name] or 0 for row in data["rows"]) == data["total"][name]


def test_sessions_list_keeps_its_contract(kaizen: Kaizen) -> None:
    rows = kaizen("sessions", "list", READ, "--json").json["data"]
    wanted = {
        "id",
        "agent",
        "model",
        "workspace",
        "branch",
        "started_at_ms",
        "ended_at_ms",
        "status",
        "parent_session_id",
        "errors",
        "tool_calls",
        "title",
        *CONTRACT,
    }
    assert all(set(row) >= wanted for row in rows)
    assert [row["id"][:4] for row in rows] == ["dddd", "cccc", "agen", "aaaa"]
    by_id = {row["id"][:4]: row for row in rows}
    assert by_id["dddd"]["cost_usd_e6"] is None or by_id["dddd"]["requests"] == 0
    assert by_id["agen"]["parent_session_id"] == "aaaa1111-0000-4000-8000-000000000001"
    assert by_id["aaaa"]["cost_usd_e6"] == 14_846
    assert by_id["cccc"]["unpriced_requests"] == 1


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--agent", "claude"], ["agen", "aaaa"]),
        (["-p", "api"], ["agen", "aaaa"]),
        (["-p", "AP"], ["agen", "aaaa"]),
        (["-w", "/src/web"], ["cccc"]),
        (["--roots"], ["dddd", "cccc", "aaaa"]),
        (["--branch", "dark"], ["cccc"]),
        (["--model", "claude-*"], ["agen", "aaaa"]),
        (["--model", "house-model"], ["cccc"]),
        (["--limit", "1"], ["dddd"]),
        (["--since", "2026-02-04"], ["dddd"]),
        (["--since", "2026-02-03", "--until", "2026-02-04"], ["cccc"]),
        (["--status", "done", "--limit", "2"], ["dddd", "cccc"]),
        (["--status", "running"], []),
    ],
)
def test_sessions_list_filters(options: list[str], ids: list[str], kaizen: Kaizen) -> None:
    rows = kaizen("sessions", "list", READ, "--json", "--utc", *options).json["data"]
    assert [row["id"][:4] for row in rows] == ids


def test_the_scope_is_the_folder_s_repository_and_said(kaizen: Kaizen, home: Path, tmp_path: Path) -> None:
    repository = tmp_path / "repo"
    (repository / ".git").mkdir(parents=True)
    (repository / "deep" / "down").mkdir(parents=True)
    db = open_store(home, write=True)
    db.execute(
        "UPDATE workspaces SET path = ?, root = ?, name = 'repo' WHERE name = 'api'", (str(repository), str(repository))
    )
    db.close()
    inside = kaizen("sessions", "list", READ, "--json", cwd=str(repository / "deep" / "down")).json
    assert inside["scope"]["workspaces"] == [str(repository)]
    assert [row["id"][:4] for row in inside["data"]] == ["agen", "aaaa"]
    everything = kaizen("sessions", "list", READ, "--json", "--all", cwd=str(repository)).json
    assert everything["scope"]["all"]
    assert len(everything["data"]) == 4
    elsewhere = kaizen("sessions", "list", READ, cwd="/nowhere")
    assert "showing all workspaces" in elsewhere.err


def test_quiet_says_nothing_but_the_answer(kaizen: Kaizen) -> None:
    assert kaizen("cost", READ, "--quiet").err == ""


def test_unknown_is_shown_as_unknown(kaizen: Kaizen) -> None:
    text = kaizen("cost", READ, "--by", "model").out
    line = next(line for line in text.splitlines() if line.startswith("house-model"))
    assert line.split()[-1] == "-"
    assert "1 of 5 requests unpriced" in text


def test_show_reads_a_session(kaizen: Kaizen) -> None:
    data = kaizen("show", "aaaa", READ, "--json", "--messages", "--spans").json["data"]
    assert data["id"].startswith("aaaa")
    assert data["subtree"]["cost_usd_e6"] == 14_896
    assert data["cost_usd_e6"] == 14_846
    assert [child["id"] for child in data["children"]] == ["agent-bbbb2222"]
    assert [(one["role"], one["tool"], one["is_error"]) for one in data["messages"]] == [
        ("prompt", None, None),
        ("assistant", None, None),
        ("tool", "Read", False),
        ("tool", "Bash", True),
        ("tool", "Edit", False),
    ]
    assert [span["summary"] for span in data["spans"]] == ["/src/api/login.py", "pytest -q", "/src/api/login.py"]
    assert kaizen("sessions", "show", "aaaa", READ).out == kaizen("show", "aaaa", READ).out


def test_a_transcript_cannot_command_the_terminal(kaizen: Kaizen) -> None:
    for argv in (["show", "dddd"], ["sessions", "list"], ["cost", "--by", "session"], ["sessions", "tree", "dddd"]):
        assert "\x1b" not in kaizen(*argv, READ, "--color", "never").out


def test_color_is_asked_for_or_not(kaizen: Kaizen, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[" in kaizen("summary", READ, "--color", "always").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in kaizen("summary", READ).out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in kaizen("summary", READ).out


def test_the_tree_adds_up(kaizen: Kaizen) -> None:
    root = kaizen("sessions", "tree", "aaaa", READ, "--json").json["data"]
    assert root["subtree_cost_usd_e6"] == 14_896
    assert [child["kind"] for child in root["children"]] == ["turn", "subagent"]
    shallow = kaizen("sessions", "tree", "aaaa", READ, "--json", "--depth", "0").json["data"]
    assert shallow["children"] == []


def test_explain_cost_shows_records_and_what_was_dropped(kaizen: Kaizen) -> None:
    data = kaizen("explain", "cost", "aaaa", READ, "--json").json["data"]
    first, _, dropped = data["requests"]
    assert [(one["offset"], one["is_used"]) for one in first["records"]] == [(60, False), (120, True)]
    assert not dropped["is_counted"]
    assert "req:m2" in dropped["reason"]
    assert data["cost_pusd"] == sum(one["cost_pusd"] or 0 for one in data["requests"])
    assert data["cost_usd_e6"] * 1_000_000 - data["cost_pusd"] == data["rounding_pusd"]
    assert first["price"]["model"] == "claude-opus-4-8"


def test_gc_plans_and_does_only_when_told(kaizen: Kaizen, home: Path) -> None:
    before = kaizen("cost", READ, "--json").json["data"]
    plan = kaizen("gc", "--days", "1", "--events", "--json").json
    assert plan["data"]["is_done"] is False
    assert "--yes" in plan["warnings"][0]
    assert plan["data"]["bodies"] > 0
    done = kaizen("gc", "--days", "1", "--events", "--yes", "--json").json["data"]
    assert done == {**plan["data"], "is_done": True}
    assert kaizen("cost", READ, "--json").json["data"] == before
    assert kaizen("gc", "--days", "1", "--events", "--json").json["data"]["bodies"] == 0
    db = open_store(home)
    assert db.execute("SELECT count(*) FROM events WHERE kind <> 'cost'").fetchone() == (1,)  # the newest session's
    assert db.execute("SELECT count(*) FROM sessions").fetchone() == (4,)
    assert db.execute("SELECT count(*) FROM blocks WHERE id NOT IN (SELECT body_block FROM events"
                      " WHERE body_block IS NOT NULL)").fetchone() == (0,)
    assert db.execute("PRAGMA freelist_count").fetchone() == (0,)  # the file is as small as what is left
    assert integrity.problems(db) == []


def test_gc_keeps_what_was_active_lately(kaizen: Kaizen) -> None:
    assert kaizen("gc", "--days", "30", "--json").json["data"]["bodies"] == 0


@pytest.mark.parametrize(("change", "said"), [
    ("UPDATE usage_by_quarter SET requests = requests + 1 WHERE agent = 'codex'", "usage_by_quarter.requests"),
    ("UPDATE tools_total SET calls = calls + 1", "tools_total: "),
    ("DELETE FROM sessions_total WHERE agent = 'codex'", "sessions_total: "),
])
def test_doctor_finds_sums_that_do_not_add_up(kaizen: Kaizen, home: Path, change: str, said: str) -> None:
    healthy = kaizen("doctor", READ, "--json")
    assert healthy.status == 0
    names = {check["name"]: check for check in healthy.json["data"]["checks"]}
    assert names["unknown records"]["details"] == ["new-thing: 2"]
    assert "house-model: 1 request" in names["prices"]["details"]
    assert names["coverage"]["details"] == ["/traces/first.jsonl:4900: bad_json"]
    db = open_store(home, write=True)
    db.execute(change)
    db.close()
    broken = kaizen("doctor", READ, "--json")
    assert broken.status == 4
    assert msgspec.json.decode(broken.err)["error"]["code"] == "check_failed"
    checks = {check["name"]: check for check in broken.json["data"]["checks"]}
    assert checks["sums"]["details"][0].startswith(said)


def test_completions_are_scripts(kaizen: Kaizen) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "_KAIZEN_COMPLETE" in kaizen("completions", shell).out


def test_config_shows_where_values_come_from(kaizen: Kaizen, home: Path) -> None:
    (home / "config.toml").write_text(
        '[search]\nexclude = ["/secret/*"]\ntypo = 1\n[prices."My.Model"]\ninput = "0.2"\n'
    )
    result = kaizen("config", "show", "--json", env={"KAIZEN_SOURCES__DISABLED": '["cursor"]'})
    origins = {row["key"]: (row["value"], row["origin"]) for row in result.json["data"]}
    assert origins["search.exclude"] == (["/secret/*"], f"{home}/config.toml:2:1")
    assert origins["sources.disabled"] == (["cursor"], "environment KAIZEN_SOURCES__DISABLED")
    assert origins["sources.roots"][1] == "default"
    assert origins['prices."My.Model".input'] == ("0.2", f"{home}/config.toml:5:1")
    assert "unknown setting 'search.typo'" in result.json["warnings"][0]


def test_prices_of_the_user_come_first(kaizen: Kaizen, home: Path) -> None:
    (home / "config.toml").write_text('[prices.house-model]\ninput = "0.20"\noutput = "0.80"\n')
    data = kaizen("prices", "explain", "house-model", "--json").json["data"]
    assert (data["price"]["source"], data["price"]["input_pusd"]) == ("user", 200_000)


def test_a_session_of_which_only_the_name_is_known_is_not_listed(kaizen: Kaizen, home: Path) -> None:
    db = open_store(home, write=True)
    db.execute("INSERT INTO sessions (agent, host_id, started_at_ms, rev) VALUES ('claude', 'eeee5555', 9e12, 1)")
    db.close()
    assert len(kaizen("sessions", "list", READ, "--json").json["data"]) == 4
    assert kaizen("summary", READ, "--json").json["data"]["session_count"] == 4
    assert kaizen("show", "@last", READ, "--json").json["data"]["id"].startswith("dddd")
    assert kaizen("show", "eeee", READ, "--json").json["data"]["id"] == "eeee5555"


def test_a_period_beside_the_one_before_it(kaizen: Kaizen) -> None:
    """The small world ends two days after it began, and now is a day later."""
    asked = ("cost", READ, "--all", "--by", "agent", "--days", "2", "--utc", "--compare", "previous")
    data = kaizen(*asked, "--json").json["data"]
    both = data["compared"]
    assert both["previous_window"]["end_ms"] == both["current_window"]["start_ms"]
    assert [(row["key"], row["change"]["cost_usd_e6"]) for row in both["rows"]] == [
        ("codex", 17_204),
        ("claude", -14_896),
    ]
    assert both["change"]["cost_usd_e6"] == 17_204 - 14_896
    assert data["total"] == both["current"]
    text = kaizen(*asked).out
    assert "Before: since 2026-02-01 02:40 until 2026-02-03 02:40" in text
    assert "+$0.0172" in text
    rows = kaizen(*asked, "--format", "csv").out.splitlines()
    assert len(rows) == 3
    assert "previous_cost_usd_e6" in rows[0]
    summary = kaizen("summary", READ, "--all", "--days", "2", "--utc", "--compare", "previous", "--json").json["data"]
    assert summary["compared"]["change"] == both["change"]
    assert summary["compared"]["previous_counts"]["root_sessions"] == 1
    assert kaizen("cost", READ, "--compare", "previous", "--json").error["code"] == "bad_time"


def test_a_comparison_of_nothing_with_nothing(kaizen: Kaizen) -> None:
    found = kaizen("cost", READ, "--since", "2020-01-01", "--until", "2020-02-01", "--compare", "previous")
    assert found.status == 0
    assert found.out.startswith("No requests here, and none since 2019-12-01")
