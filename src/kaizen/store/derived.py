"""Writing what folds derive: spans, turns, files touched, guidance and tools used, and the folds' saved state."""

from collections.abc import Iterable
from sqlite3 import Connection

_SPAN = """INSERT OR REPLACE INTO spans (session_id, seq, turn, parallel_group, tool, call_id, request, status,
             status_reason, started_at_ms, ended_at_ms, lead_time_ms, exit_code, rev)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_TURN = "INSERT OR REPLACE INTO turns VALUES (?, ?, ?, ?, ?, ?, ?)"
_FILE = """INSERT INTO files_touched VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET times = times + excluded.times, is_guess = min(is_guess, excluded.is_guess),
             added_lines = CASE WHEN excluded.added_lines IS NULL THEN added_lines
                                ELSE ifnull(added_lines, 0) + excluded.added_lines END,
             removed_lines = CASE WHEN excluded.removed_lines IS NULL THEN removed_lines
                                  ELSE ifnull(removed_lines, 0) + excluded.removed_lines END,
             first_ms = min(first_ms, excluded.first_ms), last_ms = max(last_ms, excluded.last_ms)"""
_GUIDANCE = """INSERT INTO guidance_used VALUES (?, ?, ?, ?, ?, ?, ?)
               ON CONFLICT DO UPDATE SET times = times + excluded.times, first_ms = min(first_ms, excluded.first_ms)"""

_TOOL = """INSERT INTO tools_used VALUES (?, ?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET calls = calls + excluded.calls, errors = errors + excluded.errors,
             denied = denied + excluded.denied"""


def put_spans(db: Connection, rows: Iterable[tuple[object, ...]]) -> None:
    db.executemany(_SPAN, rows)


def put_turns(db: Connection, rows: Iterable[tuple[object, ...]]) -> None:
    db.executemany(_TURN, rows)


def add_files(db: Connection, rows: Iterable[tuple[object, ...]]) -> None:
    """Adds to the counts of rows that exist."""
    db.executemany(_FILE, rows)


def add_guidance(db: Connection, rows: Iterable[tuple[object, ...]]) -> None:
    db.executemany(_GUIDANCE, rows)


def add_tools(db: Connection, rows: Iterable[tuple[object, ...]]) -> None:
    db.executemany(_TOOL, rows)


def clear(db: Connection, session_id: int) -> None:
    for table in ("spans", "turns", "files_touched", "guidance_used", "tools_used", "folds"):
        db.execute(f"DELETE FROM {table} WHERE session_id = ?", (session_id,))


def fold_state(db: Connection, session_id: int, version: int) -> bytes | None:
    found = db.execute("SELECT state FROM folds WHERE session_id = ? AND name = 'session' AND version = ?",
                       (session_id, version)).fetchone()
    return None if found is None else found[0]


def put_fold_states(db: Connection, rows: Iterable[tuple[int, int, int, bytes]]) -> None:
    """(session id, version, upto_seq, state) each."""
    db.executemany("INSERT OR REPLACE INTO folds VALUES (?, 'session', ?, ?, ?)", rows)
