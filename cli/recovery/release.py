"""The word that lets a stopped drain go on, and what follows from it.

Nothing is published here: a lease that is released loses its positions, and whichever gateway has claimed it then
reads the whole topic of today and publishes, in order, what is not there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from cli.recovery.waiting import LEASE, rows_of
from gateway.publish.settlement import Settled
from gateway.publish.topic_scan import present
from runtime.kafka.clients import Kafka

_RELEASE = text("""
UPDATE outbox SET positions = '{}' WHERE lease = :lease
AND EXISTS (SELECT FROM gateway_leases WHERE id = :lease AND claimed_by IS NOT NULL)
""").bindparams(LEASE)


@dataclass(frozen=True)
class Owed:
    """What the topic lacks of a lease; of ``doubtful`` nobody can tell: retention may have removed them."""

    missing: Sequence[UUID]
    doubtful: Sequence[UUID]


async def owed(connection: AsyncConnection, lease: UUID, now: Settled, *, kafka: Kafka, topic: str) -> Owed:
    """The whole topic is read: of each application of this lease, whether it is there."""
    rows = await rows_of(connection, lease)
    ids = [id_ for row in rows for id_ in row.ids]
    there = await present(set(ids), kafka=kafka, topic=topic, starts=now.starts, ends=now.ends)
    doubtful = [id_ for row in rows if _below(row.positions, now) for id_ in row.ids if id_ not in there]
    return Owed([id_ for id_ in ids if id_ not in there], doubtful)


async def release(connection: AsyncConnection, lease: UUID) -> int:
    """Take the positions from its rows, so that the drain goes on; how many rows. 0 for a lease that nobody claimed."""
    return (await connection.execute(_RELEASE, {"lease": lease})).rowcount


def _below(positions: dict[str, Any], now: Settled) -> bool:
    """Part of what was written after these positions is on the topic no more, by retention."""
    if positions.get("topic") != now.state.topic_id.hex:
        return False
    following = positions.get("next", {})
    return any(following.get(str(number), start) < start for number, start in now.starts.items())
