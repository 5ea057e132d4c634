"""`--json-compat`: keys, order and types of the Rust kaizen's JSON."""

import msgspec
import pytest

from cli.conftest import Kaizen
from seeded import T0

READ = "--no-refresh"
SESSION = (
    "id agent model workspace started_at_ms ended_at_ms status trace_path start_commit end_commit branch dirty_start "
    "dirty_end repo_binding_source prompt_fingerprint parent_session_id agent_version os arch repo_file_count "
    "repo_total_loc"
).split()
SUMMARY = (
    "workspace workspaces session_count total_cost_usd_e6 by_agent by_model top_tools cost_usd slowest_tool"
).split()
SLOWEST = "tool calls p50_ms p95_ms total_tokens total_reasoning_tokens".split()


def test_sessions_are_records_with_every_key(kaizen: Kaizen) -> None:
    found = kaizen("sessions", "list", READ, "--all", "--json-compat").json
    assert list(found) == ["workspace", "workspaces", "count", "sessions"]
    assert (found["workspace"], found["workspaces"]) == ("machine:2 workspaces", ["/src/api", "/src/web"])
    assert found["count"] == len(found["sessions"]) == 4
    assert all(sorted(one) == sorted(SESSION) for one in found["sessions"])
    first = found["sessions"][-1]
    assert first["status"] in {"Running", "Waiting", "Idle", "Done"}
    assert (first["started_at_ms"], first["start_commit"], first["os"]) == (T0, "abc123", None)
    assert found["sessions"][2]["parent_session_id"] == first["id"]


def test_one_workspace_is_its_path(kaizen: Kaizen) -> None:
    found = kaizen("sessions", "list", READ, "-p", "web", "--json-compat").json
    assert (found["workspace"], found["count"]) == ("/src/web", 1)
    assert "workspaces" not in found


def test_a_summary_has_pairs_and_no_envelope(kaizen: Kaizen) -> None:
    found = kaizen("summary", READ, "--all", "--json-compat").json
    assert list(found) == SUMMARY
    assert found["by_agent"] == [["claude", 2], ["codex", 1], ["cursor", 1]]
    assert ["unknown", 1] in found["by_model"]
    assert found["top_tools"] == [["Bash", 1], ["Edit", 1], ["Read", 1]]
    assert found["cost_usd"] == found["total_cost_usd_e6"] / 1e6 == 0.0321
    assert list(found["slowest_tool"]) == SLOWEST
    assert (found["slowest_tool"]["tool"], found["slowest_tool"]["p95_ms"]) == ("Bash", 500)


def test_a_note_stands_where_the_cost_is_unknown_and_only_there(kaizen: Kaizen) -> None:
    found = kaizen("summary", READ, "--agent", "cursor", "--json-compat").json
    assert (found["total_cost_usd_e6"], found["cost_usd"]) == (0, 0.0)
    assert "cost_note" in found
    assert "slowest_tool" not in found
    assert "cost_note" not in kaizen("summary", READ, "--agent", "codex", "--json-compat").json


def test_it_is_indented_by_two_and_ends_its_line(kaizen: Kaizen) -> None:
    result = kaizen("sessions", "list", READ, "--json-compat")
    assert result.out.startswith('{\n  "workspace": ')
    assert result.out.endswith("\n}\n")
    assert result.err == ""
    assert msgspec.json.decode(result.out)["count"] == 4


@pytest.mark.parametrize(
    "argv",
    [
        ["sessions", "list", "--json-compat", "--json"],
        ["sessions", "list", "--json-compat", "--format", "csv"],
        ["summary", "--json-compat", "--days", "7", "--compare", "previous"],
    ],
)
def test_it_is_a_format_of_its_own(argv: list[str], kaizen: Kaizen) -> None:
    assert kaizen(*argv).status == 2
