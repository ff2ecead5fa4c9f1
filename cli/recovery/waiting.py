"""The leases that are being drained, and what holds each up."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import UUID as UUID_TYPE
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.publish.positions import PositionError, starts_of
from gateway.publish.settlement import Settled
from gateway.publish.topic import brokers, look, readable_ends
from runtime.kafka.clients import Kafka

_LOG_START = -2
LEASE = bindparam("lease", type_=UUID_TYPE(as_uuid=True))

_CLAIMED = text("""
SELECT l.id, l.instance, l.claimed_by, count(o.id) AS rows, coalesce(sum(cardinality(o.ids)), 0) AS applications,
       extract(epoch FROM clock_timestamp() - min(o.created_at)) AS age
FROM gateway_leases l LEFT JOIN outbox o ON o.lease = l.id AND cardinality(o.ids) > 0
WHERE l.claimed_by IS NOT NULL
GROUP BY l.id ORDER BY age DESC NULLS LAST
""")
_ROWS = text("""
SELECT ids, positions FROM outbox WHERE lease = :lease AND cardinality(ids) > 0 ORDER BY id
""").bindparams(LEASE)


@dataclass(frozen=True)
class Waiting:
    """A claimed lease with what it owes; ``reason`` says why its drain is stopped, None where it only waits."""

    lease: UUID
    instance: str
    rows: int
    applications: int
    age: float
    reason: str | None


async def topic_now(kafka: Kafka, topic: str) -> Settled:
    """Where the topic starts and ends at the moment; KafkaError where it cannot be told."""
    async with brokers(kafka) as client:
        state = await look(client, topic)
        starts = await readable_ends(client, topic, state, at=_LOG_START)
        return Settled(state, starts, await readable_ends(client, topic, state))


async def waiting(connection: AsyncConnection, now: Settled) -> list[Waiting]:
    """Every lease that a gateway has claimed and not yet drained, the oldest first."""
    found = []
    for row in (await connection.execute(_CLAIMED)).all():
        reason = _reason(await rows_of(connection, row.id), now)
        found.append(Waiting(row.id, row.instance, row.rows, int(row.applications), float(row.age or 0), reason))
    return found


async def rows_of(connection: AsyncConnection, lease: UUID) -> Sequence[Row[Any]]:
    """What the lease owes, batch by batch in order."""
    return (await connection.execute(_ROWS, {"lease": lease})).all()


def _reason(rows: Sequence[Row[Any]], now: Settled) -> str | None:
    try:
        starts_of([row.positions for row in rows], now)
    except PositionError as error:
        return str(error)
    return None
