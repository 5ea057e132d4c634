"""`codex exec --json` beside the rollout of its thread: each model call counts once, whichever file comes first."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kaizen import pricing
from kaizen.capture.skim import skim
from kaizen.capture.tally import Tally
from kaizen.sources.codex_files import ROLLOUTS
from kaizen.store.open import empty_store
from support import Machine, assert_rolled_up

THREAD = "0199f000-0000-7000-8000-0000000000aa"
ROLLOUT, CAPTURE, SECOND = f"2026/02/01/rollout-2026-02-01T10-00-00-{THREAD}.jsonl", "run.jsonl", "resumed.jsonl"
TURNS = [f"0199f001-0000-7000-8000-00000000000{number}" for number in range(4)]
# (input, of it cached, output) of the calls of each turn.
CALLS = [[(1_000, 200, 50), (1_400, 900, 70)], [(2_000, 1_500, 10)], [(2_500, 2_000, 90), (10, 0, 5), (3_000, 1, 2)]]
few = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
Amounts = tuple[int, int, int]


def added(*parts: Amounts) -> Amounts:
    return tuple(map(sum, zip(*parts, strict=True)))  # type: ignore[return-value]


PER_TURN = [added(*calls) for calls in CALLS]
SO_FAR = [added(*PER_TURN[: number + 1]) for number in range(len(CALLS))]


def lines(*records: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in records)


def usage(amounts: Amounts) -> dict[str, int]:
    given, cached, output = amounts
    return {"input_tokens": given, "cached_input_tokens": cached, "output_tokens": output}


def rollout(turns: int = len(CALLS), *, with_ids: bool = True) -> bytes:
    def at(second: int) -> str:
        return f"2026-02-01T10:{second // 60:02}:{second % 60:02}.000Z"

    records: list[dict[str, Any]] = [
        {"timestamp": at(0), "type": "session_meta", "payload": {"id": THREAD, "cwd": "/w", "originator": "codex_exec"}}
    ]
    total: Amounts = (0, 0, 0)
    for number, calls in enumerate(CALLS[:turns]):
        context = {"model": "gpt-5-codex", **({"turn_id": TURNS[number]} if with_ids else {})}
        records.append({"timestamp": at(60 * number + 1), "type": "turn_context", "payload": context})
        for call, amounts in enumerate(calls):
            total = added(total, amounts)
            info = {"total_token_usage": usage(total), "last_token_usage": usage(amounts)}
            when = at(60 * number + 2 + call)
            records += [
                {"timestamp": when, "type": "response_item", "payload": message(f"answer {number}.{call}")},
                {"timestamp": when, "type": "event_msg", "payload": {"type": "token_count", "info": info}},
            ]
    return lines(*records)


def message(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


def capture(amounts: list[Amounts]) -> bytes:
    records: list[dict[str, Any]] = [{"type": "thread.started", "thread_id": THREAD}]
    for each in amounts:
        records += [{"type": "turn.started"}, {"type": "turn.completed", "usage": usage(each)}]
    return lines(*records)


CAPTURES = {
    "per turn": {CAPTURE: capture(PER_TURN)},
    "cumulative": {CAPTURE: capture(SO_FAR)},
    "only the first run": {CAPTURE: capture(PER_TURN[:1])},
    "a resumed run, per turn": {CAPTURE: capture(PER_TURN[:1]), SECOND: capture(PER_TURN[1:])},
    "a resumed run, cumulative": {CAPTURE: capture(SO_FAR[:1]), SECOND: capture(SO_FAR[1:])},
    "a resumed run, counted anew": {CAPTURE: capture(SO_FAR[:1]), SECOND: capture([PER_TURN[1], added(*PER_TURN[1:])])},
    "copied": {CAPTURE: capture(PER_TURN), SECOND: capture(PER_TURN)},
}
ALL = {"requests": 6, "input_tokens": 9_910 - 4_601, "cache_read_tokens": 4_601, "output_tokens": 227}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def totals(machine: Machine) -> dict[str, int]:
    assert_rolled_up(machine)
    found: dict[str, int] = {}
    for sums in machine.totals("codex").values():
        for name in ALL:
            found[name] = found.get(name, 0) + sums[name]
    return found


@pytest.mark.parametrize("name", CAPTURES)
@few
@given(seed=st.integers(0, 1 << 30))
def test_totals_count_once_whatever_comes_first(name: str, seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The files appear and grow in any order, with a load after each piece."""
    chance = random.Random(seed)
    machine = Machine(tmp_path_factory.mktemp("m"))
    files = {ROLLOUT: rollout(), **CAPTURES[name]}
    pieces = {
        path: sorted({chance.randrange(len(content)), chance.randrange(len(content)), len(content)})
        for path, content in files.items()
    }
    turns = [path for path, ends in pieces.items() for _ in ends]
    chance.shuffle(turns)
    for path in turns:
        machine.write(machine.codex(path), files[path][: pieces[path].pop(0)])
        if chance.random() < 0.7:
            machine.load()
    machine.load()
    assert totals(machine) == ALL


@pytest.mark.parametrize("name", CAPTURES)
def test_the_first_total_counts_them_once_too(name: str, machine: Machine) -> None:
    prices = pricing.load({})
    tally = Tally(prices, lambda path: path)
    for path, content in {ROLLOUT: rollout(), **CAPTURES[name]}.items():
        where = machine.write(machine.codex(path), content)
        tally.add(skim(ROLLOUTS, str(where), prices, now_ms=0))
    db = empty_store()
    tally.write(db, [])
    found = db.execute(f"SELECT {', '.join(f'sum({one})' for one in ALL)} FROM usage_by_quarter").fetchone()
    assert dict(zip(ALL, found, strict=True)) == ALL


def test_a_rollout_without_turn_ids_is_one_turn(machine: Machine) -> None:
    """Then only the whole can be recognised."""
    machine.write(machine.codex(ROLLOUT), rollout(with_ids=False))
    machine.write(machine.codex(CAPTURE), capture(SO_FAR[-1:]))
    machine.load()
    assert totals(machine) == ALL


def test_what_the_rollout_does_not_have_counts(machine: Machine) -> None:
    machine.write(machine.codex(ROLLOUT), rollout(turns=2))
    machine.write(machine.codex(CAPTURE), capture(PER_TURN))
    machine.load()
    found = totals(machine)
    assert found["requests"] == 4
    assert found["output_tokens"] == ALL["output_tokens"]
    machine.write(machine.codex(ROLLOUT), rollout())
    machine.load()
    assert totals(machine) == ALL


def test_one_token_more_is_another_call(machine: Machine) -> None:
    given_, cached, output = PER_TURN[0]
    machine.write(machine.codex(ROLLOUT), rollout())
    machine.write(machine.codex(CAPTURE), capture([(given_, cached, output + 1)]))
    machine.load()
    assert totals(machine)["requests"] == ALL["requests"] + 1


def test_a_capture_by_itself_counts(machine: Machine) -> None:
    machine.write(machine.codex(CAPTURE), capture(PER_TURN))
    machine.load()
    assert totals(machine) == {**ALL, "requests": 3}


def test_a_rollout_that_is_rewritten_without_its_turns_gives_them_back(machine: Machine) -> None:
    machine.write(machine.codex(ROLLOUT), rollout())
    machine.write(machine.codex(CAPTURE), capture(PER_TURN))
    machine.load()
    machine.write(machine.codex(ROLLOUT), b'{"type":"note"}\n' + rollout(turns=0), age_rank=1)
    machine.load()
    assert totals(machine) == {**ALL, "requests": 3}


def test_another_thread_s_capture_is_not_compared(machine: Machine) -> None:
    machine.write(machine.codex(ROLLOUT), rollout())
    other = capture(PER_TURN).replace(THREAD.encode(), THREAD.replace("aa", "bb").encode())
    machine.write(machine.codex(CAPTURE), other)
    machine.load()
    assert totals(machine)["output_tokens"] == 2 * ALL["output_tokens"]


def test_explain_cost_says_why_it_does_not_count(machine: Machine) -> None:
    machine.write(machine.codex(ROLLOUT), rollout())
    machine.write(machine.codex(CAPTURE), capture(PER_TURN[:1]))
    machine.load()
    [(key, reason)] = machine.rows("SELECT key, duplicate_of FROM events WHERE duplicate_of IS NOT NULL")
    assert key.startswith(f"req:{THREAD}:exec:0:")
    assert reason.startswith(f"req:{TURNS[0]}:1:")
