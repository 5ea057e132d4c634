"""Codex files that are no rollout lines: the oldest sessions, one JSON document each, and the index of titles."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from kaizen.model.event import Ignored, Item, SessionDraft
from kaizen.sources.codex_state import State
from kaizen.sources.shapes import DocumentSource, LineSource, Malformed, Roots, as_text, record

Begin = Callable[[str], State]
ParseRecord = Callable[[dict[str, Any], int, State], Iterator[Item]]


def source(roots: Roots, begin: Begin, parse_record: ParseRecord) -> DocumentSource:
    """`sessions/rollout-<date>-<uuid>.json`: `{session: {id, timestamp, instructions}, items: [item, ...]}`."""

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

    return DocumentSource(agent="codex", name="codex-document", roots=roots, wants=_wants_document, parse=parse)


def _wants_document(path: str) -> bool:
    return path.endswith(".json") and path.rpartition("/")[2].startswith("rollout-")


class Nothing(msgspec.Struct):
    """Lines of the index do not depend on each other."""


def index(homes: Callable[[Mapping[str, str], str], list[str]]) -> LineSource:
    """`session_index.jsonl`: `{id, thread_name, updated_at}`, appended whenever a title changes."""

    def roots(env: Mapping[str, str], home: str) -> Iterable[str]:
        return [f"{place}/session_index.jsonl" for place in homes(env, home)]

    return LineSource(agent="codex", name="codex-index", roots=roots, wants=lambda path: path == "session_index.jsonl",
                      state=Nothing, begin=lambda path: Nothing(), parse=_title, usage_marks=None,
                      usage=lambda line, at, state: ())


def _title(line: bytes, at: int, state: Nothing) -> Iterator[Item]:
    said = record(line)
    session, title = as_text(said.get("id")), as_text(said.get("thread_name"))
    yield SessionDraft(session, title=title) if session and title else Ignored("no_content")
