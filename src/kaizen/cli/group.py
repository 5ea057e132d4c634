"""The root command: a table of names, imported on use, grouped in help; a wrong name gets the nearest one."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, cast

import click

from kaizen.cli import COMMANDS, GROUPS, Entry

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class NoArguments(Exception):
    """A group was called without a command: its help goes to stderr, exit 2."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class KaizenGroup(click.Group):
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name.startswith("-") or self.get_command(ctx, name) is not None:
            return super().resolve_command(ctx, args)
        raise click.UsageError(
            f"No command {f'{ctx.command_path} {name}'!r}." + did_you_mean(name, self.list_commands(ctx)), ctx
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not self.invoke_without_command and not ctx.resilient_parsing:
            raise NoArguments(ctx.get_help())
        return super().parse_args(ctx, args)


class DefaultGroup(KaizenGroup):
    """Its first command runs when none is named: `kaizen projects --json` is `kaizen projects list --json`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        is_option = bool(args) and args[0].startswith("-") and args[0] not in ("-h", "--help")
        if is_option or (not args and not ctx.resilient_parsing):
            args = [self.list_commands(ctx)[0], *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        first = self.get_command(ctx, self.list_commands(ctx)[0]) if incomplete.startswith("-") else None
        return [*super().shell_complete(ctx, incomplete), *(first.shell_complete(ctx, incomplete) if first else [])]

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


class LazyGroup(KaizenGroup):
    """The commands of `COMMANDS`."""

    table: Mapping[str, Entry] = COMMANDS

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = self.table.get(cmd_name)
        if entry is None:
            return None
        return cast("click.Command", getattr(import_module(entry.module), cmd_name))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Like click's, but no command is imported for its line of help."""
        from click.shell_completion import CompletionItem

        found = [CompletionItem(name, help=one.help) for name, one in self.table.items() if name.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.table))
        for group in GROUPS:
            with formatter.section(group):
                formatter.write_dl([
                    (name.ljust(width), entry.help) for name, entry in self.table.items() if entry.group == group
                ])


def did_you_mean(typed: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(typed, known, n=2, cutoff=0.55) or [one for one in known if one.startswith(typed)][:2]
    return f" Did you mean {' or '.join(map(repr, close))}?" if close else ""


def _version(ctx: click.Context, _param: click.Parameter, asked: bool) -> None:
    if asked:
        from kaizen import __version__

        click.echo(f"kaizen {__version__}")
        ctx.exit()


root = LazyGroup(
    "kaizen",
    context_settings=CONTEXT,
    help="What your coding agents did, and what it cost. Everything stays on this machine.",
    epilog="Start with `kaizen load`, then `kaizen summary`. Each command explains itself with --help.",
    params=[
        click.Option(
            ["-V", "--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_version,
            help="Show the version.",
        )
    ],
)
