"""The address of a client: that of its connection or, behind proxies that are trusted, what they say of it.

A proxy appends the address that it was asked from. So the entries are read from the right, and each is believed only
if whoever wrote it is trusted: the first address that is no trusted proxy is the client. What stands further left the
client wrote itself. Only one header is read, because a proxy that sets one lets a client's other one through.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal, get_args

from starlette.types import Scope

Header = Literal["x-forwarded-for", "forwarded"]
HEADERS: tuple[Header, ...] = get_args(Header)
Network = IPv4Network | IPv6Network
_BRACKETS = re.compile(r"\[([^\]]*)\](?::\d+)?")
_WITH_PORT = re.compile(r"([0-9.]+):\d+")


class Proxies:
    """`networks`: where proxies are that are trusted; without any nobody is. `header`: where they say who asked."""

    def __init__(self, networks: Sequence[Network] = (), header: Header = "x-forwarded-for") -> None:
        self._networks, self._header = tuple(networks), header.encode()

    def client_of(self, scope: Scope) -> str:
        """Empty when the connection has no address."""
        peer = scope.get("client")
        address = _address(peer[0]) if peer else None
        if address is None:
            return ""
        for said in reversed(list(self._said(scope)) if self._is_trusted(address) else []):
            before = _address(said)
            if before is None:  # "unknown", a name, or nonsense: whoever wrote it is the last that we know
                break
            address = before
            if not self._is_trusted(address):
                break
        return address

    def _is_trusted(self, address: str) -> bool:
        parsed = ip_address(address)
        return any(parsed in network for network in self._networks)

    def _said(self, scope: Scope) -> Iterator[str]:
        for name, value in scope["headers"]:
            if name == self._header:
                for part in value.decode("latin-1").split(","):
                    yield _for(part) if self._header == b"forwarded" else part


NOBODY = Proxies()


def networks(typed: Iterable[str]) -> list[Network]:
    """Raises `ValueError`, also for a network of all addresses: with it every client could choose its own."""
    found = [ip_network(one, strict=False) for one in typed]
    if any(one.prefixlen == 0 for one in found):
        raise ValueError("all addresses at once cannot be trusted")
    return found


def neighbourhood(address: str) -> str:
    """Who is counted as one: an IPv4 address, or the /64 that a single customer has of IPv6."""
    parsed = ip_address(address) if address else None
    return str(ip_network((address, 64), strict=False)) if isinstance(parsed, IPv6Address) else address


def _for(element: str) -> str:
    """RFC 7239: for=192.0.2.60;proto=https, for="[2001:db8::1]:4711". No pattern: a client writes this, too, and must
    not find a text that takes long to match."""
    for pair in element.split(";"):
        name, _, value = pair.partition("=")
        if name.strip().lower() == "for":
            return value.strip().strip('"')
    return ""


def _address(text: str) -> str | None:
    text = text.strip()
    if found := _BRACKETS.fullmatch(text) or _WITH_PORT.fullmatch(text):
        text = found[1]
    try:
        parsed = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return str(parsed)
