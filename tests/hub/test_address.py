"""Whose address counts: nobody can choose their own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen.hub.address import HEADERS, NOBODY, Header, Proxies, neighbourhood, networks

PROXY, OTHER_PROXY, CLIENT = "10.0.0.1", "10.0.0.2", "203.0.113.9"
TRUSTED = networks(["10.0.0.0/8", "fd00::/8"])


def asked(
    *said: str, peer: str | None = PROXY, header: Header = "x-forwarded-for", proxies: Proxies | None = None
) -> str:
    headers = [(header.encode(), one.encode("latin-1", "replace")) for one in said]
    scope = {"client": None if peer is None else (peer, 4711), "headers": headers}
    return (proxies or Proxies(TRUSTED, header)).client_of(scope)


@pytest.mark.parametrize(("said", "expected"), [
    ((), PROXY),
    (("",), PROXY),
    ((CLIENT,), CLIENT),
    ((f"{CLIENT}, {OTHER_PROXY}",), CLIENT),
    ((CLIENT, OTHER_PROXY), CLIENT),
    ((f"198.51.100.1, {CLIENT}",), CLIENT),
    ((f"{CLIENT}:4711",), CLIENT),
    (("[2001:db8::1]:4711",), "2001:db8::1"),
    (("2001:DB8:0::1",), "2001:db8::1"),
    (("fe80::1%eth0",), "fe80::1"),
    (("::ffff:203.0.113.9",), CLIENT),
    (("unknown",), PROXY),
    ((f"{CLIENT}, unknown",), PROXY),
    ((f"{OTHER_PROXY}",), OTHER_PROXY),
])  # fmt: skip
def test_what_a_trusted_proxy_says(said: tuple[str, ...], expected: str) -> None:
    assert asked(*said) == expected


@pytest.mark.parametrize(("said", "expected"), [
    (f"for={CLIENT}", CLIENT),
    (f'proto=https;For="{CLIENT}:80";by=10.0.0.1', CLIENT),
    ('for="[2001:db8::1]:4711"', "2001:db8::1"),
    (f"for={CLIENT}, for={OTHER_PROXY};proto=https", CLIENT),
    ("for=_hidden", PROXY),
    ("by=203.0.113.9", PROXY),
])  # fmt: skip
def test_the_standard_header(said: str, expected: str) -> None:
    assert asked(said, header="forwarded") == expected


def test_nobody_is_trusted_unless_named() -> None:
    assert asked("198.51.100.1", proxies=NOBODY) == PROXY
    assert asked("198.51.100.1", peer=CLIENT) == CLIENT
    assert asked("198.51.100.1", peer=None) == ""


@given(own=st.lists(st.text(max_size=30), max_size=4), header=st.sampled_from(HEADERS))
def test_a_client_cannot_choose_its_address(own: list[str], header: Header) -> None:
    """Whatever it sends, the proxy appends the address that it saw: as a further header, or behind a comma."""
    seen = CLIENT if header == "x-forwarded-for" else f"for={CLIENT}"
    assert asked(*own, seen, header=header) == CLIENT
    assert asked(", ".join([*own, seen]), header=header) == CLIENT


@pytest.mark.parametrize("typed", ["0.0.0.0/0", "::/0", "example.com", "10.0.0.0/33", ""])
def test_not_everybody_can_be_trusted(typed: str) -> None:
    with pytest.raises(ValueError, match=r"network|addresses"):
        networks([typed])


def test_an_ipv6_customer_is_one() -> None:
    assert neighbourhood("2001:db8:1:2:3::4") == neighbourhood("2001:db8:1:2:ffff::1") == "2001:db8:1:2::/64"
    assert neighbourhood(CLIENT) == CLIENT
    assert neighbourhood("") == ""
