"""The replica: there, of this very database, in recovery, and not far behind."""

import asyncio
import time
from typing import Any

from cli.doctor import hosts
from cli.doctor.finding import Finding, failed, ok, warning
from cli.doctor.hosts import Host
from gateway.settings import Settings

_IDENTITY = """
SELECT (SELECT system_identifier FROM pg_control_system()) AS cluster, current_database() AS database,
       pg_is_in_recovery() AS in_recovery
"""
_WRITTEN = "SELECT pg_current_wal_lsn()::text"
_CAUGHT_UP = "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn"


async def examine(settings: Settings) -> list[Finding]:
    """Nothing where no replica is set, or the primary is away, which is told elsewhere; else one finding."""
    server = settings.postgresql_replica
    if server is None:
        return []
    seen = await hosts.look(settings.postgresql)
    replicas = await hosts.look(server)
    try:
        primary = hosts.primary(seen)
        return [await _look(replicas[0], primary, settings.read_lag_seconds_max)] if primary else []
    finally:
        for host in (*seen, *replicas):
            host.close()


async def _look(replica: Host, primary: Host, lag_max: float) -> Finding:
    if replica.error is not None:
        remedy = (
            "The primary answers in its place. Start it, or set DATABASE_READ_URL to where it listens, or to nothing."
        )
        return warning("replica", f"{replica.where}: {str(replica.error) or type(replica.error).__name__}", remedy)
    return await _compared(replica.connection, primary.connection, replica.where, lag_max)


async def _compared(replica: Any, primary: Any, place: str, lag_max: float) -> Finding:
    wanted, found = await primary.fetchrow(_IDENTITY), await replica.fetchrow(_IDENTITY)
    if (wanted["cluster"], wanted["database"]) != (found["cluster"], found["database"]):
        remedy = "It is not read. Name a replica of DATABASE_URL in DATABASE_READ_URL, or nothing."
        return failed("replica", f"{place} is another database", remedy)
    if not found["in_recovery"]:
        remedy = "Was it promoted, or is it the primary itself? Name a replica in DATABASE_READ_URL, or nothing."
        return warning("replica", f"{place} is not in recovery", remedy)
    lag = await _lag(replica, await primary.fetchval(_WRITTEN), lag_max)
    if lag is None:
        remedy = "The primary answers in its place. See the replica's log, its load, and pg_stat_replication."
        return warning("replica", f"{place} is more than {lag_max:g} s behind", remedy)
    return ok("replica", f"{place}, {lag:.1f} s behind")


async def _lag(replica: Any, written: str, lag_max: float) -> float | None:
    """Seconds until it shows what the primary has written by now; None if that takes too long."""
    began = time.monotonic()
    while not await replica.fetchval(_CAUGHT_UP, written):
        if time.monotonic() - began > lag_max:
            return None
        await asyncio.sleep(0.05)
    return time.monotonic() - began
