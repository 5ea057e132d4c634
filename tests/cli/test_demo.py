"""The made-up workspace: deterministic, complete, gone afterwards, and apart from everything that is the user's."""

import contextlib
import hashlib
from pathlib import Path

import pytest

from kaizen.capture import demo as transcripts
from kaizen.capture import load as capture
from kaizen.config.model import Config
from kaizen.store.open import open_store

from .conftest import NOW, Kaizen

DAY_MS = 86_400_000


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_moment_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        transcripts.write(tmp_path / name, NOW)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_it_has_everything_a_newcomer_should_see(tmp_path: Path) -> None:
    sessions = transcripts.write(tmp_path, NOW)
    env = {"HOME": str(tmp_path), "KAIZEN_HOME": str(tmp_path / "store")}
    report = capture.load(tmp_path / "store", env, Config())
    assert (report.bytes_error, report.unknown_records) == (0, {})
    with contextlib.closing(open_store(tmp_path / "store")) as db:

        def one(query: str, *values: object) -> object:
            return db.execute(query, values).fetchone()[0]

        assert one("SELECT count(*) FROM sessions WHERE relation IS NULL") == sessions == len(transcripts.TASKS)
        assert one("SELECT count(DISTINCT agent) FROM sessions") == 3
        assert one("SELECT count(*) FROM workspaces") == 2
        assert one("SELECT count(*) FROM sessions WHERE relation = 'subagent'") == 7
        assert one("SELECT sum(errors) > 10 FROM sessions")
        assert one("SELECT sum(cost_pusd) > 0 FROM events WHERE kind = 'cost'")
        assert one("SELECT count(*) FROM events WHERE kind = 'cost' AND cost_pusd IS NULL") == 0
        # The resumed session shows requests of the original again.
        assert one("SELECT count(*) FROM (SELECT 1 FROM sightings GROUP BY event_id HAVING count(*) > 1)")
        assert one("SELECT min(started_at_ms) > ? FROM sessions", NOW - 22 * DAY_MS)


@pytest.mark.parametrize("hour", range(0, 24, 3))
def test_it_ends_today_and_never_in_the_future(tmp_path: Path, hour: int) -> None:
    now_ms = NOW - NOW % DAY_MS + hour * 3_600_000 + 60_000
    transcripts.write(tmp_path, now_ms)
    newest = max(path.stat().st_mtime for path in tmp_path.rglob("*.jsonl")) * 1000
    assert now_ms - DAY_MS < newest <= now_ms


def test_it_shows_a_summary_and_leaves_nothing(
    kaizen: Kaizen, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    before = contents(home)
    result = kaizen("demo")
    assert result.status == 0
    assert "claude" in result.out
    assert "codex" in result.out
    assert "cursor" in result.out
    assert "kaizen demo --keep" in result.out
    assert list(scratch.iterdir()) == []
    assert contents(home) == before


def test_json_is_the_summary(kaizen: Kaizen) -> None:
    answer = kaizen("demo", "--json").json
    assert answer["schema"] == "demo/1"
    assert {share["name"] for share in answer["data"]["by_agent"]} == {"claude", "codex", "cursor"}


def test_a_kept_demo_can_be_looked_around_in(kaizen: Kaizen, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    result = kaizen("demo", "--keep", str(kept))
    assert result.status == 0
    assert f"export KAIZEN_HOME={kept / '.kaizen'} HOME={kept}" in result.out
    env = {"HOME": str(kept), "KAIZEN_HOME": str(kept / ".kaizen")}
    tried = [line.split()[1:] for line in result.out.splitlines() if line.startswith("  kaizen ")]
    assert len(tried) > 4
    for argv in tried:
        assert kaizen(*argv, env=env).status == 0, argv


def test_a_folder_with_something_in_it_is_refused(kaizen: Kaizen, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    result = kaizen("demo", "--keep", str(tmp_path), "--json")
    assert (result.status, result.error["code"]) == (2, "usage")
    assert (tmp_path / "mine").read_text() == "precious"
