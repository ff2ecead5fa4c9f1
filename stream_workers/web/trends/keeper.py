"""Keeps the chronicle: whoever owns partition 0 looks every few seconds, and writes down what changed.

Whatever fails here is told at most once in a while and tried again; counting does not wait for it.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from contracts import Topics
from runtime import release
from runtime.kafka.clients import Kafka
from runtime.postgresql.server import CONNECTION_ERRORS
from stream_workers.chronicle.happened import Entry
from stream_workers.chronicle.seen import Seen
from stream_workers.chronicle.topic import Chronicle
from stream_workers.errors import NoTopicError, why
from stream_workers.exact.partitions import Partitions
from stream_workers.kafka.backlog import Backlog
from stream_workers.kinds import KINDS
from stream_workers.web.look.gateways import Database
from stream_workers.web.look.groups import Group, Groups
from stream_workers.web.look.read_model import ReadModel
from stream_workers.web.trends.damping import Damping
from stream_workers.web.trends.difference import Sight, difference, first_seen

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
# A database that does not answer once is no outage.
_DATABASE_MISSES = 2
_TELL_EVERY = 600.0
_ASK_SECONDS = 4.0


class Keeper:
    """One on every metrics worker; those that do not own partition 0 do nothing."""

    def __init__(
        self,
        *,
        kafka: Kafka,
        topics: Topics,
        chronicle: Chronicle,
        backlog: Backlog,
        partitions: Partitions[Any],
        read_model: ReadModel,
        database: Database | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._groups = Groups(kafka, topics.applications, [kind.group(topics) for kind in KINDS.values()])
        self._kinds = {kind.name: kind.group(topics) for kind in KINDS.values()}
        self._chronicle, self._backlog, self._partitions = chronicle, backlog, partitions
        self._read_model, self._database, self._clock = read_model, database, clock
        self._damping = Damping()
        self._seen: Seen | None = None
        self._begun = False
        self._misses = 0
        self._told_at = 0.0

    async def run(self) -> None:
        """Look for ever."""
        try:
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                await self.look()
        finally:
            await self._let_go()

    async def look(self) -> None:
        """Once; nothing that goes wrong with it is worth a worker."""
        if self._backlog.away_since is not None:
            return
        try:
            if 0 in self._partitions.owned and self._read_model.complete:
                await self._look()
            else:
                self._begun = False
                await self._let_go()
        except Exception as error:  # noqa: BLE001 -- see above
            self._begun = False
            self._tell(error)

    async def _look(self) -> None:
        if not self._begun:
            self._seen = (await self._chronicle.read()).seen
            self._begun = True
        sight = await self._sight()
        seen, happened = first_seen(sight) if self._seen is None else difference(self._seen, sight)
        told = self._damping.through(happened, sight.at)
        if told:
            await self._chronicle.add(Entry(told, seen))
        self._seen = seen

    async def _sight(self) -> Sight:
        states = self._read_model.states().values()
        intake, why = await self._intake()
        return Sight(
            at=self._clock(),
            intake=intake,
            database_why=why,
            groups=await self._told_groups(),
            version=release.version(),
            brokers_away=self._backlog.brokers.away,
            kafka_away=self._backlog.silence,
            dead=dict(sum((Counter(state.reasons) for state in states), Counter())),
            missing=sum(state.missing for state in states),
        )

    async def _intake(self) -> Any:
        """What the database says, or why it does not, once that is so for more than one look."""
        if self._database is None:
            return None, None
        try:
            async with asyncio.timeout(_ASK_SECONDS):
                found = await self._database.intake()
        except CONNECTION_ERRORS as error:  # a time-out is one of them; anything else is no outage
            self._misses += 1
            known = self._seen is not None and self._seen.database_away is not None
            return None, why(error) if known or self._misses >= _DATABASE_MISSES else None
        self._misses = 0
        return found, None

    async def _told_groups(self) -> Mapping[str, Group | None]:
        try:
            async with asyncio.timeout(_ASK_SECONDS):
                found = await self._groups.ask()
        except Exception as error:  # noqa: BLE001 -- they are told of another time
            log.debug("no word of the groups: %r", error)
            found = {}
        return {kind: found.get(group) for kind, group in self._kinds.items()}

    async def _let_go(self) -> None:
        await self._groups.close()
        if self._database is not None:
            await self._database.close()

    def _tell(self, error: Exception) -> None:
        if self._clock() - self._told_at < _TELL_EVERY:
            return
        self._told_at = self._clock()
        todo = ": `headgate topics create` makes it" if isinstance(error, NoTopicError) else ""
        log.warning("what happens is not kept: %r%s", error, todo)
