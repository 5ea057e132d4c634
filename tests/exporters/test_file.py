"""Lines in a file: what they say, how the file rotates, and what is refused."""

import asyncio
import gzip
import json
import os
import stat
from pathlib import Path

import pytest

from kaizen.exporters.file import append
from kaizen.wire.sink import Again, Done

from .made import T0, asked, batch, cost, every_item, opened, problem, sent, tool

ROW = {"type": "file"}


def read(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("kind", every_item())
def test_every_kind_is_a_line_that_says_all(kind: str, tmp_path: Path) -> None:
    one = batch(every_item()[kind])
    assert sent(tmp_path, ROW, one) == [Done()]
    (line,) = read(tmp_path / "telemetry.ndjson")
    assert line["id"] == one.ids[0]
    assert line["batch_id"] == "b-1"
    assert line["envelope"] == {"kaizen_schema_version": 1, "team_id": "team", "redaction": "metrics/1",
                                "workspace_hash": one.envelope.workspace_hash}
    (own,) = set(line) - {"id", "kind", "batch_id", "envelope", "emitted_at_ms"}
    assert line[own] == json.loads(one.body)[list(json.loads(one.body))[-1]][0]


def test_batches_follow_one_another(tmp_path: Path) -> None:
    sent(tmp_path, {"type": "file", "path": "out/lines.ndjson"}, batch(cost(1), cost(2)), batch(tool()))
    assert [line["kind"] for line in read(tmp_path / "out/lines.ndjson")] == ["event", "event", "tool_span"]


def test_a_summary_has_counts_only(tmp_path: Path) -> None:
    sent(tmp_path, {"type": "file", "mode": "summary"}, batch(cost(1), cost(2, kind="message", ts_ms=T0)))
    (line,) = read(tmp_path / "telemetry.ndjson")
    assert line["item_count"] == 2
    assert line["session_id_count"] == 1
    assert (line["ts_ms_min"], line["ts_ms_max"]) == (T0, T0 + 5_000)
    assert line["kind_tally"] == {"cost": 1, "message": 1}
    assert "events" not in line


def test_a_tally_keeps_what_occurs_most(tmp_path: Path) -> None:
    kinds = [f"k{number:02}" for number in range(25)] + ["z"] * 3
    sent(tmp_path, {"type": "file", "mode": "summary"}, batch(*(cost(n, kind=kind) for n, kind in enumerate(kinds))))
    tally = read(tmp_path / "telemetry.ndjson")[0]["kind_tally"]
    assert isinstance(tally, dict)
    assert len(tally) == 20 and tally["z"] == 3


def test_a_full_file_is_compressed_and_the_oldest_goes(tmp_path: Path) -> None:
    path = tmp_path / "f.ndjson"
    for number in range(6):
        append(path, f"{number}{'x' * 99}\n".encode(), 150, 3)
    assert path.read_bytes().startswith(b"5")
    kept = {one.name: gzip.decompress(one.read_bytes())[:1] for one in tmp_path.glob("*.gz")}
    assert kept == {"f.ndjson.1.gz": b"4", "f.ndjson.2.gz": b"3", "f.ndjson.3.gz": b"2"}
    assert {mode(one) for one in tmp_path.iterdir()} == {0o600}
    assert sorted(one.name for one in tmp_path.iterdir() if one.name not in kept) == ["f.ndjson", "f.ndjson.lock"]


def test_one_batch_larger_than_a_file_is_written_whole(tmp_path: Path) -> None:
    append(tmp_path / "f", b"x" * 100, 10, 2)
    assert (tmp_path / "f").stat().st_size == 100


def test_a_rotation_that_a_crash_interrupted_is_finished(tmp_path: Path) -> None:
    (tmp_path / "f.rotating").write_bytes(b"old\n")
    (tmp_path / "f.gz.unfinished").write_bytes(b"half")
    append(tmp_path / "f", b"a\n", 3, 5)
    append(tmp_path / "f", b"bb\n", 3, 5)
    texts = [gzip.decompress((tmp_path / f"f.{number}.gz").read_bytes()) for number in (1, 2)]
    assert texts == [b"a\n", b"old\n"]
    assert not (tmp_path / "f.rotating").exists()


def test_writers_at_once_lose_and_mix_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        sinks = opened(tmp_path, *({"type": "file", "max_bytes": 20_000, "keep": 100} for _ in range(4)))
        await asyncio.gather(*(sink.send(batch(*(cost(n) for n in range(10)))) for sink in sinks for _ in range(8)))

    asyncio.run(run())
    zipped = [gzip.decompress(path.read_bytes()) for path in tmp_path.glob("*.gz")]
    lines = b"".join([*zipped, (tmp_path / "telemetry.ndjson").read_bytes()]).splitlines()
    assert len(lines) == 320
    assert len(zipped) > 2
    assert all(json.loads(line)["kind"] == "event" for line in lines)


@pytest.mark.parametrize("name", ["telemetry.ndjson", "telemetry.ndjson.lock"])
@pytest.mark.parametrize("how", [os.symlink, os.link])
def test_links_are_refused(name: str, how: object, tmp_path: Path) -> None:
    (sink,) = opened(tmp_path, ROW)
    victim = tmp_path / "victim"
    victim.write_bytes(b"")
    how(victim, tmp_path / name)  # type: ignore[operator]
    assert isinstance(asyncio.run(sink.send(batch(cost()))), Again)
    assert victim.read_bytes() == b""


def test_paths_that_cannot_be_meant_are_refused(tmp_path: Path) -> None:
    (tmp_path / "repo/.git").mkdir(parents=True)
    (tmp_path / "repo/logs").mkdir()
    (tmp_path / "door").symlink_to(tmp_path / "repo/logs")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for path, said in (
        ("../out", "'..'"),
        (str(tmp_path / "repo/logs/t.ndjson"), "inside the repository"),
        (str(tmp_path / "door/t.ndjson"), "inside the repository"),
        (str(tmp_path / "link"), "is a link"),
        (str(tmp_path), "is a folder"),
    ):
        assert said in problem(tmp_path, {"type": "file", "path": path})


def test_health_says_whether_it_can_be_written(tmp_path: Path) -> None:
    assert asked(tmp_path, ROW).is_ok
    (tmp_path / "file").write_text("")
    assert not asked(tmp_path, {"type": "file", "path": "file/below"}).is_ok
