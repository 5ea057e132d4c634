"""What exporters would get, got, and get once more: `preview`, `status`, `push`."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from loopback import Server, server

from .conftest import Kaizen

__all__ = ["server"]

KEY = "0123456789abcdef-very-secret"
WEEKS = ("--days", "30")


@pytest.fixture
def rows(home: Path, server: Server) -> dict[str, str]:
    """One of each type, all at the server, and the environment they need."""
    (home / "config.toml").write_text(f"""
[[telemetry.exporters]]
type = "webhook"
url = "{server.url}/hook"
secret_env = "HOOK"

[[telemetry.exporters]]
type = "otlp"
endpoint = "{server.url}"
headers_env = {{ api-key = "HOOK" }}

[[telemetry.exporters]]
type = "datadog"
api_key_env = "HOOK"
intake_url = "{server.url}"
api_url = "{server.url}"

[[telemetry.exporters]]
type = "posthog"
project_api_key_env = "HOOK"
host = "{server.url}"

[[telemetry.exporters]]
type = "file"
""")
    return {"HOOK": KEY}


def test_a_preview_sends_nothing_and_shows_no_key(
    kaizen: Kaizen, home: Path, server: Server, rows: dict[str, str]
) -> None:
    result = kaizen("telemetry", "preview", *WEEKS, env=rows)
    assert result.status == 0, result.err
    found = kaizen("telemetry", "preview", *WEEKS, "--json", env=rows)
    # Not datadog: what is older than 18 hours is not sent there.
    assert {one["exporter"] for one in found.json["data"]} == {"webhook", "otlp", "posthog", "file"}
    assert server.received == []
    assert not (home / "telemetry.ndjson").exists()
    for shown in (KEY, base64.b64encode(KEY.encode()).decode()):
        assert shown not in result.out + found.out


def test_a_preview_is_what_a_push_sends(kaizen: Kaizen, home: Path, server: Server, rows: dict[str, str]) -> None:
    preview = ["telemetry", "preview", *WEEKS, "--limit", "1000", "--json"]
    shown = kaizen(*preview, env=rows).json["data"]
    assert kaizen("telemetry", "push", *WEEKS, env=rows).status == 0

    def told(exporter: str) -> list[Any]:
        bodies = [one["body"] for one in shown if one["exporter"] == exporter]
        assert bodies
        return bodies

    def got(path: str) -> list[Any]:
        return [one.json for one in server.received if one.method == "POST" and one.path == path]

    masked = f"<set, {len(KEY)} characters>"
    assert all(body in got("/hook") for body in told("webhook"))
    assert all(json.loads(json.dumps(body).replace(masked, KEY)) in got("/batch/") for body in told("posthog"))
    lines = [json.loads(line) for line in (home / "telemetry.ndjson").read_text().splitlines()]
    assert all(line in lines for body in told("file") for line in (body if isinstance(body, list) else [body]))
    spans = {span["spanId"] for body in told("otlp") for one in body.get("resourceSpans", [])
             for scoped in one["scopeSpans"] for span in scoped["spans"]}  # fmt: skip
    sent = b"".join(one.body for one in server.received if one.path == "/v1/traces")
    assert spans
    assert all(bytes.fromhex(span) in sent for span in spans)


def test_a_preview_hides_what_stands_behind_an_address(kaizen: Kaizen, home: Path, rows: dict[str, str]) -> None:
    path = home / "config.toml"
    path.write_text(path.read_text().replace("/hook", f"/hook?token={KEY[::-1]}"))
    found = kaizen("telemetry", "preview", *WEEKS, "--sink", "webhook", "--json", env=rows)
    assert found.json["data"][0]["address"].endswith("/hook?...")
    assert KEY[::-1] not in found.out


def test_a_preview_is_of_a_period_and_of_few_items(kaizen: Kaizen, rows: dict[str, str]) -> None:
    few = kaizen("telemetry", "preview", *WEEKS, "--sink", "webhook", "--limit", "1", "--json", env=rows).json["data"]
    assert [(one["kind"], one["items"]) for one in few] == [("sessions", 1), ("events", 1), ("tool_spans", 1)]
    none = kaizen("telemetry", "preview", "--until", "2020-01-01", "--since", "2019-01-01", "--json", env=rows)
    assert none.json["data"] == []
    assert kaizen("telemetry", "preview", "--sink", "nope", env=rows).status == 3
    assert kaizen("telemetry", "push", "--sink", "nope", env=rows).status == 3


def test_a_preview_is_all_of_a_session(kaizen: Kaizen, rows: dict[str, str]) -> None:
    found = kaizen("telemetry", "preview", "--sink", "webhook", "--session", "aaaa", "--json", env=rows)
    assert found.status == 0, found.err
    items = [item for one in found.json["data"] for item in one["body"].get(one["kind"], one["body"].get("spans", []))]
    assert len({item["session_id_hash"] for item in items}) == 1
    assert sum(one["items"] for one in found.json["data"] if one["kind"] == "events") > 2
    wrong = kaizen("telemetry", "preview", "--session", "ffff-none", "--json", env=rows)
    assert wrong.error["code"] == "session_not_found"


def test_a_push_is_of_a_period(kaizen: Kaizen, rows: dict[str, str]) -> None:
    def items(*period: str) -> int:
        found = kaizen("telemetry", "push", *period, "--dry-run", "--json", env=rows).json["data"]
        return sum(one["items"] for one in found["sent"])

    whole = items(*WEEKS)
    assert whole > 0
    assert items("--since", "2020-01-01") == whole
    assert items("--since", "2020-01-01", "--until", "2020-02-01") == 0


def test_status_of_what_is_configured_and_what_was(kaizen: Kaizen, home: Path, server: Server) -> None:
    assert "No exporter" in kaizen("telemetry", "status").out
    row = f'[[telemetry.exporters]]\ntype = "webhook"\nurl = "{server.url}/hook"\nsecret_env = "HOOK"\n'
    (home / "config.toml").write_text(row)
    assert kaizen("sync", "run", "--once", env={"HOOK": KEY}).status == 0
    (one,) = kaizen("telemetry", "status", "--json").json["data"]
    assert one["is_on"] is True
    assert one["items"] > 0
    assert one["last_success_ms"] is not None
    (home / "config.toml").write_text('[[telemetry.exporters]]\ntype = "file"\nenabled = false\n')
    file, gone = kaizen("telemetry", "status", "--json").json["data"]
    assert (file["name"], file["is_on"], file["last_success_ms"]) == ("file", False, None)
    assert (gone["name"], gone["type"], gone["items"]) == ("webhook", None, one["items"])
    assert "removed" in kaizen("telemetry", "status").out


def test_without_exporters_there_is_nothing_to_show(kaizen: Kaizen) -> None:
    for command in ("preview", "push"):
        result = kaizen("telemetry", command)
        assert result.status == 78
        assert "configure" in result.err
