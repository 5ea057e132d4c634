"""`kaizen completions [SHELL] [--install]`."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from kaizen.cli.command import command
from kaizen.cli.run import Run
from kaizen.cli.shells import SHELLS, script
from kaizen.errors import KaizenError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_BY_HAND = {
    "bash": 'eval "$(kaizen completions bash)"        in ~/.bashrc',
    "zsh": 'eval "$(kaizen completions zsh)"         in ~/.zshrc',
    "fish": "kaizen completions fish > ~/.config/fish/completions/kaizen.fish",
}
_MARK = "# kaizen completions"


class Place(NamedTuple):
    """Where a shell's script goes, and the start-up file that must load it; fish looks by itself."""

    script: Path
    startup: Path | None


@command(schema="completions/1", examples=[*_BY_HAND.values(), "kaizen completions --install"])
@click.argument("shell", type=click.Choice(SHELLS), required=False)
@click.option("--install", is_flag=True, help="Write it where the shell finds it; for this shell unless one is named.")
def completions(run: Run, shell: str | None, install: bool) -> None:
    """Completion script for your shell.

    Completes commands, options, and names from the store: session ids and @last, agents, models, projects, branches,
    tools, and the fields of a search.
    """
    name = shell or _current(run.env)
    text = script(name)
    if not install:
        run.out.show(
            {"shell": name, "script": text, "install": _BY_HAND[name]}, lambda data, _: [data["script"].rstrip()]
        )
        return
    place = _place(name, run.home, run.env)
    try:
        changed = _install(place, text)
    except OSError as error:
        raise KaizenError(
            f"The completion script could not be written: {error}", hint=f"By hand: {_BY_HAND[name]}"
        ) from error
    done = {
        "shell": name,
        "script_path": str(place.script),
        "startup_path": str(place.startup or ""),
        "changed": changed,
    }
    run.out.show(
        done,
        lambda _, ink: [
            f"Wrote {place.script}.",
            *([f"{place.startup} loads it."] if place.startup else []),
            ink.dim(f"Open a new {name} to use it."),
        ],
    )


def _current(env: "Mapping[str, str]") -> str:
    name = Path(env.get("SHELL", "")).name
    if name not in SHELLS:
        raise UsageError(f"Which shell? There are {', '.join(SHELLS)}.", hint="Such as: kaizen completions bash")
    return name


def _place(shell: str, home: Path, env: "Mapping[str, str]") -> Place:
    user = Path(env.get("HOME") or Path.home())
    if shell == "fish":
        config = Path(env.get("XDG_CONFIG_HOME") or user / ".config")
        return Place(config / "fish" / "completions" / "kaizen.fish", None)
    folder = Path(env.get("ZDOTDIR") or user) if shell == "zsh" else user
    return Place(home / "completions" / f"kaizen.{shell}", folder / f".{shell}rc")


def _install(place: Place, text: str) -> bool:
    """Whether the start-up file was changed: once, by one line at its end."""
    place.script.parent.mkdir(parents=True, exist_ok=True)
    place.script.write_text(text, encoding="utf-8")
    if place.startup is None:
        return False
    import shlex

    path = shlex.quote(str(place.script))
    line = f"[ -f {path} ] && . {path}  {_MARK}"
    try:
        before = place.startup.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        before = ""
    if line in before.splitlines():
        return False
    with place.startup.open("a", encoding="utf-8", errors="surrogateescape") as file:
        file.write(f"{'' if before.endswith(chr(10)) or not before else chr(10)}{line}\n")
    return True
