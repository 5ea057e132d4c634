"""Logs as Datadog's intake takes them: its limits, its reserved attributes, its silence about old logs."""

import platform
from pathlib import Path
from typing import Any

import pytest

from kaizen.exporters import datadog
from kaizen.wire.sink import Again, Done, Refused
from loopback import Server, reply

from .made import ENVELOPE, T0, asked, batch, cost, every_item, problem, sent, session, tool

KEY = "0123456789abcdef0123456789abcdef"
HOUR = 3_600_000


def row(server: Server, **more: Any) -> dict[str, Any]:
    return {"type": "datadog", "intake_url": server.url, "api_url": server.url, "api_key": KEY, **more}


@pytest.fixture(autouse=True)
def accepted(server: Server) -> None:
    server.default = reply(202, {})


def test_a_log_of_an_event(server: Server, tmp_path: Path) -> None:
    assert sent(tmp_path, row(server, tags=["env:ci"]), batch(cost())) == [Done()]
    (got,) = server.received
    assert (got.method, got.path) == ("POST", "/api/v2/logs")
    assert (got.headers["dd-api-key"], got.headers["content-encoding"]) == (KEY, "gzip")
    (log,) = got.json
    assert log["timestamp"] == T0 + 5_000
    assert (log["ddsource"], log["service"], log["status"]) == ("kaizen", "kaizen", "info")
    assert log["ddtags"] == "source:kaizen,kaizen.type:kaizen.event,agent:claude,model:claude-opus-4-8,env:ci"
    assert log["message"] == "claude claude-opus-4-8 cost tokens_in=100 tokens_out=40"
    assert (log["cost_usd_e6"], log["kind"], log["workspace_hash"]) == (12_345, "cost", ENVELOPE.workspace_hash)
    assert log["kaizen"]["event"]["cache_read_tokens"] == 1_000


def test_the_name_of_the_machine_stays_here(server: Server, tmp_path: Path) -> None:
    sent(tmp_path, row(server), batch(cost()))
    assert server.received[0].json[0]["hostname"].startswith("kaizen-")
    assert platform.node().encode() not in server.received[0].body


@pytest.mark.parametrize("kind", every_item())
def test_every_kind_is_a_log(kind: str, server: Server, tmp_path: Path) -> None:
    one = batch(every_item()[kind])
    assert sent(tmp_path, row(server), one) == [Done()]
    (log,) = server.received[0].json
    assert log["kaizen"]["id"] == one.ids[0]
    assert f"kaizen.type:{log['kaizen_type']}" in log["ddtags"]


@pytest.mark.parametrize(
    ("item", "level", "status"),
    [(tool(status="ok"), "info", "ok"), (tool(status="error"), "error", "error"), (tool(status="denied"), "warn",
     "denied"), (cost(kind="error"), "error", None), (session(), "info", None)],
)
def test_the_level_is_not_the_status_of_a_span(
    item: Any, level: str, status: str | None, server: Server, tmp_path: Path
) -> None:
    sent(tmp_path, row(server), batch(item))
    (log,) = server.received[0].json
    assert (log["status"], log.get("span_status")) == (level, status)


def test_requests_keep_to_the_limits(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (datadog.MAX_ITEMS, datadog.MAX_BYTES) == (1_000, 5_177_344)
    sent(tmp_path, row(server), batch(*(cost(n) for n in range(2_100))))
    assert [len(one.json) for one in server.received] == [1_000, 1_000, 100]
    server.received.clear()
    monkeypatch.setattr(datadog, "MAX_BYTES", 20_000)
    sent(tmp_path, row(server), batch(*(cost(n) for n in range(100)), batch_id="b-2"))
    assert max(len(one.body) for one in server.received) <= 20_000 < sum(len(one.body) for one in server.received)
    assert sum(len(one.json) for one in server.received) == 100


def test_what_datadog_would_cut_or_drop_is_counted(server: Server, tmp_path: Path) -> None:
    now = T0 + 20 * HOUR
    large = cost(3, ts_ms=now, payload={"x": "y" * 1_000_000})
    found = sent(tmp_path, row(server), batch(cost(1, ts_ms=T0 + HOUR), cost(2, ts_ms=now), large, now_ms=now))
    assert found == [Done(2, "1 older than 18 hours, 1 larger than 1 MB")]
    assert [log["kaizen"]["event"]["event_seq"] for log in server.received[0].json] == [2]


def test_a_long_session_is_not_old(server: Server, tmp_path: Path) -> None:
    long = session(status="running", ended_at_ms=None)
    assert sent(tmp_path, row(server), batch(long, now_ms=T0 + 30 * HOUR)) == [Done()]


def test_one_chunk_that_waits_does_not_repeat_the_others(server: Server, tmp_path: Path) -> None:
    server.replies = [reply(202), reply(503, retry_after="9"), reply(202)]
    one = batch(*(cost(n) for n in range(1_500)))
    assert [type(found) for found in sent(tmp_path, row(server), one, one)] == [Again, Done]
    assert [len(got.json) for got in server.received] == [1_000, 500, 500]


def test_every_chunk_is_tried(server: Server, tmp_path: Path) -> None:
    server.replies = [reply(400, {"errors": ["bad"]}), reply(202)]
    (found,) = sent(tmp_path, row(server), batch(*(cost(n) for n in range(1_500))))
    assert isinstance(found, Done) and found.rejected == 1_000 and "bad" in found.detail
    server.default = reply(403)
    (found,) = sent(tmp_path, row(server), batch(*(cost(n) for n in range(1_500))))
    assert isinstance(found, Refused) and "credentials" in found.reason


def test_health_checks_the_key(server: Server, tmp_path: Path) -> None:
    server.by_path = {"/api/v1/validate": reply(200, {"valid": True})}
    assert asked(tmp_path, row(server)).is_ok
    assert server.received[0].headers["dd-api-key"] == KEY
    server.by_path = {"/api/v1/validate": reply(403, {"errors": [f"{KEY} is wrong"]})}
    found = asked(tmp_path, row(server))
    assert not found.is_ok and KEY not in found.detail


def test_what_cannot_work(tmp_path: Path) -> None:
    assert "api_key is missing" in problem(tmp_path, {"type": "datadog"})
    assert "application key" in problem(tmp_path, {"type": "datadog", "api_key": "ddapp_x"})
    assert "no http(s) URL" in problem(tmp_path, {"type": "datadog", "api_key": KEY, "api_url": "x"})
