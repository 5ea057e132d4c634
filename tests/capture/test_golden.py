"""Totals known to the token, through the whole pipeline: files on disk, `load`, a store."""

import json
from pathlib import Path
from typing import Any

import pytest

from support import FIXTURES, Machine, assert_every_byte_booked, assert_rolled_up

ALL = json.loads((FIXTURES / "_expected/token_totals.json").read_text())
SYNTHETIC = json.loads((FIXTURES / "synthetic/expected.json").read_text())
CLAUDE, CODEX = ALL["claude_code"], ALL["codex"]
RATES = {"input": "3", "output": "15", "cache_read": "0.30", "cache_write": "3.75", "cache_write_1h": "6"}


def machine_with(tmp_path: Path, agent: str, fixture: str, models: Any = ()) -> Machine:
    machine = Machine(tmp_path, dict.fromkeys(models, RATES))
    place = fixture.partition(" (")[0]
    target = machine.claude(place) if agent == "claude" else machine.codex(place)
    machine.copy(FIXTURES / place, target)
    return machine


def micro(pusd: int) -> int:
    """Half-even, as a reader of an invoice would."""
    whole, rest = divmod(pusd, 1_000_000)
    return whole + (rest > 500_000 or (rest == 500_000 and whole % 2 == 1))


@pytest.mark.parametrize("fixture", CLAUDE)
def test_claude_totals(tmp_path: Path, fixture: str) -> None:
    expected = CLAUDE[fixture]
    machine = machine_with(tmp_path, "claude", fixture, expected["by_model"])
    machine.load()
    found = machine.totals()
    searches = dict(
        machine.rows("""SELECT model, total(web_search_requests) FROM events
                                     WHERE kind = 'cost' AND duplicate_of IS NULL GROUP BY 1""")
    )
    assert {
        model: {
            "requests": one["requests"],
            "input_tokens": one["input_tokens"],
            "output_tokens": one["output_tokens"],
            "cache_read_tokens": one["cache_read_tokens"],
            "cache_write_5m_tokens": one["cache_write_tokens"] - one["cache_write_1h_tokens"],
            "cache_write_1h_tokens": one["cache_write_1h_tokens"],
            "web_search_requests": searches[model],
        }
        for model, one in found.items()
    } == expected["by_model"]
    naive = expected["naive_sum_wrong"]
    wrong = (naive["records"], naive["input"], naive["output"])
    right = tuple(
        sum(one[name] for one in expected["by_model"].values())
        for name in ("requests", "input_tokens", "output_tokens")
    )
    ours = tuple(sum(one[name] for one in found.values()) for name in ("requests", "input_tokens", "output_tokens"))
    assert (ours != wrong) == (right != wrong)
    assert_rolled_up(machine)
    assert_every_byte_booked(machine)


@pytest.mark.parametrize("fixture", [name for name in CLAUDE if "cost_at_3_15_030_375_6" in CLAUDE[name]])
def test_claude_money(tmp_path: Path, fixture: str) -> None:
    expected = CLAUDE[fixture]["cost_at_3_15_030_375_6"]
    machine = machine_with(tmp_path, "claude", fixture, CLAUDE[fixture]["by_model"])
    machine.load()
    costs = [
        row[0]
        for row in machine.rows("""SELECT cost_pusd FROM events WHERE kind = 'cost' AND duplicate_of IS NULL
                AND NOT (cost_pusd IS NULL AND input_tokens IS NULL AND output_tokens IS NULL)""")
    ]  # usage: {}
    assert sum(costs) == expected["sum_pusd"]
    assert machine.rows("SELECT sum(cost_pusd) FROM usage_by_session") == [(sum(costs),)]
    assert sum(micro(one) for one in costs) == expected["sum_of_request_usd_e6"]


@pytest.mark.parametrize("fixture", CODEX)
def test_codex_totals(tmp_path: Path, fixture: str) -> None:
    expected = CODEX[fixture]
    machine = machine_with(tmp_path, "codex", fixture)
    machine.load()
    totals = machine.totals("codex")
    if machine.rows("SELECT 1 FROM events WHERE flag = 'model_guess'"):  # named by no record: we assume one, and say so
        totals["unknown"] = totals.pop("gpt-5")
    assert {
        model: {
            "requests": one["requests"],
            "uncached_input_tokens": one["input_tokens"],
            "cache_read_tokens": one["cache_read_tokens"],
            "cache_write_tokens": one["cache_write_tokens"],
            "output_tokens": one["output_tokens"],
            "reasoning_tokens_within_output": one["reasoning_tokens"],
        }
        for model, one in totals.items()
    } == expected["by_model"]
    assert_rolled_up(machine)
    assert_every_byte_booked(machine)


@pytest.mark.parametrize("order", ["parent first", "child first"])
def test_claude_fork_owns_what_it_added(tmp_path: Path, order: str) -> None:
    expected = SYNTHETIC["claude_fork"]
    models = {
        "input": "5",
        "output": "25",
        "cache_read": "0.50",
        "cache_write": "6.25",
        "cache_write_1h": "10",
        "web_search": "10",
    }
    source = FIXTURES / "synthetic/claude_fork"
    names = {
        row["message"]["model"]
        for file in source.rglob("*.jsonl")
        for line in file.read_text().splitlines()
        if (row := json.loads(line)).get("type") == "assistant"
    } - {"<synthetic>"}
    machine = Machine(tmp_path, dict.fromkeys(names, models))
    files = sorted(source.rglob("*.jsonl"), reverse=order == "parent first")
    for rank, file in enumerate(files):  # newest is read first
        machine.write(machine.user / ".claude" / file.relative_to(source), file.read_bytes(), age_rank=-rank)
    machine.load()
    counted = machine.rows("""SELECT host_id, request FROM events JOIN sessions ON sessions.id = session_id
                               WHERE kind = 'cost' AND duplicate_of IS NULL ORDER BY 1, 2""")
    owners: dict[str, list[str]] = {}
    for host, request in counted:
        owners.setdefault(host, []).append(request)
    assert len(counted) == expected["requests"]
    assert owners == expected["owners"]
    assert (
        dict(machine.rows("SELECT host_id, parent_host_id FROM sessions WHERE parent_host_id IS NOT NULL"))
        == (expected["parents"])
    )
    (found,) = machine.rows("""
        SELECT sum(input_tokens), sum(output_tokens), sum(cache_read_tokens),
               sum(cache_write_tokens - cache_write_1h_tokens), sum(cache_write_1h_tokens) FROM usage_by_quarter""")
    totals = dict(expected["totals"])
    assert machine.rows("SELECT sum(web_search_requests) FROM events WHERE duplicate_of IS NULL") == [
        (totals.pop("web_search_requests"),)
    ]
    assert found == tuple(totals.values())
    assert found[1] != expected["naive_output_sum_wrong"]
    assert machine.rows("SELECT sum(cost_pusd) FROM usage_by_quarter") == [
        (expected["cost_pusd_at_5_25_050_625_10_search_001"],)
    ]
    assert machine.rows("SELECT sum(errors) FROM sessions") == [(expected["errors"],)]
    assert_rolled_up(machine)


@pytest.mark.parametrize("order", ["parent first", "child first"])
def test_codex_fork_owns_what_it_added(tmp_path: Path, order: str) -> None:
    expected = SYNTHETIC["codex_fork"]
    source = FIXTURES / "synthetic/codex_fork"
    machine = Machine(tmp_path)
    for rank, file in enumerate(sorted(source.rglob("*.jsonl"), reverse=order == "parent first")):
        machine.write(machine.user / ".codex" / file.relative_to(source), file.read_bytes(), age_rank=-rank)
    machine.load()
    rows = machine.rows("""SELECT host_id, sum(requests), sum(input_tokens), sum(cache_read_tokens), sum(output_tokens),
                                  sum(reasoning_tokens)
                             FROM usage_by_session JOIN sessions ON id = session_id GROUP BY 1""")
    assert {host: requests for host, requests, *_ in rows} == expected["owners"]
    assert {host: tuple(rest) for host, _, *rest in rows} == {
        host: tuple(one.values()) for host, one in expected["by_session"].items()
    }
    assert (
        dict(machine.rows("SELECT host_id, parent_host_id FROM sessions WHERE parent_host_id IS NOT NULL"))
        == (expected["parents"])
    )
    assert sum(row[4] for row in rows) != expected["naive_sum_of_last_output_wrong"]
    assert_rolled_up(machine)
