"""Every source we read, in the order in which they are listed. A new agent is one file and one line here."""

from functools import cache

from kaizen.sources import cursor, cursor_chats, cursor_state, cursor_text
from kaizen.sources.claude import SOURCES as CLAUDE
from kaizen.sources.codex import SOURCES as CODEX
from kaizen.sources.shapes import Source

ALL: tuple[Source, ...] = (
    *CLAUDE,
    *CODEX,
    cursor.SOURCE,
    cursor_chats.SOURCE,
    cursor_state.SOURCE,
    cursor_text.SOURCE,
)


@cache
def by_name(name: str) -> Source:
    return next(source for source in ALL if source.name == name)
