"""What a reader sees: without invisible characters, and with look-alike forms as the letters they are (NFKC)."""

import re
import unicodedata
from collections.abc import Iterator

from kaizen.redact.mapped import Mapped, Piece

# Zero-width characters, direction marks, soft hyphens, variation selectors.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]+"
)
_FOREIGN = re.compile(r"[^\x00-\x7f]")


def normalised(text: str) -> Mapped | None:
    """None when the text already is what it seems."""
    # A text that is in this form has no part that is not.
    if text.isascii() or (unicodedata.is_normalized("NFKC", text) and not _INVISIBLE.search(text)):
        return None
    pieces = list(_pieces(text))
    return Mapped(text, pieces) if pieces else None


def _pieces(text: str) -> Iterator[Piece]:
    for found in _FOREIGN.finditer(text):
        char = found[0]
        seen = "" if _INVISIBLE.match(char) else unicodedata.normalize("NFKC", char)
        if seen != char:
            yield found.start(), found.end(), seen
