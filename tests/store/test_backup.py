from contextlib import closing
from pathlib import Path

from kaizen.store import backup
from kaizen.store.backup import KEPT, WEEK_MS
from kaizen.store.open import open_store


def test_a_copy_is_made_once_a_week_and_the_newest_are_kept(tmp_path: Path) -> None:
    with closing(open_store(tmp_path, write=True)) as db:
        assert backup.weekly(db, tmp_path, 1_000) is None
        assert backup.weekly(db, tmp_path, WEEK_MS) is None
        made = [backup.weekly(db, tmp_path, 1_000 + week * WEEK_MS) for week in range(1, 5)]
        assert backup.weekly(db, tmp_path, 1_001 + 4 * WEEK_MS) is None
    kept = sorted((tmp_path / "backup").iterdir())
    assert kept == sorted(one for one in made if one)[-KEPT:]
    assert [one.stat().st_mode & 0o777 for one in kept] == [0o600] * KEPT


def test_the_copy_can_be_opened_as_a_store(tmp_path: Path) -> None:
    with closing(open_store(tmp_path, write=True)) as db:
        backup.weekly(db, tmp_path, 0)
        db.execute("INSERT INTO workspaces (path, root, name) VALUES ('/w', '/w', 'w')")
        made = backup.weekly(db, tmp_path, WEEK_MS)
    assert made is not None
    restored = tmp_path / "restored"
    restored.mkdir()
    made.rename(restored / "kaizen.db")
    with closing(open_store(restored)) as db:
        assert db.execute("SELECT name FROM workspaces").fetchall() == [("w",)]
