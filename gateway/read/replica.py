"""The replica that lists are read from: whether it answers, and how far it is behind (docs/decisions/replica.md).

Its clock is this process's own heartbeat: the lease row carries the monotonic time at which it was last renewed, and
what the replica shows of it is at least so new. It needs no second clock, no right to ask for positions in the WAL,
and a database that is another one, or went another way at a failover, never shows it.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from math import inf
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.database.connection import DATABASE_ERRORS, Session, first_line
from gateway.read.reads import Reads

log = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 0.5
# Silence for this long means that it is away; a search may take longer while it answers this.
ANSWER_SECONDS = 1.0

OUTCOMES = ("answered", "missed", "failed", "passed_over")

_LOOK = text("SELECT CAST(figures ->> 'monotonic' AS float8) AS at FROM gateway_leases WHERE id = :lease").bindparams(
    bindparam("lease", type_=postgresql.UUID(as_uuid=True))
)


class Replica:
    """``usable`` while it answers and is at most ``lag_max`` seconds behind; ``gone`` ends as soon as it is not.

    ``outcomes`` counts what became of the reads that were meant for it; all but ``answered`` went to the primary.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        lease: Callable[[], UUID | None],
        lag_max: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.reads = Reads(engine)
        self.outcomes: Counter[str] = Counter(dict.fromkeys(OUTCOMES, 0))
        self.gone: asyncio.Future[None] | None = None
        self._engine = engine
        self._session = Session(engine, ANSWER_SECONDS)
        self._lease, self._lag_max, self._clock = lease, lag_max, clock
        self._shown: float | None = None
        self._reason = "not asked yet"

    @property
    def lag(self) -> float:
        """Seconds: all that was committed so long ago can be read there. Infinite where that is not known."""
        return inf if self._shown is None else self._clock() - self._shown

    @property
    def usable(self) -> bool:
        return self.lag <= self._lag_max

    def report(self) -> dict[str, Any]:
        """For `/healthz`; ``lag_seconds`` is at most that, in steps of the heartbeat."""
        if self.usable:
            return {"status": "ok", "lag_seconds": round(self.lag, 1)}
        reason = self._reason if self._shown is None else f"more than {self._lag_max:g} s behind"
        return {"status": "unavailable", "reason": f"{reason}; the primary answers instead"}

    async def run(self) -> None:
        """Look for ever; it is used again as soon as a look finds it well."""
        while True:
            await self._look()
            self._tell()
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def _look(self) -> None:
        try:
            rows = await self._session.execute(_LOOK, {"lease": self._lease()})
        except DATABASE_ERRORS as error:
            self._shown, self._reason = None, f"no answer: {first_line(error)}"
            return
        self._shown = rows[0].at if rows else None
        self._reason = "it does not show this gateway's heartbeat: far behind, or no replica of this database"

    def _tell(self) -> None:
        """Open or end ``gone``, and say so once."""
        if self.usable and (self.gone is None or self.gone.done()):
            self.gone = asyncio.get_running_loop().create_future()
            log.info("Lists are read from the replica")
        elif not self.usable and self.gone is not None and not self.gone.done():
            self.gone.set_result(None)
            log.warning("The replica is not used: %s", self.report()["reason"])

    async def close(self) -> None:
        """Drop every connection."""
        await self._session.drop()
        await self.reads.close()
        await self._engine.dispose()
