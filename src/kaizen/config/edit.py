"""Changing the settings file as a person would: comments, order and everything else stay as they are.

`put` and `without` are pure: text in, text out. `write` replaces the file at once, readable by its owner only; where
the file is a link (kept among other dotfiles, say), what it points to is replaced and the link stays.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.items import AoT, Array, InlineTable, Table

from kaizen.config.load import config_path, from_text, merge


def set_values(home: Path, values: Mapping[tuple[str, str], Any]) -> Path:
    """Sets `[section] key` each; None removes the key. Raises `BadConfig`, and changes nothing, when the result would
    not load."""
    path = config_path(home)
    document: Any = tomlkit.parse(read(path))
    for (section, key), value in values.items():
        if section not in document:
            document[section] = tomlkit.table()
        if value is None:
            document[section].pop(key, None)
        else:
            document[section][key] = value
    text = tomlkit.dumps(document)
    merge([from_text(path, text.encode())])
    write(path, text)
    return path


def put(text: str, place: int | None, values: Mapping[str, Any]) -> str:
    """The exporter at `place` of `[[telemetry.exporters]]` with these values besides its own, None takes one away;
    without a place a new one at the end."""
    document = tomlkit.parse(text)
    if place is None:
        _append(document, {key: value for key, value in values.items() if value is not None})
    else:
        row = document["telemetry"]["exporters"][place]
        for key, value in values.items():
            if value is None:
                row.pop(key, None)
            else:
                row[key] = _item(value)
    return tomlkit.dumps(document)


def without(text: str, place: int) -> str:
    document = tomlkit.parse(text)
    exporters: Any = document["telemetry"]["exporters"]
    del exporters[place]
    if not exporters:
        del document["telemetry"]["exporters"]
    return tomlkit.dumps(document)


def read(path: Path) -> str:
    """Empty where there is no file yet."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def write(path: Path, text: str) -> None:
    target = Path(os.path.realpath(path))
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _append(document: tomlkit.TOMLDocument, values: Mapping[str, Any]) -> None:
    if "telemetry" not in document:
        document["telemetry"] = tomlkit.table(is_super_table=True)
    telemetry: Any = document["telemetry"]
    exporters = telemetry.get("exporters")
    if isinstance(exporters, Array):
        exporters.append(_filled(tomlkit.inline_table(), values))
        return
    if not isinstance(exporters, AoT):
        telemetry["exporters"] = exporters = tomlkit.aot()
    exporters.append(_filled(tomlkit.table(), values))


def _filled(row: Table | InlineTable, values: Mapping[str, Any]) -> Any:
    for key, value in values.items():
        row[key] = _item(value)
    return row


def _item(value: Any) -> Any:
    """A table within a row on one line, so that it stays with it."""
    if isinstance(value, Mapping):
        return _filled(tomlkit.inline_table(), value)
    return value
