"""Server-sent events: order, resumption, what they leave out, and how they end."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import msgspec
import pytest

from kaizen.hub import stream
from kaizen.hub.store.protocol import HubStore

from .made import NOW, TEAM, cost, event
from .serving import Client, code, serving


@pytest.fixture
def hub(store: HubStore) -> Iterator[Client]:
    with serving(store, clock=lambda: NOW) as client:
        yield client


@contextmanager
def following(hub: Client, **headers: str) -> Iterator[Iterator[dict[str, Any]]]:
    said = {"Authorization": f"Bearer {hub.token}", **headers}
    with httpx.Client(base_url=hub.url, timeout=10) as http, http.stream("GET", "/v1/stream", headers=said) as answer:
        lines = answer.iter_lines()
        assert next(lines) == ": following"
        yield (msgspec.json.decode(line[6:]) for line in lines if line.startswith("data: "))


def test_events_arrive_as_they_are_stored_and_without_payload(hub: Client) -> None:
    hub.events(event(0))
    with following(hub) as found:
        started = time.perf_counter()
        hub.events(cost(1, payload={"text": "private"}), event(2, tool="Bash"))
        first, second = next(found), next(found)
        assert time.perf_counter() - started < 2
    assert (first["event_seq"], first["cost_pusd"], first["project_name"]) == (1, 1_500_000, "shop")
    assert (second["event_seq"], second["tool"]) == (2, "Bash")
    assert "payload" not in first


def test_who_comes_back_misses_nothing(hub: Client) -> None:
    with following(hub) as found:
        hub.events(event(1))
        last = next(found)["id"]
    hub.events(*[event(seq) for seq in range(2, 1200)])
    with following(hub, **{"Last-Event-ID": str(last)}) as found:
        assert [next(found)["event_seq"] for _ in range(1198)] == list(range(2, 1200))


def test_a_token_has_so_many_streams(hub: Client) -> None:
    with ExitStack() as held:
        for _ in range(hub.hub.limits.max_streams):
            held.enter_context(following(hub))
        assert code(hub.get("/v1/stream")) == (429, "too_many_in_flight")
    for _ in range(100):
        if not hub.hub.streams._open:
            break
        time.sleep(0.02)
    with following(hub):
        pass


def test_a_stream_ends_with_its_token(hub: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_MS", 0)
    with following(hub) as found:
        threading.Timer(0.1, lambda: hub.hub.store.revoke(TEAM, hub.hub.store.tokens(TEAM)[0].token_id, NOW)).start()
        assert list(found) == []


def test_a_stopping_hub_ends_its_streams(store: HubStore) -> None:
    with serving(store, clock=lambda: NOW) as hub, following(hub) as found:
        threading.Timer(0.1, hub.hub.is_stopping.set).start()
        assert list(found) == []
