"""Who a request came from: nobody's word counts but a trusted proxy's."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Scope

from kaizen.hub.address import HEADERS, Header, Proxies, neighbourhood, networks
from kaizen.hub.limits import Limits
from kaizen.hub.store.protocol import Team
from kaizen.hub.store.sqlite import SqliteStore

from .made import NOW, TEAM
from .serving import Client, serving

TRUSTED = networks(["10.0.0.0/8", "fd00::/8"])


def scope(peer: str | None, *headers: tuple[str, str]) -> Scope:
    return {"client": None if peer is None else (peer, 4711),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers]}  # fmt: skip


@pytest.mark.parametrize(
    ("peer", "said", "client"),
    [
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["198.51.100.1", "203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9, 10.7.7.7"], "203.0.113.9"),
        ("10.0.0.1", ["10.1.1.1, 10.7.7.7"], "10.1.1.1"),
        ("10.0.0.1", ["203.0.113.9, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9, , "], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9:5555"], "203.0.113.9"),
        ("10.0.0.1", ["[2001:db8::1]:5555"], "2001:db8::1"),
        ("fd00::1", ["2001:DB8:0::1"], "2001:db8::1"),
        ("::ffff:10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("192.0.2.7", ["203.0.113.9"], "192.0.2.7"),
        (None, ["203.0.113.9"], ""),
    ],
)
def test_x_forwarded_for_is_read_from_the_right(peer: str | None, said: list[str], client: str) -> None:
    assert Proxies(TRUSTED).client_of(scope(peer, *[("x-forwarded-for", one) for one in said])) == client


@pytest.mark.parametrize(
    ("said", "client"),
    [
        ("for=203.0.113.9", "203.0.113.9"),
        ('for=1.2.3.4, By=10.0.0.1; FOR="203.0.113.9:80" ;proto=https', "203.0.113.9"),
        ('for="[2001:db8::1]:4711"', "2001:db8::1"),
        ("for=1.2.3.4, for=_hidden", "10.0.0.1"),
        ("for=1.2.3.4, proto=https", "10.0.0.1"),
    ],
)
def test_forwarded_is_read_from_the_right(said: str, client: str) -> None:
    assert Proxies(TRUSTED, "forwarded").client_of(scope("10.0.0.1", ("forwarded", said))) == client


def test_the_other_header_is_not_read() -> None:
    assert Proxies(TRUSTED).client_of(scope("10.0.0.1", ("forwarded", "for=1.2.3.4"))) == "10.0.0.1"
    assert Proxies(TRUSTED, "forwarded").client_of(scope("10.0.0.1", ("x-forwarded-for", "1.2.3.4"))) == "10.0.0.1"


ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
OUTSIDE = st.sampled_from(["203.0.113.9", "2001:db8:7::9"])
WRITTEN = st.lists(
    st.tuples(
        st.sampled_from(HEADERS),
        st.one_of(
            st.lists(ADDRESSES, max_size=4).map(", ".join),
            st.lists(ADDRESSES.map(lambda one: f'for="[{one}]"' if ":" in one else f"for={one}")).map(", ".join),
            st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=40),
        ),
    ),
    max_size=4,
)


@given(client=OUTSIDE, written=WRITTEN, inner=st.lists(st.sampled_from(["10.0.0.2", "10.3.0.4"]), max_size=2),
       header=st.sampled_from(HEADERS), is_joined=st.booleans())  # fmt: skip
def test_no_client_chooses_its_address(
    client: str, written: list[tuple[str, str]], inner: list[str], header: Header, is_joined: bool
) -> None:
    """Through one proxy or several, each of which appends who asked it, and without any."""
    assert Proxies(TRUSTED, header).client_of(scope(client, *written)) == client
    hops = [client, *inner]
    if header == "forwarded":
        hops = [f'for="[{one}]"' if ":" in one else f"for={one}" for one in hops]
    headers = list(written)
    for hop in hops:
        last = next((i for i in reversed(range(len(headers))) if headers[i][0] == header), None)
        if is_joined and last is not None:
            headers[last] = header, f"{headers[last][1]}, {hop}"
        else:
            headers.append((header, hop))
    assert Proxies(TRUSTED, header).client_of(scope("10.0.0.1", *headers)) == client


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("text", ["for=" + " " * 60_000 + '"', "for=;" * 12_000, ",[" * 30_000, "1." * 30_000])
def test_no_header_takes_long_to_read(header: Header, text: str) -> None:
    started = time.perf_counter()
    Proxies(TRUSTED, header).client_of(scope("10.0.0.1", (header, text)))
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("typed", ["0.0.0.0/0", "::/0", "10.0.0.0/33", "proxy.example.com", ""])
def test_what_cannot_be_trusted(typed: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        networks(["10.0.0.0/8", typed])


def test_a_customer_of_ipv6_is_one() -> None:
    assert neighbourhood("2001:db8::1") == neighbourhood("2001:db8::ffff") != neighbourhood("2001:db8:0:1::1")
    assert (neighbourhood("192.0.2.1"), neighbourhood("")) == ("192.0.2.1", "")


@pytest.fixture
def behind_a_proxy(tmp_path: Path) -> Iterator[Client]:
    with closing(SqliteStore(tmp_path)) as store:
        store.add_team(Team(TEAM, NOW))
        with serving(store, Limits(failures_per_minute=3), proxies=Proxies(networks(["127.0.0.1"]))) as hub:
            yield hub


def test_behind_a_proxy_each_client_has_its_own_failures(behind_a_proxy: Client) -> None:
    hub = behind_a_proxy

    def statuses(said: str, count: int) -> list[int]:
        headers = {"Authorization": "Bearer wrong", "X-Forwarded-For": said}
        return [hub.http.get("/v1/config", headers=headers).status_code for _ in range(count)]

    assert statuses("203.0.113.1", 5) == [401] * 3 + [429] * 2
    assert [statuses(f"198.51.100.{i}, 203.0.113.1", 1) for i in range(3)] == [[429]] * 3
    assert statuses("203.0.113.2", 1) == [401]
    assert {line["address"] for line in hub.log} == {"203.0.113.1", "203.0.113.2"}
