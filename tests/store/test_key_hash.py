"""Keys are told apart by themselves, however many share a number."""

from contextlib import closing
from pathlib import Path

import pytest

from kaizen.store import integrity, key_hash
from kaizen.store.open import open_store
from support import FIXTURES, Machine


def filled(folder: Path) -> Machine:
    machine = Machine(folder)
    for agent, target in (("claude_code", machine.claude("all")), ("codex", machine.codex("2026/05"))):
        machine.copy(FIXTURES / agent, target)
    for name in sorted((FIXTURES / "synthetic").rglob("*.jsonl")):
        machine.copy(name, (machine.codex if "codex" in str(name) else machine.claude)(f"synthetic/{name.name}"))
    machine.load()
    return machine


def test_collisions_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apart = filled(tmp_path / "apart")
    monkeypatch.setattr(key_hash, "crc32", lambda key: len(key) % 2)
    together = filled(tmp_path / "together")
    assert together.rows("SELECT count(DISTINCT key_hash) FROM events") == [(2,)]
    assert together.dump() == apart.dump()
    with closing(together.store()) as db:
        assert integrity.problems(db) == []


@pytest.mark.parametrize(("group", "shares"), [
    ("msg_1", True), ("msg_1:exec:1", True), ("msg_1:exec:2", True), ("msg_10", False), ("msg_2", False)])
def test_what_is_looked_for_together_shares_a_number(group: str, shares: bool) -> None:
    assert (key_hash.group_hash(group) == key_hash.group_hash("msg_1:exec")) is shares


def test_numbers_fit_into_four_bytes() -> None:
    found = [key_hash.key_hash(f"line:{number}:0") for number in range(10_000)]
    assert -(2**31) <= min(found) < -(2**30) < 2**30 < max(found) < 2**31


def test_keys_of_one_scope_lie_together() -> None:
    found = [key_hash.key_hash(key) for key in ("call:toolu_1", "result:toolu_1", "line:toolu_1:17:0", "req:toolu_1:9")]
    assert len(set(found)) == 4
    assert max(found) - min(found) < 1 << 16


def test_a_key_that_is_there_twice_is_found(tmp_path: Path) -> None:
    machine = filled(tmp_path)
    with closing(open_store(machine.home, write=True)) as db:
        names = [row[1] for row in db.execute("PRAGMA table_info(events)")]
        key = db.execute("SELECT key FROM events LIMIT 1").fetchone()[0]
        values = ", ".join({"id": "1000000", "seq": "1000000"}.get(name, name) for name in names)
        db.execute(f"INSERT INTO events ({', '.join(names)}) SELECT {values} FROM events LIMIT 1")
        assert [text for text in integrity.problems(db) if "twice" in text] == [f"claude: {key} is there twice"]
