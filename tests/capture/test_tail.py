"""What can happen to a transcript between two loads, and inside its lines. Every byte is accounted for each time."""

import json
import os
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kaizen import pricing
from kaizen.capture import tail
from kaizen.capture.skim import skim
from kaizen.config.model import Config, Sources
from kaizen.sources import by_name
from kaizen.sources.shapes import LineSource
from kaizen.store.open import open_store
from support import Machine, assert_every_byte_booked, assert_rolled_up, settle

NAME = "11111111-1111-4111-8111-111111111111"


def answer(number: int, output: int = 10, text: str = "ok", session: str = NAME) -> bytes:
    said: dict[str, Any] = {
        "type": "assistant",
        "sessionId": session,
        "uuid": f"{number:08}-0000-4000-8000-000000000000",
        "cwd": "/w",
        "timestamp": f"2026-02-01T10:{number % 60:02}:00.000Z",
        "requestId": f"r{number}",
        "message": {
            "role": "assistant",
            "id": f"m{number}",
            "model": "claude-sonnet-4-20250514",
            "content": [{"type": "text", "text": text}],
            "usage": {"input_tokens": 1, "output_tokens": output},
        },
    }
    return json.dumps(said).encode() + b"\n"


ONE, TWO, THREE = answer(1), answer(2), answer(3)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def path(machine: Machine) -> Path:
    return machine.claude(f"w/{NAME}.jsonl")


def shown(machine: Machine) -> list[str]:
    """The requests the store counts; checks all that must hold after any load."""
    assert_every_byte_booked(machine)
    assert_rolled_up(machine)
    return [
        row[0]
        for row in machine.rows(
            "SELECT request FROM events WHERE kind = 'cost' AND duplicate_of IS NULL ORDER BY request"
        )
    ]


def rewrite(path: Path, content: bytes) -> None:
    """Same inode."""
    with path.open("r+b") as file:
        file.truncate(0)
        file.write(content)


def replace(path: Path, content: bytes) -> None:
    """Other inode."""
    beside = path.with_suffix(".new")
    beside.write_bytes(content)
    beside.replace(path)


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


LONG = answer(1, text="x" * 6000)
CHANGES: dict[str, tuple[bytes, Callable[[Path, bytes], None], bytes, list[str]]] = {
    "appended": (ONE, append, TWO, ["m1", "m2"]),
    "appended, long": (LONG + TWO, append, THREE, ["m1", "m2", "m3"]),
    "truncated": (ONE + TWO, rewrite, ONE, ["m1"]),
    "emptied": (ONE + TWO, rewrite, b"", []),
    "rewritten, shorter": (ONE + TWO, rewrite, THREE, ["m3"]),
    "rewritten, same size": (ONE + TWO, rewrite, ONE + THREE, ["m1", "m3"]),
    "rewritten, longer": (ONE, rewrite, TWO + THREE, ["m2", "m3"]),
    "rotated": (ONE + TWO, replace, THREE, ["m3"]),
    "rotated, longer": (ONE, replace, TWO + THREE, ["m2", "m3"]),
    "replaced and appended": (ONE, replace, ONE + TWO, ["m1", "m2"]),
    "replaced and appended, long": (LONG + TWO, replace, LONG + TWO + THREE, ["m1", "m2", "m3"]),
    "replaced, the same": (ONE, replace, ONE, ["m1"]),
    "touched": (ONE, append, b"", ["m1"]),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_file_changes_between_two_loads(machine: Machine, path: Path, case: str) -> None:
    before, change, content, expected = CHANGES[case]
    machine.write(path, before)
    machine.load()
    change(path, content)
    settle(path, age_rank=-1)
    machine.load()
    assert shown(machine) == expected
    machine.load()
    assert shown(machine) == expected


@pytest.mark.parametrize("case", ["replaced and appended", "replaced and appended, long", "appended"])
def test_only_what_is_new_is_read(machine: Machine, path: Path, case: str) -> None:
    before, change, content, _ = CHANGES[case]
    machine.write(path, before)
    machine.load()
    change(path, content)
    assert machine.load().new_bytes == path.stat().st_size - len(before)


WHOLE = "everything around it is read"
LINES: dict[str, tuple[bytes, list[str], str | None]] = {
    # content, requests, reason of the error
    "crlf": (ONE.replace(b"\n", b"\r\n") + TWO, ["m1", "m2"], None),
    "byte order mark": (b"\xef\xbb\xbf" + ONE + TWO, ["m1", "m2"], None),
    "blank lines": (b"\n\n" + ONE + b"  \n" + TWO, ["m1", "m2"], None),
    "nul bytes before": (b"\x00" * 700 + ONE + TWO, ["m1", "m2"], None),
    "a line of nul bytes": (ONE + b"\x00" * 700 + b"\n" + TWO, ["m1", "m2"], None),
    "nul bytes within": (ONE + b'{"a": \x00}\n' + TWO, ["m1", "m2"], "not_json"),
    "two objects on a line": (ONE[:-1] + TWO, ["m1", "m2"], "glued"),
    "a broken start, then a whole object": (ONE[:60] + TWO + THREE, ["m2", "m3"], "glued"),
    "broken in the middle": (ONE + TWO[:90] + b"\n" + THREE, ["m1", "m3"], "not_json"),
    "not an object": (ONE + b'[1]\n"x"\n7\nnull\n' + TWO, ["m1", "m2"], "not_an_object"),
    "lone surrogates": (
        ONE + answer(2).replace(b'"ok"', rb'"\ud83d"') + answer(3).replace(b'"ok"', rb'"\udc00a"'),
        ["m1", "m2", "m3"],
        None,
    ),
    "invalid utf-8": (ONE + answer(2).replace(b'"ok"', b'"\xff\xfe\xc3"'), ["m1", "m2"], None),
    "line separators in text": (ONE + answer(2).replace(b'"ok"', '"\u2028\u2029\x85"'.encode()), ["m1", "m2"], None),
    "huge integers": (
        ONE + answer(2).replace(b'"input_tokens": 1', b'"input_tokens": ' + b"9" * 400),
        ["m1", "m2"],
        None,
    ),
    "an integer too long for python": (
        ONE + answer(2).replace(b'"input_tokens": 1', b'"input_tokens": ' + b"9" * 5000) + THREE,
        ["m1", "m3"],
        "glued",
    ),
    "nan": (ONE + answer(2).replace(b'"input_tokens": 1', b'"input_tokens": NaN'), ["m1", "m2"], None),
    "deep": (
        ONE + b'{"type":"user","message":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n" + TWO,
        ["m1", "m2"],
        "not_json",
    ),
    "utf-16": ("﻿{}\n".encode("utf-16-le") + b"\n" + ONE, ["m1"], "not_json"),
    "binary": (bytes(range(256)) * 20 + b"\n" + ONE, ["m1"], "not_json"),
    "empty": (b"", [], None),
    "nothing but a newline": (b"\n", [], None),
}


@pytest.mark.parametrize("case", LINES)
def test_what_a_file_may_hold(machine: Machine, path: Path, case: str) -> None:
    content, expected, reason = LINES[case]
    machine.write(path, content)
    report = machine.load()
    assert shown(machine) == expected
    assert {error.reason for error in report.errors} == ({reason} if reason else set())
    assert report.bytes_total == len(content)
    assert machine.load().new_events == 0


@pytest.mark.parametrize("case", LINES)
def test_the_fast_reading_sees_the_same_requests(machine: Machine, path: Path, case: str) -> None:
    content, expected, _ = LINES[case]
    machine.write(path, content)
    source = by_name("claude")
    assert isinstance(source, LineSource)
    found = skim(source, str(path), pricing.load(), now_ms=2_000_000_000_000)
    assert sorted(request.request or "" for request in found.rows()) == sorted(set(expected))


def test_an_error_names_the_file_and_the_place(machine: Machine, path: Path) -> None:
    machine.write(path, ONE + b"junk\n" + TWO)
    (error,) = machine.load().errors
    assert (error.file, error.offset, error.reason) == (str(path), len(ONE), "not_json")


# The last line


def test_a_last_line_still_being_written_waits(machine: Machine, path: Path) -> None:
    machine.write(path, ONE + TWO[:-1])
    os.utime(path)
    report = machine.load()
    assert shown(machine) == ["m1"]
    assert report.ignored_by_reason == {"unfinished_line": len(TWO) - 1}
    append(path, b"\n")
    machine.load()
    assert shown(machine) == ["m1", "m2"]


def test_a_complete_last_line_counts_once_the_file_is_silent(machine: Machine, path: Path) -> None:
    machine.write(path, ONE + TWO[:-1])
    machine.load()
    assert shown(machine) == ["m1", "m2"]
    append(path, b"\n" + THREE)
    machine.load()
    assert shown(machine) == ["m1", "m2", "m3"]


def test_a_broken_last_line_of_a_silent_file_is_not_an_error(machine: Machine, path: Path) -> None:
    machine.write(path, ONE + TWO[:50])
    report = machine.load()
    assert report.errors == [] and report.ignored_by_reason == {"last_line_without_newline": 50}
    append(path, TWO[50:])
    machine.load()
    assert shown(machine) == ["m1", "m2"]


def test_a_file_that_falls_silent_is_looked_at_again(machine: Machine, path: Path) -> None:
    machine.write(path, ONE + TWO[:-1])
    os.utime(path)
    machine.load()
    os.utime(path, (time.time() - 5, time.time() - 5))
    machine.load()
    assert shown(machine) == ["m1", "m2"]


# Long lines


@pytest.mark.parametrize("size", [900, 1000, 5000, 60_000])
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_a_line_too_long_is_skipped_and_noted(
    machine: Machine, path: Path, monkeypatch: pytest.MonkeyPatch, size: int, place: str
) -> None:
    monkeypatch.setattr(tail, "MAX_LINE", 700)
    monkeypatch.setattr(tail, "BLOCK", 128)
    long = answer(9, text="x" * size)
    parts = {"first": [long, ONE, TWO], "middle": [ONE, long, TWO], "last": [ONE, TWO, long]}[place]
    machine.write(path, b"".join(parts))
    (error,) = machine.load().errors
    assert (error.reason, error.offset) == ("line_too_long", b"".join(parts).index(long))
    assert shown(machine) == ["m1", "m2"]


# Where files lie


def test_the_root_may_be_a_link(machine: Machine, tmp_path: Path) -> None:
    elsewhere = tmp_path / "disk/projects"
    machine.write(elsewhere / f"w/{NAME}.jsonl", ONE)
    (machine.user / ".claude").mkdir()
    (machine.user / ".claude/projects").symlink_to(elsewhere)
    machine.load()
    assert shown(machine) == ["m1"]


def test_below_a_root_no_link_is_followed(machine: Machine, path: Path, tmp_path: Path) -> None:
    outside = machine.write(tmp_path / "outside/two.jsonl", TWO)
    machine.write(path, ONE)
    path.with_name("linked.jsonl").symlink_to(outside)
    path.parent.joinpath("loop").symlink_to(path.parent)
    machine.load()
    assert shown(machine) == ["m1"]


def test_a_hard_link_is_one_file(machine: Machine, path: Path) -> None:
    machine.write(path, ONE)
    path.with_name("other.jsonl").hardlink_to(path)
    assert machine.load().files == 1


def test_a_fifo_is_not_opened(machine: Machine, path: Path) -> None:
    machine.write(path, ONE)
    os.mkfifo(path.with_name("pipe.jsonl"))
    machine.load()
    assert shown(machine) == ["m1"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_does_not_stop_the_others(machine: Machine, path: Path) -> None:
    machine.write(path, ONE)
    machine.write(path.with_name("secret.jsonl"), TWO).chmod(0)
    report = machine.load()
    assert [error.reason for error in report.errors] == ["Permission denied"]
    assert shown(machine) == ["m1"]


def test_a_file_that_vanishes_while_we_look_is_noted(
    machine: Machine, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.write(path, ONE)
    gone = machine.write(path.with_name("gone.jsonl"), TWO)
    opened = os.open

    def open_late(name: Any, *rest: Any, **more: Any) -> int:
        if str(name) == str(gone):
            gone.unlink(missing_ok=True)
        return opened(name, *rest, **more)

    monkeypatch.setattr(os, "open", open_late)
    assert [error.file for error in machine.load().errors] == [str(gone)]
    assert shown(machine) == ["m1"]


def test_a_vanished_file_keeps_its_rows(machine: Machine, path: Path) -> None:
    machine.write(path, ONE)
    machine.load()
    path.unlink()
    machine.load()
    assert shown(machine) == ["m1"]
    assert machine.rows("SELECT gone_at_ms > 0 FROM files") == [(1,)]
    machine.write(path, ONE + TWO)
    machine.load()
    assert shown(machine) == ["m1", "m2"]
    assert machine.rows("SELECT gone_at_ms FROM files") == [(None,)]


def test_a_directory_of_ten_thousand_files(machine: Machine, path: Path) -> None:
    machine.write(path, ONE)
    for number in range(10_000):
        path.with_name(f"{number}.txt").touch()
        if number % 20 == 0:
            path.with_name(f"{number}.jsonl").write_bytes(b"")
    report = machine.load()
    assert report.files == 501
    assert shown(machine) == ["m1"]


def test_only_metadata_is_no_session(machine: Machine, path: Path) -> None:
    machine.write(
        path,
        b'{"type":"summary","summary":"About","leafUuid":"x"}\n'
        b'{"type":"custom-title","customTitle":"Mine","sessionId":"%s","cwd":"/w"}\n' % NAME.encode(),
    )
    assert machine.load().sessions == 0
    append(path, ONE)
    assert machine.load().sessions == 1
    assert machine.rows("SELECT title FROM sessions") == [("Mine",)]


def test_clocks_that_run_ahead_get_a_time_all_the_same(machine: Machine, path: Path) -> None:
    machine.write(path, ONE + TWO.replace(b"2026-02-01", b"2199-02-01") + THREE.replace(b"2026-02-01", b"1970-01-01"))
    machine.load()
    assert shown(machine) == ["m1", "m2", "m3"]
    assert machine.rows("SELECT request, ts_exact FROM events WHERE kind = 'cost' ORDER BY 1") == [
        ("m1", 1),
        ("m2", 0),
        ("m3", 0),
    ]


# How much work it is


def changes(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int, list[str]]:
    """(rows written, transactions, transcripts opened) of a load."""
    from kaizen.capture import load

    open_store, counted, opened, open_file = load.open_store, [0], [], os.open

    class Watched:
        def __init__(self, db: Any) -> None:
            self._db = db

        def __getattr__(self, name: str) -> Any:
            return getattr(self._db, name)

        def close(self) -> None:
            counted[0] += self._db.total_changes
            self._db.close()

    def opening(name: Any, *rest: Any, **more: Any) -> int:
        if str(name).endswith(".jsonl"):
            opened.append(Path(name).name)
        return open_file(name, *rest, **more)

    (before,) = machine.rows("SELECT rev FROM clock")[0]
    with monkeypatch.context() as patch:
        patch.setattr(load, "open_store", lambda *a, **k: Watched(open_store(*a, **k)))
        patch.setattr(os, "open", opening)
        machine.load()
    return counted[0], machine.rows("SELECT rev FROM clock")[0][0] - before, opened


def test_a_second_load_writes_and_opens_nothing(machine: Machine, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.write(path, b"".join(answer(n) for n in range(200)))
    machine.write(path.with_name("half.jsonl"), answer(300)[:-1])
    machine.load()
    assert changes(machine, monkeypatch) == (0, 0, [])
    report = machine.load()
    assert (report.new_bytes, report.new_events, report.new_files) == (0, 0, 0)


@pytest.mark.parametrize("lines", [20, 2000])
def test_one_more_line_costs_the_same_however_much_there_is(
    machine: Machine, path: Path, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        machine.write(
            path.with_name(f"{number}.jsonl"),
            b"".join(answer(number * 10_000 + n, session=f"s{number}") for n in range(lines)),
        )
    machine.load()
    append(path.with_name("2.jsonl"), answer(50_000, session="s2"))
    rows, transactions, opened = changes(machine, monkeypatch)
    assert rows <= 20 and transactions == 1 and opened == ["2.jsonl"]


LABELS = "SELECT host_id, label, parent_call_id FROM sessions WHERE events > 0 AND label IS NOT NULL"


def subagent(machine: Machine, folder: Path | None = None) -> tuple[Path, Path]:
    """(a subagent's transcript, what lies beside it); neither is there yet."""
    at = (folder or machine.claude("w")) / NAME / "subagents"
    return at / "agent-a1.jsonl", at / "agent-a1.meta.json"


def test_a_subagent_s_type_may_come_after_its_transcript(machine: Machine) -> None:
    transcript, beside = subagent(machine)
    machine.write(transcript, ONE)
    machine.load()
    assert machine.rows(LABELS) == []
    machine.write(beside, b'{"agentType":"Explore","toolUseId":"toolu_1"}')
    machine.load()
    assert machine.rows(LABELS) == [("agent-a1", "Explore", "toolu_1")]
    assert_every_byte_booked(machine)
    late = machine.dump()
    machine.wipe()
    machine.load()
    assert machine.dump() == late


def test_a_subagent_s_type_that_changes_is_the_new_one(machine: Machine) -> None:
    transcript, beside = subagent(machine)
    machine.write(transcript, ONE)
    for number, label in enumerate(("Explore", "Plan")):
        machine.write(beside, json.dumps({"agentType": label}).encode(), age_rank=-number)
        machine.load()
    assert machine.rows(LABELS) == [("agent-a1", "Plan", None)]


def test_what_lies_beside_follows_the_settings_of_its_source(machine: Machine, tmp_path: Path) -> None:
    transcript, beside = subagent(machine, tmp_path / "old-laptop")
    machine.write(transcript, ONE)
    machine.write(beside, b'{"agentType":"Explore"}')
    machine.config = Config(sources=Sources(roots={"claude": [str(tmp_path / "old-laptop")]}))
    machine.load()
    assert machine.rows(LABELS) == [("agent-a1", "Explore", None)]
    machine.wipe()
    machine.config = Config(sources=Sources(roots={"claude": [str(tmp_path / "old-laptop")]}, disabled=["claude"]))
    machine.load()
    assert machine.rows("SELECT count(*) FROM files") == [(0,)]


def test_a_parser_state_of_another_version_means_reading_again(machine: Machine, path: Path) -> None:
    machine.write(path, ONE + TWO)
    machine.load()
    before = machine.dump()
    with closing(open_store(machine.home, write=True)) as db:
        db.execute("UPDATE files SET state = x'93c0c0c0', mtime_ns = 0")
    machine.load()
    assert machine.dump() == before
    machine.write(path, ONE + TWO + THREE)
    machine.load()
    assert shown(machine) == ["m1", "m2", "m3"]
