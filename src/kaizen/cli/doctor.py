"""`kaizen doctor`."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from sqlite3 import Connection

import click
import msgspec

from kaizen.cli.command import command
from kaizen.cli.ink import Ink
from kaizen.cli.run import Run
from kaizen.errors import BadConfig, CheckFailed, KaizenError, StoreError
from kaizen.store import costs, integrity, rollups
from kaizen.store.filter import Filter
from kaizen.store.open import database_of
from kaizen.views import health
from kaizen.views.health import Check

_MARKS = {"ok": ("✓", "green"), "info": ("·", "cyan"), "warn": ("!", "yellow"), "fail": ("✗", "red")}


class Report(msgspec.Struct):
    is_healthy: bool
    home: str
    checks: list[Check]


@command(
    schema="doctor/1",
    examples=[
        "kaizen doctor",
        "kaizen doctor --verbose",
        "kaizen doctor --json | jq '.data.checks[] | select(.verdict != \"ok\")'",
    ],
)
@click.option("-v", "--verbose", is_flag=True, help="All details of every check.")
@click.option("--no-refresh", is_flag=True, help="Do not look for new records first.")
def doctor(run: Run, verbose: bool, no_refresh: bool) -> None:
    """Check the store, what was read, and what is missing.

    Says where kaizen looks for transcripts and what came of it, how many bytes were understood, which record types and
    models it does not know, and when Claude Code deletes its files. Exit status 4 when something is wrong.
    """
    checks = list(_checks(run, refresh=not no_refresh))
    failed = [check for check in checks if check.verdict == "fail"]
    run.out.scope = {"workspaces": [], "all": True}
    run.out.show(Report(not failed, str(run.home), checks), lambda report, ink: lines(report, ink, is_verbose=verbose))
    if failed:
        run.out.close()
        raise CheckFailed(
            f"{len(failed)} of {len(checks)} checks failed.",
            hint=failed[0].hint,
            checks=[check.name for check in failed],
        )


def _checks(run: Run, *, refresh: bool) -> Iterator[Check]:
    from kaizen.capture.coverage import coverage
    from kaizen.config.load import config_path

    path = config_path(run.home)
    try:
        yield health.settings(run.loaded.warnings, str(path), path.exists())
    except BadConfig as error:
        yield Check("config", "fail", str(error), error.hint)
        return
    yield health.private(str(run.home), run.home.stat().st_mode & 0o777 if run.home.exists() else None)
    yield from health.roots(_roots(run))
    try:
        with run.store(refresh=refresh) as db:
            yield from _store_checks(run, db)
            found = coverage(db)
            yield from health.coverage(
                health.Coverage(
                    found.files,
                    found.bytes_total,
                    found.bytes_parsed,
                    found.bytes_ignored,
                    found.bytes_error,
                    found.unknown_records,
                    [f"{error.file}:{error.offset}: {error.reason}" for error in found.errors],
                )
            )
            yield from _price_checks(run, db)
            yield from _cleanup(run, db)
    except StoreError as error:
        yield Check("store", "fail", str(error), error.hint)


def _store_checks(run: Run, db: Connection) -> Iterator[Check]:
    files = [Path(f"{database_of(run.home)}{suffix}") for suffix in ("", "-wal")]
    yield health.store(
        str(files[0]), integrity.table_counts(db), sum(file.stat().st_size for file in files if file.exists())
    )
    yield health.integrity(integrity.problems(db))
    yield health.sums(integrity.rollup_drift(db))


def _price_checks(run: Run, db: Connection) -> Iterator[Check]:
    from kaizen import pricing

    try:
        book = pricing.load(run.config.prices)
    except KaizenError as error:
        yield Check("prices", "fail", str(error), error.hint)
        return
    yield from health.prices(rollups.unpriced_models(db, Filter()), costs.flags(db), f"{book.package}, {book.source}")


def _roots(run: Run) -> list[health.Root]:
    from kaizen.capture import discover
    from kaizen.capture.look import readers_of

    roots = discover.everything(readers_of(run.env, run.config)).roots
    return [health.Root(root.source, root.path, root.outcome) for root in roots]


def _cleanup(run: Run, db: Connection) -> Iterator[Check]:
    """Claude Code's own setting, from its settings file."""
    home = run.env.get("HOME", "")
    for folder in (run.env.get("CLAUDE_CONFIG_DIR") or os.path.join(home, ".claude")).split(","):
        settings = Path(os.path.expanduser(folder.strip())) / "settings.json"
        if not settings.parent.is_dir():
            continue
        days = None
        with contextlib.suppress(OSError, msgspec.DecodeError):
            found = msgspec.json.decode(settings.read_bytes())
            days = found.get("cleanupPeriodDays") if isinstance(found, dict) else None
        yield health.claude_cleanup(
            days if type(days) is int else None, str(settings), integrity.oldest_file_ms(db, "claude"), run.now_ms
        )


def lines(report: Report, ink: Ink, *, is_verbose: bool) -> Iterator[str]:
    width = max(len(check.name) for check in report.checks)
    for check in report.checks:
        mark, style = _MARKS[check.verdict]
        yield f"{ink.paint(mark, style)} {ink.bold(check.name.ljust(width))}  {check.message}"
        pad = " " * (width + 4)
        if check.details and (is_verbose or check.verdict in ("warn", "fail")):
            shown = check.details if is_verbose else check.details[:5]
            for detail in shown:
                yield f"{pad}{ink.dim(detail)}"
            if len(check.details) > len(shown):
                yield f"{pad}{ink.dim(f'and {len(check.details) - len(shown)} more: kaizen doctor --verbose')}"
        if check.hint:
            yield f"{pad}{ink.paint(check.hint, style)}"
    counts = {verdict: sum(check.verdict == verdict for check in report.checks) for verdict in _MARKS}
    yield ""
    yield (
        ink.paint("Something is wrong.", "red", "bold")
        if counts["fail"]
        else ink.paint("All is well", "green", "bold")
        + (f", with {counts['warn']} things to know." if counts["warn"] else ".")
    )
