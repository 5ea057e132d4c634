"""A net for what no rule knows: long words that look drawn at random.

Random in base64: 20 and more characters, upper and lower case and digits, 4.3 bits each. In hex: 3.2 bits, unless it
has the length of a hash and stands where hashes stand.
"""

import re
from collections.abc import Iterator, Sequence

from kaizen.redact.engine import entropy
from kaizen.redact.finding import Finding
from kaizen.redact.runs import padded

MIN_BASE64, MIN_HEX = 4.3, 3.2
_MIN_WORD = 20
_HEX = re.compile(rb"[0-9a-fA-F]+")
_UUID = re.compile(rb"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_OF_HASHES = (32, 40, 64, 96, 128)
_BEFORE = 48
_HASH_WORD = re.compile(
    rb"sha|md5|commit|blake|digest|checksum|hash|etag|revision|\brev\b|tree|parent|merge|index|integrity|fingerprint|uuid"
    rb"|guid|object|blob|crc|[0-9a-f]{40}",
    re.IGNORECASE,
)
# Letters in the order of the alphabet are a table, not a secret.
_TABLES = (b"abcdefgh", b"ABCDEFGH", b"12345678", b"qwerty")


def find(data: bytes, words: Sequence[tuple[int, int]]) -> Iterator[Finding]:
    """`words` are the data's `runs`."""
    for start, end in words:
        if end - start < _MIN_WORD:
            continue
        end = padded(data, end)
        word = data[start:end]
        if _is_random(word) and not _is_explained(data, start, word):
            yield Finding("kaizen-entropy", start, end)


def _is_random(word: bytes) -> bool:
    if _HEX.fullmatch(word):
        return len(word) >= 32 and not word.isdigit() and entropy(word) >= MIN_HEX
    if word.islower() or word.isupper() or word.isalpha() or _UUID.search(word):
        return False
    return len(_pieces(word)) >= 3 and entropy(word) >= MIN_BASE64


def _is_explained(data: bytes, start: int, word: bytes) -> bool:
    if any(table in word for table in _TABLES):
        return True
    before = data[max(0, start - _BEFORE) : start]
    if _HEX.fullmatch(word):
        return len(word) in _OF_HASHES and _HASH_WORD.search(before) is not None
    # Of an URL, a data URL, or a hash of packages (`sha512-...`).
    line = before.rpartition(b"\n")[2]
    return b"://" in line.rpartition(b" ")[2] or b"base64," in line or b"sha" in line.lower() or word.startswith(b"sha")


_CHANGES = re.compile(rb"[a-z]\d|\d[A-Za-z]|[a-z][A-Z]|[A-Z]{2}[a-z]")


def _pieces(word: bytes) -> list[bytes]:
    """Where a word changes between small, capital and digit. Names change now and then, random words all the time."""
    found = _CHANGES.findall(word)
    return found if len(found) * 5 >= len(word) and any(48 <= char <= 57 for char in word) else []
