"""What one sink remembers of the turns that pass by, so that the root of a turn covers all that was seen of it.

A turn's events come in several batches, and a root is sent with each. Without memory the last one would cover only the
last batch. With it each root covers at least what the one before did. It is bounded and in memory only: after a restart
the root of a turn that was going on covers what came since, while its children, sent before, stay where they are.

Taking the same event twice changes nothing, so a batch that is tried again gives the same root.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from kaizen.wire.ingest import Event, Session

K = TypeVar("K")
V = TypeVar("V")
MAX_TURNS = 2_000
PUSD_PER_USD = 10**12
E6_PER_USD = 10**6


class Usage(msgspec.Struct, frozen=True):
    """Tokens as the conventions count them: input includes what was read from and written to the cache."""

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_creation: int | None = None
    reasoning: int | None = None
    cost_usd: float | None = None


class Failure(msgspec.Struct, frozen=True):
    ts_ms: int
    error_class: str
    http_status: int | None


class Turn(msgspec.Struct):
    """`is_start_exact`: its prompt was seen. Requests and failures by the seq of their event."""

    agent: str
    start_ms: int
    end_ms: int
    is_start_exact: bool = False
    model: str | None = None
    requests: dict[int, Usage] = msgspec.field(default_factory=dict)
    failures: dict[int, Failure] = msgspec.field(default_factory=dict)

    def widen(self, start_ms: int, end_ms: int) -> bool:
        """Whether it grew. What began before the prompt was seen to begin does not move the start."""
        before = self.start_ms, self.end_ms
        if not self.is_start_exact:
            self.start_ms = min(self.start_ms, start_ms)
        self.end_ms = max(self.end_ms, end_ms)
        return before != (self.start_ms, self.end_ms)


class Memory:
    """The least recently seen is forgotten first."""

    def __init__(self, max_turns: int = MAX_TURNS) -> None:
        self._max_turns = max_turns
        self._turns: OrderedDict[tuple[str, int], Turn] = OrderedDict()
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._last_turns: OrderedDict[str, int] = OrderedDict()

    def take_session(self, item: Session) -> None:
        known = self._sessions.get(item.session_id_hash)
        if known is None or (known.rev or 0) <= (item.rev or 0):
            _put(self._sessions, item.session_id_hash, item, self._max_turns)

    def take_event(self, item: Event) -> None:
        """Not for a void one, which has no time."""
        place = item.session_id_hash, item.turn or 0
        turn = self._turns.get(place) or Turn(item.agent, item.ts_ms, item.ts_ms)
        _put(self._turns, place, turn, self._max_turns)
        _put(self._last_turns, place[0], max(place[1], self._last_turns.get(place[0], 0)), self._max_turns)
        if is_prompt(item) and not turn.is_start_exact:
            # Not later than what was sent already.
            turn.is_start_exact, turn.start_ms = True, min(turn.start_ms, item.ts_ms)
        begin_ms = item.ts_ms - (item.latency_ms or 0) if item.kind == "cost" else item.ts_ms
        turn.widen(max(begin_ms, 0), item.ts_ms)
        if item.kind == "cost":
            turn.model = item.model
            turn.requests[item.event_seq] = usage(item)
        elif item.kind == "error":
            told = payload(item)
            status = told.get("http_status")
            turn.failures[item.event_seq] = Failure(
                item.ts_ms, str(told.get("error_class", "other")), status if isinstance(status, int) else None)

    def void(self, item: Event) -> list[tuple[str, int]]:
        """For a request that was found not to count: the turns that counted it. One whose event is gone may be of any
        turn of its session."""
        session = item.session_id_hash
        places = [(session, item.turn)] if item.turn is not None else [
            place for place in self._turns if place[0] == session]
        return [place for place in places
                if (turn := self._turns.get(place)) and turn.requests.pop(item.event_seq, None) is not None]

    def turn(self, session: str, turn: int | None) -> Turn | None:
        return self._turns.get((session, turn or 0))

    def last_turn(self, session: str) -> int | None:
        return self._last_turns.get(session)

    def session(self, session: str) -> Session | None:
        return self._sessions.get(session)


def is_prompt(item: Event) -> bool:
    return item.kind == "message" and payload(item).get("role") == "prompt"


def payload(item: Event) -> Mapping[str, object]:
    return item.payload if isinstance(item.payload, dict) else {}


def usage(item: Event) -> Usage:
    parts = item.tokens_in, item.cache_read_tokens, item.cache_creation_tokens
    return Usage(
        None if item.tokens_in is None else sum(part or 0 for part in parts), item.tokens_out, item.cache_read_tokens,
        item.cache_creation_tokens, item.reasoning_tokens, cost_usd(item))  # fmt: skip


def cost_usd(item: Event) -> float | None:
    if item.cost_pusd is not None:
        return item.cost_pusd / PUSD_PER_USD
    return None if item.cost_usd_e6 is None else item.cost_usd_e6 / E6_PER_USD


def total(requests: Mapping[int, Usage]) -> Usage:
    """Sums of what is known. A bucket that no request knows is unknown."""

    def of(name: str) -> int | None:
        known = [value for one in requests.values() if (value := getattr(one, name)) is not None]
        return sum(known) if known else None

    costs = [one.cost_usd for one in requests.values() if one.cost_usd is not None]
    return Usage(of("input"), of("output"), of("cache_read"), of("cache_creation"), of("reasoning"),
                 sum(costs) if costs else None)


def _put(known: OrderedDict[K, V], key: K, value: V, limit: int) -> None:
    known[key] = value
    known.move_to_end(key)
    while len(known) > limit:
        known.popitem(last=False)
