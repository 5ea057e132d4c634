"""From SQLite rows to structs, and WHERE clauses from optional conditions."""

from collections.abc import Iterable
from sqlite3 import Connection, Cursor
from typing import Any, TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)


def rows(kind: type[T], cursor: Cursor) -> list[T]:
    """Every row as `kind`, whose fields are the selected columns in order. No validation: SQLite's STRICT did that."""
    return [kind(*row) for row in cursor]


def row(kind: type[T], cursor: Cursor) -> T | None:
    found = cursor.fetchone()
    return None if found is None else kind(*found)


def all_of(*conditions: tuple[str, Any]) -> tuple[str, tuple[Any, ...]]:
    """`WHERE a AND b` and its arguments from `(sql, value)` pairs; pairs whose value is None are dropped.

    A tuple value fills as many placeholders as it has items. Writing `(? IS NULL OR x = ?)` would cost the index.
    """
    kept = [(sql, value) for sql, value in conditions if value is not None]
    args: list[Any] = []
    for _, value in kept:
        args.extend(value) if isinstance(value, tuple) else args.append(value)
    return ("WHERE " + " AND ".join(sql for sql, _ in kept) if kept else ""), tuple(args)


def listed(values: Iterable[Any]) -> str:
    """The argument of a `json_each(?)`."""
    return msgspec.json.encode([*values]).decode()


def scalar(db: Connection, sql: str, args: Iterable[Any] = ()) -> Any:
    found = db.execute(sql, tuple(args)).fetchone()
    return None if found is None else found[0]
