"""Which of several database hosts is the primary.

A driver's ``target_session_attrs`` takes the first host that allows writes. That is not enough for a failover: one host
that is silent uses up the time of all, and a former primary that comes back allows writes too. Here each host has a
time of its own, and of two that allow writes the one with the newer timeline is the primary: every promotion begins a
new timeline.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

# What a host says of itself; ``timeline`` is null on a standby.
HOST_ROLE = """
SELECT pg_is_in_recovery() AS standby, current_setting('transaction_read_only') = 'on' AS read_only,
       CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS timeline
"""

Address = tuple[str, int]


class NoPrimaryError(ConnectionError):
    """No host takes writes; the message says of each one why not."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A connection to a host that takes writes, on this timeline: eight hexadecimal digits."""

    timeline: str
    address: Address
    connection: Any


class Primary:
    """Connects to the primary, whichever host that is now; remembers it, and its timeline, for the next time.

    ``connect`` is the driver's, ``errors`` are what it raises. With ``writes`` False, sessions that are read-only by
    their own settings will do. A single host is asked for no more than a connection.
    """

    def __init__(
        self, connect: Callable[..., Awaitable[Any]], *, errors: tuple[type[Exception], ...], writes: bool = True
    ) -> None:
        self._connect, self._errors, self._writes = connect, errors, writes
        self._last: Address | None = None
        self._timeline = ""

    async def connect(
        self,
        *,
        host: Any = None,
        port: Any = None,
        timeout: float = 60.0,
        target_session_attrs: object = None,
        **more: Any,
    ) -> Any:
        """A connection; NoPrimaryError if none of several hosts takes writes. They share the timeout's seconds."""
        if not isinstance(host, list) and target_session_attrs is None:
            return await self._connect(host=host, port=port, timeout=timeout, **more)
        addresses = list(zip(host, port, strict=True)) if isinstance(host, list) else [(host, port)]
        found: list[_Candidate] = []
        chosen = None
        try:
            refusals = await self._find(addresses, found, timeout=timeout / len(addresses), **more)
            if not found:
                raise NoPrimaryError(f"no host takes writes: {'; '.join(refusals)}")
            chosen = max(found, key=lambda candidate: candidate.timeline)
            self._timeline, self._last = chosen.timeline, chosen.address
            return chosen.connection
        finally:
            for candidate in found:
                if candidate is not chosen:
                    candidate.connection.terminate()

    async def _find(self, addresses: Sequence[Address], found: list[_Candidate], **arguments: Any) -> list[str]:
        """Ask one host after the other, the last primary first; returns what those said that are none."""
        refusals = []
        for address in sorted(addresses, key=lambda address: address != self._last):
            try:
                found.append(await self._ask(address, **arguments))
            except self._errors as error:
                refusals.append(f"{address[0]}:{address[1]}: {str(error) or 'silent'}")
            else:
                if self._timeline:
                    break  # at the first time all are asked: a former primary may be among them
        return refusals

    async def _ask(self, address: Address, *, timeout: float, **more: Any) -> _Candidate:
        host, port = address
        async with asyncio.timeout(timeout):
            connection = await self._connect(host=host, port=port, timeout=timeout, **more)
            try:
                row = await connection.fetchrow(HOST_ROLE)
            except BaseException:
                connection.terminate()
                raise
        if refusal := self._refusal(row):
            connection.terminate()
            raise NoPrimaryError(refusal)
        return _Candidate(row["timeline"], address, connection)

    def _refusal(self, row: Any) -> str:
        if row["standby"]:
            return "is a standby"
        if self._writes and row["read_only"]:
            return "is read-only"
        if row["timeline"] < self._timeline:
            return f"is a former primary, on timeline {row['timeline']}; {self._timeline} was seen"
        return ""
