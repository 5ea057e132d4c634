"""Reading the roll-ups of counted requests; `store.usage` writes them. Sums come in the order of `SUMS`."""

from collections.abc import Iterator, Sequence
from sqlite3 import Connection
from typing import Any, Literal

from kaizen.store.filter import Filter
from kaizen.store.rows import all_of, listed, scalar
from kaizen.store.usage import QUARTERS_OF_HOUR, SUMS, Amounts

Key = Literal["quarter", "agent", "model", "workspace_id", "agent_model"]
_SUMS = ", ".join(f"sum({name})" for name in SUMS)
_KEY_OF_QUARTER = {"agent_model": "agent || char(31) || model"}
_KEY_OF_SESSION: dict[str, str] = {
    "agent": "s.agent",
    "model": "u.model",
    "agent_model": "s.agent || char(31) || u.model",
    "workspace_id": "ifnull(s.workspace_id, 0)",
    "session": "s.id",
    "branch": "ifnull(s.branch, '')",
}


def usage_by(
    db: Connection, key: Key, only: Filter, first: int | None, last: int | None
) -> Iterator[tuple[Any, Amounts]]:
    """Whole quarters `first <= quarter < last` of the roll-up."""
    where, args = all_of(("quarter >= ?", first), ("quarter < ?", last), *only.on(), only.on_model("model"))
    for found, *amounts in db.execute(
        f"SELECT {_KEY_OF_QUARTER.get(key, key)}, {_SUMS} FROM usage_by_quarter {where} GROUP BY 1 ORDER BY 1", args
    ):
        yield found, tuple(amounts)


def usage_by_day(
    db: Connection, only: Filter, first: int | None, last: int | None, offset_quarters: int
) -> Iterator[tuple[int, Amounts]]:
    """(a quarter of the day, sums) of each local day with anything, of a zone that is so far ahead of UTC all the time.

    One question a day: for all of them at once SQLite sorts the rows, which takes as long again. Of all workspaces in
    a zone of whole hours the roll-up by hour has a sixth of the rows.
    """
    there = quarter_span(db)
    if there is None:
        return
    # What lies beyond the first and the last is nothing, so those hours are whole.
    if first is None or first <= there[0]:
        first = there[0] // QUARTERS_OF_HOUR * QUARTERS_OF_HOUR
    if last is None or last > there[1]:
        last = (there[1] // QUARTERS_OF_HOUR + 1) * QUARTERS_OF_HOUR
    step, table = 1, "quarter"
    if only.workspace_ids is None and not any(one % QUARTERS_OF_HOUR for one in (first, last, offset_quarters)):
        step, table = QUARTERS_OF_HOUR, "hour"
    midnight = (first + offset_quarters) // 96 * 96 - offset_quarters
    for start in range(midnight, last, 96):
        where, args = all_of((f"{table} >= ?", max(first, start) // step),
                             (f"{table} < ?", min(last, start + 96) // step), *only.on(), only.on_model("model"))
        found, *amounts = db.execute(f"SELECT min({table}), {_SUMS} FROM usage_by_{table} {where}", args).fetchone()
        if found is not None:
            yield found * step, tuple(amounts)


def quarter_span(db: Connection) -> tuple[int, int] | None:
    """The first and the last quarter that has anything."""
    first = scalar(db, "SELECT min(quarter) FROM usage_by_quarter")
    return None if first is None else (first, scalar(db, "SELECT max(quarter) FROM usage_by_quarter"))


def usage_of_all_time(db: Connection, key: str, only: Filter) -> Iterator[tuple[Any, Amounts]]:
    """All time, by one of `_KEY_OF_SESSION`."""
    if only.workspace_ids is None and key in ("agent", "model", "agent_model"):
        by, table = _KEY_OF_QUARTER.get(key, key), "usage_total"
        where, args = all_of(*only.on(), only.on_model("model"))
    else:
        by, table = _KEY_OF_SESSION[key], "usage_by_session AS u JOIN sessions AS s ON s.id = u.session_id"
        where, args = all_of(*only.on("s."), only.on_model("u.model"))
    for found, *amounts in db.execute(f"SELECT {by}, {_SUMS} FROM {table} {where} GROUP BY 1 ORDER BY 1", args):
        yield found, tuple(amounts)


def usage_of(db: Connection, session_ids: Sequence[int]) -> dict[int, list[tuple[str, Amounts]]]:
    """Per session its models and their sums."""
    found: dict[int, list[tuple[str, Amounts]]] = {}
    for session_id, model, *amounts in db.execute(
        f"""SELECT session_id, model, {", ".join(SUMS)} FROM usage_by_session
                 WHERE session_id IN (SELECT value FROM json_each(?)) ORDER BY session_id, model""",
        (listed(session_ids),),
    ):
        found.setdefault(session_id, []).append((model, tuple(amounts)))
    return found


def models(db: Connection) -> list[str]:
    return [name for (name,) in db.execute("SELECT DISTINCT model FROM usage_by_session WHERE model <> '' ORDER BY 1")]


def unpriced_models(db: Connection, only: Filter) -> list[tuple[str, int]]:
    """(model or '', requests without a price)."""
    where, args = all_of(*only.on(), only.on_model("model"), ("unpriced_requests > ?", 0))
    return list(
        db.execute(
            f"SELECT model, sum(unpriced_requests) FROM usage_by_quarter {where} GROUP BY 1 ORDER BY 2 DESC, 1", args
        )
    )
