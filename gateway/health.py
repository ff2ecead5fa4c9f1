"""What the gateway knows of itself: alive, ready (can accept), and the state of everything that it depends on."""

import asyncio
import time
from contextlib import suppress
from typing import Any, Literal

from sqlalchemy import text

from gateway.commit.statements import CLOCK_BOUND_SECONDS
from gateway.database.connection import DATABASE_ERRORS, first_line, sqlstate
from gateway.database.rights import INSUFFICIENT_PRIVILEGE, LACKING, LACKS, UNDEFINED_TABLE, bars_acceptance, told
from gateway.database.tables import SCHEMA
from gateway.publish.topic import BROKER_ERRORS, brokers, look
from gateway.service import Gateway

Status = Literal["ok", "degraded", "unavailable"]

_FRESH_SECONDS = 1.0
_BROKERS_SECONDS = 2.0

# The planner's estimate is no answer here: the outbox is empty or small, except in an outage, and then its age matters.
_DATABASE = text(f"""
SELECT extract(epoch FROM clock_timestamp()) AS now,
       (SELECT count(*) FROM (SELECT FROM outbox WHERE cardinality(ids) > 0 LIMIT 10001) AS counted) AS batches,
       (SELECT extract(epoch FROM clock_timestamp() - created_at)
        FROM outbox WHERE cardinality(ids) > 0 ORDER BY id LIMIT 1) AS oldest,
       (SELECT count(*) FROM unpublishable) AS unpublishable,
       (SELECT count(*) FROM gateway_leases WHERE claimed_by IS NOT NULL) AS being_drained,
       (SELECT version_num FROM alembic_version) AS schema,
       to_regclass('applications_' || to_char(now() AT TIME ZONE 'UTC' + interval '1 month', 'YYYY_MM')) IS NOT NULL
       OR to_regclass('applications_before_' || to_char(now() AT TIME ZONE 'UTC' + interval '2 months', 'YYYY_MM'))
          IS NOT NULL AS next_month,
       {LACKS} AS lacks, current_user AS role
""")  # noqa: S608 -- our own
_LACKING = text(LACKING)


class Health:
    """Answers health questions from one look that is at most a second old, however many ask."""

    def __init__(self, gateway: Gateway) -> None:
        self._session, self._gateway = gateway.session(), gateway
        self._looked_at = -_FRESH_SECONDS
        self._report: dict[str, Any] = {}
        self._looking = asyncio.Lock()
        self._brokers_asked: asyncio.Task[dict[str, Any]] | None = None

    async def report(self) -> dict[str, Any]:
        """``status`` and each dependency with its state."""
        async with self._looking:
            if time.monotonic() - self._looked_at >= _FRESH_SECONDS:
                database, kafka = await asyncio.gather(self._database(), self._kafka())
                self._report = self._judge(database, kafka)
                self._looked_at = time.monotonic()
        return self._report

    async def close(self) -> None:
        """Drop its connection."""
        await self._session.drop()

    async def ready(self) -> str | None:
        """None where a POST can be accepted now, else why not."""
        gateway = self._gateway
        if gateway.draining:
            return "draining"
        if gateway.failed is not None:
            return "failed"
        database = (await self.report())["dependencies"]["postgresql"]
        if reason := _why_not(database):
            return reason
        if gateway.keeper.lease is None:
            return ": ".join(["no lease yet", *([database["reason"]] if "reason" in database else [])])
        if len(gateway.writer.queue) >= gateway.settings.commit_queue_max:
            return "too many applications wait for the database"
        return None

    async def _database(self) -> dict[str, Any]:
        try:
            row = (await self._session.execute(_DATABASE, {}))[0]
        except DATABASE_ERRORS as error:
            return {"status": "unavailable", "reason": await self._reason(error)}
        depth = {"batches": row.batches, "oldest_seconds": round(float(row.oldest or 0), 1)}
        return {
            "status": "ok",
            "clock_off_seconds": round(time.time() - float(row.now), 1),
            "outbox": depth,
            "unpublishable": row.unpublishable,
            "leases_being_drained": row.being_drained,
            "schema": row.schema,
            "next_month": row.next_month,
            **({"lacks": row.lacks, "reason": told(row.role, row.lacks)} if row.lacks else {}),
        }

    async def _reason(self, error: BaseException) -> str:
        """What an error says, or what of the tables and of the rights to them is missing."""
        if sqlstate(error) in (UNDEFINED_TABLE, INSUFFICIENT_PRIVILEGE):
            with suppress(*DATABASE_ERRORS):
                [row] = await self._session.execute(_LACKING, {})
                if row.lacks:
                    return told(row.role, row.lacks)
        if sqlstate(error) == UNDEFINED_TABLE:
            return "the database has no tables yet: run `headgate migrate`"
        return first_line(error)

    async def _kafka(self) -> dict[str, Any]:
        """A look that takes too long goes on; it is not cut off, and until it ends the brokers count as silent."""
        if self._brokers_asked is None or self._brokers_asked.done():
            self._brokers_asked = asyncio.create_task(self._ask_brokers())
        await asyncio.wait([self._brokers_asked], timeout=_BROKERS_SECONDS)
        if not self._brokers_asked.done():
            return {"status": "unavailable", "reason": f"the brokers do not answer within {_BROKERS_SECONDS:.0f} s"}
        return self._brokers_asked.result()

    async def _ask_brokers(self) -> dict[str, Any]:
        settings = self._gateway.settings
        try:
            async with brokers(settings.kafka) as client:
                state = await look(client, settings.topics.applications)
        except BROKER_ERRORS as error:
            return {"status": "unavailable", "reason": str(error) or type(error).__name__}
        return {"status": "ok", "partitions": len(state.partitions)}

    def _judge(self, database: dict[str, Any], kafka: dict[str, Any]) -> dict[str, Any]:
        gateway = self._gateway
        stopped = {str(lease): reason for lease, reason in gateway.recovery.stopped.items()}
        status: Status = "ok"
        dependencies = {"postgresql": database, "kafka": kafka}
        if gateway.replica is not None:
            dependencies["replica"] = gateway.replica.report()
        trouble = database.get("unpublishable") or database.get("lacks")
        if any(each["status"] != "ok" for each in dependencies.values()) or stopped or trouble:
            status = "degraded"
        if database["status"] != "ok" or gateway.draining:
            status = "unavailable"
        return {
            "status": status,
            "dependencies": dependencies,
            "writer": {"state": gateway.writer.state, "queued": len(gateway.writer.queue)},
            "publisher": {"state": gateway.publisher.state, "in_memory": gateway.publisher.in_memory},
            "recovery": {
                "draining": {str(lease): phase for lease, phase in gateway.recovery.phases.items()},
                "stopped": stopped,
            },
            "lease": str(gateway.keeper.lease) if gateway.keeper.lease else None,
        }


def _why_not(database: dict[str, Any]) -> str | None:
    """Why nothing can be committed to a database of which this is known; None where it can."""
    if database["status"] != "ok":
        return str(database.get("reason", "PostgreSQL is away"))
    if database["schema"] < SCHEMA:
        return f"the database has schema {database['schema']}, this gateway needs {SCHEMA}: run `headgate migrate`"
    if abs(off := database["clock_off_seconds"]) > CLOCK_BOUND_SECONDS:
        return f"this machine's clock is {off:.0f} s off the database's"
    return str(database["reason"]) if bars_acceptance(database.get("lacks", ())) else None
