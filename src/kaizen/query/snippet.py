"""The part of a text that shows why it was found."""

import re
from collections.abc import Iterator, Sequence

from kaizen.query.words import INVISIBLE

# What surrounds a match in a marked text; neither occurs in a clean one.
OPEN, CLOSE = "\x01", "\x02"
WORDS, CHARS = 32, 240
_BEFORE_WORDS, _BEFORE_CHARS = 6, 80

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_BLANKS = re.compile(r"\s+")
_MARKED = re.compile(f"{OPEN}([^{CLOSE}]*){CLOSE}")

Range = list[int]


def unmarked(text: str) -> str:
    """`text` so that marks can be put into it."""
    return text.replace(OPEN, " ").replace(CLOSE, " ") if OPEN in text or CLOSE in text else text


def mark(text: str, literals: Sequence[str], *, in_any_case: bool = False) -> str:
    """Marks every occurrence of these, where nothing is marked yet; invisible spaces between their letters count for
    nothing."""
    if not literals:
        return text
    spelled = [f"{INVISIBLE}*".join(map(re.escape, one)) for one in sorted(literals, key=len, reverse=True)]
    flags = re.IGNORECASE if in_any_case else re.NOFLAG
    return re.sub("|".join(spelled), f"{OPEN}\\g<0>{CLOSE}", unmarked(text), flags=flags)


def snippet(marked: str) -> tuple[str, list[Range]]:
    """At most 32 words and 240 characters around the most different matches, on one line, without control characters;
    and where in it the matches are, as [start, end]."""
    begin = _best(marked)
    lead = marked[max(0, begin - _BEFORE_CHARS) : begin]
    if words := list(re.finditer(r"\S+", lead))[-_BEFORE_WORDS:]:
        # A word that the cut goes through is left out, unless it touches the match.
        is_cut = words[0].start() == 0 and begin > len(lead) and len(words) > 1
        begin -= len(lead) - words[is_cut].start()
    return _shown(marked[begin : begin + 4 * CHARS])


def _best(marked: str) -> int:
    """The match that begins the stretch with the most different words; 0 without any."""
    found = [(match.start(), match[1].lower()) for match in _MARKED.finditer(marked)]
    best, best_count, last = 0, 0, 0
    for index, (start, _) in enumerate(found[:500]):
        last = max(last, index)
        while last < len(found) and found[last][0] < start + CHARS:
            last += 1
        count = len({word for _, word in found[index:last]})
        if count > best_count:
            best, best_count = start, count
    return best


def _shown(part: str) -> tuple[str, list[Range]]:
    text, words = "", 0
    ranges: list[Range] = []
    for piece, is_match in _pieces(part):
        if words >= WORDS or len(text) >= CHARS:
            break
        plain = _plain(piece)
        if not text or text.endswith(" "):
            plain = plain.lstrip(" ")
        plain, count = _limited(plain, WORDS - words, CHARS - len(text))
        words += count
        if is_match and plain.strip():
            ranges.append([len(text), len(text) + len(plain.rstrip(" "))])
        text += plain
    return text.rstrip(" "), ranges


def _pieces(part: str) -> Iterator[tuple[str, bool]]:
    at = 0
    for match in _MARKED.finditer(part):
        if match.start() > at:
            yield part[at : match.start()], False
        yield match[1], True
        at = match.end()
    rest, _, cut_match = part[at:].partition(OPEN)
    yield rest, False
    yield cut_match, True


def _plain(text: str) -> str:
    return _CONTROL.sub("", _BLANKS.sub(" ", text.replace(INVISIBLE, "")))


def _limited(text: str, words: int, chars: int) -> tuple[str, int]:
    """The beginning of `text` with so many words and characters, and how many words it has."""
    count = 0
    for word in re.finditer(r"\S+", text):
        if count == words:
            return text[: word.start()], count
        count += 1
    return text[:chars], count
