"""500 secrets, each known by its own word, in every place of a transcript: none reaches a hub or an exporter."""

import asyncio
import gzip
import json
import random
import string
from pathlib import Path
from typing import Any

import httpx
import pytest

from kaizen.capture.load import load
from kaizen.config.model import Config, Redaction, Sync
from kaizen.exporters import open_sinks
from kaizen.outbox.client import Hub
from kaizen.outbox.deliver import Engine
from kaizen.outbox.enqueue import Enqueue
from kaizen.outbox.gate import Gate
from kaizen.outbox.settings import Settings
from kaizen.redact.guard import leaks
from kaizen.redact.hashes import Salt
from kaizen.store import outbox
from kaizen.store.open import open_store
from support import Machine

SALT = Salt(b"\x07" * 32)
LETTERS = string.ascii_letters + string.digits


class Wire(httpx.AsyncBaseTransport):
    """Keeps every byte that was to leave."""

    def __init__(self) -> None:
        self.bytes = b""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raw = await request.aread()
        body = gzip.decompress(raw) if request.headers.get("content-encoding") == "gzip" else raw
        self.bytes += str(request.url).encode() + repr(request.headers.raw).encode() + body
        return httpx.Response(202)


def canaries() -> list[tuple[str, str]]:
    """(what gives the canary away, the text it stands in)"""
    rng = random.Random(1)

    def word(length: int, letters: str = LETTERS) -> str:
        return "".join(rng.choices(letters, k=length))

    made = []
    for number in range(100):
        github, aws, other = word(36), word(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), word(24)
        made += [
            (github, f"ghp_{github}"),
            (aws, f"AKIA{aws}"),
            (other, f"postgres://app:{other}@db.internal:5432/x"),
            (f"canary{number}q", f"canary{number}q@client.example"),
            (f"canary{number}z", f"/home/canary{number}z/src/main.py"),
        ]
    return made


def transcript(places: list[tuple[str, str]]) -> bytes:
    lines: list[dict[str, Any]] = []
    base = {"sessionId": "s1", "cwd": "/home/canary-user/repo", "version": "2.1.0"}
    for number, (_, text) in enumerate(places):
        at = f"2026-02-01T10:{number // 60 % 60:02}:{number % 60:02}.000Z"
        call = {"type": "tool_use", "id": f"toolu_{number}", "name": ("Bash", "Write", "mcp__git__push")[number % 3],
                "input": [{"command": f"curl -H 'Authorization: Bearer {text}' x"},
                          {"file_path": f"/home/canary-user/repo/{text}", "content": text},
                          {"remote": text, text: "as a key"}][number % 3]}  # fmt: skip
        lines += [
            {"type": "user", "uuid": f"u{number}", "timestamp": at, **base, "gitBranch": f"feature/{text}",
             "message": {"role": "user", "content": f"please use {text} here"}},
            {"type": "assistant", "uuid": f"a{number}", "timestamp": at, **base, "requestId": f"req_{number}",
             "message": {"id": f"msg_{number}", "role": "assistant", "model": "claude-sonnet-4-5",
                         "stop_reason": "tool_use", "content": [{"type": "text", "text": f"I use {text}"}, call],
                         "usage": {"input_tokens": 5, "output_tokens": 7}}},
            {"type": "user", "uuid": f"r{number}", "timestamp": at, **base, "message": {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": f"error: {text} denied",
                 "is_error": True}]}},
        ]  # fmt: skip
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


@pytest.mark.parametrize("level", ["metrics", "scrubbed"])
def test_no_canary_leaves(level: str, tmp_path: Path) -> None:
    places = canaries()
    assert len(places) == 500
    machine = Machine(tmp_path)
    machine.write(machine.claude("p/s1.jsonl"), transcript(places))
    config = Config(
        sync=Sync(team_id="core"),
        redaction=Redaction(level=level, allow_keys=["text", "input", "output"]),  # type: ignore[arg-type]
    )
    gate = Gate(config, SALT, "https://hub.test", "token", "core")
    load(machine.home, machine.env, machine.config, index=False, enqueue=Enqueue(gate))
    wire = Wire()
    tables = [{"type": "file", "path": "out.ndjson"}]
    sinks, problems = open_sinks(tables, machine.env, str(machine.home), SALT.raw)
    assert problems == []

    async def send() -> None:
        hub = Hub(gate.endpoint, "token", transport=wire)
        engine = Engine(db, Settings(redaction=gate.redaction), hub.post, sinks, guard=lambda data: not leaks(data))
        report = await engine.run()
        await hub.close()
        assert report.died == 0 and report.retired > 2_000

    db = open_store(machine.home, write=True)
    asyncio.run(send())
    assert outbox.is_empty(db)
    db.close()
    written = b"".join(path.read_bytes() for path in machine.home.rglob("out.ndjson*"))
    assert len(written) > 100_000 and len(wire.bytes) > 100_000
    for name, sent in (("hub", wire.bytes), ("file", written)):
        assert [canary for canary, _ in places if canary.encode() in sent] == [], name
        assert b"canary-user" not in sent
    if level == "metrics":
        assert b"please use" not in wire.bytes
    else:
        assert b"please use" in wire.bytes
