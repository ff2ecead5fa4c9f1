"""From when on the topic can tell whether an application was published, asked of each partition by itself.

Where the head of a partition is gone (retention, deleted records), what was cut off looks like what was never there.
"""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from aiokafka.partitioner import murmur2
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import Topics, id_of, is_replay, milliseconds_of, to_key
from gateway.database.tables import applications
from runtime.kafka.clients import Kafka
from stream_workers.kafka.reader import batches

Stretches = Mapping[int, tuple[int, int]]

_LOOKED_AT = 200
ALWAYS, NEVER = -1, 1 << 48


@dataclass(frozen=True)
class Reach:
    """Milliseconds since 1970 by partition: what was accepted ``after`` it can be told, ``begun`` at the latest by it.

    A topic that grew had each key on another partition before: every number of partitions is asked that it may have
    had at that time.
    """

    after: Mapping[int, int]
    begun: Mapping[int, int]

    def tells(self, id_: int, user_name: str) -> bool:
        """Whether this application would be found if it was published."""
        at = id_ >> 80
        if at > max(self.after.values(), default=ALWAYS):
            return True
        place = _hash(user_name)
        fewest = 1 + max((partition for partition, begun in self.begun.items() if begun <= at), default=0)
        return all(at > self.after[place % count] for count in range(fewest, len(self.after) + 1))

    @property
    def first(self) -> int:
        """No lower id than this one can be told."""
        return min(min(self.after.values(), default=ALWAYS) + 1, NEVER - 1) << 80


async def reach_of(connection: AsyncConnection, kafka: Kafka, topics: Topics, stretches: Stretches) -> Reach:
    """Look at the first application of ours in each partition: those of others, and replays, may have any date."""
    if all(start == 0 for start, _ in stretches.values()):
        return Reach(dict.fromkeys(stretches, ALWAYS), dict.fromkeys(stretches, ALWAYS))
    firsts = {number: await _first(connection, kafka, topics, {number: each}) for number, each in stretches.items()}
    after = {number: ALWAYS if stretches[number][0] == 0 else first for number, first in firsts.items()}
    return Reach(after, firsts)


async def stored(connection: AsyncConnection, ids: Sequence[UUID]) -> set[UUID]:
    """Those that have a row."""
    found = await connection.execute(select(applications.c.id).where(applications.c.id.in_(ids))) if ids else None
    return set(found.scalars()) if found else set()


async def _first(connection: AsyncConnection, kafka: Kafka, topics: Topics, stretch: Stretches) -> int:
    async with aclosing(batches(kafka, topics.applications, stretch, at_most=_LOOKED_AT)) as read:
        async for records in read:
            ids = [id_of(record.value, record.headers) for record in records if not is_replay(record.headers)]
            candidates = [id_ for id_ in ids if id_ is not None]
            ours = await stored(connection, candidates)
            for id_ in candidates:
                if id_ in ours:
                    return milliseconds_of(id_)
    return NEVER


@lru_cache(maxsize=4096)
def _hash(user_name: str) -> int:
    """Where Kafka's default partitioner puts this key, before the number of partitions is known."""
    place: int = murmur2(to_key(user_name)) & 0x7FFFFFFF
    return place
