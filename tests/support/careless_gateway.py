"""Gateways with a part of the protocol taken out, for the tests that show that the series would notice.

``python -m tests.support.careless_gateway``; ``CARELESS`` names the part. Never reachable from production settings.
"""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import UUID

from gateway.follow import statements
from gateway.publish import publisher
from gateway.publish.backlog import StoredBatch
from gateway.publish.events import Event
from gateway.publish.recovery import Recovery
from gateway.publish.settlement import Settled
from gateway.server import run
from gateway.settings import Settings


def without_recovery() -> None:
    """The leases of the dead are claimed, and nothing is done about what they owe."""

    async def idle(_: Recovery) -> None:
        await asyncio.Event().wait()

    Recovery.run = idle  # type: ignore[method-assign, assignment]


def without_reconciliation() -> None:
    """What a dead gateway owes is sent without asking the topic what is there already."""

    async def missing(_: Recovery, batches: Sequence[StoredBatch], __: Settled) -> list[Event]:
        return [event for batch in batches for event in batch.events]

    Recovery._missing = missing  # type: ignore[method-assign, assignment]


def without_fresh_positions() -> None:
    """Positions are learned at the start of a lease, and then only from acknowledgements."""
    publisher._POSITIONS_SECONDS = 1e9


def without_a_floor() -> None:
    """A stream goes to the newest id that it sees, whatever is still being committed below it."""
    now = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"
    statements._UNTIL = text(f"SELECT CAST(lpad(to_hex({now}), 12, '0') || repeat('0', 20) AS uuid) AS until").columns(
        until=UUID(as_uuid=True)
    )


PARTS: Mapping[str, Callable[[], None]] = {
    "recovery": without_recovery,
    "reconciliation": without_reconciliation,
    "positions": without_fresh_positions,
    "floor": without_a_floor,
}

if __name__ == "__main__":
    PARTS[os.environ["CARELESS"]]()
    run(Settings())
