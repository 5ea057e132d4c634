"""What a command prints: data on stdout, everything else on stderr.

table      text for people; colours and the terminal's width when there is one, else plain columns
json       {"schema", "generated_at_ms", "scope", "data", "warnings"}
jsonl      one row a line     csv, md   one row a line, columns as in JSON
"""

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any, TextIO

import msgspec

from kaizen.cli.ink import Ink, markdown
from kaizen.errors import KaizenError, UsageError
from kaizen.model.times import Window
from kaizen.views.usage import Usage

if TYPE_CHECKING:
    from kaizen.cli.run import Run
    from kaizen.views.scope import Scope

FORMATS = ("table", "json", "jsonl", "csv", "md")

_SUMS = frozenset(Usage.__struct_fields__)

Render = Callable[[Any, Ink], Iterable[str]]


class Output:
    """One command's output. `show` is called once."""

    def __init__(
        self,
        run: "Run",
        schema: str,
        format: str,
        *,
        color: str = "auto",
        is_quiet: bool = False,
        is_wide: bool = False,
    ) -> None:
        self._run, self._schema, self.format = run, schema, format
        self._color, self.is_quiet, self._is_wide = color, is_quiet, is_wide
        self.scope: dict[str, object] = {}
        self.warnings: list[str] = []

    @property
    def is_text(self) -> bool:
        return self.format == "table"

    @property
    def ink(self) -> Ink:
        is_terminal = _is_terminal(sys.stdout)
        return Ink(
            wants_color(self._color, sys.stdout, os.environ),
            _width() if is_terminal and not self._is_wide else None,
            self._run.now_ms,
        )

    def warn(self, text: str) -> None:
        """Said once: in the envelope, or on stderr."""
        if text not in self.warnings:
            self.warnings.append(text)

    def note(self, text: str) -> None:
        """For a person watching; never part of the data."""
        if self.is_text and not self.is_quiet:
            sys.stderr.write(f"{self._dim(text)}\n")

    def heading(self, scope: "Scope", window: Window, tz: tzinfo) -> None:
        """What is looked at, on stderr."""
        parts = [scope.label, *[name for name in (scope.agent, scope.model) if name], said_window(window, tz)]
        self.note(" · ".join(parts) + "\n")

    def show(self, data: object, text: Render, rows: Sequence[Any] | None = None) -> None:
        """`data` as JSON, or `text(data, ink)` as lines. `rows`: what jsonl, csv and md print (default: `data`)."""
        listed: Sequence[Any] = rows if rows is not None else data if isinstance(data, list) else [data]
        if self.format == "json":
            write(envelope(self._schema, self._run.now_ms, self.scope, data, self.warnings))
        elif self.format == "jsonl":
            for row in listed:
                sys.stdout.buffer.write(msgspec.json.encode(row) + b"\n")
        elif self.format == "csv":
            _write_csv(listed)
        elif self.format == "md":
            flat = [_flat(row) for row in listed]
            _print(markdown(_columns(flat), [list(row.values()) for row in flat]))
        else:
            _print(text(data, self.ink))

    def bare(self) -> None:
        """From now on the output is one JSON value without an envelope (`show_bare`): nothing but errors on stderr."""
        if self.format != "table":
            raise UsageError("--json-compat is a format of its own.", hint="Leave --json and --format away.")
        self.format = "bare"

    def show_bare(self, data: object) -> None:
        write(msgspec.json.format(msgspec.json.encode(data), indent=2) + b"\n")

    def close(self) -> None:
        """Warnings that no envelope carried."""
        if self.format != "json" and not self.is_quiet:
            for warning in self.warnings:
                mark = "\x1b[33mWarning:\x1b[0m" if wants_color(self._color, sys.stderr, os.environ) else "Warning:"
                sys.stderr.write(f"{mark} {warning}\n")
        sys.stdout.flush()

    def _dim(self, text: str) -> str:
        return Ink(wants_color(self._color, sys.stderr, os.environ)).dim(text)


def said_window(window: Window, tz: tzinfo) -> str:
    """`all time`, `since 2026-02-01 10:00 (Europe/Berlin)`."""

    def at(ts_ms: int) -> str:
        text = f"{datetime.fromtimestamp(ts_ms / 1000, tz):%Y-%m-%d %H:%M}"
        return text.removesuffix(" 00:00")

    since = f"since {at(window.start_ms)}" if window.start_ms is not None else ""
    until = f"until {at(window.end_ms)}" if window.end_ms is not None else ""
    return f"{' '.join(filter(None, (since, until))) or 'all time'} ({tz})"


def envelope(schema: str, now_ms: int, scope: object, data: object, warnings: Sequence[str]) -> bytes:
    whole = {"schema": schema, "generated_at_ms": now_ms, "scope": scope, "data": data, "warnings": warnings}
    return msgspec.json.format(msgspec.json.encode(whole), indent=2) + b"\n"


def write(content: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(content)


def report(error: KaizenError, *, as_json: bool) -> None:
    """An error on stderr: one JSON line, or a sentence and a hint."""
    if as_json:
        body = {"code": error.code, "message": str(error), "hint": error.hint, "details": error.details}
        sys.stderr.write(msgspec.json.encode({"error": body}, enc_hook=str).decode() + "\n")
        return
    head = "\x1b[31mError:\x1b[0m" if wants_color("auto", sys.stderr, os.environ) else "Error:"
    sys.stderr.write(f"{head} {error}\n")
    if error.hint:
        sys.stderr.write(f"Hint: {error.hint}\n")


def wants_color(choice: str, stream: TextIO, env: Mapping[str, str]) -> bool:
    """`--color`, then NO_COLOR, FORCE_COLOR, TERM=dumb, then whether it is a terminal."""
    if choice != "auto":
        return choice == "always"
    if env.get("NO_COLOR"):
        return False
    if env.get("FORCE_COLOR", "") not in ("", "0"):
        return True
    return env.get("TERM") != "dumb" and _is_terminal(stream)


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:
        return False


def _width() -> int:
    if os.environ.get("COLUMNS", "").isdigit():
        return max(40, int(os.environ["COLUMNS"]))
    try:
        return max(40, os.get_terminal_size(sys.stdout.fileno()).columns)
    except (OSError, ValueError):
        return 80


def _print(lines: Iterable[str]) -> None:
    text = "\n".join(lines)
    if text:
        sys.stdout.write(text + "\n")


def _write_csv(rows: Sequence[Any]) -> None:
    import csv

    flat = [_flat(row) for row in rows]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_columns(flat))
    writer.writerows([["" if value is None else value for value in row.values()] for row in flat])


def _flat(row: Any) -> dict[str, object]:
    """A row as one level of plain values; what it is comes before its sums."""
    plain: dict[str, object] = msgspec.to_builtins(row)
    plain = dict(sorted(plain.items(), key=lambda item: item[0] in _SUMS))
    return {
        name: msgspec.json.encode(value).decode() if isinstance(value, (list, dict)) else value
        for name, value in plain.items()
    }


def _columns(flat: Sequence[Mapping[str, object]]) -> list[str]:
    return list(flat[0]) if flat else []
