"""`kaizen gc --days N`."""

import contextlib
import sys
from collections.abc import Iterator

import click
import msgspec

from kaizen.cli.command import command
from kaizen.cli.ink import Ink, count, plural, size
from kaizen.cli.run import Run
from kaizen.errors import SearchUnavailable
from kaizen.model.times import DAY_MS
from kaizen.store import retention
from kaizen.store.open import database_of, open_store, readable_errors, transaction

# Sessions of one transaction, so that nobody waits for long.
BATCH = 20


class Collected(msgspec.Struct):
    """`is_done`: false for a plan. What people wrote is never part of it."""

    is_done: bool
    before_ms: int
    sessions: int
    bodies: int
    body_bytes: int
    events: int


@command(schema="gc/1", examples=["kaizen gc --days 180", "kaizen gc --days 365 --events --yes"])
@click.option(
    "--days", type=click.IntRange(min=1), required=True, metavar="N", help="Sessions without activity for N days."
)
@click.option("--events", is_flag=True, help="Also the rows of messages and tools; numbers and costs stay.")
@click.option("--yes", is_flag=True, help="Do it without asking.")
def gc(run: Run, days: int, events: bool, yes: bool) -> None:
    """Delete the text of old sessions. Without this command everything is kept.

    By last activity. Sessions, tokens and costs stay, and so does everything you wrote yourself; what goes cannot come
    back once the agent has deleted its own file. Shows what would go, and asks.
    """
    before_ms = run.now_ms - days * DAY_MS
    with run.store(refresh=False) as db:
        plan = retention.plan(db, before_ms, with_events=events)
    nothing = not (plan.bodies or plan.events)
    if not (yes or nothing) and run.out.is_text and sys.stdin.isatty():
        for line in _planned(plan, Ink()):
            click.echo(line, err=True)
        yes = click.confirm("Delete it?", err=True)
    if yes and not nothing:
        _delete(run, before_ms, with_events=events)
    elif not nothing:
        run.out.warn("Nothing was deleted. Add --yes to do it.")
    done = Collected(yes and not nothing, before_ms, plan.sessions, plan.bodies, plan.body_bytes, plan.events)
    run.out.show(done, lambda data, ink: _planned(plan, ink, is_done=data.is_done))


def _delete(run: Run, before_ms: int, *, with_events: bool) -> None:
    from kaizen.capture.index import reindex
    from kaizen.store.lock import capture_lock

    with (
        capture_lock(run.home, wait=True),
        readable_errors(database_of(run.home)),
        contextlib.closing(open_store(run.home, write=True)) as db,
    ):
        run.catch_up(db)  # what is to be sent is made from what is deleted here
        old = retention.old_sessions(db, before_ms)
        for start in range(0, len(old), BATCH):
            with transaction(db):
                some = old[start : start + BATCH]
                retention.delete_bodies(db, some)
                if with_events:
                    retention.delete_events(db, some)
        retention.shrink(db)
    with contextlib.suppress(SearchUnavailable):
        wanted = run.config.search
        reindex(run.home, exclude=wanted.exclude, substring=wanted.substring)  # its words are text, too


def _planned(plan: retention.Plan, ink: Ink, *, is_done: bool = False) -> Iterator[str]:
    if not (plan.bodies or plan.events):
        yield f"Nothing to delete: {plural(plan.sessions, 'session')} that old, and no text left there."
        return
    verb = "Deleted" if is_done else "Would delete"
    parts = [f"the text of {count(plan.bodies)} events ({size(plan.body_bytes)})"]
    if plan.events:
        parts.append(f"{count(plan.events)} rows of messages and tools")
    yield f"{ink.bold(verb)} {' and '.join(parts)} of {plural(plan.sessions, 'session')}. Tokens and costs stay."
