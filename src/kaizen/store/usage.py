"""The two roll-ups of counted requests. Ingest adds signed differences; `rebuilt` is what they must equal."""

from collections.abc import Iterable, Mapping, Sequence
from sqlite3 import Connection
from typing import TypeVar

QUARTER_MS = 900_000
SUMS = ("requests", "input_tokens", "output_tokens", "reasoning_tokens", "cache_read_tokens", "cache_write_tokens",
        "cache_write_1h_tokens", "cost_pusd", "unpriced_requests")
Amounts = tuple[int, int, int, int, int, int, int, int, int]
Key = TypeVar("Key")

_SETS = ", ".join(f"{name} = {name} + excluded.{name}" for name in SUMS)
_NAMES = ", ".join(SUMS)
_HOLES = ", ".join("?" * len(SUMS))


def add_by_quarter(db: Connection, rows: Mapping[tuple[int, int, str, str], Sequence[int]]) -> None:
    """Keys are (quarter, workspace id or 0, agent, model or '')."""
    db.executemany(
        f"""INSERT INTO usage_by_quarter (quarter, workspace_id, agent, model, {_NAMES}) VALUES (?, ?, ?, ?, {_HOLES})
            ON CONFLICT DO UPDATE SET {_SETS}""", [(*key, *amounts) for key, amounts in rows.items()])
    db.executemany("""DELETE FROM usage_by_quarter WHERE quarter = ? AND workspace_id = ? AND agent = ? AND model = ?
                      AND requests = 0""", _lessened(rows.items()))


def add_by_session(db: Connection, rows: Mapping[tuple[int, str], Sequence[int]]) -> None:
    """Keys are (session id, model or '')."""
    db.executemany(
        f"""INSERT INTO usage_by_session (session_id, model, {_NAMES}) VALUES (?, ?, {_HOLES})
            ON CONFLICT DO UPDATE SET {_SETS}""", [(*key, *amounts) for key, amounts in rows.items()])
    db.executemany("DELETE FROM usage_by_session WHERE session_id = ? AND model = ? AND requests = 0",
                   _lessened(rows.items()))


def _lessened(rows: Iterable[tuple[Key, Sequence[int]]]) -> list[Key]:
    """Where none may be left."""
    return [key for key, amounts in rows if amounts[0] <= 0]


_REBUILD = """
  count(*), total0(input_tokens), total0(output_tokens), total0(reasoning_tokens), total0(cache_read_tokens),
  total0(cache_write_tokens), total0(cache_write_1h_tokens), total0(cost_pusd), sum(cost_pusd IS NULL)
  FROM events JOIN sessions ON sessions.id = session_id WHERE kind = 'cost' AND duplicate_of IS NULL GROUP BY 1, 2
""".replace("total0(", "ifnull(sum(").replace("_tokens)", "_tokens), 0)").replace("(cost_pusd),", "(cost_pusd), 0),")


def rebuilt(db: Connection) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """Both roll-ups recomputed from events: (by quarter, by session), sorted by key. For tests and `doctor`."""
    by_quarter = db.execute(
        f"""SELECT ts_ms / {QUARTER_MS}, ifnull(workspace_id, 0), sessions.agent, ifnull(events.model, ''),
                   {_REBUILD}, 3, 4
             ORDER BY 1, 2, 3, 4""").fetchall()
    by_session = db.execute(
        f"SELECT session_id, ifnull(events.model, ''), {_REBUILD} ORDER BY 1, 2").fetchall()
    return by_quarter, by_session


def stored(db: Connection) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    return (db.execute("SELECT * FROM usage_by_quarter ORDER BY 1, 2, 3, 4").fetchall(),
            db.execute("SELECT * FROM usage_by_session ORDER BY 1, 2").fetchall())
