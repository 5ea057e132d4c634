"""The `kaizen` command. `COMMANDS` is all there is: a name, the module that holds it, its help group, one line.

A module is imported when its command runs, so the table costs nothing. It holds a click command of the command's own
name, made with `cli.command.command` (or `group`).
"""

import contextlib
import gc
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple, NoReturn


class Entry(NamedTuple):
    module: str
    group: str
    help: str


GROUPS = ("Start", "See", "Share", "Operate")

COMMANDS = {
    "load": Entry("kaizen.cli.load", "Start", "Read what the agents on this machine wrote."),
    "projects": Entry("kaizen.cli.projects", "Start", "The repositories your agents worked in."),
    "doctor": Entry("kaizen.cli.doctor", "Start", "Check the store, what was read, and what is missing."),
    "demo": Entry("kaizen.cli.demo", "Start", "Look around in a made-up workspace."),
    "summary": Entry("kaizen.cli.summary", "See", "Sessions, tokens and cost at a glance."),
    "cost": Entry("kaizen.cli.cost", "See", "Tokens and cost by day, model, project, session, ..."),
    "sessions": Entry("kaizen.cli.sessions", "See", "List sessions, or look into one."),
    "show": Entry("kaizen.cli.show", "See", "One session: what happened, and what it cost."),
    "search": Entry("kaizen.cli.search", "See", "Find words in everything your agents said and did."),
    "tail": Entry("kaizen.cli.tail", "See", "Watch every agent as it works."),
    "insights": Entry("kaizen.cli.insights", "See", "What stands out: tools, errors, files, guidance."),
    "explain": Entry("kaizen.cli.explain", "See", "Where a number comes from, record by record."),
    "sync": Entry("kaizen.cli.sync", "Share", "Send to your team's hub and to exporters."),
    "telemetry": Entry("kaizen.cli.telemetry", "Share", "Send numbers to OpenTelemetry, Datadog, PostHog, ..."),
    "redact": Entry("kaizen.cli.redact", "Share", "What would be left of a text before it leaves this machine."),
    "team": Entry("kaizen.cli.team", "Share", "Your team's sessions, tokens and cost, from its hub."),
    "hub": Entry("kaizen.cli.hub", "Share", "Run the server that a team's machines send their numbers to."),
    "prices": Entry("kaizen.cli.prices", "Operate", "The price book, and which price a model gets."),
    "gc": Entry("kaizen.cli.gc", "Operate", "Delete old sessions' data. Keeps everything unless you say so."),
    "config": Entry("kaizen.cli.config", "Operate", "Show the settings and where each comes from."),
    "completions": Entry("kaizen.cli.completions", "Operate", "Completion script for your shell."),
}


def main(argv: Sequence[str] | None = None) -> NoReturn:
    gc.set_threshold(20_000, 20, 20)  # with the default, a tenth of a short command goes into looking for garbage
    from kaizen.cli.run import run

    status = run(list(sys.argv[1:] if argv is None else argv))
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)  # all is closed and written; taking the interpreter apart piece by piece takes 10 ms
