"""What a Claude transcript's later lines depend on, and whose lines they are."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from kaizen.model.event import SessionDraft
from kaizen.sources.shapes import Malformed, as_dict, as_text, record

_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
MAX_QUEUED = MAX_SEARCHES = 16


class State(msgspec.Struct, array_like=True):
    """`session` is the file's: its name when that is an id, else the first `sessionId` of a record."""

    session: str
    is_named: bool = True
    is_agent: bool = False
    parent: str | None = None
    # From the file beside a subagent's transcript: its type, and the parent's call that started it.
    label: str | None = None
    parent_call_id: str | None = None
    # Already said: workspace, branch, parent of this session.
    has_workspace: bool = False
    has_branch: bool = False
    has_parent: bool = False
    # Prompts typed during a turn; they are told again when they are delivered.
    queued: list[str] = []
    # WebSearch calls without result: call id -> (cost key, request).
    searches: dict[str, tuple[str, str]] = {}

    def remember_search(self, call: str, key: str, request: str) -> None:
        if len(self.searches) >= MAX_SEARCHES:
            self.searches.pop(next(iter(self.searches)))
        self.searches[call] = (key, request)

    def remember_queued(self, text: str) -> None:
        self.queued = [*self.queued[1 - MAX_QUEUED:], text[:200]]

    def was_queued(self, text: str) -> bool:
        if text[:200] in self.queued:
            self.queued.remove(text[:200])
            return True
        return False


def begin(path: str, sidecar: bytes | None) -> State:
    folder, _, name = path.replace("\\", "/").rpartition("/")
    stem = name.removesuffix(".jsonl")
    if stem.startswith("agent-"):
        above, _, _ = folder.partition("/subagents")
        parent = above.rpartition("/")[2] if above != folder else None
        label, call = labels(sidecar)
        return State(stem, is_agent=True, parent=parent, label=label, parent_call_id=call)
    return State(stem, is_named=_UUID.fullmatch(stem) is not None)


def labels(sidecar: bytes | None) -> tuple[str | None, str | None]:
    """(subagent type, call id of the parent) from the file beside a subagent's transcript."""
    try:
        meta = record(sidecar or b"{}")
    except Malformed:
        return None, None
    return as_text(meta.get("agentType")), as_text(meta.get("toolUseId"))


def place(said: dict[str, Any], state: State) -> Iterator[SessionDraft]:
    """Learn the session from a record, and say what is new about it."""
    theirs = as_text(said.get("sessionId"))
    if not state.is_named and theirs is not None:
        state.session, state.is_named = theirs, True
    if not state.has_parent:
        if state.is_agent and (parent := state.parent or theirs):
            state.has_parent = True
            yield SessionDraft(state.session, parent=parent, relation="subagent", label=state.label,
                               parent_call_id=state.parent_call_id)
        elif not state.is_agent and (origin := _origin(said, theirs, state)):
            state.has_parent = True
            yield SessionDraft(state.session, parent=origin, relation="fork")
    if not state.has_workspace and (cwd := as_text(said.get("cwd"))):
        state.has_workspace = True
        yield SessionDraft(state.session, workspace=cwd, agent_version=as_text(said.get("version")))
    if not state.has_branch and (branch := as_text(said.get("gitBranch"))) and branch != "HEAD":
        state.has_branch = True
        yield SessionDraft(state.session, branch=branch)


def _origin(said: dict[str, Any], theirs: str | None, state: State) -> str | None:
    forked = as_text(as_dict(said.get("forkedFrom")).get("sessionId"))
    if forked is not None and forked != state.session:
        return forked
    return theirs if theirs is not None and theirs != state.session else None


def row_key(said: dict[str, Any], at: int, part: int | str, state: State) -> str:
    """A record's uuid is global; what only looks like one is good within its session; none: the place in the file."""
    uuid = as_text(said.get("uuid"))
    if uuid is None:
        return f"line:{state.session}:{at}:{part}"
    return f"uuid:{uuid}:{part}" if len(uuid) == 36 else f"uuid:{state.session}:{uuid}:{part}"
