"""Reading back from PostgreSQL what is not confirmed: the outbox of one lease, in order of commit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, INTEGER
from sqlalchemy.dialects.postgresql import UUID as UUID_TYPE

from gateway.commit.statements import OF_APPLICATION
from gateway.database.connection import Session
from gateway.publish.events import Event, from_row

_ID = UUID_TYPE(as_uuid=True)
FIRST = UUID(int=0)

# Descriptions read at a time: one wide character makes a text four times as large in memory. The batch that passes it
# is read whole, and the writer bounds a batch to 4 MiB.
_BYTES = 4 * 1024 * 1024

# Whole batches, as many as have about that many events, and no more bytes than a small container bears: after a crash
# under little load a batch has one or two, under much load hundreds. Tombstones stay (protocol, rule 4). The limit of
# one makes each row be looked up in its month; without it a join may read all months for the sake of a few rows.
_READ = text(f"""
SELECT * FROM (
SELECT b.id AS batch, b.positions, {OF_APPLICATION}, u.trace, u.n,
       coalesce(sum(octet_length(a.description)) OVER (ORDER BY b.id), 0)
     - coalesce(sum(octet_length(a.description)) OVER (PARTITION BY b.id), 0) AS bytes_before
FROM (
    SELECT * FROM (
        SELECT *, sum(cardinality(ids)) OVER (ORDER BY id) - cardinality(ids) AS events_before
        FROM (
            SELECT id, ids, traces, positions FROM outbox
            WHERE lease = :lease AND id > :after AND cardinality(ids) > 0 ORDER BY id LIMIT :events
        ) AS following
    ) AS counted
    WHERE events_before < :events
) b
LEFT JOIN LATERAL unnest(b.ids, b.traces) WITH ORDINALITY AS u (id, trace, n) ON true
LEFT JOIN LATERAL (SELECT * FROM applications WHERE id = u.id LIMIT 1) a ON true
) AS portion
WHERE bytes_before < {_BYTES}
ORDER BY batch, n
""").bindparams(bindparam("lease", type_=_ID), bindparam("after", type_=_ID), bindparam("events", type_=INTEGER))

_OWES = text("SELECT id FROM outbox WHERE lease = :lease AND cardinality(ids) > 0 LIMIT 1").bindparams(
    bindparam("lease", type_=_ID)
)

_DELETE = text("DELETE FROM outbox WHERE id = ANY(:batches)").bindparams(bindparam("batches", type_=ARRAY(_ID)))

_UNPUBLISHABLE = text("""
INSERT INTO unpublishable (id, batch, reason) VALUES (:id, :batch, :reason) ON CONFLICT (id) DO NOTHING
""").bindparams(bindparam("id", type_=_ID), bindparam("batch", type_=_ID))


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """An outbox row with its events; none where all were erased. ``positions`` as the writer stored them."""

    id: UUID
    positions: dict[str, Any]
    events: Sequence[Event] = field(default=())


async def read(session: Session, *, lease: UUID, after: UUID, events: int) -> list[StoredBatch]:
    """The next batches of a lease, with about that many events. An application erased meanwhile is left out."""
    rows = await session.execute(_READ, {"lease": lease, "after": after, "events": events})
    return list(_batches(rows))


async def owes(session: Session, lease: UUID) -> bool:
    """Whether this lease has left anything; nothing of it is read, because ten drains may ask at once."""
    return bool(await session.execute(_OWES, {"lease": lease}))


def _batches(rows: Sequence[Any]) -> Iterator[StoredBatch]:
    for id_, group in groupby(rows, key=lambda row: row.batch):
        members = list(group)
        events = [from_row(row) for row in members if row.id is not None]
        yield StoredBatch(id_, members[0].positions, events)


async def delete(session: Session, batches: Sequence[UUID]) -> None:
    """These batches are on the topic, all of them."""
    await session.execute(_DELETE, {"batches": list(batches)})


async def set_aside(session: Session, event: Event, *, batch: UUID, reason: str) -> None:
    """The broker refuses this event for what it contains: keep its id and the reason where operators see it."""
    await session.execute(_UNPUBLISHABLE, {"id": event.id, "batch": batch, "reason": reason[:500]})
