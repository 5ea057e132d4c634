"""`@command`: makes a click command of a function that takes a `Run`, its option groups and its own options.

    @command(schema="cost/1", examples=["kaizen cost --by model --since 7d"], is_list=True)
    @scope_options
    @window_options
    @click.option("--by", ...)
    def cost(run: Run, where: Where, when: When, by: str) -> None:
        '''Tokens and cost by day, model, project, session, ...'''

Every command gets `--json`, `--color`, `--quiet`; one that lists rows also `--format`. `schema` names its JSON.
"""

from collections.abc import Callable, Sequence
from typing import Any

import click

from kaizen.cli.group import CONTEXT, KaizenGroup
from kaizen.cli.output import FORMATS, Output
from kaizen.cli.run import Run

Function = Callable[..., None]


class KaizenCommand(click.Command):
    """A command that knows its examples (in help) and the name of its JSON (`schema`)."""

    examples: Sequence[str] = ()
    schema: str = ""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write(f"{'':{formatter.current_indent}}{example}\n")


def command(
    *, schema: str, examples: Sequence[str], is_list: bool = False, name: str | None = None
) -> Callable[[Function], KaizenCommand]:
    def decorate(function: Function) -> KaizenCommand:
        def callback(
            as_json: bool, color: str, quiet: bool, wide: bool = False, format: str | None = None, **given: Any
        ) -> None:
            run: Run = click.get_current_context().find_object(Run) or Run()
            run.out = Output(
                run, schema, "json" if as_json else format or "table", color=color, is_quiet=quiet, is_wide=wide
            )
            for gather in getattr(function, "__gather__", ()):
                gather(given)
            function(run, **given)
            run.out.close()

        params = [*getattr(function, "__click_params__", [])[::-1], *_output_options(is_list)]
        made = KaizenCommand(
            name or function.__name__.rstrip("_"),
            context_settings=CONTEXT,
            callback=callback,
            params=params,
            help=function.__doc__,
        )
        made.examples, made.schema = examples, schema
        return made

    return decorate


def group(
    name: str, help: str, commands: Sequence[click.Command], *, kind: type[KaizenGroup] = KaizenGroup, **more: Any
) -> KaizenGroup:
    return kind(name, {str(one.name): one for one in commands}, context_settings=CONTEXT, help=help, **more)


def gather(into: str, make: Callable[[dict[str, Any]], Any]) -> Callable[[Function], Function]:
    """Turns several options into one argument `into`; `make` pops what it uses."""

    def decorate(function: Function) -> Function:
        def step(given: dict[str, Any]) -> None:
            given[into] = make(given)

        function.__gather__ = [*getattr(function, "__gather__", ()), step]  # type: ignore[attr-defined]
        return function

    return decorate


def _output_options(is_list: bool) -> list[click.Option]:
    options = [click.Option(["--json", "as_json"], is_flag=True, help="Print JSON.")]
    if is_list:
        options += [
            click.Option(["--format"], type=click.Choice(FORMATS), help="How to print; --json is --format json."),
            click.Option(["--wide"], is_flag=True, help="Do not shorten anything to fit the terminal."),
        ]
    return [
        *options,
        click.Option(
            ["--color"],
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            help="Colours; auto also heeds NO_COLOR and FORCE_COLOR.",
        ),
        click.Option(["-q", "--quiet"], is_flag=True, help="Nothing on stderr but errors."),
    ]
