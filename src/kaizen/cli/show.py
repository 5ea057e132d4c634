"""`kaizen show` = `kaizen sessions show`: one session."""

from collections.abc import Iterator
from datetime import tzinfo
from typing import Any

import click

from kaizen.cli import candidates
from kaizen.cli.command import command
from kaizen.cli.ink import Ink
from kaizen.cli.options import Where, limit_option, place_options, zone_options
from kaizen.cli.run import Run
from kaizen.cli.session_overview import overview
from kaizen.cli.session_parts import PARTS
from kaizen.views import session as views


@command(
    schema="show/1",
    examples=[
        "kaizen show @last",
        "kaizen show 3f2a9c --messages",
        "kaizen show @2 --spans --files --json",
    ],
)
@click.argument("session", metavar="SESSION", shell_complete=candidates.sessions)
@click.option("--messages", is_flag=True, help="What was said, with one line per tool call.")
@click.option("--context", is_flag=True, help="With --messages: also what the host put in, and thinking.")
@click.option("--events", is_flag=True, help="Every stored fact, with its payload in JSON.")
@click.option("--spans", is_flag=True, help="Tool calls: status, duration, what each was about.")
@click.option("--files", is_flag=True, help="Files it read and changed.")
@limit_option(0)
@zone_options
@place_options
def show(
    run: Run,
    where: Where,
    session: str,
    messages: bool,
    context: bool,
    events: bool,
    spans: bool,
    files: bool,
    limit: int,
    tz: tzinfo,
) -> None:
    """One session: what happened, and what it cost.

    SESSION is an id, at least four characters of its beginning, or @last, @1, @2 for the newest ones.
    """
    with run.reading(where, notes=False) as (db, scope):
        one = views.find(db, scope, session)
        detail = views.detail(db, one, run.now_ms)
        parts: dict[str, Any] = {}
        if messages:
            parts["messages"] = _newest(views.messages(db, one, with_context=context), limit)
        if events:
            parts["events"] = _newest(views.events(db, one), limit)
        if spans:
            parts["spans"] = _newest(views.spans(db, one, run.now_ms), limit)
        if files:
            parts["files"] = detail.files
        run.out.show({**_fields(detail), **parts}, lambda _, ink: _lines(detail, parts, ink, tz))


def _newest(rows: list[Any], limit: int) -> list[Any]:
    return rows[-limit:] if limit else rows


def _fields(detail: views.Detail) -> dict[str, Any]:
    """The session's own fields first, as in `sessions list`."""
    whole = {name: getattr(detail, name) for name in detail.__struct_fields__ if name != "session"}
    return {**{name: getattr(detail.session, name) for name in detail.session.__struct_fields__}, **whole}


def _lines(detail: views.Detail, parts: dict[str, Any], ink: Ink, tz: tzinfo) -> Iterator[str]:
    if not parts:
        yield from overview(detail, ink, tz)
        return
    for number, (name, rows) in enumerate(parts.items()):
        if number:
            yield ""
        if len(parts) > 1:
            yield ink.bold(name.capitalize())
        yield from PARTS[name](rows, ink, tz)
