"""The roll-ups of counted requests. Ingest adds signed differences; `rebuilt` is what they must equal."""

from collections.abc import Collection, Mapping, Sequence
from operator import add
from sqlite3 import Connection
from typing import TypeVar

QUARTER_MS = 900_000
QUARTERS_OF_HOUR = 4
SUMS = ("requests", "input_tokens", "output_tokens", "reasoning_tokens", "cache_read_tokens", "cache_write_tokens",
        "cache_write_1h_tokens", "cost_pusd", "unpriced_requests")
Amounts = tuple[int, int, int, int, int, int, int, int, int]
Key = TypeVar("Key")
# Table -> the columns that name a row.
KEYS = {
    "usage_by_quarter": ("quarter", "workspace_id", "agent", "model"),
    "usage_by_hour": ("hour", "agent", "model"),
    "usage_total": ("agent", "model"),
    "usage_by_session": ("session_id", "model"),
}

_SETS = ", ".join(f"{name} = {name} + excluded.{name}" for name in SUMS)


def sum_up(sums: dict[Key, Sequence[int]], key: Key, amounts: Sequence[int]) -> None:
    there = sums.get(key)
    sums[key] = amounts if there is None else list(map(add, there, amounts))


def add_by_quarter(db: Connection, rows: Mapping[tuple[int, int, str, str], Sequence[int]]) -> None:
    """Also to the hours and totals of all workspaces. Keys are (quarter, workspace id or 0, agent, model or '')."""
    hours: dict[tuple[int, str, str], Sequence[int]] = {}
    totals: dict[tuple[str, str], Sequence[int]] = {}
    for (quarter, _, agent, model), amounts in rows.items():
        sum_up(hours, (quarter // QUARTERS_OF_HOUR, agent, model), amounts)
        sum_up(totals, (agent, model), amounts)
    _add(db, "usage_by_quarter", rows.items())
    _add(db, "usage_by_hour", hours.items())
    _add(db, "usage_total", totals.items())


def add_by_session(db: Connection, rows: Mapping[tuple[int, str], Sequence[int]]) -> None:
    """Keys are (session id, model or '')."""
    _add(db, "usage_by_session", rows.items())


def _add(db: Connection, table: str, rows: Collection[tuple[tuple[object, ...], Sequence[int]]]) -> None:
    keys = KEYS[table]
    columns = (*keys, *SUMS)
    db.executemany(f"""INSERT INTO {table} ({", ".join(columns)}) VALUES ({", ".join("?" * len(columns))})
                       ON CONFLICT DO UPDATE SET {_SETS}""", [(*key, *amounts) for key, amounts in rows])
    # Where none may be left.
    db.executemany(f"DELETE FROM {table} WHERE {' AND '.join(f'{name} = ?' for name in keys)} AND requests = 0",
                   [key for key, amounts in rows if amounts[0] <= 0])


_REBUILD = """
  count(*), total0(input_tokens), total0(output_tokens), total0(reasoning_tokens), total0(cache_read_tokens),
  total0(cache_write_tokens), total0(cache_write_1h_tokens), total0(cost_pusd), sum(cost_pusd IS NULL)
  FROM events JOIN sessions ON sessions.id = session_id WHERE kind = 'cost' AND duplicate_of IS NULL
""".replace("total0(", "ifnull(sum(").replace("_tokens)", "_tokens), 0)").replace("(cost_pusd),", "(cost_pusd), 0),")
_OF_EVENT = {"quarter": f"ts_ms / {QUARTER_MS}", "hour": f"ts_ms / {QUARTER_MS * QUARTERS_OF_HOUR}",
             "workspace_id": "ifnull(workspace_id, 0)", "agent": "sessions.agent", "model": "ifnull(events.model, '')",
             "session_id": "session_id"}

Rows = dict[str, list[tuple[object, ...]]]


def rebuilt(db: Connection) -> Rows:
    """Every roll-up recomputed from events, sorted by key. For tests."""
    return {table: db.execute(f"""SELECT {", ".join(_OF_EVENT[name] for name in keys)}, {_REBUILD}
                                   GROUP BY {_places(keys)} ORDER BY {_places(keys)}""").fetchall()
            for table, keys in KEYS.items()}


def stored(db: Connection) -> Rows:
    return {table: db.execute(f"SELECT * FROM {table} ORDER BY {_places(keys)}").fetchall()
            for table, keys in KEYS.items()}


def _places(keys: Sequence[str]) -> str:
    return ", ".join(str(at) for at in range(1, len(keys) + 1))
