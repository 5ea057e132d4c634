"""Items -> spans of the conventions for generative AI. Pure but for the memory it is given.

    invoke_agent {agent}        INTERNAL  the root: of a turn, made from its events; or of a session, from its item
     |- chat {model}            CLIENT    a `cost` event that counts
     `- execute_tool {tool}     INTERNAL  a tool span that is over

Kinds of items come in batches of their own, in any order, more than once. Nothing waits for anything else: ids follow
from what a span stands for (`otlp_words`), so children name a root that was sent before or will be sent later, and a
part that is sent again has the same id. Backends that keep one span for each id (Langfuse, Phoenix, Datadog) then hold
the last version; those that keep all (Tempo, Honeycomb) show a root of a turn that was sent while it went on more than
once.

What cannot be exact:
- A root is sent with each batch that holds events of its turn, and ends where they end. It grows; it never shrinks
  within one run of the program (`otlp_turns`), but may after a restart in the middle of a turn.
- A tool that never answered has no end: its span has no length and says `kaizen.end_unknown`. One that is still running
  is not sent before it is over.
- A request whose latency is unknown is a span without length at the time of its answer.
- An event without a turn is put before the first prompt (turn 0).
- Sums of tokens on the root of a session are not sent: the item does not tell what was read from a cache, and input
  tokens include that by convention. They are on the `chat` spans. The root of a turn has them.
- A span that was sent cannot be taken back: a request that is later found not to count stays where it went.

Children never begin before a parent whose begin is known, nor end after one that is known to be over.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from kaizen.exporters.otlp_turns import Memory, Turn, Usage, payload, total, usage
from kaizen.exporters.otlp_words import MAX_MS, SCHEMA_URL, UNKNOWN, Ids, Value, attributes, nanos, provider, scope
from kaizen.redact.words import CLASS_OF_TOOL
from kaizen.wire.ingest import Event, Item, Session, ToolSpan

Compat = Literal["openinference", "langfuse"]
MAX_SPANS = 512
MAX_BYTES = 2 << 20

_OBSERVED = {"invoke_agent": ("AGENT", "agent"), "chat": ("LLM", "generation"), "execute_tool": ("TOOL", "tool")}


def spans(items: Iterable[Item], ids: Ids, memory: Memory, compat: frozenset[str] = frozenset()) -> list[Span]:
    """Of one batch. Roots come before what hangs below them."""
    return list(_Making(ids, memory, compat).of(list(items)))


def requests(made: Sequence[Span], resource: Resource) -> Iterator[ExportTraceServiceRequest]:
    """At most `MAX_SPANS` and about `MAX_BYTES` each; a span that alone is longer travels alone."""
    part: list[Span] = []
    size = limit = MAX_BYTES - resource.ByteSize() - 1_000
    for span in made:
        # A length and a tag go before each.
        length = span.ByteSize() + 8
        if part and (len(part) == MAX_SPANS or size < length):
            yield _request(part, resource)
            part, size = [], limit
        part.append(span)
        size -= length
    if part:
        yield _request(part, resource)


def _request(part: Sequence[Span], resource: Resource) -> ExportTraceServiceRequest:
    scoped = ScopeSpans(scope=scope(), spans=part, schema_url=SCHEMA_URL)
    return ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(resource=resource, scope_spans=[scoped], schema_url=SCHEMA_URL)])


class _Making(msgspec.Struct, frozen=True):
    ids: Ids
    memory: Memory
    compat: frozenset[str]

    def of(self, items: Sequence[Item]) -> Iterator[Span]:
        void = [item for item in items if isinstance(item, Event) and item.is_void]
        events = [item for item in items if isinstance(item, Event) and not item.is_void]
        for event in events:
            self.memory.take_event(event)
        lessened = [place for event in void for place in self.memory.void(event)]
        tools = [item for item in items if isinstance(item, ToolSpan)]
        if not self.ids.is_per_session:
            grown = [(one.session_id_hash, one.turn or 0) for one in tools if self._widen(one)]
            places = [(one.session_id_hash, one.turn or 0) for one in events] + grown
            for session, number in sorted({*places, *lessened}):
                turn = self.memory.turn(session, number)
                if turn is not None:
                    yield self._turn_root(session, number, turn)
        for item in items:
            if isinstance(item, Session):
                self.memory.take_session(item)
                if self.ids.is_per_session and _begin_ms(item):
                    yield self._session_root(item)
        for event in events:
            if event.kind == "cost":
                yield self._chat(event)
        for tool in tools:
            span = self._tool(tool)
            if span is not None:
                yield span

    def _widen(self, item: ToolSpan) -> bool:
        """Whether the turn that it belongs to was seen, and lasted longer than was known."""
        turn = self.memory.turn(item.session_id_hash, item.turn)
        if turn is None or item.ended_at_ms is None or item.status == "open":
            return False
        return turn.widen(item.ended_at_ms if item.started_at_ms is None else item.started_at_ms, item.ended_at_ms)

    # Roots

    def _turn_root(self, session: str, number: int, turn: Turn) -> Span:
        item = self.memory.session(session)
        used = total(turn.requests)
        values: dict[str, Value | None] = {
            "gen_ai.provider.name": provider(turn.model),
            "gen_ai.agent.name": turn.agent,
            "gen_ai.agent.version": item.agent_version if item else None,
            "gen_ai.request.model": turn.model,
            **_usage(used),
            "kaizen.turn.index": number,
            "kaizen.turn.requests": len(turn.requests),
            "kaizen.turn.errors": len(turn.failures),
            "kaizen.parent_session_hash": item.parent_session_id_hash if item else None,
        }
        span = self._span("invoke_agent", turn.agent, session, number,
                          self.ids.root(session, number), b"", turn.start_ms, turn.end_ms, values, turn.model, used)
        for _, failure in sorted(turn.failures.items()):
            found: dict[str, Value | None] = {
                "error.type": failure.error_class, "http.response.status_code": failure.http_status}
            span.events.add(name="kaizen.error", time_unix_nano=nanos(failure.ts_ms),
                            attributes=attributes(found))
        if number > 1:
            # Turn 0 is what came before the first prompt: mostly there is none.
            span.links.add(trace_id=self.ids.trace(session, number - 1), span_id=self.ids.root(session, number - 1),
                           attributes=attributes({"kaizen.link": "previous_turn"}))
        return span

    def _session_root(self, item: Session) -> Span:
        session = item.session_id_hash
        start_ms = _begin_ms(item)
        end_ms = start_ms if item.ended_at_ms is None else item.ended_at_ms
        values: dict[str, Value | None] = {
            "gen_ai.provider.name": provider(item.model),
            "gen_ai.agent.name": item.agent,
            "gen_ai.agent.version": item.agent_version,
            "gen_ai.request.model": item.model,
            "gen_ai.usage.output_tokens": item.tokens_out,
            "kaizen.cost_usd": None if item.cost_usd_e6 is None else item.cost_usd_e6 / 10**6,
            "kaizen.session.status": item.status,
            "kaizen.session.turns": item.prompts,
            "kaizen.session.tool_calls": item.tool_calls,
            "kaizen.session.errors": item.errors,
            "kaizen.uncached_input_tokens": item.tokens_in,
            "kaizen.parent_session_hash": item.parent_session_id_hash,
        }
        span = self._span("invoke_agent", item.agent, session, None,
                          self.ids.root(session, None), b"", start_ms, end_ms, values, item.model, Usage())
        parent = item.parent_session_id_hash
        if parent is not None:
            span.links.add(trace_id=self.ids.trace(parent, None), span_id=self.ids.root(parent, None),
                           attributes=attributes({"kaizen.link": "parent_session"}))
        return span

    # Children

    def _chat(self, item: Event) -> Span:
        session, told = item.session_id_hash, payload(item)
        start_ms, end_ms = self._within(session, item.turn, item.ts_ms - (item.latency_ms or 0), item.ts_ms)
        stream, request_id = told.get("stream"), told.get("request_id")
        values: dict[str, Value | None] = {
            "gen_ai.provider.name": provider(item.model, told.get("provider")),
            "gen_ai.request.model": item.model,
            "gen_ai.response.model": item.model,
            "gen_ai.response.id": request_id if isinstance(request_id, str) else None,
            "gen_ai.response.finish_reasons": None if item.stop_reason is None else [item.stop_reason],
            "gen_ai.request.stream": stream if isinstance(stream, bool) else None,
            "gen_ai.response.time_to_first_chunk": None if item.ttft_ms is None else item.ttft_ms / 1000,
            **_usage(usage(item)),
            "kaizen.context.used_tokens": item.context_used_tokens,
            "kaizen.context.max_tokens": item.context_max_tokens,
            "kaizen.retry_count": item.retry_count,
            "kaizen.turn.index": item.turn,
            "kaizen.ts_exact": False if item.ts_exact is False else None,
        }
        return self._span("chat", item.model, session, item.turn,
                          self.ids.event(session, item.event_seq), self.ids.root(session, item.turn),
                          start_ms, end_ms, values, item.model, usage(item))

    def _tool(self, item: ToolSpan) -> Span | None:
        """None for one that is not over, and for one without any time."""
        began, ended = item.started_at_ms, item.ended_at_ms
        known = began if began is not None else ended
        if item.status == "open" or known is None:
            return None
        session = item.session_id_hash
        start_ms, end_ms = self._within(session, item.turn, known, known if ended is None else ended)
        tool = item.tool or UNKNOWN
        is_mcp = tool.startswith("mcp:")
        tool_class = "mcp" if is_mcp else CLASS_OF_TOOL.get(tool, "other")
        values: dict[str, Value | None] = {
            "gen_ai.tool.name": tool,
            # What runs beside the agent or at its maker's; all else is run by the agent.
            "gen_ai.tool.type": "extension" if is_mcp or tool_class == "web" else "function",
            "mcp.method.name": "tools/call" if is_mcp else None,
            "kaizen.tool.class": tool_class,
            "kaizen.tool.status": item.status,
            "kaizen.lead_time_ms": item.lead_time_ms,
            "kaizen.path_count": len(item.path_hashes) or None,
            "kaizen.turn.index": item.turn,
            "kaizen.end_unknown": True if ended is None else None,
            "error.type": "tool_error" if item.status == "error" else None,
        }
        above = item.parent_span_id_hash
        parent = self.ids.root(session, item.turn) if above is None else self.ids.tool(session, above)
        span = self._span("execute_tool", tool, session, item.turn,
                          self.ids.tool(session, item.span_id_hash), parent, start_ms, end_ms, values, None, Usage())
        if item.status == "error":
            span.status.code = Status.STATUS_CODE_ERROR
        return span

    def _within(self, session: str, number: int | None, start_ms: int, end_ms: int) -> tuple[int, int]:
        """Clamped into the root, as far as that is known."""
        low, high = 0, MAX_MS
        if self.ids.is_per_session:
            item = self.memory.session(session)
            if item is not None:
                low = _begin_ms(item)
                high = max(item.ended_at_ms, low) if item.status == "done" and item.ended_at_ms is not None else high
        elif (turn := self.memory.turn(session, number)) is not None:
            low, high = turn.start_ms, turn.end_ms
        end_ms = min(max(end_ms, low), high)
        return min(max(start_ms, low), end_ms), end_ms

    # All

    def _span(self, operation: str, name: str, session: str, turn: int | None, span_id: bytes,
              parent: bytes, start_ms: int, end_ms: int, values: dict[str, Value | None], model: str | None,
              used: Usage) -> Span:
        values |= {
            "gen_ai.operation.name": operation, "gen_ai.conversation.id": session, "session.id": session,
            **self._also(operation, name, session, model, used),
        }  # fmt: skip
        return Span(
            trace_id=self.ids.trace(session, turn), span_id=span_id, parent_span_id=parent, name=f"{operation} {name}",
            kind=Span.SPAN_KIND_CLIENT if operation == "chat" else Span.SPAN_KIND_INTERNAL,
            start_time_unix_nano=nanos(start_ms), end_time_unix_nano=nanos(max(end_ms, start_ms)),
            attributes=attributes(values))

    def _also(self, operation: str, name: str, session: str, model: str | None, used: Usage,
              ) -> dict[str, Value | None]:
        """The same once more in the words of backends that have their own."""
        found: dict[str, Value | None] = {}
        kind, observation = _OBSERVED[operation]
        if "openinference" in self.compat:
            found["openinference.span.kind"] = kind
            if operation == "chat":
                both = None if used.input is None or used.output is None else used.input + used.output
                found |= {
                    "llm.model_name": model,
                    "llm.provider": provider(model),
                    "llm.token_count.prompt": used.input,
                    "llm.token_count.completion": used.output,
                    "llm.token_count.total": both,
                }
            elif operation == "execute_tool":
                found["tool.name"] = name
        if "langfuse" in self.compat:
            found |= {"langfuse.session.id": session, "langfuse.observation.type": observation}
            if operation == "invoke_agent":
                found["langfuse.trace.name"] = f"{operation} {name}"
            elif operation == "chat" and used.cost_usd is not None:
                cost = msgspec.json.encode({"total": used.cost_usd}).decode()
                found["langfuse.observation.cost_details"] = cost
        return found


def _usage(used: Usage) -> dict[str, Value | None]:
    return {
        "gen_ai.usage.input_tokens": used.input,
        "gen_ai.usage.output_tokens": used.output,
        "gen_ai.usage.cache_read.input_tokens": used.cache_read,
        "gen_ai.usage.cache_creation.input_tokens": used.cache_creation,
        "gen_ai.usage.reasoning.output_tokens": used.reasoning,
        "kaizen.cost_usd": used.cost_usd,
    }


def _begin_ms(item: Session) -> int:
    """0 when nothing is known about its time: then it has no root."""
    return item.started_at_ms or item.ended_at_ms or 0
