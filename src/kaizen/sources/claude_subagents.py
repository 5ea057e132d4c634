"""`agent-<id>.meta.json`, which Claude Code writes beside a subagent's transcript: its type, and who called it.

    {"agentType": "Explore", "toolUseId": "toolu_..."}

A file of its own, because it may come before the transcript or long after. The parent's transcript says the same.
"""

from collections.abc import Iterator

from kaizen.model.event import Ignored, Item, SessionDraft
from kaizen.sources.claude_files import META
from kaizen.sources.shapes import as_text, record


def parse(path: str, content: bytes) -> Iterator[Item]:
    session = path.replace("\\", "/").rpartition("/")[2].removesuffix(META)
    said = record(content)
    label, call = as_text(said.get("agentType")), as_text(said.get("toolUseId"))
    if label or call:
        yield SessionDraft(session, label=label, parent_call_id=call)
    else:
        yield Ignored("no_content")
