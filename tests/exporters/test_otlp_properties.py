"""Whatever the items: nothing raises, every id is one, no time runs backwards, children are within their roots."""

from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen.exporters import otlp_metrics
from kaizen.exporters.otlp_spans import MAX_BYTES, MAX_SPANS, requests, spans
from kaizen.exporters.otlp_turns import Memory
from kaizen.exporters.otlp_words import Ids, resource
from kaizen.wire.ingest import MAX_INT, Envelope, Event, Item, Session, ToolSpan

HASH = "blake3:" + "0" * 63
HASHES = st.sampled_from([HASH + "1", HASH + "2"])
TIMES = st.integers(0, 50) | st.integers(0, MAX_INT)
COUNTS = st.none() | st.integers(0, MAX_INT)
TURNS = st.none() | st.integers(0, 2)

EVENTS = st.builds(
    Event, session_id_hash=HASHES, event_seq=st.integers(0, 9), ts_ms=TIMES, agent=st.just("claude"),
    source=st.just("tail"), kind=st.sampled_from(["cost", "message", "error"]),
    model=st.sampled_from(["gpt-5", "claude-x", "unknown"]),
    payload=st.none() | st.dictionaries(st.sampled_from(["role", "stream", "http_status", "error_class", "provider"]),
                                        st.sampled_from(["prompt", "openai", 1, True, None])),
    tokens_in=COUNTS, tokens_out=COUNTS, cache_read_tokens=COUNTS, latency_ms=COUNTS, ttft_ms=COUNTS, turn=TURNS,
    cost_pusd=st.none() | st.integers(-MAX_INT, MAX_INT), is_void=st.booleans())  # fmt: skip
TOOLS = st.builds(
    ToolSpan, session_id_hash=HASHES, span_id_hash=HASHES, tool=st.sampled_from([None, "Bash", "mcp:a:b"]),
    status=st.sampled_from(["ok", "error", "open", "lost"]), started_at_ms=st.none() | TIMES,
    ended_at_ms=st.none() | TIMES, lead_time_ms=COUNTS, tokens_in=st.none(), tokens_out=st.none(),
    reasoning_tokens=st.none(), cost_usd_e6=st.none(), path_hashes=st.just([]), turn=TURNS)  # fmt: skip
SESSIONS = st.builds(
    Session, session_id_hash=HASHES, agent=st.just("claude"), started_at_ms=TIMES, ended_at_ms=st.none() | TIMES,
    status=st.sampled_from(["running", "done"]), tokens_out=COUNTS)  # fmt: skip
BATCHES = st.lists(
    st.lists(EVENTS, max_size=6) | st.lists(TOOLS, max_size=4) | st.lists(SESSIONS, max_size=2), max_size=5)


@settings(max_examples=150, deadline=None)
@given(BATCHES, st.booleans())
def test_spans_of_anything(batches: list[list[Item]], is_per_session: bool) -> None:
    ids, memory = Ids(b"s" * 32, is_per_session=is_per_session), Memory()
    about = resource(Envelope(team_id="t", workspace_hash=HASH + "3"), "", "i", {})
    stored, counted = {}, set()
    for items in batches:
        made = spans(items, ids, memory, frozenset({"openinference", "langfuse"}))
        sent = [one for request in requests(made, about) for one in request.resource_spans[0].scope_spans[0].spans]
        assert sent == made
        for span in made:
            assert (len(span.trace_id), len(span.span_id)) == (16, 8)
            assert span.start_time_unix_nano <= span.end_time_unix_nano
            stored[span.span_id] = span
        found = otlp_metrics.count(items, counted)
        otlp_metrics.request(found.points, about)
        assert not counted & set(found.keys)
        counted |= set(found.keys)
    for span in stored.values():
        root = stored.get(span.parent_span_id)
        if root is not None:
            assert root.trace_id == span.trace_id
            if not is_per_session and span.name.startswith("chat "):
                assert root.start_time_unix_nano <= span.start_time_unix_nano
                assert span.end_time_unix_nano <= root.end_time_unix_nano


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 90_000), min_size=1, max_size=60))
def test_requests_stay_within_their_limits(sizes: list[int]) -> None:
    items = [Event(session_id_hash=HASH + "1", event_seq=seq, ts_ms=seq, agent="claude", kind="cost", source="tail",
                   stop_reason="x" * size) for seq, size in enumerate(sizes)]  # fmt: skip
    about = resource(Envelope(team_id="t", workspace_hash=HASH + "3"), "", "i", {})
    made = spans(items, Ids(b"s" * 32, is_per_session=False), Memory())
    parts = list(requests(made, about))
    assert sum(len(part.resource_spans[0].scope_spans[0].spans) for part in parts) == len(made)
    assert all(part.ByteSize() <= MAX_BYTES for part in parts)
    assert all(len(part.resource_spans[0].scope_spans[0].spans) <= MAX_SPANS for part in parts)
