"""The gateways' side, read from PostgreSQL: leases with their figures, and the outbox. Read-only, in one statement."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson

from contracts import LeaseFigures
from runtime.postgresql.server import PostgreSQL

# ``age`` is by the database's clock: nobody's else is compared with it.
_LOOK = """
SELECT
  (SELECT coalesce(json_agg(json_build_object(
      'instance', instance, 'claimed', claimed_by IS NOT NULL, 'seconds', seconds, 'figures', figures,
      'started_at', extract(epoch FROM started_at), 'age', extract(epoch FROM clock_timestamp() - renewed_at))
    ORDER BY instance), '[]') FROM gateway_leases) AS gateways,
  (SELECT json_build_object('batches', count(*), 'applications', coalesce(sum(cardinality(ids)), 0),
      'age', extract(epoch FROM clock_timestamp() - min(created_at))) FROM outbox WHERE cardinality(ids) > 0) AS outbox,
  (SELECT count(*) FROM unpublishable) AS unpublishable
"""

_ONE = """
SELECT a.user_name, extract(epoch FROM a.created_at) AS created_at,
  EXISTS (SELECT FROM outbox WHERE a.id = ANY(ids)) AS waiting,
  (SELECT reason FROM unpublishable u WHERE u.id = a.id) AS refused
FROM applications a WHERE a.id = $1
"""

_SECONDS = 3.0
_KEPT_SECONDS = 60.0
_SESSION = {
    "application_name": "headgate-web-view",
    "default_transaction_read_only": "on",
    "statement_timeout": "3000",
}


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
    lease_seconds: float


# Of the figures; the others are clocks, and what gateways tell each other.
_SHOWN = LeaseFigures.__required_keys__ & GatewayRow.__dataclass_fields__.keys()


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
    """A connection of its own that cannot write, opened when somebody looks and kept while somebody does.

    It is opened anew every minute, because another host may be the primary by then. A broken or silent one is cut: to
    close it in good order the server would be asked.
    """

    def __init__(self, server: PostgreSQL, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._connect = server.opener(writes=False)
        self._clock = clock
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._opened_at = 0.0
        self._one_at_a_time = asyncio.Lock()

    async def intake(self) -> Intake:
        """Leases and outbox as they are now."""
        row = await self._row(_LOOK)
        assert row is not None  # noqa: S101 -- the statement has one
        outbox = orjson.loads(row["outbox"])
        return Intake(
            gateways=[_gateway(fields) for fields in orjson.loads(row["gateways"])],
            waiting=outbox["applications"],
            batches=outbox["batches"],
            oldest=outbox["age"],
            unpublishable=row["unpublishable"],
        )

    async def stored(self, id_: str) -> Stored | None:
        """One application, or None; ``id_`` is a UUID."""
        row = await self._row(_ONE, id_)
        return Stored(**{**row, "created_at": float(row["created_at"])}) if row else None

    async def close(self) -> None:
        """Until the next question there is no connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _row(self, statement: str, *values: str) -> "asyncpg.Record | None":
        async with self._one_at_a_time:
            try:
                return await (await self._opened()).fetchrow(statement, *values)
            except BaseException:
                await self.close()
                raise

    async def _opened(self) -> "asyncpg.Connection[asyncpg.Record]":
        if self._connection is not None and self._clock() - self._opened_at > _KEPT_SECONDS:
            await self.close()
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connect(timeout=_SECONDS, command_timeout=_SECONDS, server_settings=_SESSION)
            self._opened_at = self._clock()
        return self._connection


def _gateway(fields: Mapping[str, Any]) -> GatewayRow:
    figures = fields["figures"]
    overdue = fields["age"] > fields["seconds"]
    return GatewayRow(
        instance=fields["instance"],
        state="drained" if fields["claimed"] else "silent" if overdue else "running",
        age=fields["age"],
        started_at=fields["started_at"],
        lease_seconds=fields["seconds"],
        **{name: figures.get(name) for name in _SHOWN},
    )
