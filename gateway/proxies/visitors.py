"""Addresses: which are those of trusted proxies, and which visitor each of the others stands for."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network


class Trusted:
    """The networks of proxies whose word counts."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks: list[Network] = [ip_network(one) for one in networks]
        # Addresses repeat; both answers are kept for the most recent ones.
        self.has = lru_cache(maxsize=4096)(self._has)

    def _has(self, address: str) -> bool:
        if not is_address(address):
            return False
        parsed = ip_address(address)
        # A socket for both families shows IPv4 as ::ffff:1.2.3.4.
        parsed = getattr(parsed, "ipv4_mapped", None) or parsed
        return any(parsed in network for network in self._networks)

    def first_stranger(self, peer: str, entries: Sequence[str]) -> tuple[str, int]:
        """The first address from the right that is no proxy of ours, or the last one seen; and how many were believed.

        An entry that is no address ends the search: what stands left of it was not written by a proxy of ours.
        """
        found = peer
        for believed, entry in enumerate(reversed(entries)):
            candidate = _without_port(entry.strip())
            if not self.has(found) or not is_address(candidate):
                return found, believed
            found = candidate
        return found, len(entries)


@lru_cache(maxsize=4096)
def name_of(address: str) -> str:
    """The visitor that an address stands for: an IPv6 host owns a /64, so that prefix is the visitor."""
    if ":" not in address or not is_address(address):
        return address
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(IPv6Network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)


def is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _without_port(entry: str) -> str:
    """``1.2.3.4:567`` and ``[::1]:567`` without the port."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry
