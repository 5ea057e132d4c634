"""Runs commands in this process, on a small store, at a fixed moment."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kaizen.cli.run import Run, run
from seeded import T0, small_world

NOW = T0 + 3 * 86_400_000


class Result(msgspec.Struct):
    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.json.decode(self.out)
        return found

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.json.decode(self.err)["error"]
        return found


Kaizen = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    small_world(tmp_path / "home").close()
    return tmp_path / "home"


@pytest.fixture
def kaizen(
    home: Path, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> Kaizen:
    """`kaizen("cost", "--by", "day")`: never a terminal, no agent's files on this machine."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TZ"):
        monkeypatch.delenv(name, raising=False)

    def call(*argv: str, env: dict[str, str] | None = None, cwd: str | None = None) -> Result:
        surroundings = {"HOME": str(tmp_path / "user"), "KAIZEN_HOME": str(home), **(env or {})}
        status = run(argv, Run(surroundings, cwd or str(tmp_path), NOW))
        out, err = capsysbinary.readouterr()
        return Result(status, out.decode(), err.decode())

    return call
