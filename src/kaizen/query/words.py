"""What FTS5's `unicode61` does not know about text: scripts without spaces, composed letters, camelCase.

The same preparation is used for what is indexed, what is looked for, and what a snippet is cut from. ASCII needs none.

    composition   everything is NFC, so that both spellings of `é` or `й` are one
    no spaces     each letter of Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese becomes a word, by invisible
                  spaces around it; a word of these scripts is then a phrase, found anywhere in a sentence
    camelCase     parts of identifiers in a call's input and paths are added behind it: `user name` finds `getUserName`
"""

import re
from functools import lru_cache
from unicodedata import is_normalized, normalize

# ZERO WIDTH SPACE: separates words for FTS5, and is taken out of snippets again.
INVISIBLE = "\u200b"
# Finding camelCase in whole inputs would cost a fifth of the time to index.
CAMEL_CHARS = 1_000

_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3"
    "\uf900-\ufaff]+")
# First bytes in UTF-8 of all that `_UNSPACED` finds, and of little else; dashes, arrows and emoji are not among them.
_UNSPACED_LEADS = b"\xe0\xe1\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xeb\xec\xed\xef"
_CAMEL = re.compile(r"\b[A-Za-z][a-z0-9]++[A-Z][A-Za-z0-9]*+", re.ASCII)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

Columns = tuple[str, str, str, str]


def columns(kind: str, found: Columns) -> Columns:
    """The four columns of `derive.text.searchable` as they are indexed."""
    prompt, text, tool, path = found
    if kind == "tool_call":
        text, path = _with_parts(text), _with_parts(path)
    return prepared(prompt), prepared(text), prepared(tool), prepared(path)


def prepared(text: str) -> str:
    if text.isascii():
        return text
    text = composed(text)
    data = text.encode("utf-8", "replace")
    # The expression looks at each character in ten times the time.
    return text if len(data.translate(None, _UNSPACED_LEADS)) == len(data) else _UNSPACED.sub(_apart, text)


def composed(text: str) -> str:
    """As it is looked for letter by letter."""
    return text if text.isascii() or is_normalized("NFC", text) else normalize("NFC", text)


def is_unspaced(text: str) -> bool:
    """Whether every letter of it is a word of its own."""
    return _UNSPACED.fullmatch(text) is not None


def _apart(run: re.Match[str]) -> str:
    return f"{INVISIBLE}{INVISIBLE.join(run[0])}{INVISIBLE}"


def has_words(text: str) -> bool:
    """Whether FTS5 would find a word in it."""
    return any(char.isalnum() for char in text)


def _with_parts(text: str) -> str:
    found = None if text.islower() else _CAMEL.findall(text, 0, CAMEL_CHARS)
    return f"{text}\n{' '.join(map(_parts, dict.fromkeys(found)))}" if found else text


@lru_cache(maxsize=10_000)
def _parts(name: str) -> str:
    return _HUMP.sub(" ", name)
