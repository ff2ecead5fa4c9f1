"""The leases that are being drained, what holds each up, and the word that lets a stopped drain go on.

Nothing is published here: a lease that is released loses its positions, and whichever gateway has claimed it then
reads the whole topic of today and publishes, in order, what is not there.
"""

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
from gateway.publish.topic_scan import present

_LOG_START = -2
_LEASE = bindparam("lease", type_=UUID_TYPE(as_uuid=True))

_CLAIMED = text("""
SELECT l.id, l.instance, l.claimed_by, count(o.id) AS rows, coalesce(sum(cardinality(o.ids)), 0) AS applications,
       extract(epoch FROM clock_timestamp() - min(o.created_at)) AS age
FROM gateway_leases l LEFT JOIN outbox o ON o.lease = l.id AND cardinality(o.ids) > 0
WHERE l.claimed_by IS NOT NULL
GROUP BY l.id ORDER BY age DESC NULLS LAST
""")
_ROWS = text("""
SELECT ids, positions FROM outbox WHERE lease = :lease AND cardinality(ids) > 0 ORDER BY id
""").bindparams(_LEASE)
_RELEASE = text("""
UPDATE outbox SET positions = '{}' WHERE lease = :lease
AND EXISTS (SELECT FROM gateway_leases WHERE id = :lease AND claimed_by IS NOT NULL)
""").bindparams(_LEASE)


@dataclass(frozen=True)
class Waiting:
    """A claimed lease with what it owes; ``reason`` says why its drain is stopped, None where it only waits."""

    lease: UUID
    instance: str
    rows: int
    applications: int
    age: float
    reason: str | None


@dataclass(frozen=True)
class Owed:
    """What the topic lacks of a lease; of ``doubtful`` nobody can tell: retention may have removed them."""

    missing: Sequence[UUID]
    doubtful: Sequence[UUID]


async def topic_now(bootstrap: str, topic: str) -> Settled:
    """Where the topic starts and ends at the moment; KafkaError where it cannot be told."""
    async with brokers(bootstrap) as client:
        state = await look(client, topic)
        starts = await readable_ends(client, topic, state, at=_LOG_START)
        return Settled(state, starts, await readable_ends(client, topic, state))


async def waiting(connection: AsyncConnection, now: Settled) -> list[Waiting]:
    """Every lease that a gateway has claimed and not yet drained, the oldest first."""
    found = []
    for row in (await connection.execute(_CLAIMED)).all():
        reason = _reason(await _rows(connection, row.id), now)
        found.append(Waiting(row.id, row.instance, row.rows, int(row.applications), float(row.age or 0), reason))
    return found


async def owed(connection: AsyncConnection, lease: UUID, now: Settled, *, bootstrap: str, topic: str) -> Owed:
    """The whole topic is read: of each application of this lease, whether it is there."""
    rows = await _rows(connection, lease)
    ids = [id_ for row in rows for id_ in row.ids]
    there = await present(set(ids), bootstrap_servers=bootstrap, topic=topic, starts=now.starts, ends=now.ends)
    doubtful = [id_ for row in rows if _below(row.positions, now) for id_ in row.ids if id_ not in there]
    return Owed([id_ for id_ in ids if id_ not in there], doubtful)


async def release(connection: AsyncConnection, lease: UUID) -> int:
    """Take the positions from its rows, so that the drain goes on; how many rows. 0 for a lease that nobody claimed."""
    return (await connection.execute(_RELEASE, {"lease": lease})).rowcount


async def _rows(connection: AsyncConnection, lease: UUID) -> Sequence[Row[Any]]:
    return (await connection.execute(_ROWS, {"lease": lease})).all()


def _reason(rows: Sequence[Row[Any]], now: Settled) -> str | None:
    try:
        starts_of([row.positions for row in rows], now)
    except PositionError as error:
        return str(error)
    return None


def _below(positions: dict[str, Any], now: Settled) -> bool:
    """Part of what was written after these positions is on the topic no more, by retention."""
    if positions.get("topic") != now.state.topic_id.hex:
        return False
    following = positions.get("next", {})
    return any(following.get(str(number), start) < start for number, start in now.starts.items())
