"""Codex files that are no rollout lines: the oldest sessions, one JSON document each, and the index of titles.

    sessions/rollout-<date>-<uuid>.json     {session: {id, timestamp, instructions}, items: [item, ...]}
    session_index.jsonl                     {id, thread_name, updated_at}, appended whenever a title changes
"""

from collections.abc import Iterator

import msgspec

from kaizen.model.event import Ignored, Item, SessionDraft
from kaizen.sources.codex import begin, parse_record
from kaizen.sources.shapes import LineReader, Malformed, as_text, record


def parse(path: str, content: bytes) -> Iterator[Item]:
    said = record(content)
    items = said.get("items")
    if type(items) is not list:
        raise Malformed("not_a_codex_session")
    state = begin(path)
    session = said.get("session")
    yield from parse_record({"type": "session_meta", "payload": session if type(session) is dict else {}}, 0, state)
    for number, item in enumerate(items, 1):
        if type(item) is dict:
            yield from parse_record(item, number, state)


class Nothing(msgspec.Struct):
    """Lines of the index do not depend on each other."""


def _title(line: bytes, at: int, state: Nothing) -> Iterator[Item]:
    said = record(line)
    session, title = as_text(said.get("id")), as_text(said.get("thread_name"))
    yield SessionDraft(session, title=title) if session and title else Ignored("no_content")


INDEX = LineReader(Nothing, lambda path: Nothing(), _title)
