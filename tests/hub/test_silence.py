"""A session that falls silent is done for whoever asks: clients send what changed, and silence changes nothing."""

from typing import Any

import pytest

from kaizen.hub.store.protocol import HubStore
from kaizen.model.status import SILENT_AFTER_MS

from .made import NOW, TEAM, body, event, session
from .serving import Client, serving

JUST_HEARD, LONG_AGO = NOW - SILENT_AFTER_MS + 1, NOW - SILENT_AFTER_MS


def statuses(hub: Client) -> list[str]:
    return [one["status"] for one in hub.get("/v1/query/sessions").json()["items"]]


@pytest.mark.parametrize(("stored", "said", "shown"), [
    ("running", {"started_at_ms": 5, "ended_at_ms": JUST_HEARD}, "running"),
    ("running", {"started_at_ms": 5, "ended_at_ms": LONG_AGO}, "done"),
    ("waiting", {"started_at_ms": 5, "ended_at_ms": LONG_AGO}, "done"),
    ("idle", {"started_at_ms": 5, "ended_at_ms": LONG_AGO}, "done"),
    ("idle", {"started_at_ms": 5, "ended_at_ms": JUST_HEARD}, "idle"),
    ("done", {"started_at_ms": JUST_HEARD, "ended_at_ms": JUST_HEARD}, "done"),
    ("running", {"started_at_ms": LONG_AGO}, "done"),
    ("running", {"started_at_ms": JUST_HEARD}, "running"),
])  # fmt: skip
def test_a_status_is_that_of_the_moment_of_asking(
    stored: str, said: dict[str, Any], shown: str, store: HubStore
) -> None:
    with serving(store, clock=lambda: NOW) as hub:
        hub.post("/v1/sessions", body("sessions", session(status=stored, **said)))
        assert statuses(hub) == [shown]


def test_events_that_came_after_the_session_are_signs_of_life(store: HubStore) -> None:
    with serving(store, clock=lambda: NOW) as hub:
        hub.post("/v1/sessions", body("sessions", session("s", started_at_ms=1, ended_at_ms=LONG_AGO),
                                      session("t", started_at_ms=2, ended_at_ms=LONG_AGO)))  # fmt: skip
        hub.events(event(1, "s", ts_ms=LONG_AGO), event(2, "s", ts_ms=JUST_HEARD), event(9, "t", ts_ms=LONG_AGO))
        assert statuses(hub) == ["running", "done"]


def test_a_session_that_speaks_again_runs_again(store: HubStore) -> None:
    now = NOW
    with serving(store, clock=lambda: now) as hub:
        hub.post("/v1/sessions", body("sessions", session(rev=1, started_at_ms=1, ended_at_ms=NOW)))
        now += SILENT_AFTER_MS
        assert statuses(hub) == ["done"]
        hub.post("/v1/sessions", body("sessions", session(rev=2, started_at_ms=1, ended_at_ms=now)))
        assert statuses(hub) == ["running"]


def test_what_is_stored_and_exported_stays_as_it_was_sent(store: HubStore) -> None:
    with serving(store, clock=lambda: NOW) as hub:
        hub.post("/v1/sessions", body("sessions", session(started_at_ms=LONG_AGO)))
        assert statuses(hub) == ["done"]
        assert [b'"status":"running"' in row.body for row in store.export(TEAM)] == [True]
