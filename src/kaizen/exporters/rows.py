"""`[[telemetry.exporters]]`: from a table of the configuration to an exporter's settings.

One order for every value: the variable that `<key>_env` names, the exporter's own variables, the file, the default. A
settings struct says which variables those are, beside the field:

    api_key: Annotated[Secret | None, env("KAIZEN_DD_API_KEY", "DD_API_KEY")] = None
    api_key_env: str | None = None
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, get_type_hints

import msgspec

from kaizen.config.secret import Secret
from kaizen.errors import BadConfig

# A row of this type is there to be ignored.
NONE = "none"


class Row(msgspec.Struct, frozen=True):
    """One table. `settings` are the keys that belong to the type. `fail_open` None: as `[telemetry]` says."""

    name: str
    type: str
    enabled: bool
    fail_open: bool | None
    settings: dict[str, Any]
    ignore_env: bool = False


class Common(msgspec.Struct, frozen=True):
    type: str
    name: str | None = None
    enabled: bool = True
    fail_open: bool | None = None
    # Take no value from the environment but those that `<key>_env` names: variables such as OTEL_EXPORTER_OTLP_ENDPOINT
    # speak to every program on the machine, and to every row of a type.
    ignore_env: bool = False


def env(*names: str, parse: Callable[[str], Any] = str) -> msgspec.Meta:
    """Metadata of a settings field: the variables it is taken from, the strongest first. Empty counts as unset."""
    return msgspec.Meta(extra={"env": names, "parse": parse})


def rows(tables: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """Rows in the order of the file; unnamed ones are called by their type, then `otlp-2`, `otlp-3`."""
    taken: set[str] = set()
    for number, table in enumerate(tables, 1):
        try:
            own = msgspec.convert({key: table[key] for key in Common.__struct_fields__ if key in table}, Common)
        except msgspec.ValidationError as error:
            raise BadConfig(f"Exporter {number} of the configuration: {_said(error)}.",
                            hint="Each [[telemetry.exporters]] needs a type.") from error
        if own.name in taken:
            raise BadConfig(f"Two exporters are called {own.name!r}.", hint="Give one of them another name.")
        name = own.name or next(one for one in _names(own.type) if one not in taken)
        taken.add(name)
        rest = {key: value for key, value in table.items() if key not in Common.__struct_fields__}
        yield Row(name, own.type, own.enabled and own.type != NONE, own.fail_open, rest, own.ignore_env)


def read(kind: type[msgspec.Struct], row: Row, environ: Mapping[str, str]) -> tuple[msgspec.Struct, dict[str, str]]:
    """The settings of a row, and where each came from: `environment NAME`, `file`; what is not listed is default."""
    fields = kind.__struct_fields__
    for key in row.settings:
        if key not in fields:
            raise BadConfig(f"Exporter {row.name}: unknown setting {key!r}.", hint=_near(key, fields), key=key)
    values: dict[str, Any] = dict(row.settings)
    origins = dict.fromkeys(values, "file")
    for key, (name, text, parse) in _from_environment(kind, row, environ).items():
        try:
            values[key], origins[key] = parse(text), f"environment {name}"
        except ValueError as error:
            raise BadConfig(f"Exporter {row.name}: the value of {name} cannot be understood.", key=key) from error
    try:
        return msgspec.convert(values, kind, dec_hook=_custom), origins
    except msgspec.ValidationError as error:
        raise BadConfig(f"Exporter {row.name}: {_said(error)}.", hint="See docs/telemetry.md.") from error


def secret_of(kind: type[msgspec.Struct]) -> str | None:
    """The setting that holds the credentials: the one that a variable can be named for."""
    return next((key for key in kind.__struct_fields__ if f"{key}_env" in kind.__struct_fields__), None)


def first(environ: Mapping[str, str], names: Sequence[str]) -> str | None:
    """The name of the first variable that holds something."""
    return next((name for name in names if environ.get(name)), None)


def _from_environment(
    kind: type[msgspec.Struct], row: Row, environ: Mapping[str, str]
) -> dict[str, tuple[str, str, Callable[[str], Any]]]:
    found: dict[str, tuple[str, str, Callable[[str], Any]]] = {}
    for key, hint in get_type_hints(kind, include_extras=True).items():
        extra = _extra(hint)
        if isinstance(named := row.settings.get(f"{key}_env"), str):
            if not environ.get(named):
                raise BadConfig(f"Exporter {row.name}: {key}_env names {named}, which is not set.",
                                hint=f"export {named}=...", key=key)
            found[key] = (named, environ[named], extra.get("parse", str))
        elif not row.ignore_env and (name := first(environ, extra.get("env", ()))) is not None:
            found[key] = (name, environ[name], extra["parse"])
    return found


def _extra(hint: object) -> dict[str, Any]:
    """What `env` noted beside a field."""
    extras = (meta.extra for meta in getattr(hint, "__metadata__", ()) if isinstance(meta, msgspec.Meta))
    return next((extra for extra in extras if extra), {})


def _custom(kind: type, value: object) -> object:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise TypeError("expected text")


def _said(error: msgspec.ValidationError) -> str:
    """``Expected `int`, got `str` - at `$.timeout_s` `` as `timeout_s: expected int, got str`."""
    what, _, where = str(error).replace("`", "").partition(" - at ")
    place = where.removeprefix("$").lstrip(".")
    return f"{place}: {what[:1].lower()}{what[1:]}" if place else f"{what[:1].lower()}{what[1:]}"


def _near(key: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(key, known, n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else f"It has: {', '.join(known)}."


def _names(type: str) -> Iterator[str]:
    yield type
    number = 2
    while True:
        yield f"{type}-{number}"
        number += 1
