"""What a file that is rewritten costs: as much as its sessions, however many events there are."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection

import pytest

from kaizen.store import events
from kaizen.store.open import open_store

Asked = Callable[[Connection, int], object]


@pytest.mark.parametrize("asked", [events.sessions_of_file, events.places_of_file, events.delete_of_file])
def test_the_events_of_a_file_are_found_by_its_sessions(tmp_path: Path, asked: Asked) -> None:
    with closing(open_store(tmp_path, write=True)) as db:
        said: list[str] = []
        db.set_trace_callback(said.append)
        asked(db, 1)
        db.set_trace_callback(None)
        plans = [row[3] for one in said if " events " in one for row in db.execute(f"EXPLAIN QUERY PLAN {one}")]
    assert any("SEARCH events USING" in step for step in plans)
    assert not any("SCAN events" in step for step in plans)
