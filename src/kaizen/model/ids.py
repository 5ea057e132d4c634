"""Ids as people type them: a whole id, an unambiguous beginning of at least four characters, `@last`, `@1`, `@2` ...

Works on what the caller fetched: `Known` are sessions of the store, newest first.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from kaizen.errors import AmbiguousId, SessionNotFound, UsageError

MIN_PREFIX = 4
SHORTEST_SHOWN = 8


class Known(NamedTuple):
    id: int
    agent: str
    host_id: str


def rank_of(typed: str) -> int | None:
    """0 for `@last` and `@1`, 1 for `@2`, ...; None when it is no such thing. Raises `UsageError` for `@0` or `@x`."""
    if not typed.startswith("@"):
        return None
    if typed == "@last":
        return 0
    if typed[1:].isascii() and typed[1:].isdigit() and int(typed[1:]) > 0:
        return int(typed[1:]) - 1
    raise UsageError(f"{typed!r} is no session.", hint="@last or @1 is the newest session, @2 the one before it.")


def resolve(typed: str, known: Sequence[Known]) -> Known:
    """The session meant; `agent:id` tells two with the same id apart. Raises `SessionNotFound`, `AmbiguousId`."""
    if (rank := rank_of(typed)) is not None:
        if rank >= len(known):
            raise SessionNotFound(typed)
        return known[rank]
    agent, colon, rest = typed.partition(":")
    pool = [one for one in known if one.agent == agent] if colon else []
    prefix = rest if pool else typed
    pool = pool or list(known)
    exact = [one for one in pool if one.host_id == prefix]
    if len(exact) == 1:
        return exact[0]
    if exact:
        raise AmbiguousId(typed, [f"{one.agent}:{one.host_id}" for one in exact])
    if len(prefix) < MIN_PREFIX:
        raise SessionNotFound(typed, [f"{prefix}... (at least {MIN_PREFIX} characters of an id)"] if prefix else [])
    found = [one for one in pool if one.host_id.startswith(prefix)]
    if len(found) == 1:
        return found[0]
    if found:
        raise AmbiguousId(typed, [one.host_id for one in found])
    raise SessionNotFound(typed, close_ids(prefix, [one.host_id for one in pool]))


def close_ids(typed: str, ids: Sequence[str]) -> list[str]:
    """Ids that contain what was typed, else those that share its longest beginning, else similar ones; at most 3."""
    if inside := [one for one in ids if typed.lower() in one.lower()]:
        return inside[:3]
    shared = max((_shared(typed, one) for one in ids), default=0)
    if shared >= min(MIN_PREFIX, len(typed) - 1):
        return [one for one in ids if _shared(typed, one) == shared][:3]
    from difflib import get_close_matches

    return get_close_matches(typed, [one[: max(len(typed), SHORTEST_SHOWN)] for one in ids[:2000]], n=3)


def shorten(ids: Sequence[str], among: Sequence[str]) -> dict[str, str]:
    """The shortest beginning, of at least eight characters, that only this one of `among` has."""
    ordered = sorted(set(among))
    short = {}
    for one in ids:
        at = bisect_left(ordered, one)
        beside = [ordered[i] for i in (at - 1, at + 1) if 0 <= i < len(ordered)]
        short[one] = one[: max(SHORTEST_SHOWN, *(1 + _shared(one, other) for other in beside), 0)]
    return short


def _shared(one: str, other: str) -> int:
    for length, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return length
    return min(len(one), len(other))
