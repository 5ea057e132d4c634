"""JSON without surprises: no duplicate keys, no NaN, no nesting that a decoder could choke on.

msgspec takes the last of two equal keys in silence, so two readers of one body could see two different things. The
standard library's parser tells every object's keys, at 4 us for an event of 600 bytes.
"""

import json
import re
from typing import Any, NoReturn

from kaizen.hub.answer import Refusal

MAX_DEPTH = 64
# An empty list is three bytes of JSON and fifty-six of memory. 8 MiB of real items hold some 200,000 values.
MAX_VALUES = 1_000_000
_NOT_BRACKETS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[^\[\]{}"]+', re.DOTALL)


def check(body: bytes) -> None:
    """Raises `Refusal` for a text that is no JSON, has a key twice in one object or NaN, nests too deep, or holds more
    values than any batch."""
    if body.count(b",") + body.count(b"[") + body.count(b"{") > MAX_VALUES:
        raise Refusal("too_many_items", f"A body holds at most {MAX_VALUES} values.")
    try:
        _decoder.decode(body.decode())
    except RecursionError:
        raise _too_deep() from None
    except UnicodeDecodeError:
        raise Refusal("bad_json", "The body is not UTF-8.") from None
    except _DuplicateKey as error:
        raise Refusal("bad_json", f"An object has a key twice: {str(error)[:64]!r}.") from None
    except ValueError as error:
        raise Refusal("bad_json", f"The body is not JSON: {error}.") from None


def check_depth(text: bytes, *, outside: int = 0) -> None:
    """`outside`: levels around this text. Counting brackets settles it for nearly every item."""
    allowed = MAX_DEPTH - outside
    if text.count(b"{") + text.count(b"[") <= allowed:
        return
    depth = 0
    for bracket in _NOT_BRACKETS.sub(b"", text):
        if bracket in b"{[":
            depth += 1
            if depth > allowed:
                raise _too_deep()
        else:
            depth -= 1


def _too_deep() -> Refusal:
    return Refusal("json_too_deep", f"JSON is nested more than {MAX_DEPTH} levels deep.")


class _DuplicateKey(Exception):
    pass


def _keys(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKey(key)
            seen.add(key)


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_keys, parse_constant=_constant)
