"""From the store to the outbox: whatever happens to a session while it is sent, a team's totals are the machine's."""

import json
import random
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from capture.test_properties import PLACES, files_of
from kaizen.capture.load import load
from kaizen.config.model import Config, Identity, Redaction, Sync
from kaizen.outbox.enqueue import Enqueue
from kaizen.outbox.gate import Gate
from kaizen.redact.guard import leaks
from kaizen.redact.hashes import Salt
from kaizen.store import outbox
from kaizen.store.open import open_store, transaction
from kaizen.wire.ingest import KINDS
from support import FIXTURES, TOKENS, Machine

SALT = Salt(b"\x07" * 32)
FIELDS = ("tokens_in", "tokens_out", "reasoning_tokens", "cache_read_tokens", "cache_creation_tokens",
          "cache_creation_1h_tokens")  # fmt: skip
assert len(FIELDS) == len(TOKENS)


def gate(team: str = "core", **sync: Any) -> Gate:
    return Gate(Config(sync=Sync(**sync)), SALT, "https://hub.test", "token", team)


class Laptop:
    """A machine whose outbox is emptied into what a hub would hold: the newest version of each item."""

    def __init__(self, folder: Path, of: Gate | None = None) -> None:
        self.machine = Machine(folder)
        self.enqueue = Enqueue(of or gate())
        self.hub: dict[tuple[Any, ...], dict[str, Any]] = {}

    def load(self, *, is_live: bool = True) -> None:
        load(self.machine.home, self.machine.env, self.machine.config, index=False,
             enqueue=self.enqueue if is_live else None)  # fmt: skip

    def sent(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        db = open_store(self.machine.home, write=True)
        try:
            self.enqueue.catch_up(db)
            for one in list(outbox.payloads(db)):
                envelope = db.execute("SELECT body FROM envelopes JOIN outbox ON envelopes.id = envelope_id"
                                      " WHERE outbox.id = ?", (one.id,)).fetchone()[0]  # fmt: skip
                yield one.kind, json.loads(envelope)["workspace_hash"], json.loads(one.payload)
            with transaction(db):
                db.execute("DELETE FROM outbox")
        finally:
            db.close()

    def send(self) -> None:
        for kind, workspace, item in self.sent():
            identity = (kind, workspace, *(item[name] for name in KINDS[kind].identity))
            if identity not in self.hub or self.hub[identity]["rev"] < item["rev"]:
                self.hub[identity] = item

    def totals(self) -> dict[tuple[str, str], list[int]]:
        """By workspace and model: requests, the token buckets, cost."""
        found: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * 8)
        for (kind, workspace, *_), item in self.hub.items():
            if kind == "events" and item["kind"] == "cost" and not item.get("is_void"):
                amounts = [1, *(item.get(name) or 0 for name in FIELDS), item.get("cost_pusd") or 0]
                sums = found[workspace, item["model"]]
                for place, amount in enumerate(amounts):
                    sums[place] += amount
        return dict(found)

    def own_totals(self) -> dict[tuple[str, str], list[int]]:
        from kaizen.redact import schema

        found: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * 8)
        for root, model, *amounts in self.machine.rows(
                f"""SELECT ifnull(w.root, ''), q.model, requests, {", ".join(TOKENS)}, cost_pusd
                      FROM usage_by_quarter AS q LEFT JOIN workspaces AS w ON w.id = q.workspace_id"""):  # fmt: skip
            sums = found[SALT.hash(root), schema.model_name(model, SALT) if model else "unknown"]
            for place, amount in enumerate(amounts):
                sums[place] += amount
        return dict(found)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", PLACES)
def test_team_totals_are_the_machines_however_files_grow(name: str, seed: int, tmp_path: Path) -> None:
    """Files appear in any order and in pieces; everything is sent after each piece; sync is off now and then."""
    rng = random.Random(f"{name}{seed}")
    laptop = Laptop(tmp_path)
    pieces = []
    for path, content in files_of(name).items():
        cut = rng.randrange(len(content)) if content else 0
        pieces += [(path, content[:cut]), (path, content)]
    rng.shuffle(pieces)
    seen: dict[str, int] = {}
    for path, content in pieces[-40:]:
        if len(content) < seen.get(path, 0):
            continue  # a file only grows
        seen[path] = len(content)
        laptop.machine.write(laptop.machine.user / path, content, age_rank=len(content) % 7)
        laptop.load(is_live=rng.random() < 0.7)
        if rng.random() < 0.8:
            laptop.send()
    laptop.load()
    laptop.send()
    assert laptop.own_totals() or name == "subagent"
    assert laptop.totals() == laptop.own_totals()


def test_a_rewritten_file_takes_back_what_it_said(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path)
    path = laptop.machine.claude("p/a.jsonl")
    lines = (FIXTURES / "claude_code/agent_sessions/small.jsonl").read_bytes().splitlines(keepends=True)
    laptop.machine.write(path, b"".join(lines))
    laptop.load()
    laptop.send()
    before = laptop.totals()
    laptop.machine.write(path, b"".join(lines[: len(lines) // 2]), age_rank=1)
    laptop.load()
    laptop.send()
    assert before != laptop.totals() == laptop.own_totals()


def test_enqueued_live_or_made_up_later_is_the_same(tmp_path: Path) -> None:
    live, late = Laptop(tmp_path / "live"), Laptop(tmp_path / "late")
    for laptop in (live, late):
        laptop.machine.copy(FIXTURES / "synthetic/claude_fork/projects", laptop.machine.user / ".claude/projects")
        laptop.load(is_live=laptop is live)
        laptop.send()
    assert {key: {**item, "rev": 0} for key, item in live.hub.items()} == {
        key: {**item, "rev": 0} for key, item in late.hub.items()}
    assert len(live.hub) > 20


def test_nothing_is_enqueued_twice(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path)
    laptop.machine.copy(FIXTURES / "codex/agent_sessions/small.jsonl", laptop.machine.codex("small.jsonl"))
    laptop.load()
    assert list(laptop.sent())
    laptop.load()
    assert list(laptop.sent()) == []


def test_another_team_gets_everything(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path)
    laptop.machine.copy(FIXTURES / "codex/agent_sessions/small.jsonl", laptop.machine.codex("small.jsonl"))
    laptop.load()
    first = len(list(laptop.sent()))
    laptop.enqueue = Enqueue(gate("other"))
    assert len(list(laptop.sent())) == first > 0


def test_sessions_are_sampled_whole(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path, gate(sample_rate=0.5))
    laptop.machine.copy(FIXTURES / "claude_code/sniffly/projects", laptop.machine.user / ".claude/projects")
    laptop.machine.copy(FIXTURES / "synthetic/claude_fork/projects", laptop.machine.user / ".claude/projects")
    laptop.load()
    laptop.send()
    kept = {f"claude:{host}" for (host,) in laptop.machine.rows("SELECT host_id FROM sessions WHERE events > 0")
            if SALT.sample(host) < 0.5}  # fmt: skip
    sent = {item["session_id_hash"] for item in laptop.hub.values() if "session_id_hash" in item}
    assert sent == {SALT.hash(host) for host in kept}
    assert 0 < len(kept) < laptop.machine.rows("SELECT count(*) FROM sessions WHERE events > 0")[0][0]


@pytest.mark.parametrize("name", PLACES)
def test_no_word_of_a_transcript_leaves(name: str, tmp_path: Path) -> None:
    laptop = Laptop(tmp_path)
    for path, content in files_of(name).items():
        laptop.machine.write(laptop.machine.user / path, content)
    laptop.load()
    said = {word for (body,) in laptop.machine.rows("SELECT title FROM sessions WHERE title IS NOT NULL")
            for word in body.split() if len(word) > 7}  # fmt: skip
    paths = {root for (root,) in laptop.machine.rows("SELECT root FROM workspaces WHERE length(root) > 3")}
    hosts = {host for (host,) in laptop.machine.rows("SELECT host_id FROM sessions") if len(host) > 7}
    for kind, _, item in laptop.sent():
        text = msgspec.json.encode(item).decode()
        assert leaks(text.encode()) == []
        assert not [word for word in (*said, *paths, *hosts) if word in text], kind


def test_level_scrubbed_adds_allowed_texts_without_their_secrets(tmp_path: Path) -> None:
    key = "sk-ant-api03-" + "aB3" * 31 + "AA"
    config = Config(redaction=Redaction(level="scrubbed", allow_keys=["text"], terms=["Nightjar"]))
    laptop = Laptop(tmp_path, Gate(config, SALT, "https://hub.test", "token", "core"))
    said = f"deploy Nightjar with {key} from /home/alice/x.py" + " and so on" * 400
    line = {"type": "user", "uuid": "u1", "timestamp": "2026-02-01T10:00:00.000Z", "cwd": "/home/alice/nightjar",
            "sessionId": "s1", "message": {"role": "user", "content": said}}  # fmt: skip
    laptop.machine.write(laptop.machine.claude("p/s1.jsonl"), json.dumps(line).encode() + b"\n")
    laptop.load()
    laptop.send()
    (text,) = [item["payload"]["text"] for item in laptop.hub.values() if "text" in item.get("payload", {})]
    assert text.startswith("deploy <term> with <redacted:")
    assert not [word for word in (key, "Nightjar", "alice") if word in text]
    assert len(text) == 2_048
    assert {json.loads(body)["redaction"] for (body,) in laptop.machine.rows("SELECT body FROM envelopes")} == {
        "scrubbed/1"}


def test_two_agents_may_use_the_same_session_id(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path)
    for agent in ("claude", "codex"):
        laptop.machine.copy(FIXTURES / f"synthetic/{agent}_fork", laptop.machine.user / f".{agent}")
    laptop.load()
    with sqlite3.connect(laptop.machine.home / "kaizen.db") as db:
        db.execute("UPDATE sessions SET workspace_id = (SELECT min(id) FROM workspaces)")
        for agent in ("claude", "codex"):
            one = db.execute("SELECT id FROM sessions WHERE agent = ? AND events > 0 LIMIT 1", (agent,)).fetchone()[0]
            db.execute("UPDATE sessions SET host_id = 'session-alpha' WHERE id = ?", (one,))
        db.execute("DELETE FROM sync_state")
        db.execute("DELETE FROM outbox")
    db.close()
    laptop.send()
    hashes = {item["session_id_hash"] for key, item in laptop.hub.items() if key[0] == "sessions"}
    count = laptop.machine.rows("SELECT count(*) FROM sessions WHERE events > 0")[0][0]
    assert len(hashes) == count


def test_project_names_leave_only_when_asked_for(tmp_path: Path) -> None:
    for name, asked in (("plain", False), ("named", True)):
        of = Gate(Config(identity=Identity(project_name=asked)), SALT, "https://hub.test", "token", "core")
        laptop = Laptop(tmp_path / name, of)
        laptop.machine.copy(FIXTURES / "claude_code/agent_sessions/small.jsonl", laptop.machine.claude("p/a.jsonl"))
        laptop.load()
        envelopes = [json.loads(body) for (body,) in laptop.machine.rows("SELECT body FROM envelopes")]
        assert envelopes and all(("project_name" in one) is asked for one in envelopes)
        assert all(one["salt_id"] == SALT.id and one["redaction"] == "metrics/1" for one in envelopes)
