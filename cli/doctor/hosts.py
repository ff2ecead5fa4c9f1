"""The hosts of DATABASE_URL: which is the primary, which a standby and how far behind, which does not answer."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from cli.doctor.finding import Finding, failed, ok, warning
from runtime.postgresql.primary import HOST_ROLE
from runtime.postgresql.server import CONNECTION_ERRORS, PostgreSQL

SECONDS = 5.0
LAG_BYTES = 64 * 1024 * 1024

_LOOK = f"""
SELECT *, CASE WHEN standby THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END - '0/0' AS position
FROM ({HOST_ROLE}) AS role
"""  # noqa: S608 -- our own


@dataclass(frozen=True)
class Host:
    """One host and what it says of itself; ``error`` instead where it cannot be asked."""

    where: str
    connection: Any = None
    row: Any = None
    error: Exception | None = None

    @property
    def takes_writes(self) -> bool:
        return self.row is not None and not self.row["standby"] and not self.row["read_only"]

    def close(self) -> None:
        if self.connection is not None:
            self.connection.terminate()


async def look(server: PostgreSQL) -> list[Host]:
    """Ask all hosts at once; whoever calls closes them."""
    return await asyncio.gather(*(_look(host) for host in server.hosts))


async def _look(server: PostgreSQL) -> Host:
    connection = None
    try:
        connection = await server.connect(timeout=SECONDS, command_timeout=SECONDS)
        return Host(str(server), connection, await connection.fetchrow(_LOOK))
    except (*CONNECTION_ERRORS, TimeoutError) as error:
        return Host(str(server), connection, error=error)


def primary(hosts: Sequence[Host]) -> Host | None:
    """The host that takes writes; of several the one on the newest timeline."""
    return max((host for host in hosts if host.takes_writes), key=lambda host: host.row["timeline"], default=None)


def findings(hosts: Sequence[Host]) -> list[Finding]:
    """One for each host, under one name where there is only one."""
    chosen = primary(hosts)
    if len(hosts) == 1:
        return [_primary(hosts[0]) if chosen else _away("PostgreSQL", hosts[0])]
    if chosen is None:
        remedy = "Promote a standby (docs/operations.md, Failover), start the primary, or correct DATABASE_URL."
        return [failed("PostgreSQL", "no host takes writes", remedy), *(_other(host, None) for host in hosts)]
    return [_primary(chosen), *(_other(host, chosen) for host in hosts if host is not chosen)]


def _primary(host: Host) -> Finding:
    version = host.connection.get_server_version().major
    return ok("PostgreSQL", f"version {version} at {host.where}")


def _other(host: Host, chosen: Host | None) -> Finding:
    """A host that is not the primary."""
    what = f"PostgreSQL {host.where}"
    if host.row is None or (host.row["read_only"] and not host.row["standby"]):
        return _away(what, host)
    if host.takes_writes:
        remedy = "Stop it at once; make it a standby with pg_rewind: docs/operations.md, Failover."
        return failed(what, f"takes writes too, on timeline {host.row['timeline']}", remedy)
    if chosen is None:
        return ok(what, "a standby")
    lag = max(0, chosen.row["position"] - host.row["position"])
    if lag < LAG_BYTES:
        return ok(what, f"a standby, {lag} bytes behind")
    return warning(what, f"a standby, {lag} bytes behind", "See pg_stat_replication at the primary: is it connected?")


def _away(what: str, host: Host) -> Finding:
    if host.error is None:
        role = "a standby" if host.row["standby"] else "read-only"
        return failed(what, f"{host.where} is {role}", "Name the primary in DATABASE_URL, or several hosts.")
    return failed(what, f"{host.where}: {str(host.error) or type(host.error).__name__}", _remedy(host.error))


def _remedy(error: Exception) -> str:
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return "Create the database, or name another one in DATABASE_URL."
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
        return "Check user and password in DATABASE_URL."
    return "Start PostgreSQL, or set DATABASE_URL to where it listens."
