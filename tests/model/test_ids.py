"""Ids as people type them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen.errors import AmbiguousId, SessionNotFound, UsageError
from kaizen.model.ids import Known, resolve, shorten

KNOWN = [
    Known(3, "codex", "cccc3333-0000"),
    Known(2, "claude", "aaaa2222-0000"),
    Known(1, "claude", "aaaa1111-0000"),
    Known(4, "cursor", "cccc3333-0000"),
    Known(5, "claude", "abc"),
    Known(6, "claude", "aaaa1111-0000-extra"),
]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("@last", 3),
        ("@1", 3),
        ("@2", 2),
        ("aaaa2", 2),
        ("aaaa2222-0000", 2),
        ("aaaa1111-0000", 1),  # whole, although another begins with it
        ("codex:cccc", 3),
        ("cursor:cccc3333-0000", 4),
        ("abc", 5),  # short, but whole
    ],
)
def test_what_is_meant(typed: str, expected: int) -> None:
    assert resolve(typed, KNOWN).id == expected


@pytest.mark.parametrize("typed", ["aaaa", "cccc", "cccc3333-0000", "aaaa1111"])
def test_several_fit(typed: str) -> None:
    with pytest.raises(AmbiguousId) as caught:
        resolve(typed, KNOWN)
    assert len(caught.value.details["matches"]) == 2 or typed == "aaaa"  # type: ignore[arg-type]
    assert caught.value.exit_status == 3


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("aaab", "aaaa"),
        ("2222", "aaaa2222"),
        ("zzzz", "sessions list"),
        ("aa", "at least 4"),
        ("@9", "sessions list"),
        ("", "list"),
    ],
)
def test_none_fits(typed: str, hint: str) -> None:
    with pytest.raises(SessionNotFound) as caught:
        resolve(typed, KNOWN)
    assert hint in caught.value.hint


@pytest.mark.parametrize("typed", ["@0", "@x", "@-1", "@"])
def test_no_such_rank(typed: str) -> None:
    with pytest.raises(UsageError):
        resolve(typed, KNOWN)


def test_an_empty_store_has_no_session() -> None:
    with pytest.raises(SessionNotFound):
        resolve("@last", [])


@given(st.lists(st.text("ab-", min_size=1, max_size=14), min_size=1, unique=True))
def test_shortened_ids_are_unambiguous_and_at_least_eight(ids: list[str]) -> None:
    for one, short in shorten(ids, ids).items():
        assert one.startswith(short)
        assert len(short) >= min(8, len(one))
        assert [other for other in ids if other.startswith(short)] == [one] or short == one
