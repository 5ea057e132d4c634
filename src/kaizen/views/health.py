"""What `doctor` finds: each check a name, a verdict and a sentence. Pure: the caller brings what it looked up.

ok     as it should be       info    good to know
warn   numbers may be incomplete, or soon will be       fail    something is wrong: exit 4
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from kaizen.model.times import DAY_MS

Verdict = Literal["ok", "info", "warn", "fail"]

CLEANUP_DAYS = 30
KEEP_DAYS = 3_650


class Check(msgspec.Struct):
    name: str
    verdict: Verdict
    message: str
    hint: str = ""
    details: list[str] = []


class Root(msgspec.Struct):
    source: str
    path: str
    outcome: str


class Coverage(msgspec.Struct):
    """Bytes of all files. `errors` are `file:offset: reason`."""

    files: int
    bytes_total: int
    bytes_parsed: int
    bytes_ignored: int
    bytes_error: int
    unknown_records: Mapping[str, int]
    errors: Sequence[str]


def store(path: str, sizes: Mapping[str, int], file_bytes: int) -> Check:
    counts = ", ".join(f"{number:,} {name}" for name, number in sizes.items())
    return Check("store", "ok", f"{path}: {counts}, {file_bytes / 1e6:.1f} MB.")


def integrity(problems: Sequence[str]) -> Check:
    if problems:
        return Check(
            "integrity",
            "fail",
            "The database is damaged.",
            "Keep a copy, then rebuild it from the agents' files: kaizen load --rebuild",
            list(problems),
        )
    return Check("integrity", "ok", "The database is sound.")


def sums(drift: Sequence[str]) -> Check:
    if drift:
        return Check(
            "sums",
            "fail",
            "Stored sums differ from what they sum up.",
            "Rebuild them: kaizen load --rebuild. Please report this.",
            list(drift),
        )
    return Check("sums", "ok", "Stored sums equal what they sum up.")


def roots(found: Sequence[Root]) -> list[Check]:
    """One check per source."""
    checks = []
    for source in dict.fromkeys(root.source for root in found):
        mine = [root for root in found if root.source == source]
        bad = [root for root in mine if root.outcome.startswith("unreadable")]
        there = [root for root in mine if root.outcome != "missing" and root not in bad]
        details = [f"{root.path}: {root.outcome}" for root in mine]
        if bad:
            checks.append(
                Check(
                    f"source {source}",
                    "warn",
                    f"{bad[0].path} is {bad[0].outcome}.",
                    "Give yourself read access to it; the rest was read.",
                    details,
                )
            )
        elif there:
            checks.append(
                Check(
                    f"source {source}",
                    "ok",
                    "; ".join(f"{root.path}: {root.outcome}" for root in there) + ".",
                    details=details,
                )
            )
        else:
            checks.append(
                Check(
                    f"source {source}", "info", f"Not found ({', '.join(root.path for root in mine)}).", details=details
                )
            )
    return checks


def coverage(found: Coverage) -> list[Check]:
    if not found.files:
        return [Check("coverage", "info", "No transcripts were read yet.", "Work with an agent, then: kaizen load")]
    share = found.bytes_parsed / found.bytes_total * 100 if found.bytes_total else 100.0
    rest = f"{found.bytes_ignored:,} bytes ignored with a reason, {found.bytes_error:,} in error"
    text = f"{found.bytes_total:,} bytes of {_count(found.files, 'file')}: {share:.1f} % parsed, {rest}."
    checks = [
        Check(
            "coverage",
            "warn" if found.bytes_error or found.errors else "ok",
            text,
            "These lines are damaged in the agents' own files; nothing else is lost." if found.errors else "",
            list(found.errors)[:20],
        )
    ]
    if found.unknown_records:
        names = sorted(found.unknown_records.items(), key=lambda item: (-item[1], item[0]))
        checks.append(
            Check(
                "unknown records",
                "warn",
                f"{sum(found.unknown_records.values()):,} records of {len(names)} types that kaizen does not know.",
                "Update kaizen; if it is new, please report it.",
                [f"{name}: {number:,}" for name, number in names],
            )
        )
    else:
        checks.append(Check("unknown records", "ok", "Every record type is known."))
    return checks


def prices(unpriced: Sequence[tuple[str, int]], flags: Sequence[tuple[str, str, int]], book: str) -> list[Check]:
    checks = [Check("prices", "ok", f"Every request has a price ({book}).")]
    if unpriced:
        total = sum(number for _, number in unpriced)
        checks = [
            Check(
                "prices",
                "warn",
                f"{_count(total, 'request')} without a known price ({book}).",
                'kaizen prices explain MODEL says why. Give it one in the config: [prices."MODEL"] input = "..."',
                [f"{model or '(unknown)'}: {_count(number, 'request')}" for model, number in unpriced],
            )
        ]
    if flags:
        checks.append(
            Check(
                "doubts",
                "info",
                f"{sum(number for *_, number in flags):,} requests carry a doubt about their numbers.",
                "kaizen explain cost SESSION shows which.",
                [f"{agent} {flag}: {number:,}" for agent, flag, number in flags],
            )
        )
    return checks


def claude_cleanup(days: int | None, settings: str, oldest_ms: int | None, now_ms: int) -> Check:
    """Claude Code deletes transcripts that were not touched for `cleanupPeriodDays`; None means its default."""
    period = CLEANUP_DAYS if days is None else days
    left = None if oldest_ms is None else max(0, (oldest_ms + period * DAY_MS - now_ms) // DAY_MS)
    when = "" if left is None else f"; the oldest goes in {left} {'day' if left == 1 else 'days'}"
    said = f"cleanupPeriodDays is {period}" + (" by default" if days is None else "")
    if oldest_ms is None:
        return Check("claude cleanup", "info", f"Claude Code deletes old transcripts ({said}).")
    hint = f'What kaizen has read stays. To keep the files too: "cleanupPeriodDays": {KEEP_DAYS} in {settings}'
    return Check(
        "claude cleanup",
        "ok" if period >= 365 else "warn" if left is not None and left <= 7 else "info",
        f"Claude Code deletes transcripts ({said}){when}.",
        "" if period >= 365 else hint,
    )


def settings(warnings: Sequence[str], path: str, is_there: bool) -> Check:
    if warnings:
        return Check("config", "warn", f"{_count(len(warnings), 'unknown setting')}.", f"Edit {path}.", list(warnings))
    return Check("config", "ok", f"{path}." if is_there else f"Defaults ({path} does not exist).")


def private(path: str, mode: int | None) -> Check:
    if mode is not None and mode & 0o077:
        return Check("privacy", "warn", f"Others on this machine can read {path}.", f"chmod 700 {path}")
    return Check("privacy", "ok", f"Only you can read {path}.")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
