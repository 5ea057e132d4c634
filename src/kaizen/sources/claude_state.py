"""What a Claude transcript's later lines depend on, and whose lines they are."""

import re
from typing import Any

import msgspec

from kaizen.model.event import SessionDraft
from kaizen.sources.shapes import as_dict, as_text

_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_CALL = re.compile(r"(?:toolu|srvtoolu|mcptoolu)_\w{20,}", re.ASCII)
MAX_QUEUED = MAX_SEARCHES = MAX_TASKS = 16
# Which title stays when a file has several: the person's own beats the host's guesses.
TITLES = ("summary", "ai-title", "agent-name", "custom-title")


class State(msgspec.Struct, array_like=True):
    """`session` is the file's own when its name is an id (`is_named`); else that of the record at hand, else `stem`."""

    session: str
    is_named: bool = True
    is_agent: bool = False
    parent: str | None = None
    # Already said: workspace, branch, parent of this session.
    has_workspace: bool = False
    has_branch: bool = False
    has_parent: bool = False
    # Prompts typed during a turn; they may be told again when they are delivered.
    queued: list[str] = []
    # WebSearch calls without result: call id -> (cost key, request).
    searches: dict[str, tuple[str, str]] = {}
    # Searches that results told so far: cost key -> count.
    searched: dict[str, int] = {}
    # Rank of the title said, by `TITLES`.
    title_rank: int = -1
    # The last record that had a uuid: a summary that names it is this conversation's.
    last_uuid: str | None = None
    # The model last seen with more context than the usual window holds.
    long_model: str | None = None
    stem: str = ""
    # Calls of subagents without result: call id -> subagent type.
    tasks: dict[str, str] = {}

    def remember_task(self, call: str, label: str) -> None:
        if call not in self.tasks and len(self.tasks) >= MAX_TASKS:
            del self.tasks[next(iter(self.tasks))]
        self.tasks[call] = label[:100]

    def remember_search(self, call: str, key: str, request: str) -> None:
        if call not in self.searches and len(self.searches) >= MAX_SEARCHES:
            del self.searches[next(iter(self.searches))]
        self.searches[call] = (key, request)

    def count_searches(self, key: str, count: int) -> int:
        """All searches of a request so far."""
        if key not in self.searched and len(self.searched) >= MAX_SEARCHES:
            del self.searched[next(iter(self.searched))]
        self.searched[key] = self.searched.get(key, 0) + count
        return self.searched[key]

    def remember_queued(self, text: str) -> None:
        self.queued = [*self.queued[1 - MAX_QUEUED:], text.strip()[:200]]

    def was_queued(self, text: str) -> bool:
        """Was this prompt told already? Another prompt means that nothing queued is still to be delivered."""
        if not self.queued:
            return False
        start = text.strip()[:200]
        if start in self.queued:
            self.queued.remove(start)
            return True
        self.queued = []
        return False


def begin(path: str) -> State:
    folder, _, name = path.replace("\\", "/").rpartition("/")
    stem = name.removesuffix(".jsonl")
    if stem.startswith("agent-"):
        above, _, _ = folder.partition("/subagents")
        parent = above.rpartition("/")[2] if above != folder else None
        return State(stem, is_agent=True, parent=parent)
    return State(stem, is_named=_UUID.fullmatch(stem) is not None, stem=stem)


def place(state: State, theirs: str | None, cwd: str | None, branch: str | None, version: str | None,
          forked_from: str | None) -> list[SessionDraft]:
    """Learn the session from a record's fields, and say what is new about it."""
    if not state.is_named:
        _turn_to(theirs or state.stem or state.session, state)
    said: list[SessionDraft] = []
    if not state.has_parent:
        parent = (state.parent or theirs) if state.is_agent else _origin(theirs, forked_from, state)
        if parent:
            state.has_parent = True
            said.append(SessionDraft(state.session, parent=parent, relation="subagent" if state.is_agent else "fork"))
    if not state.has_workspace and cwd:
        state.has_workspace = True
        said.append(SessionDraft(state.session, workspace=cwd, agent_version=version or None))
    if not state.has_branch and branch and branch != "HEAD":
        state.has_branch = True
        said.append(SessionDraft(state.session, branch=branch))
    return said


def _turn_to(session: str, state: State) -> None:
    """A file whose name says nothing may hold several sessions: each record says its own."""
    if session != state.session:
        state.session = session
        state.has_workspace = state.has_branch = state.has_parent = False
        state.title_rank = -1


def _origin(theirs: str | None, forked_from: str | None, state: State) -> str | None:
    if forked_from and forked_from != state.session:
        return forked_from
    return theirs if theirs and theirs != state.session else None


def forked_from(said: dict[str, Any]) -> str | None:
    """The session whose record this one repeats."""
    return as_text(as_dict(said.get("forkedFrom")).get("sessionId"))


def is_copy(state: State, theirs: str | None, forked_from: str | None) -> bool:
    """Does the record say itself that it repeats another session's? A subagent's records name their parent."""
    if state.is_agent:
        return False
    return bool(theirs and theirs != state.session) or bool(forked_from and forked_from != state.session)


def row_key(said: dict[str, Any], at: int, part: int, state: State) -> str:
    """A record's uuid is global; what only looks like one is good within its session; none: the place in the file."""
    uuid = as_text(said.get("uuid"))
    if uuid is None:
        return f"line:{state.session}:{at}:{part}"
    return f"uuid:{scoped(uuid, state)}:{part}"


def scoped(uuid: str, state: State) -> str:
    return uuid if len(uuid) == 36 and _UUID.fullmatch(uuid) else f"{state.session}:{uuid}"


def call_key(prefix: str, call: str | None, said: dict[str, Any], at: int, part: int, state: State) -> str:
    if call is None:
        return f"{prefix}:{row_key(said, at, part, state)}"
    return f"{prefix}:{call}" if _CALL.fullmatch(call) else f"{prefix}:{state.session}:{call}"
