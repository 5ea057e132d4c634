"""Where settings come from, and what is said about wrong ones."""

from pathlib import Path

import pytest

from kaizen.config.load import load
from kaizen.config.model import DEFAULTS
from kaizen.errors import BadConfig


def written(home: Path, text: str) -> Path:
    (home / "config.toml").write_text(text)
    return home


def test_without_a_file_everything_is_default(tmp_path: Path) -> None:
    found = load(tmp_path, {})
    assert found.config == DEFAULTS
    assert {one.origin for one in found.settings} == {"default"}


def test_the_environment_comes_before_the_file(tmp_path: Path) -> None:
    home = written(tmp_path, '[search]\nexclude = ["a"]\n[sources]\ndisabled = ["codex"]\n')
    found = load(home, {"KAIZEN_SEARCH__EXCLUDE": "[]", "KAIZEN_HOME": "/x", "OTHER__X": "1"})
    assert found.config.search.exclude == []
    assert found.config.sources.disabled == ["codex"]
    assert found.warnings == []


def test_a_value_equal_to_the_default_is_still_set(tmp_path: Path) -> None:
    found = load(written(tmp_path, "[search]\nexclude = []\n"), {})
    assert next(one for one in found.settings if one.key == "search.exclude").origin.endswith("config.toml:2:1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[serch]\nexclude = []\n", "did you mean 'search'"),
        ("[search]\nexclde = []\n", "did you mean 'search.exclude'"),
        ("zzz = 1\n", "'zzz'; it is ignored"),
    ],
)
def test_unknown_settings_are_warned_about(text: str, said: str, tmp_path: Path) -> None:
    found = load(written(tmp_path, text), {})
    assert said in found.warnings[0]
    assert "config.toml:" in found.warnings[0]
    assert found.config == DEFAULTS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[search]\nexclude = [\n", "line 2"),
        ("a b\n", "line 1, column 3"),
        ("[search]\n\nexclude = 7\n", "config.toml:3:1: search.exclude: expected `array`, got `int`"),
        ("[sources.roots]\nclaude = [1]\n", "config.toml:2:1"),
        ("search = 3\n", "expected `object`, got `int`"),
    ],
)
def test_wrong_values_name_file_line_and_column(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(BadConfig) as caught:
        load(written(tmp_path, text), {})
    assert said in str(caught.value)
    assert caught.value.hint


def test_a_wrong_environment_value_names_its_variable(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="environment KAIZEN_SEARCH__EXCLUDE"):
        load(tmp_path, {"KAIZEN_SEARCH__EXCLUDE": "7"})


def test_bytes_that_are_no_text_are_an_error_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"# ok\n\xff\xfe")
    with pytest.raises(BadConfig, match="line 2"):
        load(tmp_path, {})
