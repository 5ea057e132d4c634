"""`kaizen telemetry configure`: one exporter of the settings file, added, changed or removed.

Nothing is written before the exporter works: its settings are read as they would be later, and its service is asked.
"""

import sys
from typing import Any

import click
import msgspec

from kaizen.cli.command import command
from kaizen.cli.ink import Ink
from kaizen.cli.run import Run
from kaizen.config.load import config_path
from kaizen.config.salt import local_salt
from kaizen.config.secret import masked
from kaizen.errors import BadConfig, TelemetryFailed, UsageError
from kaizen.exporters import find, health, known, open_sink
from kaizen.exporters.rows import Row, rows, secret_of
from kaizen.wire.sink import Health

_SHORT = ("path", "site", "host", "endpoint", "url")
_ASK_AT_MOST = 5


class Configured(msgspec.Struct):
    """`settings` as in the file, secrets masked. `checked`: what the service said; None: not asked."""

    done: str
    name: str
    type: str
    path: str
    settings: dict[str, Any]
    checked: str | None = None


@command(
    schema="telemetry configure/1",
    examples=[
        "kaizen telemetry configure --type otlp --endpoint http://localhost:4318",
        "kaizen telemetry configure --type datadog --site datadoghq.eu --key-env DD_API_KEY",
        "kaizen telemetry configure --type otlp --update --set 'compat=[\"openinference\"]'",
        "kaizen telemetry configure --name otlp --remove",
    ],
)
@click.option("--type", "type_name", help="datadog, file, otlp, posthog, webhook, or that of a plug-in.")
@click.option("--name", help="What to call it; by default as its type.")
@click.option("--path", help="Of the file.")
@click.option("--site", help="Of Datadog.")
@click.option("--host", help="Of PostHog.")
@click.option("--endpoint", help="Of OTLP.")
@click.option("--url", help="Of the webhook.")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Any other setting; VALUE is TOML or text.")
@click.option("--unset", multiple=True, metavar="KEY", help="Take a setting out of the file.")
@click.option("--key-env", metavar="NAME", help="The variable that holds the key; only its name is stored.")
@click.option("--api-key", help="The key itself, stored in the file. Better: --key-env, or type it when asked.")
@click.option("--enable/--disable", "enabled", default=None, help="Switch it on or off.")
@click.option("--update", is_flag=True, help="Change the one that is there.")
@click.option("--remove", is_flag=True, help="Take it out of the file.")
@click.option("--no-check", is_flag=True, help="Do not ask the service first.")
@click.option("--non-interactive", is_flag=True, help="Never ask for what is missing.")
def configure(run: Run, type_name: str | None, name: str | None, pairs: tuple[str, ...], unset: tuple[str, ...],
              key_env: str | None, api_key: str | None, enabled: bool | None, update: bool, remove: bool,
              no_check: bool, non_interactive: bool, **short: str | None) -> None:
    """Add an exporter to the settings file, change it (--update) or remove it (--remove).

    Comments in the file stay; it becomes readable by you only. What is missing is asked for on a terminal. Nothing is
    written when the settings or the service say no.
    """
    from kaizen.config import edit

    path = config_path(run.home)
    text = edit.read(path)
    in_file = _in_file(run, text)
    found = _place(in_file, type_name, name) if update or remove else None
    if remove and found is not None:
        edit.write(path, edit.without(text, found))
        gone = in_file[found]
        _show(run, Configured("removed", gone.name, gone.type, str(path), masked(gone.settings)))
        return
    kind = in_file[found].type if found is not None else _type(type_name)
    changes = _changes(kind, pairs, unset, key_env, api_key, short)
    row = _row(in_file, found, kind, name, changes, enabled)
    checked = _complete(run, row, changes, may_ask=_may_ask(run, non_interactive), no_check=no_check)
    if found is None:
        changes = {"type": kind, **({"name": name} if name else {}), **changes}
    if enabled is not None:
        changes["enabled"] = enabled
    edit.write(path, edit.put(text, found, changes))
    if "KAIZEN_TELEMETRY__EXPORTERS" in run.env:
        run.out.warn("KAIZEN_TELEMETRY__EXPORTERS is set and comes before the file.")
    _show(run, Configured("changed" if found is not None else "added", row.name, kind, str(path),
                          masked(row.settings), checked))


def _in_file(run: Run, text: str) -> list[Row]:
    """The rows of the file itself. A file that cannot be read is not edited."""
    from kaizen.config.load import load

    return list(rows(load(run.home, {}).config.telemetry.exporters)) if text else []


def _place(in_file: list[Row], type_name: str | None, name: str | None) -> int:
    if not (type_name or name):
        raise UsageError("Which exporter?", hint="Say --name or --type.")
    fits = [place for place, row in enumerate(in_file)
            if (name is None or row.name == name) and (type_name is None or row.type == type_name)]
    if len(fits) == 1:
        return fits[0]
    named = ", ".join(row.name for row in in_file) or "none"
    if fits:
        raise UsageError(f"There are {len(fits)} of type {type_name}.", hint=f"Say --name: {named}.")
    raise UsageError(f"The file has no exporter {name or type_name!r}.", hint=f"It has: {named}.")


def _type(type_name: str | None) -> str:
    if type_name is None:
        raise UsageError("Which type of exporter?", hint=f"--type {', '.join(known())}")
    find(type_name)
    return type_name


def _changes(kind: str, pairs: tuple[str, ...], unset: tuple[str, ...], key_env: str | None, api_key: str | None,
             short: dict[str, str | None]) -> dict[str, Any]:
    fields = find(kind).settings.__struct_fields__
    changes: dict[str, Any] = dict.fromkeys(unset)
    for option in _SHORT:
        if (value := short[option]) is not None:
            if option not in fields:
                raise UsageError(f"An exporter of type {kind} has no {option}.", hint=f"It has: {', '.join(fields)}.")
            changes[option] = value
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UsageError("--set needs KEY=VALUE.", hint="--set temporality=delta")
        changes[key.strip()] = _toml(value)
    secret = secret_of(find(kind).settings)
    if (key_env or api_key) and secret is None:
        raise UsageError(f"An exporter of type {kind} needs no key.")
    if key_env:
        # Only the reference stays: a key beside it would be one more copy of it.
        changes |= {f"{secret}_env": key_env, str(secret): None}
    elif api_key:
        if secret == "headers":
            raise UsageError("OTLP has headers, not one key.", hint="--key-env NAME, or --set 'headers={...}'")
        changes |= {str(secret): api_key, f"{secret}_env": None}
    return changes


def _toml(text: str) -> Any:
    import tomllib

    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text


def _row(in_file: list[Row], found: int | None, kind: str, name: str | None, changes: dict[str, Any],
         enabled: bool | None) -> Row:
    """The row as it will be."""
    if found is not None:
        old = in_file[found]
        settings = {**old.settings, **changes}
        is_on = old.enabled if enabled is None else enabled
        return Row(old.name, kind, is_on, old.fail_open, _set(settings))
    wanted = name or kind
    if any(row.name == wanted for row in in_file):
        raise UsageError(f"There is already an exporter {wanted!r}.",
                         hint="Change it with --update, or give the new one a --name.")
    return Row(wanted, kind, enabled is not False, None, _set(changes))


def _set(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if value is not None}


def _complete(run: Run, row: Row, changes: dict[str, Any], *, may_ask: bool, no_check: bool) -> str | None:
    """Asks for what is missing until the exporter opens, then asks its service. Answers go into `changes` and `row`."""
    import asyncio

    async def asked() -> Health:
        sink = open_sink(row, run.env, str(run.home), local_salt(run.home))
        try:
            return Health(True, "") if no_check or not row.enabled else await health(sink)
        finally:
            await sink.close()

    for _ in range(_ASK_AT_MOST):
        try:
            said = asyncio.run(asked())
            break
        except BadConfig as error:
            key = error.details.get("key")
            if not may_ask or not isinstance(key, str) or key in row.settings or "is missing" not in str(error):
                raise
            is_hidden = key == secret_of(find(row.type).settings)
            changes[key] = row.settings[key] = click.prompt(key, hide_input=is_hidden, err=True)
    else:
        raise TelemetryFailed("Settings are still missing.", hint="Nothing was written. See docs/telemetry.md.")
    if not said.is_ok:
        raise TelemetryFailed(f"{row.name}: {said.detail}.", hint="Nothing was written; --no-check writes it anyhow.")
    return said.detail or None


def _may_ask(run: Run, non_interactive: bool) -> bool:
    return not non_interactive and run.out.is_text and sys.stdin.isatty()


def _show(run: Run, made: Configured) -> None:
    run.out.show(made, _lines)


def _lines(made: Configured, ink: Ink) -> list[str]:
    checked = f" ({made.checked})" if made.checked else ""
    return [f"{made.done.capitalize()} {ink.bold(made.name)} in {made.path}{checked}."]
