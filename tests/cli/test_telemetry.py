"""`kaizen telemetry` against a server on loopback: exporters are configured, checked and tested; no secret shows."""

import json
import stat
import threading
import time
from pathlib import Path

import pytest

from kaizen.cli.telemetry_tail import follow
from kaizen.config.load import load
from loopback import Server, reply, server

from .conftest import Kaizen

__all__ = ["server"]

KEY = "0123456789abcdef-very-secret"
COMMENTED = """# mine
[search]
exclude = ["*/private"]  # not these

# where it goes
[[telemetry.exporters]]
type = "file"  # lines
mode = "summary"
"""


def written(home: Path, text: str) -> Path:
    path = home / "config.toml"
    path.write_text(text)
    path.chmod(0o644)
    return path


def exporters(home: Path) -> list[dict[str, object]]:
    return load(home, {}).config.telemetry.exporters


def test_the_first_exporter_makes_the_file(kaizen: Kaizen, home: Path, server: Server) -> None:
    result = kaizen("telemetry", "configure", "--type", "otlp", "--endpoint", server.url, "--json")
    assert result.status == 0, result.err
    assert result.json["data"]["done"] == "added"
    assert "/v1/traces" in result.json["data"]["checked"]
    assert exporters(home) == [{"type": "otlp", "endpoint": server.url}]
    assert stat.S_IMODE((home / "config.toml").stat().st_mode) == 0o600


def test_comments_and_order_stay(kaizen: Kaizen, home: Path) -> None:
    path = written(home, COMMENTED)
    assert kaizen("telemetry", "configure", "--type", "file", "--name", "more", "--path", "x.ndjson").status == 0
    assert path.read_text().startswith(COMMENTED)
    result = kaizen("telemetry", "configure", "--name", "file", "--update", "--set", "mode=items", "--set", "keep=2")
    assert result.status == 0, result.err
    text = path.read_text()
    assert 'type = "file"  # lines\nmode = "items"\nkeep = 2' in text
    assert text.startswith(COMMENTED.partition("[[")[0])
    assert kaizen("telemetry", "configure", "--name", "file", "--remove").status == 0
    assert [one["name"] for one in exporters(home)] == ["more"]
    assert kaizen("telemetry", "configure", "--name", "more", "--remove").status == 0
    assert exporters(home) == []
    assert "exclude" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_linked_file_stays_linked(kaizen: Kaizen, home: Path, tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    target = tmp_path / "dotfiles/kaizen.toml"
    target.write_text("# there\n")
    (home / "config.toml").symlink_to(target)
    assert kaizen("telemetry", "configure", "--type", "file").status == 0
    assert (home / "config.toml").is_symlink()
    assert target.read_text().startswith("# there\n")
    assert 'type = "file"' in target.read_text()


def test_a_reference_to_a_key_is_all_that_is_stored(kaizen: Kaizen, home: Path, server: Server) -> None:
    server.default = reply(200, {"valid": True})
    args = ["--type", "datadog", "--set", f"api_url={server.url}", "--key-env", "MY_KEY"]
    result = kaizen("telemetry", "configure", *args, env={"MY_KEY": KEY})
    assert result.status == 0, result.err
    assert exporters(home)[0]["api_key_env"] == "MY_KEY"
    assert server.received[0].headers["dd-api-key"] == KEY
    assert KEY not in (home / "config.toml").read_text() + result.out + result.err


def test_a_key_in_the_file_is_never_shown(kaizen: Kaizen, home: Path, server: Server) -> None:
    server.default = reply(200, {"valid": True})
    args = ["--type", "datadog", "--set", f"api_url={server.url}", "--set", f"intake_url={server.url}"]
    results = [kaizen("telemetry", "configure", *args, "--api-key", KEY)]
    assert exporters(home)[0]["api_key"] == KEY
    for call in (["telemetry", "print-effective-config"], ["telemetry", "doctor"], ["telemetry", "test"],
                 ["config", "show", "--origin"], ["telemetry", "configure", "--update", "--type", "datadog"]):
        results += [kaizen(*call), kaizen(*call, "--json")]
    server.default = reply(403, {"errors": [f"wrong key {KEY}"]})
    results += [kaizen("telemetry", "test"), kaizen("telemetry", "doctor", "--json")]
    assert [one.status for one in results] == [0] * 11 + [1, 4]
    assert all(KEY not in one.out + one.err for one in results)
    assert "<set, 28 characters>" in results[1].out
    assert "<set, 28 characters>" in results[7].out


def test_what_is_missing_is_asked_for_on_a_terminal(
    kaizen: Kaizen, home: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def prompt(text: str, *, hide_input: bool, err: bool) -> str:
        asked.append((text, hide_input))
        return {"url": server.url, "secret": KEY}[text]

    monkeypatch.setattr("click.prompt", prompt)
    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda self: True})())
    assert kaizen("telemetry", "configure", "--type", "webhook", "--non-interactive").status == 2
    assert asked == []
    result = kaizen("telemetry", "configure", "--type", "webhook")
    assert result.status == 0, result.err
    assert asked == [("url", False), ("secret", True)]
    assert exporters(home) == [{"type": "webhook", "url": server.url, "secret": KEY}]
    assert KEY not in result.out + result.err


def test_nothing_is_written_when_the_service_says_no(kaizen: Kaizen, home: Path, server: Server) -> None:
    path = written(home, COMMENTED)
    server.default = reply(401)
    call = ["telemetry", "configure", "--type", "otlp", "--endpoint", server.url]
    result = kaizen(*call, "--json")
    assert (result.status, result.error["code"]) == (1, "telemetry_failed")
    assert path.read_text() == COMMENTED
    assert kaizen(*call, "--no-check").status == 0
    assert len(exporters(home)) == 2


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "Which type"),
        (["--type", "otpl"], "Did you mean 'otlp'"),
        (["--type", "file", "--site", "x"], "has no site"),
        (["--type", "file", "--name", "a", "--set", "pth=1"], "Did you mean 'path'"),
        (["--type", "file", "--set", "keep"], "KEY=VALUE"),
        (["--type", "file", "--key-env", "X"], "needs no key"),
        (["--type", "datadog"], "api_key is missing"),
        (["--type", "datadog", "--key-env", "NOT_SET"], "NOT_SET, which is not set"),
        (["--type", "file"], "already an exporter 'file'"),
        (["--type", "otlp", "--update"], "has no exporter 'otlp'"),
        (["--remove"], "Which exporter"),
    ],
)
def test_what_cannot_be_meant_changes_nothing(args: list[str], said: str, kaizen: Kaizen, home: Path) -> None:
    path = written(home, COMMENTED)
    result = kaizen("telemetry", "configure", *args)
    assert result.status == 2
    assert said in result.err
    assert path.read_text() == COMMENTED


def test_a_file_that_is_no_toml_is_not_touched(kaizen: Kaizen, home: Path) -> None:
    path = written(home, "[telemetry\n")
    assert kaizen("telemetry", "configure", "--type", "file").status == 2
    assert path.read_text() == "[telemetry\n"


def test_test_sends_an_item_the_way_real_ones_go(kaizen: Kaizen, home: Path, server: Server) -> None:
    written(home, f"""
        telemetry.exporters = [{{type = "file"}}, {{type = "otlp", endpoint = "{server.url}"}},
            {{type = "webhook", url = "{server.url}/hook", secret_env = "HOOK", enabled = false}}]""")
    result = kaizen("telemetry", "test", "--json")
    assert result.status == 0, result.err
    assert [(one["name"], one["is_ok"], one["items"]) for one in result.json["data"]] == [
        ("file", True, 1), ("otlp", True, 1)]
    assert json.loads((home / "telemetry.ndjson").read_text())["event"]["model"] == "synthetic"
    assert server.received[0].path == "/v1/traces" and b"chat synthetic" in server.received[0].body
    assert kaizen("telemetry", "test", "webhook", env={"HOOK": "s"}).status == 0
    assert [one.path for one in server.received if one.method == "POST"][-2:] == ["/hook", "/hook"]


def test_test_fails_when_one_fails(kaizen: Kaizen, home: Path, server: Server) -> None:
    server.default = reply(503)
    written(home, f'[telemetry]\nexporters = [{{type = "file"}}, {{type = "otlp", endpoint = "{server.url}"}}]')
    result = kaizen("telemetry", "test")
    assert result.status == 1
    assert "[file] ok" in result.out
    assert "answered 503" in result.out


def test_doctor_names_what_is_wrong(kaizen: Kaizen, home: Path) -> None:
    written(home, '[telemetry]\nexporters = [{type = "posthog"}, {type = "nope"}, {type = "file", enabled = false}, '
                  '{type = "webhook", url = "https://x.example", secret = "s"}]')
    result = kaizen("telemetry", "doctor", "--offline", "--json")
    assert result.status == 4
    verdicts = {check["name"]: check["verdict"] for check in result.json["data"]["checks"]}
    assert verdicts == {"exporters": "ok", "secrets": "warn", "posthog": "fail", "nope": "fail", "file": "info",
                        "webhook": "ok"}


def test_doctor_says_where_a_variable_comes_before_the_file(kaizen: Kaizen, home: Path) -> None:
    written(home, '[[telemetry.exporters]]\ntype = "datadog"\nsite = "datadoghq.eu"\napi_key = "k"\n')
    result = kaizen("telemetry", "doctor", "--offline", env={"DD_SITE": "us5.datadoghq.com"})
    assert "DD_SITE comes before site of the file" in result.out


def test_the_effective_configuration_says_where_values_come_from(kaizen: Kaizen, home: Path) -> None:
    written(home, '[[telemetry.exporters]]\ntype = "posthog"\nhost = "https://eu.i.posthog.com"\nfail_open = false\n'
                  '[[telemetry.exporters]]\ntype = "webhook"\nurl = "https://x.example/in?token=abc"\n')
    result = kaizen("telemetry", "print-effective-config", "--json", env={"POSTHOG_API_KEY": KEY})
    posthog, webhook = result.json["data"]
    values = {one["key"]: (one["value"], one["origin"]) for one in posthog["settings"]}
    assert values["host"] == ("https://eu.i.posthog.com", "file")
    assert values["project_api_key"] == ("<set, 28 characters>", "environment POSTHOG_API_KEY")
    assert (posthog["fail_open"], posthog["problem"]) == (False, None)
    assert "secret is missing" in webhook["problem"]
    assert "token=abc" not in result.out


def test_print_schema_describes_every_kind(kaizen: Kaizen) -> None:
    data = kaizen("telemetry", "print-schema", "--json").json["data"]
    assert data["version"] == 1
    assert [one["tag"] for one in data["items"]][:3] == ["kaizen.session", "kaizen.event", "kaizen.tool_span"]
    assert "tokens_in" in json.dumps(data["items"][1]["schema"])


def test_tail_prints_what_is_there(kaizen: Kaizen, home: Path) -> None:
    assert kaizen("telemetry", "tail", "--no-follow").out == ""
    written(home, '[[telemetry.exporters]]\ntype = "file"\npath = "out.ndjson"\n')
    kaizen("telemetry", "test")
    with (home / "out.ndjson").open("a") as file:
        file.write('no json \x1b[31m\n{"half": ')
    plain = kaizen("telemetry", "tail", "--no-follow")
    assert "event" in plain.out and "synthetic" in plain.out and "$0.00" in plain.out
    assert "\x1b" not in plain.out and "half" not in plain.out
    raw = kaizen("telemetry", "tail", "--no-follow", "--json")
    assert json.loads(raw.out.splitlines()[0])["kind"] == "event"
    assert kaizen("telemetry", "tail", "--no-follow", "--file", "/not/there").status == 3


def test_tail_follows_a_file_that_is_rotated(tmp_path: Path) -> None:
    path, got = tmp_path / "f", list[bytes]()

    def collect() -> None:
        for line in follow(path, is_endless=True, poll_s=0.005):
            got.append(line)
            if line == b"end":
                return

    def wait_for(line: bytes) -> None:
        until = time.monotonic() + 10
        while line not in got and time.monotonic() < until:
            time.sleep(0.005)
        assert line in got

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    path.write_bytes(b"one\ntw")
    wait_for(b"one")
    with path.open("ab") as file:
        file.write(b"o\n")
    wait_for(b"two")
    path.rename(tmp_path / "f.1")
    path.write_bytes(b"three\n")
    wait_for(b"three")
    path.write_bytes(b"end\n")
    thread.join(10)
    assert got == [b"one", b"two", b"three", b"end"]
