"""From agents' files to a receiver: load, enqueue, seal, send. What arrives is whole trees."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from exporters.receiver import Receiver, plain
from kaizen.capture.load import load
from kaizen.exporters.otlp import EXPORTER
from kaizen.outbox.deliver import Engine, Report, Settings
from kaizen.outbox.enqueue import Enqueue
from kaizen.outbox.gate import Gate
from kaizen.redact.hashes import Salt
from kaizen.store.open import open_store
from support import FIXTURES, Machine

SALT = Salt(b"s" * 32)


@pytest.mark.parametrize("trace_per", ["turn", "session"])
def test_every_child_has_a_parent_that_holds_it(tmp_path: Path, trace_per: str) -> None:
    machine = Machine(tmp_path, {"claude-opus-4-5-20251101": {"input": "5", "output": "25"}})
    # Not all of `ccusage`: it has a session of each agent under one id, which the contract cannot tell apart.
    for name in ("agent_sessions", "agentsview", "synthetic", "vibecodingtracker"):
        machine.copy(FIXTURES / "codex" / name, machine.codex(name))
    machine.copy(FIXTURES / "claude_code", machine.claude("a"))
    gate = Gate(machine.config, SALT, "", "", "local")
    load(machine.home, machine.env, machine.config, index=False, enqueue=Enqueue(gate))
    with Receiver() as receiver:
        report = _sent(machine, receiver.url, trace_per)
    assert report.sink_failures == {}
    stored = receiver.stored()
    children = [span for span in stored.values() if span.parent_span_id]
    assert len(children) > 200
    for span in children:
        root = stored[span.parent_span_id]
        assert root.trace_id == span.trace_id
        assert root.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano, span.name
        assert span.end_time_unix_nano <= root.end_time_unix_nano, (span.name, root)
    ((requests, output),) = machine.rows("SELECT sum(requests), sum(output_tokens) FROM usage_by_session")
    chats = [plain(span.attributes) for span in children if span.name.startswith("chat ")]
    assert len(chats) == requests
    assert sum(one.get("gen_ai.usage.output_tokens", 0) for one in chats) == output
    roots = [plain(span.attributes) for span in stored.values() if not span.parent_span_id]
    assert sum(one.get("gen_ai.usage.output_tokens", 0) for one in roots) == output


def _sent(machine: Machine, url: str, trace_per: str) -> Report:
    settings = msgspec.convert({"endpoint": url, "trace_per": trace_per}, EXPORTER.settings)
    sink = EXPORTER.open("otlp", settings, {}, "/home/x", SALT.raw)
    db = open_store(machine.home, write=True)

    async def run() -> Report:
        try:
            return await Engine(db, Settings(max_items=40), None, [sink]).run()
        finally:
            await sink.close()

    try:
        return asyncio.run(run())
    finally:
        db.close()
