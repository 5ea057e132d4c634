"""`kaizen completions SHELL`."""

import click

from kaizen.cli.command import command
from kaizen.cli.run import Run

_INSTALL = {
    "bash": 'eval "$(kaizen completions bash)"        in ~/.bashrc',
    "zsh": 'eval "$(kaizen completions zsh)"         in ~/.zshrc',
    "fish": "kaizen completions fish > ~/.config/fish/completions/kaizen.fish",
}


@command(schema="completions/1", examples=list(_INSTALL.values()))
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completions(run: Run, shell: str) -> None:
    """Completion script for your shell."""
    from click.shell_completion import get_completion_class

    from kaizen.cli.group import root

    kind = get_completion_class(shell)
    assert kind is not None  # the choices above are click's own
    # `source()` would ask bash for its version, which is of no use when the script is made on another machine.
    made = kind(root, {}, "kaizen", "_KAIZEN_COMPLETE")
    script = made.source_template % made.source_vars()
    run.out.show(
        {"shell": shell, "script": script, "install": _INSTALL[shell]}, lambda data, _ink: [data["script"].rstrip()]
    )
