"""The benchmark corpus: same arguments, same bytes; its totals are what an independent recount finds."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
import corpus

SESSIONS, BYTES, SEED, COPIES = 30, 7_000_000, 5, 0.5


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("corpus")
    corpus.generate(out, SESSIONS, BYTES, seed=SEED, copies=COPIES)
    return out


@pytest.fixture(scope="module")
def expected(home: Path) -> dict[str, Any]:
    return json.loads((home / "expected.json").read_text())


def records(home: Path, pattern: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(home.glob(pattern)):
        for line in path.read_bytes().splitlines():
            yield path, json.loads(line)


def claude_requests(home: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """By (message id, request id): the record with most output."""
    best: dict[tuple[str, str], dict[str, Any]] = {}
    for _, record in records(home, ".claude/**/*.jsonl"):
        if record["type"] == "assistant" and record["message"]["model"] != "<synthetic>":
            key = record["message"]["id"], record["requestId"]
            seen = best.get(key)
            if not seen or record["message"]["usage"]["output_tokens"] >= seen["message"]["usage"]["output_tokens"]:
                best[key] = record
    return best


def codex_sessions(home: Path) -> dict[str, list[dict[str, Any]]]:
    """By session: the `last` usage of every changed total, without the head copied from a parent."""
    found: dict[str, list[dict[str, Any]]] = {}
    turns: dict[str, set[str]] = {}
    for path in sorted(home.glob(".codex/**/*.jsonl")):
        lines = [json.loads(line) for line in path.read_bytes().splitlines()]
        meta = lines[0]["payload"]
        parent = turns.get(meta.get("forked_from_id", ""), set())
        mine, own, previous = found.setdefault(meta["id"], []), not parent, None
        turns[meta["id"]] = {line["payload"]["turn_id"] for line in lines if line["type"] == "turn_context"}
        for line in lines:
            payload = line["payload"]
            own = own or (payload.get("type") == "task_started" and payload["turn_id"] not in parent)
            if payload.get("type") == "token_count" and payload["info"]:
                total = payload["info"]["total_token_usage"]
                if own and total != previous:
                    mine.append(payload["info"]["last_token_usage"])
                previous = total
    return found


def test_same_arguments_write_the_same_bytes(home: Path, tmp_path: Path) -> None:
    corpus.generate(tmp_path, SESSIONS, BYTES, seed=SEED, processes=2, copies=COPIES)
    files = sorted(path.relative_to(home) for path in home.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert all((home / file).read_bytes() == (tmp_path / file).read_bytes() for file in files)


def test_another_seed_writes_another_corpus(tmp_path: Path, expected: dict[str, Any]) -> None:
    assert corpus.generate(tmp_path, SESSIONS, BYTES, seed=SEED + 1)["total"] != expected["total"]


def test_counts_what_it_wrote(home: Path, expected: dict[str, Any]) -> None:
    files = list(home.rglob("*.jsonl"))
    assert (expected["files"], expected["bytes"]) == (len(files), sum(file.stat().st_size for file in files))
    assert expected["lines"] == sum(1 for _ in records(home, "**/*.jsonl"))


def test_claude_totals_equal_a_recount(home: Path, expected: dict[str, Any]) -> None:
    counted: Counter[str] = Counter()
    days: Counter[str] = Counter()
    for record in claude_requests(home).values():
        usage = record["message"]["usage"]
        split = usage["cache_creation"]
        assert sum(split.values()) == usage["cache_creation_input_tokens"]
        counted.update(requests=1, input_tokens=usage["input_tokens"], output_tokens=usage["output_tokens"],
                       cache_read_tokens=usage["cache_read_input_tokens"], cache_write_tokens=sum(split.values()),
                       cache_write_1h_tokens=split["ephemeral_1h_input_tokens"])
        days[record["timestamp"][:10]] += usage["cache_read_input_tokens"]
    assert expected["by_agent"]["claude"] == {name: counted[name] for name in corpus.BUCKETS}
    assert all(expected["by_day"][day]["cache_read_tokens"] >= tokens for day, tokens in days.items())


def test_a_resumed_copy_owns_only_what_is_new(home: Path, expected: dict[str, Any]) -> None:
    owners: dict[tuple[str, str], str] = {}
    copied = 0
    for path, record in records(home, ".claude/**/*.jsonl"):
        if record["type"] == "assistant" and "requestId" in record:
            copied += owners.setdefault((record["message"]["id"], record["requestId"]), path.stem) != path.stem
    assert copied
    sessions = expected["by_session"]
    assert {name: sessions[name]["requests"] for name in owners.values()} == dict(Counter(owners.values()))


def test_codex_totals_equal_a_recount(home: Path, expected: dict[str, Any]) -> None:
    sessions = codex_sessions(home)
    for session, used in sessions.items():
        cached = sum(usage["cached_input_tokens"] for usage in used)
        assert expected["by_session"][session] == {
            "requests": len(used), "input_tokens": sum(usage["input_tokens"] for usage in used) - cached,
            "output_tokens": sum(usage["output_tokens"] for usage in used),
            "reasoning_tokens": sum(usage["reasoning_output_tokens"] for usage in used),
            "cache_read_tokens": cached, "cache_write_tokens": 0, "cache_write_1h_tokens": 0}
    assert expected["by_agent"]["codex"]["requests"] == sum(map(len, sessions.values()))


def test_every_grouping_adds_up(expected: dict[str, Any]) -> None:
    for group in ("by_agent", "by_model", "by_day", "by_session"):
        for bucket in corpus.BUCKETS:
            assert sum(row[bucket] for row in expected[group].values()) == expected["total"][bucket]


def test_the_corpus_has_the_awkward_records(home: Path) -> None:
    claude = Counter(record["type"] for _, record in records(home, ".claude/**/*.jsonl"))
    assert {"summary", "file-history-snapshot", "progress", "attachment", "system"} <= set(claude)
    assert list(home.glob(".claude/projects/*/*/subagents/agent-*.jsonl"))
    codex = [record["payload"] for _, record in records(home, ".codex/**/*.jsonl")]
    assert any(payload.get("forked_from_id") for payload in codex)
    assert any(payload.get("type") == "token_count" and payload["info"] is None for payload in codex)
