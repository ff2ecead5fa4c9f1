"""Wrong tokens by the address that they came from: a few at once, then one a second; other addresses notice nothing."""

import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network

AT_ONCE = 10
EVERY_SECONDS = 1.0
ADDRESSES_MAX = 1_000


class Guesses:
    """For each address, until when its wrong tokens count: each one adds a second."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: OrderedDict[str, float] = OrderedDict()

    def too_many(self, address: str | None) -> bool:
        """Whether as many as are allowed at once still count."""
        until = self._until.get(_owner(address), 0.0)
        return until - self._clock() > (AT_ONCE - 1) * EVERY_SECONDS

    def wrong(self, address: str | None) -> None:
        """Count one; of too many addresses the one that was longest quiet is forgotten."""
        owner = _owner(address)
        self._until[owner] = max(self._until.get(owner, 0.0), self._clock()) + EVERY_SECONDS
        self._until.move_to_end(owner)
        while len(self._until) > ADDRESSES_MAX:
            self._until.popitem(last=False)


def _owner(address: str | None) -> str:
    """Whoever has one IPv6 address has the 2**64 beside it."""
    try:
        known = ip_address(address or "")
    except ValueError:
        return ""
    return str(ip_network((known, 64), strict=False)) if isinstance(known, IPv6Address) else str(known)
