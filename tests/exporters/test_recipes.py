"""docs/telemetry.md: its tables are settings that open, and every setting is in it."""

import re
import tomllib
from pathlib import Path

import pytest

from kaizen.exporters import ALL, find, open_sinks
from kaizen.exporters.rows import rows

from .made import SALT

TEXT = (Path(__file__).parents[2] / "docs/telemetry.md").read_text()
BLOCKS = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_recipes_work(block: str, tmp_path: Path) -> None:
    tables = tomllib.loads(block)["telemetry"]["exporters"]
    variables = {row.settings["headers_env"]: "Authorization=Basic%20YTpi" for row in rows(tables)
                 if "headers_env" in row.settings}
    sinks, problems = open_sinks(tables, variables, str(tmp_path), SALT)
    assert problems == []
    assert len(sinks) == len(tables)


def test_there_are_recipes() -> None:
    assert BLOCKS


@pytest.mark.parametrize("name", sorted({*ALL} - {"otlp"}))  # has a page of its own: test_otlp_docs.py
def test_every_setting_is_documented(name: str) -> None:
    section = re.search(rf"^### `{name}`\n(.*?)(?=^##)", TEXT, re.DOTALL | re.MULTILINE)
    assert section is not None
    fields = find(name).settings.__struct_fields__
    assert [one for one in fields if f"`{one}`" not in section[1] and not one.endswith("_env")] == []
