"""What the tests of publishing start from: a producer, and what a gateway that died has left."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from gateway.commit.submission import Submission
from gateway.health import Health
from gateway.publish.producer import Producer
from gateway.service import Gateway
from gateway.settings import Settings


def producer_for(settings: Settings) -> Producer:
    return Producer(kafka=settings.kafka, topic=settings.topics.applications, request_seconds=2)


async def health_report(gateway: Gateway) -> dict[str, Any]:
    health = Health(gateway)
    try:
        return await health.report()
    finally:
        await health.close()


async def leave_behind(
    database_url: str,
    lease: UUID,
    batches: Sequence[Sequence[Submission]],
    *,
    positions: str = "{}",
    **of_lease: object,
) -> None:
    """Rows of a gateway that died: committed, in the outbox, its lease silent."""
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    columns = {"id": lease, "instance": "dead", "seconds": 1.0} | of_lease
    places = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
    await connection.execute(f"INSERT INTO gateway_leases ({', '.join(columns)}) VALUES ({places})", *columns.values())
    for batch in batches:
        values = [(each.id, each.user_name, each.description, each.created_at) for each in batch]
        columns_of = ["id", "user_name", "description", "created_at"]
        await connection.copy_records_to_table("applications", records=values, columns=columns_of)
        row = batch[0].id, lease, [each.id for each in batch], positions
        await connection.execute("INSERT INTO outbox (id, lease, ids, positions) VALUES ($1, $2, $3, $4)", *row)
    await connection.close()
