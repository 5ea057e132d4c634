"""`kaizen tail`."""

import contextlib
import signal
import sys
from datetime import datetime, tzinfo
from types import FrameType

import click
import msgspec

from kaizen.cli import candidates
from kaizen.cli.command import command
from kaizen.cli.ink import Ink, duration, fit, one_line, usd
from kaizen.cli.run import Run
from kaizen.cli.zone import zone
from kaizen.store import feed
from kaizen.store.open import open_store
from kaizen.views import session as sessions
from kaizen.views.scope import EVERYTHING
from kaizen.views.tail import Line, line

KINDS = ("message", "tool_call", "tool_result", "error", "cost", "hook", "lifecycle")


@command(schema="tail/1", examples=["kaizen tail", "kaizen tail @last --tool Bash", "kaizen tail --json | jq .text"])
@click.argument("session", required=False, shell_complete=candidates.sessions)
@click.option("-a", "--all", "is_all", is_flag=True, help="Every session of the machine (the default).")
@click.option("--agent", shell_complete=candidates.agents, help="Only this agent's events.")
@click.option("--kind", type=click.Choice(KINDS), help="Only events of this kind.")
@click.option("--tool", shell_complete=candidates.tools, help="Only calls of this tool.")
@click.option("-n", "--lines", "count", type=click.IntRange(0, 10_000), help="Events to show first: 10 on a terminal.")
@click.option("--tz", "tz_name", help="Time zone of the times shown.")
def tail(run: Run, session: str | None, is_all: bool, agent: str | None, kind: str | None, tool: str | None,
         count: int | None, tz_name: str | None) -> None:
    """Follow what the agents do, as they write it, until Ctrl-C.

    Needs no daemon. On a terminal a line an event: time, agent, session, tool and its argument, duration, cost of the
    session so far. Elsewhere, or with --json, one JSON object a line.
    """
    from kaizen.capture.watch import follow

    signal.signal(signal.SIGTERM, _stop)
    as_json = run.out.format == "json" or not sys.stdout.isatty()
    show = _json if as_json else _text(run.out.ink, zone(tz_name))
    run.refresh()
    with contextlib.closing(open_store(run.home, write=True)) as db:
        one = sessions.find(db, EVERYTHING, session).id if session and not is_all else None
        wanted = {"session_id": one, "agent": agent, "kind": kind, "tool": tool}
        at = feed.newest_id(db)
        first = count if count is not None else 0 if as_json else 10
        for event in feed.last(db, first, **wanted):  # type: ignore[arg-type]
            show(line(db, event))
        for _ in follow(run.home, run.env, run.config, run.enqueue):
            newest = feed.newest_id(db)
            if newest == at:
                continue
            for event in feed.after(db, at, limit=10_000, **wanted):  # type: ignore[arg-type]
                show(line(db, event))
            at = newest


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _json(said: Line) -> None:
    sys.stdout.write(msgspec.json.encode(said).decode() + "\n")
    sys.stdout.flush()


def _text(ink: Ink, tz: tzinfo) -> "_Writer":
    return _Writer(ink, tz)


class _Writer:
    def __init__(self, ink: Ink, tz: tzinfo) -> None:
        self._ink, self._tz = ink, tz

    def __call__(self, said: Line) -> None:
        if said.kind == "cost":
            return  # on a terminal its money shows in the session's sum
        ink = self._ink
        at = datetime.fromtimestamp(said.ts_ms / 1000, self._tz).strftime("%H:%M:%S")
        name = said.tool or said.role or said.kind
        style = "red" if said.is_error else "bold" if said.role == "prompt" else "cyan" if said.tool else None
        took = duration(said.latency_ms) if said.latency_ms is not None else ""
        tail = f"{took:>8} {usd(said.session_cost_usd_e6):>9}"
        head = f"{at} {said.agent:<7} {said.session_id[:8]:<8} {fit(name, 12):<12} "
        room = max(20, (ink.width or 120) - len(head) - len(tail) - 1)
        text = fit(one_line(said.text), room)
        sys.stdout.write(f"{ink.dim(at)} {ink.agent(f'{said.agent:<7}')} {ink.dim(f'{said.session_id[:8]:<8}')} "
                         f"{ink.paint(f'{fit(name, 12):<12}', style)} {text:<{room}} {ink.dim(tail)}\n")
        sys.stdout.flush()


