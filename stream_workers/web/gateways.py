"""The gateways' side, read from PostgreSQL: leases with their figures, and the outbox. Read-only, in one statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from contracts import Primary

# ``age`` is by the database's clock: nobody's else is compared with it.
_LOOK = text("""
SELECT
  (SELECT coalesce(json_agg(json_build_object(
      'instance', instance, 'claimed', claimed_by IS NOT NULL, 'seconds', seconds, 'figures', figures,
      'started_at', extract(epoch FROM started_at), 'age', extract(epoch FROM clock_timestamp() - renewed_at))
    ORDER BY instance), '[]') FROM gateway_leases) AS gateways,
  (SELECT json_build_object('batches', count(*), 'applications', coalesce(sum(cardinality(ids)), 0),
      'age', extract(epoch FROM clock_timestamp() - min(created_at))) FROM outbox WHERE cardinality(ids) > 0) AS outbox,
  (SELECT count(*) FROM unpublishable) AS unpublishable
""")

_ONE = text("""
SELECT a.user_name, extract(epoch FROM a.created_at) AS created_at,
  EXISTS (SELECT FROM outbox WHERE a.id = ANY(ids)) AS waiting,
  (SELECT reason FROM unpublishable u WHERE u.id = a.id) AS refused
FROM applications a WHERE a.id = CAST(:id AS uuid)
""")


@dataclass(frozen=True)
class GatewayRow:
    """One gateway process as its lease row tells it; what it did not write is None. Ages are in seconds.

    ``replica``: how the replica that it reads does, ``status`` and ``lag_seconds`` or ``reason``.
    ``state``: ``running``, ``silent`` (its heartbeat is overdue) or ``drained`` (gone; another one publishes its rest).
    """

    instance: str
    state: str
    age: float
    started_at: float
    version: str | None
    url: str | None
    rate: float | None
    p99_ms: float | None
    queued: int | None
    accepted: int | None
    published: int | None
    publisher: str | None
    replica: Mapping[str, Any] | None


@dataclass(frozen=True)
class Intake:
    """All gateways, and what waits in the outbox; ``oldest`` is the age of its oldest row, None when it is empty."""

    gateways: Sequence[GatewayRow]
    waiting: int
    batches: int
    oldest: float | None
    unpublishable: int


@dataclass(frozen=True)
class Stored:
    """One application in PostgreSQL; ``waiting``: not confirmed by Kafka yet; ``refused``: why Kafka never takes it."""

    user_name: str
    created_at: float
    waiting: bool
    refused: str | None


class Database:
    """A connection of its own that cannot write; one at a time, opened when somebody looks."""

    def __init__(self, url: str) -> None:
        errors = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
        primary = Primary(asyncpg.connect, errors=errors, writes=False)
        self._engine: AsyncEngine = create_async_engine(
            make_url(url),
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={
                "async_creator_fn": primary.connect,
                "timeout": 3,
                "command_timeout": 3,
                "server_settings": {
                    "application_name": "headgate-web-view",
                    "default_transaction_read_only": "on",
                    "statement_timeout": "3000",
                },
            },
        )

    async def intake(self) -> Intake:
        """Leases and outbox as they are now."""
        row = await self._row(_LOOK, {})
        outbox = row["outbox"]
        return Intake(
            gateways=[_gateway(fields) for fields in row["gateways"]],
            waiting=outbox["applications"],
            batches=outbox["batches"],
            oldest=outbox["age"],
            unpublishable=row["unpublishable"],
        )

    async def stored(self, id_: str) -> Stored | None:
        """One application, or None; ``id_`` is a UUID."""
        row = await self._row(_ONE, {"id": id_})
        return Stored(**row | {"created_at": float(row["created_at"])}) if row else None

    async def close(self) -> None:
        await self._engine.dispose()

    async def _row(self, statement: Any, values: dict[str, Any]) -> dict[str, Any]:
        async with self._engine.connect() as connection:
            found = (await connection.execute(statement, values)).mappings().first()
            return dict(found) if found else {}


def _gateway(fields: Mapping[str, Any]) -> GatewayRow:
    figures = fields["figures"]
    overdue = fields["age"] > fields["seconds"]
    return GatewayRow(
        instance=fields["instance"],
        state="drained" if fields["claimed"] else "silent" if overdue else "running",
        age=fields["age"],
        started_at=fields["started_at"],
        **{
            name: figures.get(name)
            for name in ("version", "url", "rate", "p99_ms", "queued", "accepted", "published", "publisher", "replica")
        },
    )
