"""What is new in the agents' files, without reading any. Who finds nothing new needs no other part of capture."""

import os
import sqlite3
import time
from collections.abc import Mapping

import msgspec

from kaizen.capture import discover, listing
from kaizen.capture.plan import Plan, plan
from kaizen.capture.tables import stamp
from kaizen.config.model import Config
from kaizen.sources import ALL
from kaizen.sources.shapes import Source, TableSource
from kaizen.store import files
from kaizen.store import listing as stored
from kaizen.store.open import transaction

TABLES = frozenset(source.name for source in ALL if isinstance(source, TableSource))


class News(msgspec.Struct):
    """Files that may have changed, and what of them is to be read: lines and documents by `plan`, databases by their
    stamps."""

    found: list[discover.Found]
    plan: Plan
    tables: list[discover.Found]
    # Paths that are no files any more.
    vanished: list[str]
    # Of a full listing, where `found` is all there is.
    whole: "Whole | None" = None

    def __bool__(self) -> bool:
        return bool(self.plan.read or self.plan.gone or self.tables)


class Whole(msgspec.Struct):
    """`is_better`: than the listing that the store has, and complete."""

    key: str
    is_better: bool
    began_ns: int
    missing_roots: list[str]
    listed: discover.Everything


def look(db: sqlite3.Connection, env: Mapping[str, str], config: Config, *, whole: bool = False) -> News:
    """`whole`: by listing everything, whatever is known."""
    readers = readers_of(env, config)
    key = listing.key_of(readers)
    before = listing.decoded(stored.get(db, key))
    if before is not None and not whole:
        differing = listing.changes(before, files.paths_after(db, before.last_file_id))
        if differing is not None:
            return compared(db, differing.found, differing.vanished)
    began_ns = time.time_ns()
    missing = [root for root in readers if not os.path.lexists(root)]
    listed = discover.everything(readers)
    news = compared(db, listed.files, [], is_whole=True)
    is_complete = not any(root.outcome.startswith("unreadable") for root in listed.roots)
    is_better = is_complete and (before is None or not whole or len(news.plan.read) > listing.MANY)
    news.whole = Whole(key, is_better, began_ns, missing, listed)
    return news


def compared(db: sqlite3.Connection, found: list[discover.Found], vanished: list[str], *, is_whole: bool = False
             ) -> News:
    """What of `found` the store does not have. `is_whole`: all else that it knows is gone."""
    known = files.stamps(db) if is_whole else files.stamps_of(db, [*(file.path for file in found), *vanished])
    todo = plan(found, known)
    todo.read = [file for file in todo.read if file.source not in TABLES]
    return News(found, todo, [file for file in _tables(found) if is_changed(db, file)], vanished)


def keep(db: sqlite3.Connection, news: News) -> None:
    """After all of `news` was stored: the next look need not list everything."""
    whole = news.whole
    if whole is None or not whole.is_better:
        return
    known = files.stamps(db)
    unread = {file.path for file in (*plan(news.found, known).read, *_tables(news.found))}
    last_id = max((stamp.id for stamp in known.values()), default=0)
    made = listing.listing_of(news.found, unread, whole.listed.folders, whole.missing_roots, whole.began_ns, last_id)
    with transaction(db):
        stored.put(db, whole.key, listing.encode(made))


def _tables(found: list[discover.Found]) -> list[discover.Found]:
    """A database may change in a file beside it, its write-ahead log."""
    return [file for file in found if file.source in TABLES]


def is_changed(db: sqlite3.Connection, table: discover.Found) -> bool:
    """Whether an agent's database, or its write-ahead log, is not what was read last."""
    row = files.get(db, table.path)
    try:
        return row is None or row.head_hash != stamp(table.path)
    except OSError:
        return True


def readers_of(env: Mapping[str, str], config: Config) -> discover.Readers:
    return discover.readers_of(sources_of(config), env, user_home(env), config.sources.roots)


def sources_of(config: Config) -> list[Source]:
    return [source for source in ALL if discover.settings_of(source) not in config.sources.disabled]


def user_home(env: Mapping[str, str]) -> str:
    return env.get("HOME") or env.get("USERPROFILE") or os.path.expanduser("~")


def now_ms() -> int:
    return time.time_ns() // 1_000_000
