"""`kaizen redact [FILE]`, and `kaizen redact schema|test|bench`."""

import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from kaizen.cli.command import command, group
from kaizen.cli.group import DefaultGroup
from kaizen.cli.ink import Column, Ink, plural, table
from kaizen.cli.run import Run
from kaizen.errors import CheckFailed, UsageError

LEVELS = ("metrics", "scrubbed")
KINDS = ("message", "tool_call", "tool_result", "error", "hook", "lifecycle", "proxy")


class Found(msgspec.Struct):
    """`line` and `column` count from 1, `start` and `end` from 0 in the whole text."""

    rule: str
    line: int
    column: int
    start: int
    end: int


class Redacted(msgspec.Struct):
    """`text` at level `scrubbed`, `payload` at level `metrics`."""

    level: str
    text: str | None
    payload: dict[str, Any] | None
    findings: list[Found]


class Speed(msgspec.Struct):
    what: str
    mb_per_s: float | None
    p99_ms: float | None


class _Redact(DefaultGroup):
    """What is no command is a file."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help") and not ctx.resilient_parsing:
            args = [self.list_commands(ctx)[0], *args]
        return super().parse_args(ctx, args)


@command(
    schema="redact/1",
    examples=[
        "kaizen redact notes.md",
        "git diff | kaizen redact --explain",
        "kaizen redact event.json --level metrics --kind tool_call --tool Bash",
    ],
)
@click.argument("file", default="-")
@click.option("--level", type=click.Choice(LEVELS), default="scrubbed", help="How much may be left.")
@click.option("--explain", is_flag=True, help="List what was found instead of the text: rule and place.")
@click.option("--kind", type=click.Choice(KINDS), default="message", help="Level metrics: the kind of event.")
@click.option("--tool", metavar="NAME", help="Level metrics: the tool.")
def text(run: Run, file: str, level: str, explain: bool, kind: str, tool: str | None) -> None:
    """What would be left of a text (FILE, or stdin) before it leaves this machine.

    At level scrubbed secrets, paths, people and places are replaced. At level metrics no text is left at all: FILE is a
    payload as JSON, or the text of a message, and what is shown are the numbers that stand for it.
    """
    said = _read(run, file)
    if level == "metrics":
        data = Redacted(level, None, _metrics(said, kind, tool, run), [])
    else:
        shown, found = _scrubber(run).text(said)
        data = Redacted(level, shown, None, list(_places(said, found)))
        run.out.note(f"{plural(len(found), 'finding')}.")
    run.out.show(data, _explained if explain else _shown)


@command(schema="redact schema/1", is_list=True, examples=["kaizen redact schema", "kaizen redact schema --json"])
def schema(run: Run) -> None:
    """What may leave at level metrics: every key of every kind of event, with its type."""
    from kaizen.redact import schema as allowed

    run.out.note(allowed.VERSION)
    run.out.show(allowed.describe(), _entries)


@command(schema="redact test/1", is_list=True, examples=["kaizen redact test", "kaizen redact test --json"])
def test(run: Run) -> None:
    """Try the redactor on thousands of known secrets, plain, encoded and in trees. Takes some seconds."""
    from kaizen.redact.corpus import run as measure
    from kaizen.redact.hashes import nobody
    from kaizen.redact.scrub import Scrubber

    scores = list(measure(Scrubber(nobody())))
    run.out.show(scores, _scores)
    if missed := [score.name for score in scores if not score.is_reached]:
        raise CheckFailed(f"Below the goal: {', '.join(missed)}.", hint="Please report it, with the version.")


@command(
    schema="redact bench/1",
    is_list=True,
    examples=["kaizen redact bench", "kaizen redact bench README.md"],
)
@click.argument("file", required=False)
def bench(run: Run, file: str | None) -> None:
    """How fast redaction is on this machine, on FILE or on a built-in text, in chunks of 4 kB."""
    run.out.show(list(_speeds(_read(run, file) if file else _sample())), _speed_lines)


def _read(run: Run, file: str) -> str:
    if file == "-":
        if sys.stdin.isatty():
            click.echo("Reading from the terminal; end with Ctrl-D.", err=True)
        return sys.stdin.buffer.read().decode("utf-8", "replace")
    try:
        return Path(run.cwd, file).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"Cannot read {file!r}: {error.strerror}.", hint="Name a file, or pipe a text.") from error


def _scrubber(run: Run) -> Any:
    """One that knows this user and machine."""
    from kaizen.redact.hashes import nobody
    from kaizen.redact.scrub import Scrubber

    names = [name for name in (run.env.get("USER"), run.env.get("LOGNAME")) if name]
    return Scrubber(
        nobody(), workspace=run.cwd, home=run.env.get("HOME", ""), names=names, hosts=[socket.gethostname()]
    )


def _metrics(said: str, kind: str, tool: str | None, run: Run) -> dict[str, Any]:
    from kaizen.redact.hashes import nobody
    from kaizen.redact.schema import payload

    try:
        raw = msgspec.json.decode(said)
    except msgspec.DecodeError:
        raw = None
    return payload(kind, None, tool, raw if isinstance(raw, dict) else {"text": said}, nobody(), run.cwd)


def _places(said: str, found: Sequence[Any]) -> Iterator[Found]:
    for one in found:
        line_start = said.rfind("\n", 0, one.start) + 1
        yield Found(one.rule, said.count("\n", 0, one.start) + 1, one.start - line_start + 1, one.start, one.end)


def _shown(data: Redacted, ink: Ink) -> Iterator[str]:
    if data.text is None:
        yield msgspec.json.format(msgspec.json.encode(data.payload), indent=2).decode()
    elif data.text:
        yield data.text.removesuffix("\n")


def _explained(data: Redacted, ink: Ink) -> Iterator[str]:
    if data.text is None:
        yield from _shown(data, ink)
    elif not data.findings:
        yield "Nothing found."
    else:
        numbers = [Column(name, right=True) for name in ("Line", "Column", "Length")]
        rows = [[str(one.line), str(one.column), str(one.end - one.start), one.rule] for one in data.findings]
        yield from table([*numbers, Column("Rule")], rows, ink)


def _entries(entries: Sequence[Any], ink: Ink) -> Iterator[str]:
    columns = [Column("Kind"), Column("Key", style="bold"), Column("Type"), Column("Values", flexible=True, least=20)]
    yield from table(columns, [[one.kind, one.key, one.type, " ".join(one.values)] for one in entries], ink)


def _scores(scores: Sequence[Any], ink: Ink) -> Iterator[str]:
    columns = [Column("Secrets as", style="bold"), Column("Good", right=True), Column("Of", right=True),
               Column("Share", right=True), Column("Goal", right=True), Column("Not", flexible=True)]  # fmt: skip
    rows = [
        [one.name, str(one.good), str(one.total), f"{one.share:.2%}", f"{one.goal:.0%}", " ".join(one.bad)]
        for one in scores
    ]
    yield from table(columns, rows, ink)


def _sample() -> str:
    from kaizen.redact.corpus import cases

    lines = [case.text for case in cases() if case.kind == "fp"]
    prose = "def total(items):\n    return sum(item.price for item in items)  # see the docs for how it is rounded\n"
    return "\n".join(f"{prose * 40}{line}" for line in lines)


def _speeds(said: str) -> Iterator[Speed]:
    from kaizen.redact import engine
    from kaizen.redact.guard import leaks
    from kaizen.redact.hashes import nobody
    from kaizen.redact.schema import payload

    salt, rules = nobody(), engine.bundled()
    texts = [said[at : at + 4_000] for at in range(0, min(len(said), 2_000_000), 4_000)] or [""]
    narrow = [engine.narrow(one) for one in texts]
    scrubber = _scrubber(Run({}, cwd=os.sep))
    numbers = [payload("tool_result", None, "Bash", {"output": one}, salt, "") for one in texts]
    body = msgspec.json.encode([{"session_id_hash": salt.hash("s"), "payload": one} for one in numbers])
    ask: list[tuple[str, Callable[[Any], object], Sequence[Any]]] = [
        ("rules", rules.find, narrow),
        ("level scrubbed", scrubber.text, texts),
        ("level metrics", lambda one: payload("tool_result", None, "Bash", {"output": one}, salt, ""), texts),
        ("guard", leaks, [body]),
    ]
    for what, work, items in ask:
        yield _speed(what, work, items)


def _speed(what: str, work: Callable[[Any], object], items: Sequence[Any]) -> Speed:
    for item in items:  # compiles what is asked for the first time
        work(item)
    taken = []
    for item in items:
        started = time.process_time()
        work(item)
        taken.append(time.process_time() - started)
    size = sum(map(len, items)) / 1e6
    slow = sorted(taken)[int(len(taken) * 0.99)] if len(taken) > 99 else None
    return Speed(what, round(size / sum(taken), 1), None if slow is None else round(slow * 1e3, 3))


def _speed_lines(speeds: Sequence[Speed], ink: Ink) -> Iterator[str]:
    columns = [Column("What", style="bold"), Column("MB/s", right=True), Column("p99 of 4 kB, ms", right=True)]
    rows = [[one.what, str(one.mb_per_s), "-" if one.p99_ms is None else str(one.p99_ms)] for one in speeds]
    yield from table(columns, rows, ink)


redact = group(
    "redact", "What would be left of a text before it leaves this machine.", [text, schema, test, bench], kind=_Redact
)
