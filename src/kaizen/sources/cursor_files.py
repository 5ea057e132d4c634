"""Where Cursor keeps conversations: transcripts of its agent (`cursor`, `cursor_text`), databases of the command line
(`cursor_chats`) and of the editor (`cursor_state`).
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kaizen.model.event import Item
from kaizen.sources.shapes import DocumentSource, LineReader, LineSource, TableSource

AGENT = "cursor"
_PRUNED = frozenset(("agent-tools", "mcps", "terminals"))


def _projects(env: Mapping[str, str], home: str) -> Iterable[str]:
    return (f"{home}/.cursor/projects",)


def _chats(env: Mapping[str, str], home: str) -> Iterable[str]:
    return (f"{home}/.cursor/chats",)


def _editors(env: Mapping[str, str], home: str) -> Iterable[str]:
    if override := env.get("CURSOR_STATE_DB"):
        return (override,)
    user = "Cursor/User/globalStorage"
    places = [f"{env.get('XDG_CONFIG_HOME') or f'{home}/.config'}/{user}",
              f"{home}/Library/Application Support/{user}", f"{home}/.cursor-server/data/User/globalStorage"]
    if roaming := env.get("APPDATA"):
        places.append(f"{roaming}/{user}")
    return places


def _is_transcript(path: str, suffix: str) -> bool:
    folders = path.split("/")
    return folders[-1].endswith(suffix) and "agent-transcripts" in folders[:-1]


def _reader() -> LineReader:
    from kaizen.sources import cursor

    return cursor.READER


def _parse_text(path: str, content: bytes) -> Iterable[Item]:
    from kaizen.sources import cursor_text

    return cursor_text.parse(path, content)


def _read_chats(db: sqlite3.Connection, path: str, since: Any) -> Iterator[tuple[Any, list[Item]]]:
    from kaizen.sources import cursor_chats

    return cursor_chats.read(db, path, since)


def _read_state(db: sqlite3.Connection, path: str, since: Any) -> Iterator[tuple[Any, list[Item]]]:
    from kaizen.sources import cursor_state

    return cursor_state.read(db, path, since)


LINES = LineSource(AGENT, "cursor", _projects, lambda path: _is_transcript(path, ".jsonl"), _reader, prune=_PRUNED,
                   tells_usage=False)
CHATS = TableSource(AGENT, "cursor-chats", _chats, lambda path: path.endswith("/store.db"), _read_chats,
                    tells_usage=False)
STATE = TableSource(AGENT, "cursor-state", _editors, lambda path: path == "state.vscdb", _read_state)
TEXTS = DocumentSource(AGENT, "cursor-text", _projects, lambda path: _is_transcript(path, ".txt"), _parse_text,
                       prune=_PRUNED, tells_usage=False)
SOURCES = (LINES, CHATS, STATE, TEXTS)
