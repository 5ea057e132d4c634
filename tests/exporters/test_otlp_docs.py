"""docs/otlp.md has every setting with its default, every metric, and no name that is not sent."""

import re
from pathlib import Path

import pytest

from kaizen.exporters import otlp_metrics
from kaizen.exporters.otlp_settings import Settings

PAGE = (Path(__file__).parents[2] / "docs/otlp.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", Settings.__struct_fields__)
def test_every_setting_is_documented(name: str) -> None:
    row = re.search(rf"^\| `{name}` \| ([^|]*)\|", PAGE, re.MULTILINE)
    assert row is not None
    default = getattr(Settings(), name)
    if isinstance(default, str | int) and default != "":
        assert row[1].strip().strip("`").lower() == str(default).lower()


def test_no_documented_setting_is_gone() -> None:
    table = PAGE.partition("## Settings")[2].partition("## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(Settings.__struct_fields__)


@pytest.mark.parametrize("name", otlp_metrics._KINDS)
def test_every_metric_is_documented(name: str) -> None:
    assert f"| `{name}` | {otlp_metrics._KINDS[name].unit} |" in PAGE
