"""A text nobody may see: settings hold it as a `Secret`, and whatever prints settings prints `<set, 32 characters>`."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

_SECRET_NAME = re.compile(r"(?:^|_)(?:key|secret|token|password|headers|salt_hex)$")
_MASK = re.compile(r"<set, \d+ characters>|<empty>")


class Secret:
    """Shows its length only, however it is printed; `reveal` is called where it goes on the wire."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return mask(self._text)

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


def mask(text: str) -> str:
    """What is masked already stays as it is."""
    if _MASK.fullmatch(text):
        return text
    return f"<set, {len(text)} characters>" if text else "<empty>"


def masked(value: Any, name: str = "") -> Any:
    """A tree of plain values to show: what has the name of a secret is masked, and so is everything below it. A name
    that ends in `_env` refers to a variable; that may be seen."""
    if isinstance(value, Mapping):
        is_hidden = _is_secret(name)
        return {key: masked(one, name if is_hidden else str(key)) for key, one in value.items()}
    if isinstance(value, list):
        return [masked(one, name) for one in value]
    return mask(value) if isinstance(value, str) and _is_secret(name) else value


def words(argv: Sequence[str]) -> str:
    """A command line to show: the value behind `--api-key`, and behind `api_key=`, is masked."""
    said, is_next = [], False
    for word in argv:
        name, equals, value = word.partition("=")
        if is_next:
            said.append(mask(word))
        elif equals and _is_secret(name.lstrip("-").replace("-", "_")):
            said.append(f"{name}={mask(value)}")
        else:
            said.append(word)
        is_next = not equals and word.startswith("--") and _is_secret(word[2:].replace("-", "_"))
    return " ".join(said)


def _is_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None
