"""Which exporters there are, what a row of the configuration becomes, and where its values come from."""

import asyncio
import importlib.metadata
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kaizen.errors import BadConfig
from kaizen.exporters import ALL, Sent, find, known, open_sinks, push
from kaizen.exporters.rows import Row, read, rows
from kaizen.wire.sink import Again, Batch, Done, Exporter, Health, Refused, Result, Sink

from .made import SALT, batch, cost, opened, problem, tool

KEY = "sk-very-secret-0123456789"


class Nothing(msgspec.Struct):
    is_broken: bool = False


class Memory:
    """A sink that keeps, answers what it is told, or crashes."""

    def __init__(self, name: str, answer: Result | Exception) -> None:
        self.name, self.answer, self.got = name, answer, list[Batch]()

    def accepts(self, kind: str) -> bool:
        return kind == "events"

    async def send(self, batch: Batch) -> Result:
        self.got.append(batch)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def health(self) -> Health:
        return Health(True, "")

    async def close(self) -> None:
        pass


def _open(name: str, settings: Nothing, env: Mapping[str, str], home: str, salt: bytes) -> Sink:
    if settings.is_broken:
        raise RuntimeError(f"key {KEY}")
    return Memory(name, Done())


FROM_OUTSIDE = Exporter("acme", "Acme.", Nothing, _open)
NO_EXPORTER = object()


@pytest.fixture
def plug_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    points = importlib.metadata.EntryPoints([
        importlib.metadata.EntryPoint(name, f"{__name__}:{what}", "kaizen.exporters")
        for name, what in (("acme", "FROM_OUTSIDE"), ("file", "FROM_OUTSIDE"), ("odd", "NO_EXPORTER"), ("gone", "X"))
    ])
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **given: points.select(**given))


@pytest.mark.parametrize("name", ALL)
def test_a_module_exports_what_the_table_says(name: str) -> None:
    exporter = find(name)
    assert exporter.name == name
    assert exporter.help.endswith(".")
    assert not {"type", "name", "enabled", "fail_open"} & set(exporter.settings.__struct_fields__)


def test_every_module_with_an_exporter_is_listed() -> None:
    folder = Path(sys.modules["kaizen.exporters"].__file__ or "").parent
    found = {path.stem for path in folder.glob("*.py") if "\nEXPORTER = " in path.read_text()}
    assert found == set(ALL) and list(ALL) == sorted(ALL)


def test_opening_sinks_imports_nothing_heavy() -> None:
    code = """if True:
        import sys
        from kaizen.exporters import open_sinks
        open_sinks([{"type": "file"}, {"type": "webhook", "url": "https://a.example", "secret": "s"}], {}, "/tmp", b"")
        print({"httpx", "asyncio", "google.protobuf"} & set(sys.modules))"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_an_unknown_type_gets_the_nearest(tmp_path: Path) -> None:
    assert "Did you mean 'posthog'" in problem(tmp_path, {"type": "posthogg"})


def test_plug_ins_are_found_and_cannot_shadow(plug_ins: None, tmp_path: Path) -> None:
    assert find("acme") is FROM_OUTSIDE
    assert find("file") is not FROM_OUTSIDE
    assert list(known()) == [*ALL, "acme", "gone", "odd"]
    assert opened(tmp_path, {"type": "acme"})[0].name == "acme"


def test_a_plug_in_that_fails_is_disabled_and_named(plug_ins: None, tmp_path: Path) -> None:
    sinks, problems = open_sinks(
        [{"type": "acme", "is_broken": True}, {"type": "odd"}, {"type": "gone"}, {"type": "file"}], {}, str(tmp_path),
        SALT)
    assert [sink.name for sink in sinks] == ["file"]
    assert [one.name for one in problems] == ["acme", "odd", "gone"]
    assert "raised RuntimeError and is disabled" in problems[0].message
    assert KEY not in str(problems)


def test_rows_have_names() -> None:
    found = list(rows([{"type": "otlp"}, {"type": "file", "name": "otlp-2"}, {"type": "otlp"}, {"type": "none"},
                       {"type": "otlp", "enabled": False, "fail_open": False}]))
    assert [row.name for row in found] == ["otlp", "otlp-2", "otlp-3", "none", "otlp-4"]
    assert [row.enabled for row in found] == [True, True, True, False, False]
    assert [row.fail_open for row in found] == [None, None, None, None, False]


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ([{"type": "file"}, {"path": "x"}], "Exporter 2"),
        ([{"type": "file", "enabled": "yes"}], "enabled: expected bool, got str"),
        ([{"type": "file", "name": "a"}, {"type": "file", "name": "a"}], "Two exporters are called 'a'"),
    ],
)
def test_tables_that_mean_nothing(tables: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(BadConfig, match=said):
        list(rows(tables))


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"type": "file", "pth": "x"}, "unknown setting 'pth'. Did you mean 'path'"),
        ({"type": "file", "zzz": 1}, "It has: path, mode"),
        ({"type": "file", "keep": "5"}, "keep: expected int, got str"),
        ({"type": "file", "keep": 1000}, "keep: expected int <= 100"),
        ({"type": "webhook", "secret": 5}, "secret: expected text"),
    ],
)
def test_settings_that_cannot_be(table: dict[str, Any], said: str, tmp_path: Path) -> None:
    assert said in problem(tmp_path, table)


@pytest.mark.parametrize(
    ("settings", "env", "value", "origin"),
    [
        ({"api_key": "file"}, {}, "file", "file"),
        ({"api_key": "file"}, {"DD_API_KEY": ""}, "file", "file"),
        ({"api_key": "file"}, {"DD_API_KEY": "dd"}, "dd", "environment DD_API_KEY"),
        ({"api_key": "file"}, {"DD_API_KEY": "dd", "KAIZEN_DD_API_KEY": "own"}, "own", "environment KAIZEN_DD_API_KEY"),
        ({"api_key": "file", "api_key_env": "MINE"}, {"DD_API_KEY": "dd", "MINE": "mine-1"}, "mine-1",
         "environment MINE"),
    ],
)
def test_the_environment_comes_first(settings: dict[str, str], env: dict[str, str], value: str, origin: str) -> None:
    kind = find("datadog").settings
    found, origins = read(kind, Row("dd", "datadog", True, None, settings), env)
    assert (found.api_key.reveal(), origins["api_key"]) == (value, origin)  # type: ignore[attr-defined]
    assert f"api_key=<set, {len(value)} characters>" in repr(found)


def test_a_row_can_refuse_variables_that_it_does_not_name() -> None:
    (row,) = rows([{"type": "datadog", "site": "mine", "api_key_env": "MINE", "ignore_env": True}])
    env = {"DD_SITE": "theirs", "DD_API_KEY": "theirs", "MINE": "m"}
    found, origins = read(find("datadog").settings, row, env)
    assert found.site == "mine"  # type: ignore[attr-defined]
    assert origins["api_key"] == "environment MINE"


def test_push_gives_every_sink_every_batch_it_takes() -> None:
    sinks = [Memory("a", Done()), Memory("b", Again("later")), Memory("c", ValueError(KEY))]
    events, tools = batch(cost()), batch(tool())
    found = asyncio.run(push(sinks, [events, tools]))
    assert found == [
        Sent("a", "b-1", "events", 1, Done()),
        Sent("b", "b-1", "events", 1, Again("later")),
        Sent("c", "b-1", "events", 1, Refused("the exporter raised ValueError")),
    ]
    assert [sink.got for sink in sinks] == [[events]] * 3
