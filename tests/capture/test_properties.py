"""Whatever the order, duplication or interleaving of files, and wherever a reading stops: the same store."""

import json
import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kaizen.capture import tail
from support import FIXTURES, Machine, assert_every_byte_booked, assert_rolled_up

PLACES = {
    "claude_fork": (FIXTURES / "synthetic/claude_fork/projects", ".claude/projects"),
    "codex_fork": (FIXTURES / "synthetic/codex_fork/sessions", ".codex/sessions"),
    "claude_viewer": (FIXTURES / "claude_code/claude_code_viewer/projects", ".claude/projects"),
    "subagent": (FIXTURES / "claude_code/agent_sessions/subagent", ".claude/projects/p"),
    "sniffly": (FIXTURES / "claude_code/sniffly/projects", ".claude/projects"),
    "small": (FIXTURES / "claude_code/agent_sessions/small.jsonl", ".claude/projects/p/small.jsonl"),
    "codex_small": (FIXTURES / "codex/agent_sessions/small.jsonl", ".codex/sessions/small.jsonl"),
    "sessions_in_one": (FIXTURES / "claude_code/vibecodingtracker/claude_code.jsonl", ".claude/projects/p/all.jsonl"),
    "made": (FIXTURES, ""),
}
few = settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
Dump = dict[str, list[tuple[Any, ...]]]


def files_of(name: str) -> dict[str, bytes]:
    """Path below HOME -> content."""
    if name == "made":
        return made()
    source, place = PLACES[name]
    if source.is_file():
        return {place: source.read_bytes()}
    return {
        f"{place}/{file.relative_to(source)}": file.read_bytes() for file in sorted(source.rglob("*")) if file.is_file()
    }


def made() -> dict[str, bytes]:
    """Forks without any mark of being copies, streamed snapshots in both orders, a call answered after the fork."""
    at = "2026-02-01T10:{:02}:00.000Z".format
    cwd = {"cwd": "/w", "gitBranch": "main", "version": "2.1.0"}
    old, new, agent = (f"{n}{n}{n}{n}{n}{n}{n}{n}-1111-4111-8111-111111111111" for n in "abc")

    def user(n: int, text: object) -> dict[str, Any]:
        return {
            "type": "user",
            "uuid": f"{n:08}-0000-4000-8000-000000000000",
            "timestamp": at(n),
            **cwd,
            "message": {"role": "user", "content": text},
        }

    def answer(n: int, output: int, block: dict[str, Any], request: int, **more: Any) -> dict[str, Any]:
        return {
            "type": "assistant",
            "uuid": f"{n:08}-0000-4000-8000-000000000000",
            "timestamp": at(n),
            **cwd,
            "requestId": f"req_{request}",
            **more,
            "message": {
                "role": "assistant",
                "id": f"msg_{request}",
                "model": "claude-sonnet-4-20250514",
                "content": [block],
                "usage": {"input_tokens": 10, "output_tokens": output, "cache_read_input_tokens": 100},
            },
        }

    def result(n: int, call: str, text: str) -> dict[str, Any]:
        return user(n, [{"type": "tool_result", "tool_use_id": call, "content": text}])

    call = {"type": "tool_use", "id": "toolu_00000000000000000001", "name": "Read", "input": {"file_path": "/w/a.py"}}
    edit = {
        "type": "tool_use",
        "id": "toolu_00000000000000000002",
        "name": "Edit",
        "input": {"file_path": "/w/a.py", "old_string": "a", "new_string": "b\nc"},
    }
    text = {"type": "text", "text": "I see."}
    shared = [
        user(1, "read a"),
        answer(2, 3, text, 1),
        answer(3, 50, call, 1),
        result(4, call["id"], "x = 1"),
        {
            "type": "system",
            "subtype": "turn_duration",
            "durationMs": 5,
            "timestamp": at(5),
            "uuid": "00000005-0000-4000-8000-000000000000",
        },
    ]
    longer = [
        answer(6, 70, edit, 2),
        answer(7, 4, text, 2),
        result(8, edit["id"], "done"),
        user(9, "thanks"),
        answer(10, 8, text, 3),
    ]
    forked = [user(11, "other way"), answer(12, 9, text, 4)]
    side = [user(13, "look"), answer(14, 33, text, 2, isSidechain=True)]

    def lines(session: str, records: list[dict[str, Any]]) -> bytes:
        return b"".join(json.dumps({**one, "sessionId": session}).encode() + b"\n" for one in records)

    folder = ".claude/projects/w"
    return {
        f"{folder}/{old}.jsonl": lines(old, shared + longer),
        f"{folder}/{new}.jsonl": lines(new, [one for one in shared if one["type"] != "system"] + forked),
        f"{folder}/{agent}.jsonl": lines(old, shared + longer[:3]) + lines(agent, [user(15, "third")]),
        f"{folder}/{old}/subagents/agent-77.jsonl": lines(old, side),
    }


class Lab:
    """Fresh machines, removed at the end: hypothesis calls a test many times."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._once = folder, {}

    def machine(self) -> Machine:
        return Machine(Path(tempfile.mkdtemp(dir=self._folder)))

    def at_once(self, name: str) -> Dump:
        if name not in self._once:
            machine = self.machine()
            put(machine, files_of(name))
            machine.load()
            assert_rolled_up(machine)
            self._once[name] = machine.dump()
        return self._once[name]

    def check(self, machine: Machine, name: str, *, but: tuple[str, ...] = ()) -> None:
        assert_rolled_up(machine)
        found = machine.dump()
        for table, rows in self.at_once(name).items():
            if table not in but:
                assert found[table] == rows, table


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    yield Lab(folder)
    shutil.rmtree(folder)


def put(machine: Machine, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        machine.write(machine.user / path, content)


names = pytest.mark.parametrize("name", PLACES)
FORKS = ("made", "claude_fork", "codex_fork")


@names
@few
@given(seed=st.integers(0, 1 << 30))
def test_order_of_files_does_not_matter(lab: Lab, name: str, seed: int) -> None:
    machine = lab.machine()
    files = list(files_of(name).items())
    random.Random(seed).shuffle(files)
    for rank, (path, content) in enumerate(files):
        machine.write(machine.user / path, content, age_rank=rank)
    machine.load()
    lab.check(machine, name)


@names
@few
@given(seed=st.integers(0, 1 << 30))
def test_files_that_appear_one_by_one(lab: Lab, name: str, seed: int) -> None:
    machine = lab.machine()
    files = list(files_of(name).items())
    random.Random(seed).shuffle(files)
    for path, content in files:
        machine.write(machine.user / path, content)
        machine.load()
    lab.check(machine, name)


@names
@few
@given(seed=st.integers(0, 1 << 30))
def test_files_that_grow_in_turns(lab: Lab, name: str, seed: int) -> None:
    """Cut anywhere, also within a line, with a load after each piece."""
    chance = random.Random(seed)
    machine = lab.machine()
    files = files_of(name)
    cuts = {
        path: sorted({*(chance.randrange(len(content) + 1) for _ in range(2)), len(content)})
        for path, content in files.items()
        if content
    }
    turns = [path for path, places in cuts.items() for _ in places if path.endswith(".jsonl")]
    chance.shuffle(turns)
    for path in turns:
        target = machine.user / path
        machine.write(target, files[path][: cuts[path].pop(0)])
        if chance.random() < 0.5:
            os.utime(target)  # being written: the last line waits
        machine.load()
    put(machine, files)
    machine.load()
    lab.check(machine, name)
    assert_every_byte_booked(machine)


@names
@few
@given(seed=st.integers(0, 1 << 30))
def test_copies_under_other_names_add_nothing(lab: Lab, name: str, seed: int) -> None:
    """A restored backup beside the original: the same totals, whichever is read first."""
    chance = random.Random(seed)
    machine = lab.machine()
    for path, content in files_of(name).items():
        root, _, rest = path.partition("/projects/") if "/projects/" in path else path.partition("/sessions/")
        kind = path[len(root) : len(path) - len(rest)]
        for place in (path, f"{root}{kind}backup/{rest}"):
            machine.write(machine.user / place, content, age_rank=chance.randrange(9))
    machine.load()
    lab.check(machine, name)


@names
def test_split_at_every_so_many_lines(lab: Lab, name: str) -> None:
    machine = lab.machine()
    files = files_of(name)
    longest = max(content.count(b"\n") for content in files.values())
    for step in range(6):
        for path, content in files.items():
            lines = content.splitlines(keepends=True) if b"\r" not in content else [content]
            machine.write(machine.user / path, b"".join(lines[: (step + 1) * longest // 6]))
        machine.load()
    put(machine, files)
    machine.load()
    lab.check(machine, name)


@names
def test_batches_of_one(lab: Lab, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one batch settles in itself, two settle between them."""
    monkeypatch.setattr(tail, "BATCH_DRAFTS", 1)
    machine = lab.machine()
    put(machine, files_of(name))
    machine.load()
    lab.check(machine, name)


@names
def test_emptied_and_written_again(lab: Lab, name: str) -> None:
    machine = lab.machine()
    files = files_of(name)
    put(machine, files)
    machine.load()
    for path in files:
        machine.write(machine.user / path, b"")
    machine.load()
    assert_rolled_up(machine)
    assert machine.totals() == machine.totals("codex") == {}
    put(machine, files)
    machine.load()
    lab.check(machine, name)


@pytest.mark.parametrize("name", FORKS)
def test_one_of_two_that_share_history_is_rewritten(lab: Lab, name: str) -> None:
    """What the rewritten one gave to both is read again from the other one."""
    files = files_of(name)
    for path in files:
        machine, left = lab.machine(), lab.machine()
        put(machine, files)
        machine.load()
        machine.write(machine.user / path, b"")
        machine.load()
        machine.load()
        put(left, {other: content for other, content in files.items() if other != path})
        left.load()
        assert_rolled_up(machine)
        assert machine.totals() == left.totals()
        assert machine.totals("codex") == left.totals("codex")
        for table in ("events", "bodies"):
            assert machine.dump()[table] == left.dump()[table], table
        put(machine, files)
        machine.load()
        machine.load()
        lab.check(machine, name, but=("order", "turns", "spans"))


# Not (1, 0): what moved to the session that begins first stays there when its own file forgets it (docs/accounting.md).
@pytest.mark.parametrize(("first", "gone"), [(0, 0), (0, 1), (1, 1)])
def test_prompts_that_a_rewritten_file_told_are_read_from_the_other(lab: Lab, first: int, gone: int) -> None:
    """No request is shared, so no sighting says that the files have anything in common."""
    machine, left = lab.machine(), lab.machine()
    paths = [f".claude/projects/p/{c * 8}-1111-4111-8111-111111111111.jsonl" for c in "ab"]
    history = b"".join(
        json.dumps({"type": "user", "uuid": f"{n:08}-0000-4000-8000-000000000000", "cwd": "/w",
                    "timestamp": f"2026-02-01T10:0{n}:00.000Z", "message": {"role": "user", "content": f"say {n}"}}
                   ).encode() + b"\n" for n in range(3))  # fmt: skip
    for path in (paths[first], paths[1 - first]):
        put(machine, {path: history})
        machine.load()
    machine.write(machine.user / paths[gone], b"")
    machine.load()
    machine.load()
    put(left, {paths[1 - gone]: history})
    left.load()
    assert len(left.dump()["events"]) == 3
    assert machine.dump() == left.dump()
