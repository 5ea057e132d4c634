"""Encoded text: what it says, in the place where it stands, so that a name in front still belongs to its value.

    %41            percent             \\u0041 \\x41    escapes             &#65; &amp;    HTML
    4141...        hex, 32 and more    QUFB...        base64, 16 and more, also of gzip

Hex and base64 count as such only if they decode to readable text: a hash or an identifier does not.
"""

import binascii
import html
import re
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from urllib.parse import unquote_to_bytes

from kaizen.redact import patterns
from kaizen.redact.engine import narrow
from kaizen.redact.mapped import Mapped, Piece

_MAX_GROWTH, _GZIP = 4, b"\x1f\x8b"
# Each begins with its first character alone, which is what makes the search for it fast.
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}(?:%[0-9A-Fa-f]{2})*+")
_ONE = r"\\(?<!\\\\)\\*+(?:u[0-9A-Fa-f]{4}|u\{[0-9A-Fa-f]{1,6}\}|x[0-9A-Fa-f]{2})"
_ESCAPES = re.compile(f"{_ONE}(?:{_ONE})*+")
_ESCAPE = re.compile(r"\\+[ux]\{?([0-9A-Fa-f]{1,6})\}?")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[a-zA-Z]{2,8});")
# Wrapped lines first, as `base64` and PEM write them.
_RUN = (
    r"(?:[A-Za-z0-9+/]{60,76}\r?\n[ \t]*)+[A-Za-z0-9+/]{2,76}={0,2}"
    r"|(?:[0-9A-Fa-f]{2}[ :]){15,}[0-9A-Fa-f]{2}|[A-Za-z0-9+/_-]{16,}={0,2}"
)
_HEX, _MIN_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2}){16,}"), 32
_BLANKS = re.compile(rb"[\s:]+")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


def decoded(text: str) -> Mapped | None:
    """None when nothing in it is encoded."""
    pieces = list(_kept(sorted(_pieces(text)), _MAX_GROWTH * len(text)))
    return Mapped(text, pieces) if pieces else None


def _kept(pieces: list[Piece], room: int) -> Iterator[Piece]:
    """The first of those that overlap, as long as there is room for what they say."""
    at = 0
    for start, end, said in pieces:
        if start >= at and len(said) <= room:
            yield start, end, said
            at, room = end, room - len(said)


def _pieces(text: str) -> Iterator[Piece]:
    if "%" in text:
        yield from _each(text, _PERCENT, _percent)
    if "\\" in text:
        yield from _each(text, _ESCAPES, _escapes)
    if "&" in text and ";" in text:
        yield from _each(text, _ENTITY, html.unescape)
    data = narrow(text)
    for found in _runs().finditer(data):
        start, end = found.span()
        if (said := _said(data[start:end])) is not None:
            yield start, end, said


def _each(text: str, pattern: re.Pattern[str], decode: Callable[[str], str]) -> Iterator[Piece]:
    for found in pattern.finditer(text):
        if (said := decode(found[0])) != found[0]:
            yield found.start(), found.end(), said


def _percent(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8", "replace")


def _escapes(text: str) -> str:
    codes = [int(found[1], 16) for found in _ESCAPE.finditer(text)]
    joined = "".join(chr(code) for code in codes if code <= 0x10FFFF)
    # Two halves of a pair are one character.
    return joined.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@cache
def _runs() -> patterns.Pattern:
    return patterns.compile(_RUN)


def _said(run: bytes) -> str | None:
    if not run.isalnum():
        run = _BLANKS.sub(b"", run)
    if len(run) >= _MIN_HEX and _HEX.fullmatch(run):
        return _readable(binascii.unhexlify(run))
    bare = run.rstrip(b"=").translate(_URL_SAFE)
    if len(bare) % 4 == 1:
        return None
    return _readable(binascii.a2b_base64(bare + b"=" * (-len(bare) % 4)))


def _readable(data: bytes) -> str | None:
    if data[:2] == _GZIP:
        try:
            data = zlib.decompressobj(wbits=31).decompress(data, _MAX_GROWTH * len(data) + 1024)
        except zlib.error:
            return None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if not text or _CONTROL.search(text) else text
