"""The lease of this gateway process: a row with a heartbeat counter (protocol, rule 7).

A lease is ``held`` while its counter is renewed; ``lost`` when it could not be renewed in time, was claimed, or was
given up because a producer was condemned; ``claimed`` when a living gateway drains it; ``drained`` when its row is
gone. Nobody's clock is compared with anybody else's: a claimant watches the counter on its own monotonic clock.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row

from contracts import LeaseFigures
from gateway.commit.lease_statements import ADOPT_ORPHANS, BEGIN, CLAIM, FIELDS, GIVE_BACK, NOBODY, RENEW, TAKE
from gateway.database.connection import DATABASE_ERRORS, Session
from gateway.settings import Settings

log = logging.getLogger(__name__)

_ORPHANS_EVERY = 20  # heartbeats
# What is followed shows what has come with the next heartbeat of every gateway.
_FOLLOWED_SECONDS = 0.5


@dataclass(slots=True)
class _Watched:
    """Another gateway's counter, and since when (own clock) it has not changed."""

    heartbeat: int
    since: float


class LeaseKeeper:
    """Takes a lease, renews it, notices its loss, and claims the leases of the dead."""

    def __init__(
        self,
        *,
        session: Session,
        settings: Settings,
        instance: str,
        figures: Callable[[], LeaseFigures | dict[str, Any]] = dict,
        begin: Callable[[int], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        new_id: Callable[[], UUID] = uuid4,
    ) -> None:
        self._session, self._settings, self._instance = session, settings, instance
        self._figures, self._begin, self._clock, self._new_id = figures, begin, clock, new_id
        self.followed = False
        self.lease: UUID | None = None
        self.former: UUID | None = None
        self.leases: dict[UUID, Row[Any]] = {}
        self.left_to_newer: dict[UUID, Row[Any]] = {}
        self._watched: dict[UUID, _Watched] = {}
        self._held = asyncio.Event()
        self._change = asyncio.Event()
        self._stopped: list[Callable[[], Awaitable[None]]] = []
        self._hurry = asyncio.Event()
        self._fence: asyncio.TimerHandle | None = None
        self._to_take = new_id()
        self._beats = 0
        self._timeline = ""

    # --- what the others ask ------------------------------------------------------------------------------------

    async def held(self) -> UUID:
        """The lease in force; waits while there is none."""
        while self.lease is None:
            await self._held.wait()
        return self.lease

    async def until_lost(self, lease: UUID) -> None:
        """Returns as soon as this lease is no longer the one in force."""
        while self.lease == lease:
            await self._change.wait()

    async def until_drained(self, lease: UUID | None) -> None:
        """Returns when that lease's row is gone, which says that all of its events are on the topic."""
        while lease is not None and lease in self.leases:
            await self._change.wait()

    async def next_change(self) -> None:
        """Returns after the next look at all leases."""
        await self._change.wait()

    def claimed_by_me(self) -> list[Row[Any]]:
        """The leases that are this gateway's to drain."""
        return [row for row in self.leases.values() if self.lease is not None and row.claimed_by == self.lease]

    def lost(self, lease: UUID, why: str) -> None:
        """Give this lease up: from now on nothing is committed or sent under it. A new one is taken at once."""
        if lease != self.lease:
            return
        log.warning("The lease is lost: %s", why, extra={"lease": str(lease)})
        self.former, self.lease = lease, None
        self._held.clear()
        self._hurry.set()
        if self._fence is not None:
            self._fence.cancel()
        self.wake()

    def look_soon(self) -> None:
        """Look at the leases without waiting for the next heartbeat."""
        self._hurry.set()

    def wake(self) -> None:
        """End every wait for a change."""
        self._change.set()
        self._change = asyncio.Event()

    # --- the loop -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Heartbeats for ever. A database that is away costs the lease, never this task."""
        failures = 0
        while True:
            self._hurry.clear()
            try:
                await self._beat()
                failures = 0
            except DATABASE_ERRORS as error:
                log.debug("No heartbeat: %s", error)
                failures += 1
                await asyncio.sleep(min(0.5 * 2 ** min(failures - 1, 3), self._settings.lease_seconds / 4))
                continue
            await self._pause()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._until_next()):
                await self._hurry.wait()
        except TimeoutError:
            pass

    def _until_next(self) -> float:
        followed = self.followed or any(row.figures.get("followed") for row in self.leases.values())
        return _FOLLOWED_SECONDS if followed else self._settings.lease_seconds / 4

    async def _beat(self) -> None:
        lease = self.lease
        if lease is None:
            for stopped in self._stopped:
                await stopped()
            await self._take()
        else:
            await self._renew(lease)
        await self._claim_the_dead()
        self.wake()
        # Last, because it may fail by itself (a database that is restored), and claims must not depend on it.
        if self._beats % _ORPHANS_EVERY == 0:
            await self._session.execute(ADOPT_ORPHANS, {})
        self._beats += 1

    async def _take(self) -> None:
        # One id until an attempt is answered: what a lost answer has left is taken by the next attempt.
        asked, lease = self._clock(), self._to_take
        seconds = self._settings.lease_seconds
        values = {"lease": lease, "instance": self._instance, "former": self.former, "seconds": seconds}
        rows = await self._session.execute(TAKE, values)
        self._see(rows)
        if not rows[0].renewed:
            self._to_take = self._new_id()  # an attempt whose answer was lost took it, and it was claimed since
            self.look_soon()
            return
        [begins] = await self._session.execute(BEGIN, {})
        self._begin(begins.at)
        self.lease, self._timeline, self._to_take = lease, rows[0].timeline, self._new_id()
        self._renewed(lease, asked)
        self._held.set()
        self.look_soon()  # its floor is not known to readers before the first renewal
        log.info("Took a lease", extra={"lease": str(lease), "former": str(self.former)})

    async def _renew(self, lease: UUID) -> None:
        asked = self._clock()
        rows = await self._session.execute(RENEW, {"lease": lease, "figures": self._figures()})
        self._see(rows)
        if not rows[0].renewed:
            self.lost(lease, "another gateway has claimed it")
        elif rows[0].timeline != self._timeline:
            # A standby that was not in sync may have lost commits: rows that were deleted are back, claims are undone.
            self.lost(lease, "the database failed over, and what is owed must be compared with the topic")
        elif self.lease == lease:
            self._renewed(lease, asked)

    def _renewed(self, lease: UUID, asked: float) -> None:
        """Counted from before the renewal was sent; sending stops early enough for the last request to end in time."""
        if self._fence is not None:
            self._fence.cancel()
        left = asked + self._settings.lease_seconds - self._settings.send_timeout_seconds - self._clock()
        loop = asyncio.get_running_loop()
        self._fence = loop.call_later(max(left, 0), self.lost, lease, "it could not be renewed in time")

    def _see(self, rows: Any) -> None:
        now = self._clock()
        self.leases = {row.id: row for row in rows if row.id is not None}
        for id_, row in self.leases.items():
            watched = self._watched.get(id_)
            if watched is None or watched.heartbeat != row.heartbeat:
                self._watched[id_] = _Watched(row.heartbeat, now)
        self._watched = {id_: watched for id_, watched in self._watched.items() if id_ in self.leases}

    async def _claim_the_dead(self) -> None:
        self._leave_to_newer()
        for row in list(self.leases.values()):
            if self.lease is None or row.id in self.left_to_newer or not self._is_dead(row):
                continue
            values = {"dead": row.id, "heartbeat": row.heartbeat, "claimed_by": row.claimed_by, "lease": self.lease}
            if await self._session.execute(CLAIM, values):
                log.warning(
                    "Claimed the lease of a gateway that is gone: %s", row.instance, extra={"lease": str(row.id)}
                )
                self._hurry.set()

    def _leave_to_newer(self) -> None:
        """What a gateway that knew more columns has left is for one that knows them too: here a field would be lost."""
        before = self.left_to_newer
        self.left_to_newer = {row.id: row for row in self.leases.values() if row.fields > FIELDS and self._is_dead(row)}
        for id_ in self.left_to_newer.keys() - before.keys():
            log.warning("A gateway of a newer version is gone; one of its version must drain its lease: %s", id_)

    def _is_dead(self, row: Row[Any]) -> bool:
        if row.id == self.lease or row.claimed_by == self.lease:
            return False
        if row.claimed_by is not None:
            claimant = self.leases.get(row.claimed_by)
            return claimant is None or claimant.claimed_by is not None
        if row.id == self.former:
            return True
        return self._clock() - self._watched[row.id].since >= float(row.seconds)

    async def give_back(self) -> None:
        """With nothing outstanding: a lease that owes nothing is deleted, any other may be claimed at once."""
        if self.lease is not None:
            await self._session.execute(GIVE_BACK, {"lease": self.lease, "nobody": NOBODY})

    def before_the_next(self, stopped: Callable[[], Awaitable[None]]) -> None:
        """Register what must have stopped sending under a lost lease before a new one is taken."""
        self._stopped.append(stopped)
