"""What the settings are, and where each comes from: command line, environment, user file, defaults, in that order.

Values are merged by presence: what you set wins, also when it equals a default of a lower layer. A workspace can never
contribute: no file inside it is read. Environment names are `KAIZEN_<SECTION>__<KEY>`; their values are TOML, or plain
text where the setting is one. Only `load` touches the disk; `merge` is pure.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from kaizen.config.model import Config
from kaizen.errors import BadConfig

FILE_NAME = "config.toml"
_PREFIX = "KAIZEN_"


class Setting(msgspec.Struct, frozen=True):
    """One effective value. `origin` is `default`, the file, or the environment variable."""

    key: str
    value: Any
    origin: str


class Loaded(msgspec.Struct, frozen=True):
    config: Config
    settings: list[Setting]
    warnings: list[str]


class Layer(msgspec.Struct, frozen=True):
    """Values of one place by dotted path; `names` says what to call that place in messages."""

    values: dict[tuple[str, ...], Any]
    names: dict[tuple[str, ...], str]


def config_path(home: Path) -> Path:
    return home / FILE_NAME


def load(home: Path, env: Mapping[str, str], path: Path | None = None) -> Loaded:
    """Raises `BadConfig` with file, line and column for text that is no TOML or a value of the wrong kind."""
    path = path or config_path(home)
    layers = [_from_env(env)]
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        text = b""
    except OSError as error:
        raise BadConfig(f"{path} cannot be read: {error.strerror}.", hint="Check its owner and mode.") from error
    if text:
        layers.append(_from_file(path, text))
    return merge(layers)


def merge(layers: list[Layer]) -> Loaded:
    """Layers from the strongest to the weakest; each key is taken from the first layer that has it."""
    tree: dict[str, Any] = {}
    origins: dict[tuple[str, ...], str] = {}
    warnings = []
    for layer in reversed(layers):
        for path, value in layer.values.items():
            if unknown := unknown_key(path):
                warnings.append(f"{layer.names[path]}: {unknown}")
                continue
            node = tree
            for part in path[:-1]:
                node = node.setdefault(part, {})
            node[path[-1]] = value
            origins[path] = layer.names[path]
    try:
        config = msgspec.convert(tree, Config)
    except msgspec.ValidationError as error:
        raise _wrong_value(error, origins) from error
    settings = [
        Setting(".".join(map(_quoted, path)), _masked(path, value), origins.get(path, "default"))
        for path, value in leaves(msgspec.to_builtins(config))
    ]
    return Loaded(config, settings, warnings)


_SECRET_NAMES = ("key", "token", "secret", "password", "salt", "headers")


def _masked(path: tuple[str, ...], value: Any) -> Any:
    """Secrets show only that they are there."""
    if path[0] == "sync" and path[-1] in ("team_token", "team_salt_hex"):
        return _mask(value)
    if path == ("telemetry", "exporters"):
        return [{key: _mask(one) if any(word in key.lower() for word in _SECRET_NAMES) and not key.endswith("_env")
                 else one for key, one in row.items()} for row in value]
    return value


def _mask(value: Any) -> Any:
    return f"<set, {len(str(value))} characters>" if value else value


def leaves(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value that is not a non-empty table, with its path."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def unknown_key(path: tuple[str, ...]) -> str | None:
    """A sentence when no setting has this path."""
    kind: Any = Config
    for depth, part in enumerate(path):
        if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
            return None if depth else "is no setting"
        fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
        if part not in fields:
            from difflib import get_close_matches

            close = get_close_matches(part, fields, n=1, cutoff=0.5)
            hint = f"; did you mean {'.'.join((*path[:depth], close[0]))!r}?" if close else "; it is ignored."
            return f"unknown setting {'.'.join(path[: depth + 1])!r}{hint}"
        kind = fields[part]
    return None


def _from_env(env: Mapping[str, str]) -> Layer:
    values, names = {}, {}
    for name, text in env.items():
        if name.startswith(_PREFIX) and "__" in name:
            path = tuple(part.lower() for part in name[len(_PREFIX) :].split("__"))
            values[path], names[path] = _value(text), f"environment {name}"
    return Layer(values, names)


def _value(text: str) -> Any:
    import tomllib

    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text


def _from_file(path: Path, content: bytes) -> Layer:
    import tomllib

    try:
        tree = tomllib.loads(content.decode())
    except tomllib.TOMLDecodeError as error:
        end = f"(at line {len(content.splitlines())}, the end)"
        raise BadConfig(
            f"{path}: {str(error).replace('(at end of document)', end)}.",
            hint="Fix that line; nothing was read from the file.",
            file=str(path),
        ) from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadConfig(
            f"{path}: not UTF-8 (at line {line}).", hint="Save the file as UTF-8.", file=str(path)
        ) from error
    values = dict(leaves(tree))
    lines = content.decode().splitlines()
    return Layer(values, {key: f"{path}:{_place(lines, key)}" for key in values})


def _place(lines: list[str], key: tuple[str, ...]) -> str:
    """`line:column` of a key. TOML's parser keeps no places: this looks for the last part below its table's header."""
    tail, wanted = key[-1], ".".join(key[:-1])
    section, fallback = "", "1:1"
    for number, line in enumerate(lines, 1):
        bare = line.strip()
        if bare.startswith("["):
            section = bare.strip("[] ").replace('"', "").replace("'", "")
            continue
        name = bare.partition("=")[0].strip().replace('"', "").replace("'", "")
        if f"{section}.{name}".strip(".") == f"{wanted}.{tail}".strip("."):
            return f"{number}:{len(line) - len(line.lstrip()) + 1}"
        if fallback == "1:1" and name.split(".")[-1] == tail:
            fallback = f"{number}:{len(line) - len(line.lstrip()) + 1}"
    return fallback


def _wrong_value(error: msgspec.ValidationError, origins: Mapping[tuple[str, ...], str]) -> BadConfig:
    """msgspec says ``Expected `bool`, got `str` - at `$.sources.claude.enabled` ``."""
    what, _, where = str(error).partition(" - at ")
    key = tuple(where.strip("`$").lstrip(".").partition("[")[0].split(".")) if where else ()
    place = next((name for path, name in origins.items() if path[: len(key)] == key), "")
    dotted = ".".join(key)
    return BadConfig(
        f"{place}: {dotted}: {what[:1].lower()}{what[1:]}." if place else f"{dotted}: {what}.",
        hint="See the kinds of all settings with: kaizen config show",
        key=dotted,
    )


def _quoted(part: str) -> str:
    return part if part.replace("_", "").replace("-", "").isalnum() else f'"{part}"'
