"""`kaizen redact`: what is left of a file or of stdin."""

import io
import sys
from pathlib import Path

import pytest

from .conftest import Kaizen

KEY = "ghp_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    (tmp_path / "notes.md").write_text(f"first\nthe key is {KEY}\n", encoding="utf-8")
    return tmp_path / "notes.md"


def test_a_file_without_its_secret(kaizen: Kaizen, notes: Path) -> None:
    result = kaizen("redact", "notes.md")
    assert (result.status, result.out, result.err) == (0, "first\nthe key is <redacted:github-pat>\n", "1 finding.\n")


def test_stdin(kaizen: Kaizen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"nothing in here")))
    assert kaizen("redact").out == "nothing in here\n"


def test_explained(kaizen: Kaizen, notes: Path) -> None:
    assert kaizen("redact", "notes.md", "--explain").out.split()[-4:] == ["2", "12", "40", "github-pat"]
    found = kaizen("redact", "--explain", "--json", str(notes)).json["data"]["findings"]
    assert found == [{"rule": "github-pat", "line": 2, "column": 12, "start": 17, "end": 57}]


def test_numbers_only(kaizen: Kaizen, notes: Path) -> None:
    data = kaizen("redact", "notes.md", "--level", "metrics", "--json").json["data"]
    assert data["text"] is None and data["payload"] == {"chars": 58, "lines": 2, "code_blocks": 0}


def test_a_payload(kaizen: Kaizen, tmp_path: Path) -> None:
    (tmp_path / "call.json").write_text('{"input": {"command": "git push origin secret-branch"}}', encoding="utf-8")
    result = kaizen("redact", "call.json", "--level", "metrics", "--kind", "tool_call", "--tool", "Bash", "--json")
    assert result.json["data"]["payload"]["program"] == "git" and "secret" not in result.out


def test_a_file_that_is_not_there(kaizen: Kaizen) -> None:
    result = kaizen("redact", "nowhere", "--json")
    assert result.status == 2 and result.error["code"] == "usage"


def test_the_users_own_name_goes(kaizen: Kaizen, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("by alice", encoding="utf-8")
    assert kaizen("redact", "x", env={"USER": "alice"}).out == "by <user>\n"


def test_speeds(kaizen: Kaizen, notes: Path) -> None:
    rows = kaizen("redact", "bench", "notes.md", "--json").json["data"]
    assert [row["what"] for row in rows] == ["rules", "level scrubbed", "level metrics", "guard"]
