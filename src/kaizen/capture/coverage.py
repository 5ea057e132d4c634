"""What became of every byte of every file: the ledgers of all files, added up."""

import sqlite3

import msgspec

from kaizen.capture import ledger as ledgers
from kaizen.capture.discover import Root
from kaizen.store import files, meta


class FileError(msgspec.Struct):
    file: str
    offset: int | None
    reason: str


class LoadReport(msgspec.Struct):
    """Coverage of everything the store knows, and what this run added. `bytes_total` is the sum of the three below."""

    files: int = 0
    sessions: int = 0
    events: int = 0
    bytes_total: int = 0
    bytes_parsed: int = 0
    bytes_ignored: int = 0
    bytes_error: int = 0
    ignored_by_reason: dict[str, int] = {}
    unknown_records: dict[str, int] = {}
    seconds: float = 0.0
    new_files: int = 0
    new_events: int = 0
    new_bytes: int = 0
    errors: list[FileError] = []
    roots: list[Root] = []


def coverage(db: sqlite3.Connection) -> LoadReport:
    """What became of every byte of every file."""
    report = LoadReport()
    report.sessions, report.events = meta.counts(db)
    for _, path, size, offset, rest, encoded in files.ledgers(db):
        one = ledgers.decode(encoded)
        report.files += 1
        report.bytes_parsed += one.parsed
        report.bytes_error += one.error_bytes
        for reason, amount in one.ignored.items():
            _add(report.ignored_by_reason, reason, amount)
        if size > offset:
            _add(report.ignored_by_reason, "last_line_without_newline" if rest else "unfinished_line", size - offset)
        for name, count in one.unknown.items():
            _add(report.unknown_records, name, count)
        report.errors += [FileError(path, at, reason) for at, _, reason in one.errors]
    report.bytes_ignored = sum(report.ignored_by_reason.values())
    report.bytes_total = report.bytes_parsed + report.bytes_ignored + report.bytes_error
    return report


def _add(counts: dict[str, int], key: str, amount: int) -> None:
    counts[key] = counts.get(key, 0) + amount
