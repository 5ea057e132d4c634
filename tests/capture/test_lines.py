"""How transcripts are opened."""

import os
from pathlib import Path

import pytest

from kaizen.capture.lines import soon


@pytest.mark.parametrize("kind", ["file", "missing", "folder", "pipe", "link to nothing"])
def test_what_cannot_be_fetched_is_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a"
    if kind == "file":
        path.write_text("x")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "link to nothing":
        path.symlink_to(tmp_path / "b")
    soon(str(path))
