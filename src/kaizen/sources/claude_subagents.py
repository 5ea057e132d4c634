"""`agent-<id>.meta.json`, which Claude Code writes beside a subagent's transcript: its type, and who called it.

    {"agentType": "Explore", "toolUseId": "toolu_..."}

A file of its own, because it may come before the transcript or long after. The parent's transcript says the same.
"""

from collections.abc import Iterator

from kaizen.model.event import Ignored, Item, SessionDraft
from kaizen.sources.shapes import DocumentSource, Roots, as_text, record

_END = ".meta.json"


def source(roots: Roots, part_of: str, prune: frozenset[str]) -> DocumentSource:
    return DocumentSource(
        agent="claude",
        name="claude-subagents",
        roots=roots,
        wants=_wants,
        parse=_parse,
        prune=prune,
        part_of=part_of,
        tells_usage=False,
    )


def _wants(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.startswith("agent-") and name.endswith(_END)


def _parse(path: str, content: bytes) -> Iterator[Item]:
    session = path.replace("\\", "/").rpartition("/")[2].removesuffix(_END)
    said = record(content)
    label, call = as_text(said.get("agentType")), as_text(said.get("toolUseId"))
    if label or call:
        yield SessionDraft(session, label=label, parent_call_id=call)
    else:
        yield Ignored("no_content")
