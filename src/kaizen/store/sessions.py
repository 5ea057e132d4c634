"""Reading and writing `sessions` and `workspaces` for ingest. The caller owns the transaction."""

from collections.abc import Iterable
from sqlite3 import Connection

import msgspec
from msgspec.structs import astuple


class Session(msgspec.Struct):
    """A row of `sessions` as ingest holds it. Field order = column order of `_COLUMNS`."""

    id: int
    agent: str
    host_id: str
    workspace_id: int | None = None
    model: str | None = None
    branch: str | None = None
    start_commit: str | None = None
    parent_host_id: str | None = None
    relation: str | None = None
    parent_call_id: str | None = None
    label: str | None = None
    agent_version: str | None = None
    title: str | None = None
    title_is_hosts: bool = False
    trace_path: str = ""
    origin_ms: int | None = None
    started_at_ms: int | None = None
    ended_at_ms: int | None = None
    status: str = "done"
    status_reason: str | None = None
    next_seq: int = 0
    events: int = 0
    prompts: int = 0
    tool_calls: int = 0
    errors: int = 0

    def owner_rank(self) -> tuple[bool, int, str]:
        """Who owns a request that two sessions show: the one whose transcript begins first. Of equals not by path: a
        backup read later would move what is already settled."""
        return (self.origin_ms is None, self.origin_ms or 0, self.host_id)

    def place(self, path: str, origin_ms: int | None) -> None:
        """Its transcript is the file named after it that begins first; of others, the first."""
        def rank(path: str, origin_ms: int | None) -> tuple[bool, bool, int, str]:
            return (self.host_id not in path, origin_ms is None, origin_ms or 0, path)

        if not self.trace_path or rank(path, origin_ms) < rank(self.trace_path, self.origin_ms):
            self.trace_path, self.origin_ms = path, origin_ms


_FIELDS = Session.__struct_fields__
_COLUMNS = ", ".join(_FIELDS)
_INSERT = f"INSERT INTO sessions ({_COLUMNS}, rev) VALUES ({', '.join('?' * len(_FIELDS))}, ?)"
_UPDATE = f"UPDATE sessions SET {', '.join(f'{name} = ?' for name in _FIELDS[3:])}, rev = ? WHERE id = ?"


def find(db: Connection, agent: str, host_id: str) -> Session | None:
    row = db.execute(f"SELECT {_COLUMNS} FROM sessions WHERE agent = ? AND host_id = ?", (agent, host_id)).fetchone()
    return None if row is None else Session(*row)


def by_id(db: Connection, session_id: int) -> Session:
    return Session(*db.execute(f"SELECT {_COLUMNS} FROM sessions WHERE id = ?", (session_id,)).fetchone())


def add(db: Connection, agent: str, host_id: str, rev: int) -> Session:
    session_id = db.execute("INSERT INTO sessions (agent, host_id, rev) VALUES (?, ?, ?) RETURNING id",
                            (agent, host_id, rev)).fetchone()[0]
    return Session(session_id, agent, host_id)


def insert(db: Connection, sessions: Iterable[Session], rev: int) -> None:
    db.executemany(_INSERT, ((*astuple(one), rev) for one in sessions))


def update(db: Connection, sessions: Iterable[Session], rev: int) -> None:
    db.executemany(_UPDATE, ((*astuple(one)[3:], rev, one.id) for one in sessions))


def workspace(db: Connection, path: str, root: str) -> int:
    """The id of a workspace, added if new. `root` is the repository it belongs to."""
    found = db.execute("SELECT id FROM workspaces WHERE path = ?", (path,)).fetchone()
    if found is None:
        name = root.replace("\\", "/").rstrip("/").rpartition("/")[2] or root
        found = db.execute("INSERT INTO workspaces (path, root, name) VALUES (?, ?, ?) RETURNING id",
                           (path, root, name)).fetchone()
    return int(found[0])


def workspace_path(db: Connection, workspace_id: int | None) -> str:
    if workspace_id is None:
        return ""
    return str(db.execute("SELECT path FROM workspaces WHERE id = ?", (workspace_id,)).fetchone()[0])


def recount(db: Connection, session_id: int) -> tuple[int, int | None, int | None]:
    """(events, first time, last time) of a session, from its events."""
    found: tuple[int, int | None, int | None] = db.execute(
        "SELECT count(*), min(ts_ms), max(ts_ms) FROM events WHERE session_id = ?", (session_id,)).fetchone()
    return found
