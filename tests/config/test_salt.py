"""The salt is made once, whole, for its owner only."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kaizen.config.salt import local_salt
from kaizen.errors import BadConfig


def test_it_is_made_once(tmp_path: Path) -> None:
    home = tmp_path / "new"
    salt = local_salt(home)
    assert len(salt) == 32
    assert local_salt(home) == salt
    assert stat.S_IMODE((home / "local_salt.hex").stat().st_mode) == 0o600
    assert [path.name for path in home.iterdir()] == ["local_salt.hex"]


def test_all_who_make_it_at_once_get_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(local_salt, [tmp_path] * 1))) == 1
        assert len(set(pool.map(local_salt, [tmp_path] * 8))) == 1


@pytest.mark.parametrize("content", ["", "xyz", "ab" * 31, "ab" * 33])
def test_a_damaged_one_is_not_replaced(content: str, tmp_path: Path) -> None:
    (tmp_path / "local_salt.hex").write_text(content)
    with pytest.raises(BadConfig):
        local_salt(tmp_path)
    assert (tmp_path / "local_salt.hex").read_text() == content
