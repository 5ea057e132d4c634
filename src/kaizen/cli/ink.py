"""Text for people: colours, columns, bars, and numbers written the way one says them.

Not rich: a table is 40 lines, and rich would double the time of a command that answers in 80 ms. Colours are for
terminals; without them the same words stay, so nothing is said by colour alone.
"""

from collections.abc import Iterable, Iterator, Sequence
from unicodedata import east_asian_width

import msgspec

UNKNOWN = "-"
_CODES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}
_EIGHTHS = " ▏▎▍▌▋▊▉█"
AGENT_COLORS = {"claude": "yellow", "codex": "green", "cursor": "magenta"}
STATUS_COLORS = {
    "running": "green",
    "waiting": "yellow",
    "idle": "cyan",
    "ok": "green",
    "error": "red",
    "denied": "yellow",
    "interrupted": "yellow",
    "open": "cyan",
    "lost": "dim",
}


class Ink(msgspec.Struct, frozen=True):
    """How to write on this output. `width` None: not a terminal, so nothing is shortened."""

    color: bool = False
    width: int | None = None
    now_ms: int = 0

    def paint(self, text: str, *styles: str | None) -> str:
        codes = ";".join(_CODES[style] for style in styles if style)
        return f"\x1b[{codes}m{text}\x1b[0m" if self.color and codes and text else text

    def bold(self, text: str) -> str:
        return self.paint(text, "bold")

    def dim(self, text: str) -> str:
        return self.paint(text, "dim")

    def agent(self, name: str) -> str:
        return self.paint(name, AGENT_COLORS.get(name, "blue"))

    def status(self, name: str) -> str:
        return self.paint(name, STATUS_COLORS.get(name, "dim"))


class Column(msgspec.Struct, frozen=True):
    """`flexible` columns give up width first, down to `least`; then columns with `drop` go, the greatest first."""

    title: str
    right: bool = False
    flexible: bool = False
    least: int = 8
    drop: int = 0
    style: str | None = None


Cell = str | tuple[str, str | None]


def table(
    columns: Sequence[Column],
    rows: Iterable[Sequence[Cell]],
    ink: Ink,
    *,
    total: Sequence[Cell] | None = None,
    gap: str = "  ",
) -> Iterator[str]:
    """Lines of a table. A cell is text, or text and the style of it. `total` is set off by a rule."""
    body = [[cell if isinstance(cell, tuple) else (cell, None) for cell in row] for row in rows]
    last = [cell if isinstance(cell, tuple) else (cell, "bold") for cell in total] if total else None
    everything = [*body, *([last] if last else [])]
    widths = [
        max(cells(column.title), *(cells(row[i][0]) for row in everything), 0) for i, column in enumerate(columns)
    ]
    if ink.width is not None:
        kept = _kept(widths, columns, ink.width, len(gap))
        if len(kept) < len(columns):
            columns, widths = [columns[i] for i in kept], [widths[i] for i in kept]
            body = [[row[i] for i in kept] for row in body]
            last = [last[i] for i in kept] if last else None
        _shrink(widths, columns, ink.width - len(gap) * (len(columns) - 1))

    def line(parts: Sequence[tuple[str, str | None]], *, is_head: bool = False) -> str:
        out = []
        for column, width, (text, style) in zip(columns, widths, parts, strict=True):
            shown = fit(text, width)
            blank = " " * (width - cells(shown))
            is_last = column is columns[-1]
            painted = ink.paint(shown, "bold" if is_head else style or column.style)
            out.append(blank + painted if column.right else painted if is_last else painted + blank)
        return gap.join(out).rstrip()

    yield line([(column.title, None) for column in columns], is_head=True)
    for row in body:
        yield line(row)
    if last:
        yield ink.dim(gap.join("─" * width for width in widths))
        yield line(last)


def _kept(widths: Sequence[int], columns: Sequence[Column], width: int, gap: int) -> list[int]:
    """Columns for which there is room when the flexible ones are as narrow as they can be."""
    kept = list(range(len(columns)))
    while True:
        least = [min(widths[i], columns[i].least) if columns[i].flexible else widths[i] for i in kept]
        loose = [i for i in kept if columns[i].drop]
        if sum(least) + gap * (len(kept) - 1) <= width or not loose:
            return kept
        kept.remove(max(loose, key=lambda i: columns[i].drop))


def _shrink(widths: list[int], columns: Sequence[Column], room: int) -> None:
    while sum(widths) > room:
        loose = [i for i, column in enumerate(columns) if column.flexible and widths[i] > column.least]
        if not loose:
            return
        widest = max(loose, key=lambda i: widths[i])
        others = [widths[i] for i in loose if i != widest]
        floor = max([columns[widest].least, *[width for width in others if width < widths[widest]]])
        widths[widest] = max(floor, widths[widest] - (sum(widths) - room), columns[widest].least)
        if others and widths[widest] == max(others) and sum(widths) > room:
            for i in loose:
                if widths[i] == widths[widest] and widths[i] > columns[i].least:
                    widths[i] -= 1


def markdown(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    def line(parts: Iterable[object]) -> str:
        shown = ("" if part is None else str(part).replace("|", "\\|").replace("\n", " ") for part in parts)
        return "| " + " | ".join(shown) + " |"

    yield line(columns)
    yield "|" + " --- |" * len(columns)
    for row in rows:
        yield line(row)


def cells(text: str) -> int:
    """Columns a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(0 if char in "\u200d\ufe0f" else 2 if east_asian_width(char) in "WF" else 1 for char in text)


def fit(text: str, width: int) -> str:
    """`text` in at most `width` columns."""
    if cells(text) <= width:
        return text
    kept, used = [], 0
    for char in text:
        used += cells(char)
        if used > width - 1:
            break
        kept.append(char)
    return "".join(kept).rstrip() + "…"


def bar(share: float, width: int = 16) -> str:
    """`share` of 1 as a bar with eighths of a block; anything above 0 shows."""
    eighths = max(round(share * width * 8), 1 if share > 0 else 0)
    full, rest = divmod(eighths, 8)
    return ("█" * full + _EIGHTHS[rest].strip())[:width]


def one_line(text: str | None) -> str:
    """For a cell: no line breaks, no control characters that could command a terminal."""
    if not text:
        return ""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def printable(text: str) -> str:
    """Many lines, but no control characters except line breaks and tabs: transcripts can hold terminal commands."""
    return "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text)


def usd(usd_e6: int | None, *, is_partial: bool = False) -> str:
    """`$12.40`; small amounts keep two digits that say something; `$12.40+` when some of it has no price."""
    if usd_e6 is None:
        return UNKNOWN
    amount = abs(usd_e6)
    if amount == 0:
        digits = 2
    elif amount < 100:
        digits = 6
    elif amount < 1_000_000:
        digits = 4
    else:
        digits = 2
    return f"{'-' if usd_e6 < 0 else ''}${amount / 1e6:,.{digits}f}{'+' if is_partial else ''}"


def count(number: int | None) -> str:
    return UNKNOWN if number is None else f"{number:,}"


def short_count(number: int | None) -> str:
    """`950`, `12.3k`, `4.56M`, `1.20B`."""
    if number is None:
        return UNKNOWN
    for size, unit in ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k")):
        if number >= size:
            scaled = number / size
            return f"{scaled:.{2 if scaled < 10 else 1 if scaled < 100 else 0}f}{unit}"
    return str(number)


def duration(ms: int | None) -> str:
    """`350ms`, `4.2s`, `3m 05s`, `2h 10m`, `3d 4h`."""
    if ms is None:
        return UNKNOWN
    if ms < 1000:
        return f"{ms}ms"
    seconds = ms / 1000
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    minutes = whole // 60
    if minutes < 48 * 60:
        return f"{minutes // 60}h {minutes % 60:02}m"
    return f"{minutes // 1440}d {minutes % 1440 // 60}h"


def ago(ms: int | None, now_ms: int) -> str:
    """`now`, `5m ago`, `3h ago`, `12d ago`."""
    if ms is None:
        return UNKNOWN
    seconds = max(0, now_ms - ms) // 1000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit} ago"
    return "now"


def size(number: int | None) -> str:
    if number is None:
        return UNKNOWN
    for scale, unit in ((10**9, "GB"), (10**6, "MB"), (1000, "kB")):
        if number >= scale:
            return f"{number / scale:.1f} {unit}"
    return f"{number} B"


def percent(part: float, whole: float) -> str:
    """`100 %` only for the whole."""
    if not whole:
        return UNKNOWN
    share = part / whole * 100
    return f"{min(share, 99.9) if part != whole else 100:.{0 if part == whole or 10 <= share < 99 else 1}f} %"


def plural(number: int, noun: str, nouns: str | None = None) -> str:
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"
