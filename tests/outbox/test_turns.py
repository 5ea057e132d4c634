"""The turn of an event is known where it was enqueued: spans of an exporter join by it."""

import json
from collections import defaultdict
from pathlib import Path

from kaizen.capture.load import load
from kaizen.config.model import Config
from kaizen.outbox.enqueue import Enqueue, turn_of
from kaizen.outbox.gate import Gate
from kaizen.redact.hashes import Salt
from support import FIXTURES, Machine

SALT = Salt(b"s" * 32)


def test_an_event_belongs_to_the_last_turn_that_had_begun() -> None:
    turns = [(0, 0), (4, 1), (9, 2)]
    assert [turn_of(seq, turns) for seq in (0, 3, 4, 8, 9, 99)] == [0, 0, 1, 1, 2, 2]
    assert turn_of(3, [(4, 1)]) is None
    assert turn_of(3, []) is None


def test_events_and_spans_of_a_session_agree_about_their_turns(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.copy(FIXTURES / "codex/agent_sessions", machine.codex("a"))
    machine.copy(FIXTURES / "claude_code/claude_code_log", machine.claude("b"))
    load(machine.home, machine.env, Config(), index=False, enqueue=Enqueue(Gate(Config(), SALT, "", "", "local")))
    turns: dict[str, dict[int, int]] = defaultdict(dict)
    spans = []
    for kind, payload in machine.rows("SELECT kind, payload FROM outbox WHERE kind IN ('events', 'tool_spans')"):
        item = json.loads(payload)
        if kind == "events":
            turns[item["session_id_hash"]][item["event_seq"]] = item.get("turn", -1)
        else:
            spans.append(item)
    assert len(spans) > 10 and len({span["turn"] for span in spans}) > 1
    for span in spans:
        assert turns[span["session_id_hash"]][span["event_seq"]] == span["turn"]
    for session in turns.values():
        assert [session[seq] for seq in sorted(session)] == sorted(session.values())
