"""What holds for every command: help with an example, JSON in an envelope, errors as data, exit statuses."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import pytest

from kaizen.cli import COMMANDS, GROUPS
from kaizen.cli.command import KaizenCommand
from kaizen.cli.group import root
from kaizen.errors import KaizenError

from .conftest import NOW, Kaizen

READ = "--no-refresh"
CALLS = {
    "projects list": [READ],
    "summary": [READ],
    "cost": [READ, "--by", "model"],
    "sessions list": [READ],
    "sessions show": [READ, "aaaa", "--messages", "--events", "--spans", "--files"],
    "sessions tree": [READ, "aaaa"],
    "sessions trace": [READ, "aaaa"],
    "show": [READ, "@last"],
    "insights": [READ],
    "explain cost": [READ, "aaaa"],
    "prices list": [],
    "prices explain": ["claude-opus-4-8"],
    "gc": ["--days", "1"],
    "config show": [],
    "config path": [],
    "redact schema": [],
    "telemetry configure": ["--type", "file"],
    "telemetry test": [],
    "telemetry doctor": [],
    "telemetry print-schema": [],
    "telemetry print-effective-config": [],
    "completions": ["bash"],
    "doctor": [READ],
    "hub team add": ["backend"],
    "hub openapi": [],
}


def leaves() -> Iterator[tuple[str, click.Command]]:
    """Every command with its whole name. Modules that other parts of the project bring may still be missing."""
    context = click.Context(root)

    def below(name: str, group: click.Group) -> Iterator[tuple[str, click.Command]]:
        for inner in group.list_commands(context):
            if importlib.util.find_spec(f"kaizen.cli.{inner}") is None and inner == "search":
                continue
            one = group.get_command(context, inner)
            assert one is not None
            if isinstance(one, click.Group):
                yield from below(f"{name} {inner}", one)
            else:
                yield f"{name} {inner}", one

    for name, entry in COMMANDS.items():
        if importlib.util.find_spec(entry.module) is None:
            continue
        found = root.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from below(name, found)
        else:
            yield name, found


LEAVES = dict(leaves())


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_explains_itself(name: str, kaizen: Kaizen) -> None:
    command = LEAVES[name]
    assert command.help
    assert len(command.help) > 20
    result = kaizen(*name.split(), "--help")
    assert result.status == 0
    assert "Examples:" in result.out
    assert "kaizen" in result.out.split("Examples:")[1]
    assert "--json" in result.out


@pytest.mark.parametrize("name", LEAVES)
def test_every_option_has_a_help_text(name: str) -> None:
    assert [option.name for option in LEAVES[name].params if isinstance(option, click.Option) and not option.help] == []


@pytest.mark.parametrize("name", CALLS)
def test_json_comes_in_an_envelope(name: str, kaizen: Kaizen) -> None:
    result = kaizen(*name.split(), *CALLS[name], "--json")
    assert result.status == 0, result.err
    assert list(result.json) == ["schema", "generated_at_ms", "scope", "data", "warnings"]
    assert result.json["generated_at_ms"] == NOW
    assert result.json["schema"].endswith("/1")
    assert result.err == ""


@pytest.mark.parametrize("name", CALLS)
def test_text_is_plain_when_piped(name: str, kaizen: Kaizen) -> None:
    result = kaizen(*name.split(), *CALLS[name])
    assert result.status == 0, result.err
    assert result.out.strip()
    assert "\x1b" not in result.out + result.err


@pytest.mark.parametrize("name", [name for name in CALLS if any(o.name == "format" for o in LEAVES[name].params)])
@pytest.mark.parametrize("kind", ["jsonl", "csv", "md"])
def test_lists_come_in_other_formats(name: str, kind: str, kaizen: Kaizen) -> None:
    result = kaizen(*name.split(), *CALLS[name], "--format", kind)
    assert result.status == 0, result.err
    lines = result.out.splitlines()
    if kind == "jsonl":
        assert all(isinstance(msgspec.json.decode(line), dict) for line in lines)
    elif kind == "csv":
        assert len(lines) > 1
    else:
        assert {line.count("|") - line.count("\\|") for line in lines} == {lines[0].count("|")}


def test_every_json_schema_has_a_name_of_its_own() -> None:
    schemas = [
        command.schema
        for name, command in LEAVES.items()
        if isinstance(command, KaizenCommand) and name not in ("sessions show", "sessions search")
    ]
    assert len(schemas) == len(set(schemas))


def test_the_table_names_what_the_modules_hold() -> None:
    assert {entry.group for entry in COMMANDS.values()} == set(GROUPS)
    for name, entry in COMMANDS.items():
        assert entry.module == f"kaizen.cli.{name}"
        assert entry.help.endswith(".")


def test_no_arguments_is_help_on_stderr(kaizen: Kaizen) -> None:
    result = kaizen()
    assert (result.status, result.out) == (2, "")
    assert "Start:" in result.err
    assert "Operate:" in result.err


@pytest.mark.parametrize(
    ("argv", "status", "code", "said"),
    [
        (["cosst"], 2, "usage", "Did you mean 'cost'"),
        (["cost", "--sincee", "7d"], 2, "usage", "--since"),
        (["cost", "--by", "colour"], 2, "usage", "colour"),
        (["cost", "--all", "--project", "api"], 2, "usage", "exclude"),
        (["cost", READ, "--since", "someday"], 2, "bad_time", "someday"),
        (["cost", READ, "--tz", "Berlin"], 2, "usage", "Berlin"),
        (["show", READ, "zzzz"], 3, "session_not_found", "zzzz"),
        (["show", READ, "@99"], 3, "session_not_found", "@99"),
        (["show", READ, "@0"], 2, "usage", "@0"),
        (["cost", READ, "-p", "apx"], 3, "project_not_found", "apx"),
        (["cost", READ, "-w", "/nowhere"], 3, "project_not_found", "/nowhere"),
        (["cost", READ, "--agent", "clod"], 3, "not_found", "clod"),
        (["cost", READ, "--model", "opus"], 3, "model_not_found", "opus"),
        (["prices", "explain", "no-such-model"], 3, "model_not_found", "no-such-model"),
        (["prices", "--provider", "opena"], 2, "usage", "openai"),
        (["gc"], 2, "usage", "--days"),
        (["team", "summary"], 2, "bad_config", "No hub"),
        (["hub", "team", "add", "No/Team"], 2, "bad_config", "No/Team"),
        (["hub", "team", "set", "nobody", "--retention-days", "9"], 3, "team_not_found", "nobody"),
        (["hub", "team", "set", "nobody"], 2, "bad_config", "Nothing to change"),
        (["hub", "team", "set", "nobody", "--requests-per-minute", "-1"], 2, "bad_config", "-1"),
        (["hub", "team", "set", "nobody", "--display-name", "a\x1b[31m"], 2, "bad_config", "name"),
        (["hub", "serve", "--trusted-proxy", "0.0.0.0/0"], 2, "bad_config", "cannot be trusted"),
        (["hub", "serve", "--trusted-proxy", "proxy.example.com"], 2, "bad_config", "proxy.example.com"),
        (["hub", "token", "create", "nobody"], 3, "team_not_found", "nobody"),
        (["hub", "serve", "--listen", "nowhere"], 2, "bad_config", "nowhere"),
    ],
)
def test_errors_are_a_sentence_a_hint_and_data(
    argv: list[str], status: int, code: str, said: str, kaizen: Kaizen
) -> None:
    as_text, as_json = kaizen(*argv), kaizen(*argv, "--json")
    assert (as_text.status, as_json.status) == (status, status)
    assert as_text.err.startswith("Error: ")
    assert "\nHint: " in as_text.err
    assert (as_text.out, as_json.out) == ("", "")
    assert as_json.error["code"] == code
    assert said in as_json.error["message"] + as_json.error["hint"]
    assert as_json.error["hint"]


def test_a_bug_names_the_log_with_its_traceback(kaizen: Kaizen, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kaizen.views.summary.summary", lambda *_: 1 / 0)
    result = kaizen("summary", READ, "--json")
    assert result.status == 1
    assert result.error["code"] == "internal_error"
    log = Path(result.error["details"]["log"])
    assert log.parent == home / "logs"
    assert "ZeroDivisionError" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def test_interrupted_is_130_and_a_closed_pipe_is_quiet(kaizen: Kaizen, monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(error: BaseException) -> None:
        def broken(*_: object) -> None:
            raise error

        monkeypatch.setattr("kaizen.views.summary.summary", broken)

    raises(KeyboardInterrupt())
    assert kaizen("summary", READ).status == 130
    monkeypatch.setattr("kaizen.cli.run._forget_stdout", lambda: None)
    raises(BrokenPipeError())
    result = kaizen("summary", READ)
    assert result.status == 0
    assert "Error" not in result.err


def test_a_corrupt_store_says_what_to_do(kaizen: Kaizen, home: Path) -> None:
    (home / "kaizen.db").write_bytes(b"not a database" * 1000)
    for suffix in ("-wal", "-shm"):
        (home / f"kaizen.db{suffix}").unlink(missing_ok=True)
    result = kaizen("cost", READ, "--json")
    assert (result.status, result.error["code"]) == (1, "store_corrupt")
    assert "--rebuild" in result.error["hint"]
    doctor = kaizen("doctor", READ, "--json")
    assert doctor.status == 4
    assert doctor.json["data"]["is_healthy"] is False


def test_every_error_has_a_code_of_its_own() -> None:
    def below(kind: type[KaizenError]) -> Iterator[type[KaizenError]]:
        for child in kind.__subclasses__():
            yield child
            yield from below(child)

    import kaizen.errors

    codes = [kind.code for kind in below(KaizenError) if kind.__module__ == kaizen.errors.__name__]
    assert len(codes) == len(set(codes))
