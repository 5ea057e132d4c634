"""From nothing to a team's total: a hub as a process of its own, and the commands that read from it."""

import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

import kaizen as package

from .conftest import Kaizen, Result

NOW = 1_770_000_000_000
HASH = "blake3:" + "0" * 63
WORKSPACE = HASH + "a"


class Served(msgspec.Struct):
    process: subprocess.Popen[bytes]
    said: dict[str, Any]

    def post(self, path: str, list_name: str, *items: Any, token: str = "") -> httpx.Response:
        body = {"team_id": self.said["team_id"], "workspace_hash": WORKSPACE, "project_name": "shop", list_name: items}
        headers = {"Authorization": f"Bearer {token or self.said['token']}",
                   "X-Kaizen-Idempotency-Key": str(uuid.uuid4())}  # fmt: skip
        return httpx.post(self.said["url"] + path, json=body, headers=headers)


def event(seq: int, **more: Any) -> dict[str, Any]:
    return {"session_id_hash": HASH + "1", "event_seq": seq, "ts_ms": NOW + seq, "agent": "claude", "kind": "cost",
            "source": "tail", "model": "claude-opus-4", "tokens_in": 1000, "tokens_out": 10,
            "cost_pusd": 1_500_000_500_000, **more}  # fmt: skip


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Served]:
    process = start(tmp_path)
    assert process.stdout is not None
    try:
        yield Served(process, read_json(process))
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


def start(tmp_path: Path, *more: str) -> "subprocess.Popen[bytes]":
    env = {**os.environ, "PYTHONPATH": str(Path(package.__file__).parents[1]), "KAIZEN_HOME": str(tmp_path / "k")}
    argv = [sys.executable, "-m", "kaizen", "hub", "serve", "--listen", "127.0.0.1:0", "--json", *more]
    return subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def read_json(process: "subprocess.Popen[bytes]") -> dict[str, Any]:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line == b"}\n":
            break
    said: dict[str, Any] = msgspec.json.decode(b"".join(lines))["data"]
    return said


@pytest.fixture
def team(hub: Served, kaizen: Kaizen) -> Callable[..., Result]:
    env = {"KAIZEN_SYNC__ENDPOINT": hub.said["url"], "KAIZEN_SYNC__TEAM_TOKEN_ENV": "THE_TOKEN",
           "THE_TOKEN": hub.said["token"], "KAIZEN_SYNC__TEAM_ID": hub.said["team_id"]}  # fmt: skip
    return lambda *argv: kaizen("team", *argv, env=env)


def test_the_first_start_says_what_to_run_on_the_laptops(hub: Served) -> None:
    said = hub.said
    assert said["configure"] == (
        f"printf %s {said['token']} | kaizen sync configure {said['url']} --team team --salt {said['salt']} "
        "--token-stdin"
    )
    assert (len(said["salt"]), said["team_id"]) == (64, "team")


def test_a_team_sees_one_total(hub: Served, team: Callable[..., Result]) -> None:
    assert "Nothing was sent yet" in team("summary").out
    assert hub.post("/v1/events", "events", event(1), event(2, cost_pusd=None), event(3, is_void=True)).is_success
    session = {"session_id_hash": HASH + "1", "agent": "claude", "started_at_ms": NOW, "status": "done"}
    assert hub.post("/v1/sessions", "sessions", session).status_code == 202
    found = team("summary", "--json").json
    assert (found["schema"], found["scope"]["team_id"]) == ("team summary/1", "team")
    used = found["data"]["usage"]
    assert (used["requests"], used["input_tokens"], used["cost_usd_e6"], used["unpriced_requests"]) == (
        2, 2000, 1_500_000, 1,
    )  # fmt: skip
    text = team("summary").out
    assert "$1.50+" in text
    assert "shop" in text


def test_costs_and_sessions_look_as_on_one_machine(hub: Served, team: Callable[..., Result]) -> None:
    hub.post("/v1/events", "events", event(1), event(2, model="gpt", cost_pusd=None))
    session = {"session_id_hash": HASH + "1", "agent": "claude", "started_at_ms": NOW, "status": "done"}
    hub.post("/v1/sessions", "sessions", session)
    found = team("cost", "--by", "model", "--json").json["data"]
    assert [(row["key"], row["cost_usd_e6"]) for row in found["rows"]] == [("claude-opus-4", 1_500_000), ("gpt", None)]
    assert found["unpriced_models"] == [{"model": "gpt", "requests": 1}]
    text = team("cost", "--by", "day", "--utc").out
    assert "2026-02-02" in text
    assert "1 of 2 requests unpriced" in text
    assert team("cost", "--by", "project", "--format", "csv").out.splitlines()[1].startswith("shop,")
    listed = team("sessions", "--json").json["data"]
    assert [(one["status"], one["usage"]["requests"]) for one in listed] == [("done", 2)]
    assert "shop" in team("sessions").out
    assert team("sessions", "--since", "2026-03-01").out == "No sessions of this period were sent.\n"


def test_followers_see_events_within_a_second(hub: Served, team: Callable[..., Result]) -> None:
    sent = threading.Event()

    def send() -> None:
        seq = 0
        while not sent.wait(0.2):
            seq += 1
            hub.post("/v1/events", "events", event(seq, payload={"text": "private"}))

    sender = threading.Thread(target=send)
    sender.start()
    try:
        found = team("tail", "-n", "2", "--json")
    finally:
        sent.set()
        sender.join()
    lines = [msgspec.json.decode(line) for line in found.out.splitlines()]
    assert [line["project_name"] for line in lines] == ["shop", "shop"]
    assert lines[0]["id"] < lines[1]["id"]
    assert "private" not in found.out


def test_what_was_accepted_survives_a_kill(tmp_path: Path, kaizen: Kaizen) -> None:
    first = start(tmp_path)
    served = Served(first, read_json(first))
    assert served.post("/v1/events", "events", event(1)).status_code == 202
    first.kill()
    first.communicate()
    port = served.said["url"].rsplit(":", 1)[1]
    second = start(tmp_path, "--listen", f"127.0.0.1:{port}")
    try:
        for _ in range(200):
            try:
                assert served.post("/v1/events", "events", event(1)).json()["deduped"] == 1
                break
            except httpx.ConnectError:
                threading.Event().wait(0.05)
        else:
            pytest.fail("the hub did not come back")
    finally:
        second.send_signal(signal.SIGTERM)
        _, log = second.communicate(timeout=20)
    assert second.returncode == 0
    assert not list((tmp_path / "k").rglob("*-wal")), "the store was not closed"
    assert {path.stat().st_mode & 0o077 for path in [tmp_path / "k/hub", *(tmp_path / "k/hub").rglob("*")]} == {0}
    assert all(msgspec.json.decode(line)["status"] for line in log.splitlines() if line.startswith(b"{"))
    assert served.said["token"].encode() not in log


def test_no_hub_and_a_wrong_token_are_errors(hub: Served, kaizen: Kaizen) -> None:
    away = kaizen("team", "summary", "--json", env={"KAIZEN_SYNC__ENDPOINT": "http://127.0.0.1:9",
                                                    "KAIZEN_SYNC__TEAM_TOKEN": "kzn_x"})  # fmt: skip
    assert (away.status, away.error["code"]) == (1, "hub_unreachable")
    wrong = kaizen("team", "tail", "--json", env={"KAIZEN_SYNC__ENDPOINT": hub.said["url"],
                                                  "KAIZEN_SYNC__TEAM_TOKEN": "kzn_x"})  # fmt: skip
    assert (wrong.error["code"], wrong.error["details"]["answer"]) == ("hub_refused", "unauthorized")
    plain = kaizen("team", "summary", "--json", env={"KAIZEN_SYNC__ENDPOINT": "http://hub.example.com"})
    assert plain.error["code"] == "endpoint_refused"
    nameless = kaizen("team", "summary", "--json", env={"KAIZEN_SYNC__ENDPOINT": hub.said["url"]})
    assert nameless.error["code"] == "bad_config"


def test_teams_and_tokens_are_managed_beside_a_running_hub(hub: Served, tmp_path: Path, kaizen: Kaizen) -> None:
    env = {"KAIZEN_HUB_STORE": str(tmp_path / "k" / "hub")}

    def call(*argv: str) -> Result:
        return kaizen("hub", *argv, env=env)

    assert call("team", "add", "backend", "--retention-days", "30").status == 0
    assert call("team", "add", "backend").status == 2
    assert call("team", "set", "backend", "--display-name", "Back end", "--requests-per-minute", "90").status == 0
    said = call("team", "set", "backend", "--strict-clients", "--requests-per-minute", "0", "--json").json["data"]
    changed = {"display_name": "Back end", "retention_days": 30, "requests_per_minute": 0, "strict_clients": True}
    assert said["settings"].items() >= changed.items()
    said = call("team", "set", "backend", "--no-strict-clients", "--requests-per-minute", "default", "--json")
    assert not {"strict_clients", "requests_per_minute"} & set(said.json["data"]["settings"])
    assert "Back end" in call("team", "list").out
    made = call("token", "create", "team", "--scope", "ingest", "--label", "ci", "--json").json["data"]
    assert hub.post("/v1/events", "events", event(1), token=made["token"]).status_code == 202
    assert made["token"] not in call("token", "list", "team").out
    assert call("token", "create", "team").out.startswith("kzn_")
    assert call("token", "revoke", "team", made["token_id"]).status == 0
    assert call("token", "revoke", "team", made["token_id"]).status == 3
    assert "revoked" in call("token", "list", "team").out
    lines = call("export", "team").out.splitlines()
    assert [msgspec.json.decode(line)["item"]["event_seq"] for line in lines] == [1]


def test_a_trusted_proxy_says_who_failed(tmp_path: Path) -> None:
    process = start(tmp_path, "--trusted-proxy", "127.0.0.1", "--trusted-proxy", "::1", "--proxy-header", "forwarded")
    try:
        url = read_json(process)["url"]
        for one in ("203.0.113.1", "203.0.113.2"):
            httpx.get(url + "/v1/config", headers={"Forwarded": f"for=1.1.1.1, for={one}"})
    finally:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=20)
    found = [msgspec.json.decode(line) for line in log.splitlines() if line.startswith(b"{")]
    assert [(one["address"], one["status"]) for one in found] == [("203.0.113.1", 401), ("203.0.113.2", 401)]
