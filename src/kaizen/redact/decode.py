"""Encoded text: what it says, in the place where it stands, so that a name in front still belongs to its value.

    %41            percent             \\u0041 \\x41    escapes             &#65; &amp;    HTML
    4141...        hex, 32 and more    QUFB...        base64, 16 and more, also of gzip

Hex and base64 count as such only if they decode to readable text: a hash or an identifier does not.
"""

import binascii
import html
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import cache
from urllib.parse import unquote_to_bytes

from kaizen.redact import patterns
from kaizen.redact.mapped import Mapped, Piece
from kaizen.redact.runs import padded

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
GATES = {"spaced-hex": r"(?:[0-9A-Fa-f]{2}[ :]){15}"}
_MIN_LINE = 60
_HEX, _MIN_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2}){16,}"), 32
_BLANKS = re.compile(rb"[\s:]+")
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_URL_SAFE, _TO_URL_SAFE = bytes.maketrans(b"-_", b"+/"), bytes.maketrans(b"+/", b"-_")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


def decoded(text: str, data: bytes, words: Sequence[tuple[int, int]], may: AbstractSet[str]) -> Mapped | None:
    """None when nothing in it is encoded. `data` is the text, narrowed, `words` its `runs`, `may` its open gates."""
    pieces = list(_kept(sorted(_pieces(text, data, words, may)), _MAX_GROWTH * len(text)))
    return Mapped(text, pieces) if pieces else None


def _kept(pieces: list[Piece], room: int) -> Iterator[Piece]:
    """The first of those that overlap, as long as there is room for what they say."""
    at = 0
    for start, end, said in pieces:
        if start >= at and len(said) <= room:
            yield start, end, said
            at, room = end, room - len(said)


def _pieces(text: str, data: bytes, words: Sequence[tuple[int, int]], may: AbstractSet[str]) -> Iterator[Piece]:
    if "%" in text:
        yield from _each(text, _PERCENT, _percent)
    if "\\" in text:
        yield from _each(text, _ESCAPES, _escapes)
    if "&" in text and ";" in text:
        yield from _each(text, _ENTITY, html.unescape)
    if "spaced-hex" in may or _is_wrapped(data, words):
        yield from _any_run(data)
    else:
        yield from _each_word(data, words)


def _any_run(data: bytes) -> Iterator[Piece]:
    for found in _runs().finditer(data):
        start, end = found.span()
        if (said := _said(_BLANKS.sub(b"", data[start:end]))) is not None:
            yield start, end, said


def _each_word(data: bytes, words: Sequence[tuple[int, int]]) -> Iterator[Piece]:
    """The same for a text without lines that belong together. First letters rule out most words."""
    heads = _heads()
    for start, end in words:
        size = end - start
        is_base64 = data[start : start + 2] in heads and size % 4 != 1
        if is_base64 or (size >= _MIN_HEX and _HEX.fullmatch(data, start, end)):
            said = _said(data[start:end])
            if said is not None:
                yield start, padded(data, end), said


def _is_wrapped(data: bytes, words: Sequence[tuple[int, int]]) -> bool:
    """Whether a long line of base64 may go on in the next one."""
    return any(
        end - start >= _MIN_LINE and data[end : end + 1] in (b"\r", b"\n") and data[end - 1] not in b"-_"
        for start, end in words
    )


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


@cache
def _heads() -> frozenset[bytes]:
    """The first two letters of base64 that may say something readable: they hold a byte, and half of the next."""
    letters = [bytes((code,)) for code in _ALPHABET]
    heads = {
        first + second
        for high, first in enumerate(letters)
        for low, second in enumerate(letters)
        if _may_begin(high << 2 | low >> 4, low & 15)
    }
    return frozenset(heads | {head.translate(_TO_URL_SAFE) for head in heads})


def _may_begin(byte: int, half: int) -> bool:
    """Whether gzip, or UTF-8 without control characters, begins with a byte and half of the next."""
    if 9 <= byte <= 13 or 32 <= byte <= 126:
        return half not in (1, 8, 9, 10, 11)
    return (0xC2 <= byte <= 0xF4 and 8 <= half <= 11) or (byte, half) == (_GZIP[0], _GZIP[1] >> 4)


def _said(run: bytes) -> str | None:
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
