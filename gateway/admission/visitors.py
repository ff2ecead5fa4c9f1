"""Who is asking: the address that a request came from, through trusted proxies only."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network


class Visitors:
    """Finds the client's address. ``X-Forwarded-For`` counts only as far as ``trusted`` proxies wrote it."""

    def __init__(self, trusted: Sequence[str]) -> None:
        self._networks: list[Network] = [ip_network(one) for one in trusted]
        # Addresses repeat; both answers are kept for the most recent ones.
        self._is_trusted = lru_cache(maxsize=4096)(self._in_networks)

    def address(self, peer: str, forwarded: bytes | None) -> str:
        """The first address from the right that is no trusted proxy, or ``peer`` itself.

        An entry that is no address ends the search: what stands left of it was not written by a proxy of ours.
        """
        if forwarded is None or not self._networks or not self._is_trusted(peer):
            return peer
        found = peer
        for entry in reversed(forwarded.decode("latin-1").split(",")):
            candidate = _without_port(entry.strip())
            if not _is_address(candidate):
                return found
            found = candidate
            if not self._is_trusted(found):
                return found
        return found

    def _in_networks(self, address: str) -> bool:
        if not _is_address(address):
            return False
        parsed = ip_address(address)
        # A socket for both families shows IPv4 as ::ffff:1.2.3.4.
        parsed = getattr(parsed, "ipv4_mapped", None) or parsed
        return any(parsed in network for network in self._networks)


@lru_cache(maxsize=4096)
def name_of(address: str) -> str:
    """The visitor that an address stands for: an IPv6 host owns a /64, so that prefix is the visitor."""
    if ":" not in address or not _is_address(address):
        return address
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(IPv6Network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)


def _is_address(text: str) -> bool:
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
