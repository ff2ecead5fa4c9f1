"""What a gateway writes into its lease row with each heartbeat, and the web view and other gateways read from there."""

from typing import Any, TypedDict


class LeaseFigures(TypedDict):
    """All of it is for people and none of it decides anything, but for ``monotonic``: how old a replica is, ``floor``:
    nothing older is committed under this lease any more (milliseconds since 1970, as in ids), and ``followed``: streams
    are open at this gateway, and wait for the floors of all.

    ``at`` is in seconds since 1970 and ``monotonic`` in seconds, both on the gateway's own clock; ``rate`` is per
    second, ``p99_ms`` None where no POST came; ``replica`` is how the replica that it reads does: ``status``, and
    ``lag_seconds`` or ``reason``.
    """

    at: float
    monotonic: float
    floor: int
    followed: bool
    accepted: int
    published: int
    queued: int
    publisher: str
    version: str
    url: str
    rate: float | None
    p99_ms: float | None
    replica: dict[str, Any] | None
