"""Changing settings in the config file: comments and order stay, the file is private and never half written."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kaizen.config.load import config_path, load
from kaizen.errors import BadConfig


def set_values(home: Path, values: Mapping[tuple[str, str], Any]) -> Path:
    """Sets `[section] key` each; None removes the key. Raises `BadConfig`, and changes nothing, when the result would
    not load."""
    import tomlkit

    path = config_path(home)
    document = tomlkit.parse(path.read_text("utf-8")) if path.exists() else tomlkit.document()
    for (section, key), value in values.items():
        if section not in document:
            document[section] = tomlkit.table()
        table = document[section]
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value
    write(home, tomlkit.dumps(document))
    return path


def write(home: Path, text: str) -> None:
    """Replaces the config file, mode 0600, if `text` is one that loads."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = config_path(home)
    if path.is_symlink():
        raise BadConfig(f"{path} is a link.", hint="Edit the file it points to yourself.")
    descriptor, name = tempfile.mkstemp(dir=home, prefix=".config-", suffix=".toml")
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        load(home, {}, path=Path(name))
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
