"""Where Claude Code keeps its transcripts: `claude` reads them, `claude_subagents` what lies beside a subagent's."""

from collections.abc import Iterable, Iterator, Mapping

from kaizen.model.event import Item
from kaizen.sources.shapes import DocumentSource, LineReader, LineSource

AGENT = "claude"
META = ".meta.json"
_PRUNED = frozenset({"tool-results", "memory"})
_NOT_TRANSCRIPTS = frozenset({"audit.jsonl", "history.jsonl", "journal.jsonl"})


def _roots(env: Mapping[str, str], home: str) -> Iterator[str]:
    if given := [part.strip() for part in env.get("CLAUDE_CONFIG_DIR", "").split(",") if part.strip()]:
        for part in given:
            folder = f"{home}{part[1:]}" if part == "~" or part.startswith("~/") else part
            folder = folder.rstrip("/")
            yield folder if folder.endswith("/projects") else f"{folder}/projects"
        return
    yield f"{home}/.claude/projects"
    yield f"{env.get('XDG_CONFIG_HOME') or home + '/.config'}/claude/projects"
    yield f"{home}/Library/Application Support/Claude/local-agent-mode-sessions"
    yield f"{home}/.config/Claude/local-agent-mode-sessions"


def _wants(path: str) -> bool:
    return path.endswith(".jsonl") and path.rpartition("/")[2] not in _NOT_TRANSCRIPTS


def _wants_meta(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.startswith("agent-") and name.endswith(META)


def _reader() -> LineReader:
    from kaizen.sources import claude

    return claude.READER


def _parse_meta(path: str, content: bytes) -> Iterable[Item]:
    from kaizen.sources import claude_subagents

    return claude_subagents.parse(path, content)


TRANSCRIPTS = LineSource(AGENT, "claude", _roots, _wants, _reader, prune=_PRUNED)
SUBAGENTS = DocumentSource(AGENT, "claude-subagents", _roots, _wants_meta, _parse_meta, prune=_PRUNED,
                           part_of=TRANSCRIPTS.name, tells_usage=False)
SOURCES = (TRANSCRIPTS, SUBAGENTS)
