"""Whether the store holds together, and how much is in it. For `doctor`."""

from sqlite3 import Connection

from kaizen.store import costs
from kaizen.store.rows import scalar
from kaizen.store.usage import KEYS, SUMS

# What is kept: what it must equal.
_COUNTED = {
    "SELECT session_id, tool, calls, errors, denied FROM tools_used":
        """SELECT session_id, tool, count(*), sum(status = 'error'), sum(status = 'denied')
             FROM spans WHERE tool <> '' GROUP BY 1, 2""",
    "SELECT tool, calls, errors, denied FROM tools_total WHERE calls > 0":
        """SELECT tool, count(*), sum(status = 'error'), sum(status = 'denied')
             FROM spans WHERE tool <> '' GROUP BY 1""",
    "SELECT agent, model, sessions, roots, prompts, tool_calls, errors FROM sessions_total WHERE sessions > 0":
        """SELECT agent, ifnull(model, ''), count(*), sum(parent_host_id IS NULL), sum(prompts), sum(tool_calls),
                  sum(errors) FROM sessions WHERE events > 0 GROUP BY 1, 2""",
}  # fmt: skip


def table_counts(db: Connection) -> dict[str, int]:
    asked = ("sessions WHERE events > 0", "events", "files", "workspaces")
    return {name.partition(" ")[0]: int(scalar(db, f"SELECT count(*) FROM {name}")) for name in asked}


def problems(db: Connection) -> list[str]:
    """What is wrong with the file as SQLite sees it, and with what only `ingest` ensures; empty is good."""
    found = [text for (text,) in db.execute("PRAGMA quick_check(20)")]
    foreign = [
        f"{table}: row {row} refers to nothing in {parent}"
        for table, row, parent, _ in db.execute("PRAGMA foreign_key_check").fetchmany(20)
    ]
    twice = [
        f"{agent}: {key} is there twice"
        for agent, key in db.execute(
            """SELECT a.agent, a.key FROM events AS a CROSS JOIN events AS b
                ON b.key_hash = a.key_hash AND b.id > a.id AND b.agent = a.agent AND b.key = a.key LIMIT 20"""
        )
    ]
    return [text for text in found if text != "ok"] + foreign + twice + outliving(db)


def outliving(db: Connection) -> list[str]:
    """Events that would stay when the file that told them is rewritten."""
    return [
        f"{agent}: {key} would outlive file {file_id}"
        for agent, key, file_id in db.execute(
            """SELECT agent, key, file_id FROM events
                WHERE file_id IS NOT NULL AND (file_id, session_id) NOT IN (SELECT * FROM file_sessions) LIMIT 20"""
        )
    ]


def rollup_drift(db: Connection) -> list[str]:
    """Where a roll-up does not equal what it sums up; empty is good."""
    wrong, real = [], costs.total(db)
    for table in KEYS:
        rolled = db.execute(f"SELECT {', '.join(f'ifnull(sum({name}), 0)' for name in SUMS)} FROM {table}").fetchone()
        wrong += [
            f"{table}.{name}: {have} instead of {want}"
            for name, have, want in zip(SUMS, rolled, real, strict=True)
            if have != want
        ]
    for kept, counted in _COUNTED.items():
        table = kept.partition(" FROM ")[2].partition(" ")[0]
        have, want = set(db.execute(kept)), set(db.execute(counted))
        wrong += [f"{table}: {one} is kept, but not what is counted" for one in sorted(have - want, key=repr)[:10]]
        wrong += [f"{table}: {one} is counted, but not kept" for one in sorted(want - have, key=repr)[:10]]
    return wrong


def oldest_file_ms(db: Connection, source: str) -> int | None:
    """Modification time of the oldest file of a source that is still there."""
    found: int | None = scalar(
        db, "SELECT min(mtime_ns) / 1000000 FROM files WHERE source = ? AND gone_at_ms IS NULL", (source,)
    )
    return found
