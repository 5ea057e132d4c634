"""`kaizen sync` as a person uses it, against a real hub on this machine, and with everything set up wrong."""

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.conftest import Kaizen
from hub.made import TEAM
from hub.serving import Client, serving
from kaizen.hub.store.protocol import Settings, Team
from kaizen.hub.store.sqlite import SqliteStore
from kaizen.store import outbox
from kaizen.store.open import open_store, transaction

SALT = "07" * 32


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Client]:
    store = SqliteStore(tmp_path / "hub")
    store.add_team(Team(TEAM, 1, Settings(retention_days=10_000)))
    with serving(store) as client:
        yield client
    store.close()


def configure(kaizen: Kaizen, url: str, token: str, monkeypatch: pytest.MonkeyPatch, *more: str) -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO(token))
    return kaizen("sync", "configure", url, "--team", TEAM, "--salt", SALT, "--token-stdin", *more).status


def test_from_nothing_to_a_teams_total(
    kaizen: Kaizen, home: Path, hub: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert configure(kaizen, hub.url, hub.token, monkeypatch) == 0
    assert (home / "config.toml").stat().st_mode & 0o777 == 0o600
    waiting = kaizen("sync", "run", "--dry-run", "--json").json["data"]
    assert {row["kind"] for row in waiting} >= {"events", "sessions"}
    found = kaizen("sync", "run", "--once", "--json")
    assert found.status == 0
    assert found.json["data"]["retired"] == sum(row["items"] for row in waiting)
    receipts = kaizen("sync", "receipts", "--limit", "100", "--json").json["data"]
    assert sum(one["items"] for one in receipts) == found.json["data"]["retired"]
    assert all(one["redaction"] == "metrics/1" and len(one["digest"]) == 64 for one in receipts)
    assert any(one["left_out"].get("text") for one in receipts if one["kind"] == "events")
    again = kaizen("sync", "run", "--once", "--json").json["data"]
    assert (again["retired"], again["posts"]) == (0, 0)
    team = kaizen("team", "cost", "--by", "model", "--json").json["data"]["total"]
    mine = kaizen("cost", "--by", "model", "--all", "--json").json["data"]["total"]
    names = [name for name in mine if name.endswith("_tokens") or name in ("requests", "unpriced_requests")]
    assert {name: team[name] for name in names} == {name: mine[name] for name in names}
    assert team["cost_usd_e6"] == mine["cost_usd_e6"]


def test_the_five_lines_of_status(kaizen: Kaizen, hub: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = kaizen("sync", "status").out.splitlines()
    assert lines[:4] == ["outbox pending: 0", "last flush ok: (never)", "consecutive failures: 0",
                         "sync endpoint: (disabled)"]  # fmt: skip
    configure(kaizen, hub.url, hub.token, monkeypatch)
    kaizen("sync", "run", "--once")
    lines = kaizen("sync", "status").out.splitlines()
    assert lines[0] == "outbox pending: 0"
    assert lines[1].startswith("last flush ok: 1") and lines[1].endswith(" ms since epoch")
    assert lines[3] == f"sync endpoint: {hub.url}"


def test_preview_shows_what_leaves_beside_what_stays(
    kaizen: Kaizen, hub: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(kaizen, hub.url, hub.token, monkeypatch)
    rows = kaizen("sync", "preview", "--kind", "events", "--limit", "3", "--json").json["data"]
    assert len(rows) == 3
    for row in rows:
        assert row["leaves"]["session_id_hash"].startswith("blake3:")
        assert row["local"]["seq"] == row["leaves"]["event_seq"]
    assert "stays here" in kaizen("sync", "preview", "--kind", "events").out
    one = kaizen("sync", "show", str(rows[0]["id"]), "--waiting", "--json").json["data"]
    assert one == rows[0]["leaves"]


def test_dead_items_can_be_looked_at_sent_again_and_dropped(
    kaizen: Kaizen, home: Path, hub: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(kaizen, hub.url, hub.token, monkeypatch)
    kaizen("sync", "run", "--once")
    db = open_store(home, write=True)
    with transaction(db):
        envelope = db.execute("SELECT id FROM envelopes LIMIT 1").fetchone()[0]
        outbox.put(db, [("events", envelope, "s", None, b'{"kind":"nonsense"}', None, 9_000_000_000_000),
                        ("events", envelope, "s", None, b"{broken", None, 9_000_000_000_000),
                        ("hologram", envelope, "s", None, b"{}", None, 9_000_000_000_000)])  # fmt: skip
    db.close()
    found = kaizen("sync", "run", "--once", "--json")
    assert found.status == 65
    assert any("hologram" in warning for warning in found.json["warnings"])
    dead = kaizen("sync", "dead", "--json").json["data"]
    assert {one["reason"] for one in dead} == {"unparseable", "rejected:item_invalid"}
    refused = next(one["id"] for one in dead if one["reason"].startswith("rejected"))
    assert kaizen("sync", "show", str(refused)).out == '{"kind":"nonsense"}\n'
    assert kaizen("sync", "retry", "--reason", "rejected", "--json").json["data"] == {"items": 1}
    assert kaizen("sync", "run", "--once").status == 65
    assert kaizen("sync", "drop", "--all", "--json").json["data"]["is_done"] is False
    assert kaizen("sync", "drop", "--all", "--yes", "--json").json["data"] == {"items": 2, "is_done": True}
    assert kaizen("sync", "dead", "--json").json["data"] == []
    assert kaizen("sync", "show", "999", "--json").error["code"] == "sync_item_not_found"


def test_a_pause_holds_until_resumed(kaizen: Kaizen, hub: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(kaizen, hub.url, hub.token, monkeypatch)
    kaizen("sync", "pause", "--lane", "events")
    found = kaizen("sync", "run", "--once", "--json").json["data"]
    assert found["retired"] > 0 and found["pending"] > 0
    assert kaizen("sync", "run", "--once").status == 0
    kaizen("sync", "pause")
    assert kaizen("sync", "run", "--once", "--json").json["data"]["posts"] == 0
    kaizen("sync", "resume")
    assert kaizen("sync", "run", "--once", "--json").json["data"]["pending"] == 0


def test_verify_looks_at_all_that_waits(
    kaizen: Kaizen, home: Path, hub: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(kaizen, hub.url, hub.token, monkeypatch)
    kaizen("sync", "run", "--dry-run")
    assert kaizen("sync", "verify", "--json").json["data"]["refused"] == []
    db = open_store(home, write=True)
    with transaction(db):
        envelope = db.execute("SELECT id FROM envelopes LIMIT 1").fetchone()[0]
        leak = b'{"payload":{"x":"/home/alice/secret"}}'
        outbox.put(db, [("events", envelope, "s", None, leak, None, 9_000_000_000_000)])
    db.close()
    found = kaizen("sync", "verify", "--json")
    assert found.status == 4 and len(found.json["data"]["refused"]) == 1
    assert kaizen("sync", "run", "--once").status == 65
    assert [one["reason"] for one in kaizen("sync", "dead", "--json").json["data"]] == ["redaction_guard"]


def test_a_wrong_token_pauses_and_a_right_one_resumes(
    kaizen: Kaizen, hub: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(kaizen, hub.url, hub.token, monkeypatch)
    wrong = {"KAIZEN_SYNC__TEAM_TOKEN": "kzn_wrong"}
    found = kaizen("sync", "run", "--once", "--json", env=wrong)
    assert found.status == 77 and found.json["data"]["retired"] == 0
    assert kaizen("sync", "run", "--once", env=wrong).status == 77
    assert kaizen("sync", "run", "--once").status == 0


ON = {"KAIZEN_SYNC__ENDPOINT": "http://127.0.0.1:9", "KAIZEN_SYNC__TEAM_ID": "core",
      "KAIZEN_SYNC__TEAM_TOKEN": "x", "KAIZEN_SYNC__TEAM_SALT_HEX": f'"{SALT}"'}  # fmt: skip


@pytest.mark.parametrize(("change", "code", "status"), [
    ({"KAIZEN_SYNC__TEAM_SALT_HEX": '""'}, "sync_setting", 78),
    ({"KAIZEN_SYNC__TEAM_SALT_HEX": "12ab"}, "salt_invalid", 78),
    ({"KAIZEN_SYNC__TEAM_ID": '""'}, "sync_setting", 78),
    ({"KAIZEN_SYNC__TEAM_TOKEN": '""'}, "sync_setting", 78),
    ({"KAIZEN_SYNC__ENDPOINT": "http://hub.example.com"}, "endpoint_refused", 78),
    ({"KAIZEN_SYNC__ENDPOINT": "ftp://hub"}, "endpoint_refused", 78),
    ({"KAIZEN_SYNC__TEAM_TOKEN_CMD": '["false"]'}, "sync_setting", 78),
    ({"KAIZEN_SYNC__SAMPLE_RATE": "7"}, "bad_config", 2),
    ({"KAIZEN_SYNC__EVENTS_PER_BATCH_MAX": "0"}, "bad_config", 2),
])  # fmt: skip
def test_settings_that_cannot_work(change: dict[str, str], code: str, status: int, kaizen: Kaizen) -> None:
    found = kaizen("sync", "run", "--once", "--json", env={**ON, **change})
    assert (found.status, found.error["code"]) == (status, code)
    assert found.error["hint"]
    assert SALT not in found.err and "kzn_" not in found.err


def test_reading_goes_on_where_sending_cannot(kaizen: Kaizen) -> None:
    found = kaizen("summary", "--all", env={**ON, "KAIZEN_SYNC__TEAM_SALT_HEX": "12ab"})
    assert found.status == 0
    assert "64 hex digits" in found.err


def test_an_unreachable_hub_keeps_everything_queued(kaizen: Kaizen) -> None:
    found = kaizen("sync", "run", "--once", "--deadline", "0.1", "--json", env=ON)
    assert found.status == 75
    assert found.json["data"]["pending"] > 0 and found.json["data"]["retired"] == 0
    status = kaizen("sync", "status", "--json", env=ON).json["data"]
    assert status["last_error"] == "cannot connect (nothing listens there)" and status["consecutive_failures"] > 0


def test_off_is_off(kaizen: Kaizen) -> None:
    assert kaizen("sync", "run", "--once").status == 0
    assert kaizen("sync", "run", "--once", env={**ON, "KAIZEN_REDACTION__LEVEL": "off"}).status == 0


def test_secrets_are_not_shown(kaizen: Kaizen) -> None:
    shown = kaizen("config", "show", "--json", env={**ON, "KAIZEN_SYNC__TEAM_TOKEN": "kzn_topsecret"})
    assert "topsecret" not in shown.out and SALT not in shown.out
    values = {row["key"]: row["value"] for row in json.loads(shown.out)["data"]}
    assert values["sync.team_token"] == "<set, 13 characters>"
