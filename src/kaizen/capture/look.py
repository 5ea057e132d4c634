"""What is new in the agents' files, without reading any. Who finds nothing new needs no other part of capture."""

import os
import sqlite3
import time
from collections.abc import Mapping

import msgspec

from kaizen.capture import discover
from kaizen.capture.plan import Plan, plan
from kaizen.capture.tables import stamp
from kaizen.config.model import Config
from kaizen.sources import ALL
from kaizen.sources.shapes import Source, TableSource
from kaizen.store import files

TABLES = frozenset(source.name for source in ALL if isinstance(source, TableSource))


class News(msgspec.Struct):
    """All files, and what of them is to be read: lines and documents by `plan`, databases by their stamps."""

    found: list[discover.Found]
    roots: list[discover.Root]
    plan: Plan
    tables: list[discover.Found]

    def __bool__(self) -> bool:
        return bool(self.plan.read or self.plan.gone or self.tables)


def look(db: sqlite3.Connection, env: Mapping[str, str], config: Config) -> News:
    found, roots = discover.files(sources_of(config), env, user_home(env), config.sources.roots)
    return compared(db, found, roots)


def compared(db: sqlite3.Connection, found: list[discover.Found], roots: list[discover.Root]) -> News:
    """What of `found` the store does not have."""
    tables = [file for file in found if file.source in TABLES]
    todo = plan(found, files.stamps(db))
    todo.read = [file for file in todo.read if file.source not in TABLES]
    return News(found, roots, todo, [file for file in tables if is_changed(db, file)])


def is_changed(db: sqlite3.Connection, table: discover.Found) -> bool:
    """Whether an agent's database, or its write-ahead log, is not what was read last."""
    row = files.get(db, table.path)
    try:
        return row is None or row.head_hash != stamp(table.path)
    except OSError:
        return True


def sources_of(config: Config) -> list[Source]:
    return [source for source in ALL if discover.settings_of(source) not in config.sources.disabled]


def user_home(env: Mapping[str, str]) -> str:
    return env.get("HOME") or env.get("USERPROFILE") or os.path.expanduser("~")


def now_ms() -> int:
    return time.time_ns() // 1_000_000
