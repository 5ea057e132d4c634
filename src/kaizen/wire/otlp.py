"""Redacted items -> OTLP: spans of requests, tools and turns, log records of scores. `otlp_metrics` has the metrics.

Theory of operation. One trace is one turn of a session: a prompt and everything until the next one.

    invoke_agent claude            root      from `Session.turns`, once the turn has ended
     |- chat claude-opus-4-8       CLIENT    from a cost event
     |- execute_tool Bash          INTERNAL  from a tool span that has ended
     `- chat claude-opus-4-8

These arrive in batches of different kinds, in any order, hours apart. They join up because every id is computed from
what an item says of itself, with a key derived from the salt: the trace from (session, turn), a root from (session,
turn), a chat from (session, event), a tool from its span's hash. So no state is kept, and the same item sent twice is
the same span twice, which backends overwrite or drop. Turn n links to the root of turn n-1.

What cannot be exact:

  - A root comes after its children, because it is sent when the turn has ended. Until then a backend shows children of
    a missing parent; a turn that never ends (a crash of the agent) keeps looking like that.
  - An item that does not say its turn goes to a trace of the session as a whole, whose root is sent when the session
    is done; likewise everything with `trace_per = "session"`. A session that is resumed sends that root again, longer.
    It has no input tokens: a session item does not say how many of them were cached, and the conventions include those.
  - A root's times are those of the turn's first and last event; a child that a host dated otherwise may stick out.
  - A chat starts its latency before its time; without a known latency it has no length. `kaizen.ts_exact` is false
    where the host gave no time of its own.
  - A request that turns out not to count (`is_void`) cannot be taken back: its span stays where it was sent before.
  - A sub-agent is a session with traces of its own. Which turn of its parent started it is not known here, so it names
    its parent (`kaizen.parent.conversation.id`), and links to its root where a trace is a session.
  - A tool that has not ended yet is not sent; one that was lost or interrupted ends where it began.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec
from blake3 import blake3
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from kaizen.wire.genai import Semconv, provider, tool_type
from kaizen.wire.ingest import Evaluation, Event, Feedback, Item, Session, ToolSpan, Turn
from kaizen.wire.otlp_compat import Compat, langfuse, openinference
from kaizen.wire.otlp_proto import Attributes, Value, as_named, nanos, pairs

_KINDS = {"invoke_agent": Span.SPAN_KIND_INTERNAL, "chat": Span.SPAN_KIND_CLIENT,
          "execute_tool": Span.SPAN_KIND_INTERNAL}
_SESSION = "session"


class Ids:
    """Trace and span ids: keyed hashes, so that they say nothing and are the same on every machine of a team."""

    def __init__(self, salt: bytes, trace_per: Literal["turn", "session"] = "turn") -> None:
        self._trace = blake3(salt, derive_key_context="otlp trace v1").digest()
        self._span = blake3(salt, derive_key_context="otlp span v1").digest()
        self.is_per_session = trace_per == "session"

    def scope(self, turn: int | None) -> str:
        """What a trace holds: a turn by its number, or the session as a whole."""
        return _SESSION if turn is None or self.is_per_session else str(turn)

    def trace(self, session: str, scope: str) -> bytes:
        return blake3(f"{session}|{scope}".encode(), key=self._trace).digest(16)

    def root(self, session: str, scope: str) -> bytes:
        return self._of(f"root|{session}|{scope}")

    def chat(self, session: str, event_seq: int) -> bytes:
        return self._of(f"event|{session}|{event_seq}")

    def tool(self, session: str, span_id_hash: str) -> bytes:
        return self._of(f"span|{session}|{span_id_hash}")

    def _of(self, identity: str) -> bytes:
        return blake3(identity.encode(), key=self._span).digest(8)


class Style(msgspec.Struct, frozen=True):
    """How spans are written. `root_sums`: a root has the tokens and the cost of all its requests, as the conventions
    want it. A backend that adds up all spans then counts twice; Langfuse does, so it never gets them."""

    semconv: Semconv = "genai-2026"
    compat: Sequence[Compat] = ()
    root_sums: bool = True

    @property
    def has_sums(self) -> bool:
        return self.root_sums and "langfuse" not in self.compat


class Spans(msgspec.Struct, frozen=True):
    """`undated`: items without any time, of which no span can be made. Items that are not ready are in neither."""

    spans: list[Span]
    undated: int = 0


def spans(items: Iterable[Item], ids: Ids, style: Style) -> Spans:
    found, undated = [], 0
    for item in items:
        match item:
            case Event(kind="cost", is_void=False):
                found.append(_chat(item, ids, style))
            case ToolSpan(started_at_ms=None, ended_at_ms=None):
                undated += item.status != "open"
            case ToolSpan() if item.status != "open":
                found.append(_tool(item, ids, style))
            case Session():
                found.extend(_roots(item, ids, style))
    return Spans(found, undated)


def _chat(event: Event, ids: Ids, style: Style) -> Span:
    scope = ids.scope(event.turn)
    attributes = {
        **_common("chat", event.session_id_hash),
        "gen_ai.provider.name": provider(event.model),
        "gen_ai.request.model": event.model,
        "gen_ai.response.model": event.model,
        **_usage(event),
        **_known({
            "gen_ai.response.finish_reasons": [event.stop_reason] if event.stop_reason else None,
            "gen_ai.request.stream": True if event.ttft_ms is not None else None,
            "gen_ai.response.time_to_first_chunk": event.ttft_ms / 1000 if event.ttft_ms is not None else None,
            "kaizen.context.used_tokens": event.context_used_tokens,
            "kaizen.context.max_tokens": event.context_max_tokens,
            "kaizen.retry_count": event.retry_count,
            "kaizen.agent": event.agent,
            "kaizen.turn.index": event.turn,
        }),
        **({"kaizen.ts_exact": False} if event.ts_exact is False else {}),
    }
    return _span(
        f"chat {event.model}", attributes, style,
        trace_id=ids.trace(event.session_id_hash, scope),
        span_id=ids.chat(event.session_id_hash, event.event_seq),
        parent_id=ids.root(event.session_id_hash, scope),
        start_ms=event.ts_ms - (event.latency_ms or 0),
        end_ms=event.ts_ms,
    )


def _tool(span: ToolSpan, ids: Ids, style: Style) -> Span:
    scope, name = ids.scope(span.turn), span.tool or "unknown"
    ends = [ms for ms in (span.started_at_ms, span.ended_at_ms) if ms is not None]
    attributes = {
        **_common("execute_tool", span.session_id_hash),
        "gen_ai.tool.name": name,
        "gen_ai.tool.type": tool_type(span.tool),
        "gen_ai.tool.call.id": span.span_id_hash,
        "kaizen.tool.status": span.status,
        "kaizen.path_count": len(span.path_hashes),
        **({"mcp.method.name": "tools/call"} if tool_type(span.tool) == "extension" else {}),
        **_known({
            "error.type": "tool_error" if span.status == "error" else None,
            "kaizen.lead_time_ms": span.lead_time_ms,
            "kaizen.turn.index": span.turn,
        }),
    }
    above = span.parent_span_id_hash
    return _span(
        f"execute_tool {name}", attributes, style,
        trace_id=ids.trace(span.session_id_hash, scope),
        span_id=ids.tool(span.session_id_hash, span.span_id_hash),
        parent_id=ids.tool(span.session_id_hash, above) if above else ids.root(span.session_id_hash, scope),
        start_ms=ends[0],
        end_ms=max(ends),
    )


def _roots(session: Session, ids: Ids, style: Style) -> Iterable[Span]:
    whole = ids.is_per_session or session.turns is None
    if whole and session.status == "done" and session.ended_at_ms is not None:
        yield _session_root(session, session.ended_at_ms, ids, style)
    if not whole:
        for turn in session.turns or ():
            yield _turn_root(session, turn, ids, style)


def _turn_root(session: Session, turn: Turn, ids: Ids, style: Style) -> Span:
    attributes = {
        **_agent(session, turn.model or session.model),
        **(_usage(turn) if style.has_sums else {}),
        "kaizen.turn.index": turn.turn,
        **_known({
            "kaizen.requests": turn.requests,
            "kaizen.tool_calls": turn.tool_calls,
            "kaizen.errors": turn.errors,
            "kaizen.files_touched": turn.files_touched,
        }),
    }
    scope = ids.scope(turn.turn)
    made = _span(
        f"invoke_agent {session.agent}", attributes, style,
        trace_id=ids.trace(session.session_id_hash, scope),
        span_id=ids.root(session.session_id_hash, scope),
        start_ms=turn.started_at_ms,
        end_ms=max(turn.started_at_ms, turn.ended_at_ms),
    )
    # Turn 0, what came before the first prompt, seldom exists.
    if turn.turn > 1:
        _link(made, ids, session.session_id_hash, ids.scope(turn.turn - 1), "previous_turn")
    return made


def _session_root(session: Session, ended_at_ms: int, ids: Ids, style: Style) -> Span:
    cost = session.cost_usd_e6
    attributes = {
        **_agent(session, session.model),
        **_known({
            "gen_ai.usage.output_tokens": session.tokens_out if style.has_sums else None,
            "kaizen.cost_usd": cost / 1e6 if cost is not None and style.has_sums else None,
            "kaizen.turns": session.prompts,
            "kaizen.tool_calls": session.tool_calls,
            "kaizen.errors": session.errors,
        }),
    }
    made = _span(
        f"invoke_agent {session.agent}", attributes, style,
        trace_id=ids.trace(session.session_id_hash, _SESSION),
        span_id=ids.root(session.session_id_hash, _SESSION),
        start_ms=session.started_at_ms,
        end_ms=max(session.started_at_ms, ended_at_ms),
    )
    if session.parent_session_id_hash:
        _link(made, ids, session.parent_session_id_hash, _SESSION, "parent_session")
    return made


def _usage(used: Event | Turn) -> Attributes:
    """The conventions count cached tokens as input; our buckets are disjoint."""
    cached = (used.cache_read_tokens or 0) + (used.cache_creation_tokens or 0)
    return _known({
        "gen_ai.usage.input_tokens": used.tokens_in + cached if used.tokens_in is not None else None,
        "gen_ai.usage.output_tokens": used.tokens_out,
        "gen_ai.usage.cache_read.input_tokens": used.cache_read_tokens,
        "gen_ai.usage.cache_creation.input_tokens": used.cache_creation_tokens,
        "gen_ai.usage.reasoning.output_tokens": used.reasoning_tokens,
        "kaizen.cost_usd": used.cost_usd_e6 / 1e6 if used.cost_usd_e6 is not None else None,
    })


def _link(span: Span, ids: Ids, session: str, scope: str, why: str) -> None:
    span.links.append(Span.Link(trace_id=ids.trace(session, scope), span_id=ids.root(session, scope),
                                attributes=pairs({"kaizen.link": why})))


def _agent(session: Session, model: str | None) -> Attributes:
    return {
        **_common("invoke_agent", session.session_id_hash),
        "gen_ai.provider.name": provider(model),
        "gen_ai.agent.name": session.agent,
        **_known({
            "gen_ai.agent.version": session.agent_version,
            "gen_ai.request.model": model,
            "kaizen.parent.conversation.id": session.parent_session_id_hash,
        }),
    }


def _common(operation: str, session: str) -> Attributes:
    return {"gen_ai.operation.name": operation, "gen_ai.conversation.id": session, "session.id": session}


def _known(attributes: Mapping[str, Value | None]) -> Attributes:
    return {name: value for name, value in attributes.items() if value is not None}


def _span(name: str, attributes: Attributes, style: Style, *, trace_id: bytes, span_id: bytes, start_ms: int,
          end_ms: int, parent_id: bytes = b"") -> Span:
    more: Attributes = {}
    if "openinference" in style.compat:
        more |= openinference(attributes)
    if "langfuse" in style.compat:
        more |= langfuse(name, attributes)
    failed = "error.type" in attributes
    return Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=parent_id,
        name=name,
        kind=_KINDS[str(attributes["gen_ai.operation.name"])],
        start_time_unix_nano=nanos(start_ms),
        end_time_unix_nano=nanos(end_ms),
        attributes=pairs({**as_named(attributes, style.semconv), **more}),
        status=Status(code=Status.STATUS_CODE_ERROR) if failed else None,
    )


def scores(items: Iterable[Item]) -> list[LogRecord]:
    """Evaluations and feedback: events named `gen_ai.evaluation.result`, joined to a session by its id."""
    found = []
    for item in items:
        match item:
            case Evaluation():
                label = "flagged" if item.flagged else None
                found.append(_score(item.session_id_hash, item.created_at_ms, item.rubric_id, item.score, label))
            case Feedback():
                score = float(item.score) if item.score is not None else None
                found.append(_score(item.session_id_hash, item.created_at_ms, "user_feedback", score, item.label))
    return found


def _score(session: str, at_ms: int, name: str, score: float | None, label: str | None) -> LogRecord:
    return LogRecord(
        time_unix_nano=nanos(at_ms),
        event_name="gen_ai.evaluation.result",
        attributes=pairs({
            "gen_ai.conversation.id": session,
            "session.id": session,
            "gen_ai.evaluation.name": name,
            **_known({"gen_ai.evaluation.score.value": score, "gen_ai.evaluation.score.label": label}),
        }),
    )
