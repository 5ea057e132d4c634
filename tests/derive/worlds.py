"""Hypothesis strategies: sessions as a fold sees them, and the smallest store that can hold what it says."""

from collections.abc import Iterable, Sequence

import msgspec
from hypothesis import strategies as st

from kaizen.derive.files import FileRow, merged
from kaizen.derive.fold import Changes, State, fold, pack, unpack
from kaizen.derive.guidance import GuidanceRow
from kaizen.derive.seen import Seen
from kaizen.model.event import Facts, FileUse, GuidanceUse
from kaizen.model.span import Span, Turn

T0 = 1_760_000_000_000
TOOLS = ("Read", "Bash", "Edit", None)
EVENTS = ("SessionEnd", "stop", "turn_aborted", "permission_request", "session_start", "whatever", None)

uses = st.builds(
    FileUse,
    path=st.sampled_from(["/w/a.py", "a.py", "src/b.py", "../x", "/etc/hosts"]),
    op=st.sampled_from(["read", "write", "run"]),
    added_lines=st.none() | st.integers(0, 9),
    removed_lines=st.none() | st.integers(0, 9),
    is_guess=st.booleans(),
)
guided = st.builds(
    GuidanceUse,
    kind=st.just("skill"),
    name=st.sampled_from(["a", "b"]),
    scope=st.just("project"),
    how=st.sampled_from(["loaded", "mentioned"]),
)
facts = st.none() | st.builds(
    Facts,
    files=st.lists(uses, max_size=2),
    guidance=st.lists(guided, max_size=2),
    title=st.none() | st.sampled_from(["one", "two"]),
    exit_code=st.none() | st.integers(0, 2),
    reason=st.sampled_from([None, None, "denied", "interrupted", "timeout"]),
)


@st.composite
def sessions(
    draw: st.DrawFn, *, ids: Sequence[str | None] = ("c1", "c2", "c3", "c4", None), max_size: int = 40
) -> list[Seen]:
    """Events in the order of `seq`; clocks mostly go forward, sometimes back, sometimes by hours."""
    now, events = T0, []
    for seq in range(draw(st.integers(0, max_size))):
        now += draw(st.sampled_from([0, 1, 500, 60_000, 60_000, -30_000, 4_000_000]))
        kind = draw(
            st.sampled_from(["tool_call", "tool_call", "tool_result", "tool_result", "message", "error", "lifecycle"])
        )
        events.append(
            Seen(
                seq=seq * 2,
                ts_ms=now,
                kind=kind,
                ts_exact=draw(st.booleans()),
                role=draw(st.sampled_from(["prompt", "assistant", "context"])) if kind == "message" else None,
                tool=draw(st.sampled_from(TOOLS)) if kind.startswith("tool") else None,
                call_id=draw(st.sampled_from(list(ids))) if kind != "message" else None,
                request=draw(st.sampled_from(["r1", "r2", None])),
                is_error=draw(st.sampled_from([None, True, False])) if kind == "tool_result" else None,
                latency_ms=draw(st.none() | st.integers(0, 99)) if kind == "tool_result" else None,
                stop_reason=draw(st.sampled_from([None, "end_turn", "tool_use"])) if kind == "message" else None,
                event=draw(st.sampled_from(EVENTS)) if kind == "lifecycle" else None,
                facts=draw(facts),
            )
        )
    return events


class Tables(msgspec.Struct):
    """What a store would hold after applying changes as `fold.py` says."""

    spans: dict[int, Span] = {}
    turns: dict[int, Turn] = {}
    files: dict[tuple[str, str], FileRow] = {}
    guidance: dict[tuple[str, str, str, str], tuple[int, int]] = {}
    tools: dict[str, tuple[int, int, int]] = {}
    status: tuple[str, str | None] = ("running", None)
    ended_at_ms: int | None = None
    counts: tuple[int, int, int] = (0, 0, 0)
    titles: list[str] = []

    def apply(self, changes: Changes) -> None:
        self.spans.update((row.seq, row) for row in changes.spans)
        self.turns.update((row.turn, row) for row in changes.turns)
        for row in changes.files:
            old = self.files.get((row.path, row.op))
            self.files[row.path, row.op] = merged(old, row) if old else row
        for used in changes.guidance:
            self._use(used)
        for row in changes.tools:
            calls, errors, denied = self.tools.get(row.tool, (0, 0, 0))
            self.tools[row.tool] = (calls + row.calls, errors + row.errors, denied + row.denied)
        self.status = (changes.status, changes.status_reason)
        self.ended_at_ms = changes.ended_at_ms
        new = (changes.prompts, changes.tool_calls, changes.errors)
        self.counts = (self.counts[0] + new[0], self.counts[1] + new[1], self.counts[2] + new[2])
        self.titles.extend([changes.title] if changes.title else [])

    def _use(self, row: GuidanceRow) -> None:
        key = (row.kind, row.name, row.scope, row.how)
        times, first = self.guidance.get(key, (0, row.first_ms))
        self.guidance[key] = (times + row.times, min(first, row.first_ms))


def folded(pieces: Iterable[Sequence[Seen]], root: str = "/w") -> tuple[Tables, State]:
    """The tables after folding piece by piece, the state packed and unpacked between pieces."""
    tables, state = Tables(), State()
    for piece in pieces:
        tables.apply(fold(state, piece, root))
        state = unpack(pack(state))
    return tables, state
