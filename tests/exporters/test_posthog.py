"""Captures as PostHog's batch endpoint takes them: dated, with a uuid, within its limits, nobody made a person."""

import uuid
from pathlib import Path
from typing import Any

import pytest

from kaizen.exporters import posthog
from kaizen.wire.sink import Again, Done
from loopback import Server, reply

from .made import ENVELOPE, T0, asked, batch, cost, every_item, problem, sent

KEY = "phc_0123456789abcdef"
HOUR = 3_600_000


def row(server: Server, **more: Any) -> dict[str, Any]:
    return {"type": "posthog", "host": server.url, "project_api_key": KEY, **more}


@pytest.fixture(autouse=True)
def accepted(server: Server) -> None:
    server.default = reply(200, {"status": "Ok"})


@pytest.mark.parametrize("kind", every_item())
def test_a_capture_is_dated_and_has_a_uuid(kind: str, server: Server, tmp_path: Path) -> None:
    one = batch(every_item()[kind])
    assert sent(tmp_path, row(server), one, one) == [Done(), Done()]
    first, second = (got.json["batch"][0] for got in server.received)
    assert first == second
    assert str(uuid.UUID(first["uuid"])) == one.ids[0]
    assert first["timestamp"].startswith("2026-09-2") and first["timestamp"].endswith("Z")
    assert first["distinct_id"] == ENVELOPE.workspace_hash
    assert first["properties"]["$process_person_profile"] is False
    assert first["event"].startswith("kaizen.")


def test_an_event_is_its_own_properties(server: Server, tmp_path: Path) -> None:
    sent(tmp_path, row(server), batch(cost()))
    got = server.received[0]
    assert (got.path, got.headers["content-encoding"]) == ("/batch/", "gzip")
    assert (got.json["api_key"], got.json["historical_migration"]) == (KEY, False)
    (capture,) = got.json["batch"]
    assert (capture["event"], capture["timestamp"]) == ("kaizen.event", "2026-09-21T14:13:25.000Z")
    assert (capture["properties"]["tokens_in"], capture["properties"]["model"]) == (100, "claude-opus-4-8")


def test_old_batches_are_an_import(server: Server, tmp_path: Path) -> None:
    old, mixed = (cost(1), cost(2)), (cost(1), cost(2, ts_ms=T0 + 48 * HOUR))
    now_ms = T0 + 49 * HOUR
    sent(tmp_path, row(server), batch(*old, now_ms=now_ms), batch(*mixed, now_ms=now_ms, batch_id="b-2"))
    assert [got.json["historical_migration"] for got in server.received] == [True, False]


def test_requests_keep_to_the_limits(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert posthog.MAX_BYTES < 20_000_000 and posthog.MAX_ITEM_BYTES == 1_000_000
    large = cost(3, payload={"x": "y" * 1_000_000})
    assert sent(tmp_path, row(server), batch(cost(1), large)) == [Done(1, "1 larger than 1 MB")]
    server.received.clear()
    monkeypatch.setattr(posthog, "MAX_BYTES", 20_000)
    sent(tmp_path, row(server), batch(*(cost(n) for n in range(100))))
    assert max(len(got.body) for got in server.received) <= 20_000
    assert sum(len(got.json["batch"]) for got in server.received) == 100


def test_a_used_up_quota_is_tried_later(server: Server, tmp_path: Path) -> None:
    server.default = reply(200, {"status": "Ok", "quota_limited": ["events"]})
    (found,) = sent(tmp_path, row(server), batch(cost()))
    assert isinstance(found, Again) and found.after_s == 3_600


def test_health_checks_the_key(server: Server, tmp_path: Path) -> None:
    assert asked(tmp_path, row(server)).is_ok
    assert server.received[0].json["api_key"] == KEY
    server.default = reply(401, {"detail": f"Project API key invalid: {KEY}"})
    found = asked(tmp_path, row(server))
    assert not found.is_ok and KEY not in found.detail


def test_what_cannot_work(tmp_path: Path) -> None:
    assert "project_api_key is missing" in problem(tmp_path, {"type": "posthog"})
    assert "personal key" in problem(tmp_path, {"type": "posthog", "project_api_key": "phx_x"})
    assert "not encrypted" in problem(tmp_path, {"type": "posthog", "project_api_key": KEY, "host": "http://ph.corp"})
