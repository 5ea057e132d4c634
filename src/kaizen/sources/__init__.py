"""Every source we read, in the order in which they are listed. A new agent is a line here, a file that says where its
files are, and a file that reads them; the latter is imported when there is something to read.
"""

from functools import cache

from kaizen.sources.claude_files import SOURCES as CLAUDE
from kaizen.sources.codex_files import SOURCES as CODEX
from kaizen.sources.cursor_files import SOURCES as CURSOR
from kaizen.sources.shapes import Source

ALL: tuple[Source, ...] = (*CLAUDE, *CODEX, *CURSOR)


@cache
def by_name(name: str) -> Source:
    return next(source for source in ALL if source.name == name)
