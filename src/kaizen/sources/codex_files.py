"""Where Codex keeps its sessions: `codex` reads rollouts, `codex_document` the oldest ones and the titles."""

from collections.abc import Iterable, Mapping

from kaizen.model.event import Item
from kaizen.sources.shapes import DocumentSource, LineReader, LineSource

AGENT = "codex"


def homes(env: Mapping[str, str], home: str) -> list[str]:
    """Codex's own directories: `CODEX_HOME`, which may be a list, else `~/.codex`."""
    given = [part.strip() for part in env.get("CODEX_HOME", "").split(",")]
    chosen = [f"{home}{part[1:]}" if part == "~" or part.startswith("~/") else part for part in given if part]
    return [part.rstrip("/") or "/" for part in chosen] or [f"{home}/.codex"]


def _roots(env: Mapping[str, str], home: str) -> Iterable[str]:
    for place in homes(env, home):
        yield f"{place}/sessions"
        yield f"{place}/archived_sessions"


def _index(env: Mapping[str, str], home: str) -> Iterable[str]:
    return [f"{place}/session_index.jsonl" for place in homes(env, home)]


def _wants_document(path: str) -> bool:
    return path.endswith(".json") and path.rpartition("/")[2].startswith("rollout-")


def _reader() -> LineReader:
    from kaizen.sources import codex

    return codex.READER


def _parse_document(path: str, content: bytes) -> Iterable[Item]:
    from kaizen.sources import codex_document

    return codex_document.parse(path, content)


def _index_reader() -> LineReader:
    from kaizen.sources import codex_document

    return codex_document.INDEX


ROLLOUTS = LineSource(AGENT, "codex", _roots, lambda path: path.endswith(".jsonl"), _reader)
DOCUMENTS = DocumentSource(AGENT, "codex-document", _roots, _wants_document, _parse_document)
INDEX = LineSource(AGENT, "codex-index", _index, lambda path: path == "session_index.jsonl", _index_reader,
                   tells_usage=False)
SOURCES = (ROLLOUTS, DOCUMENTS, INDEX)
