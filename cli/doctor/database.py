"""PostgreSQL: there, of this version's schema, with a true clock, an outbox that drains and leases that live."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import asyncpg

from cli.doctor import hosts
from cli.doctor.finding import Finding, failed, ok, warning
from gateway.commit.statements import CLOCK_BOUND_SECONDS
from gateway.database.months import PARTITIONS, Partitions, named
from gateway.database.rights import LACKING
from gateway.settings import Settings
from migrations import head
from runtime.postgresql.pooler import through_pooler

OUTBOX_SECONDS = 120.0

_LOOK = """
SELECT (SELECT version_num FROM alembic_version) AS schema, current_setting('statement_timeout') AS longest,
       extract(epoch FROM clock_timestamp())::float8 AS now,
       (SELECT count(*) FROM outbox WHERE cardinality(ids) > 0) AS batches,
       (SELECT extract(epoch FROM clock_timestamp() - min(created_at))::float8
        FROM outbox WHERE cardinality(ids) > 0) AS oldest,
       (SELECT count(*) FROM unpublishable) AS unpublishable
"""
# Rows without a month, in the time for which there should be months.
_STRAY = "SELECT count(*) FROM (SELECT FROM applications_default WHERE id >= $1 AND id < $2 LIMIT 10000)"
_LEASES = """
SELECT instance, claimed_by, seconds, extract(epoch FROM clock_timestamp() - renewed_at)::float8 AS silent
FROM gateway_leases ORDER BY started_at
"""


async def examine(settings: Settings) -> list[Finding]:
    """Everything about the database; the hosts alone if none of them takes writes."""
    seen = await hosts.look(settings.postgresql)
    try:
        primary = hosts.primary(seen)
        return [*hosts.findings(seen), *(await _inside(primary.connection) if primary else ())]
    finally:
        for host in seen:
            host.close()


async def _inside(connection: Any) -> list[Finding]:
    lacking = list(_rights(await connection.fetchrow(LACKING)))
    try:
        return [*lacking, *await _looked_into(connection)]
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
        return lacking or [failed("schema", str(error), "Run `headgate migrate`.")]
    except asyncpg.InsufficientPrivilegeError as error:
        return lacking or [failed("rights", str(error), "Run `headgate migrate --grants ROLE`.")]


def _rights(row: Any) -> Iterator[Finding]:
    """A schema that may not be used hides the tables, so this comes first."""
    if row["lacks"]:
        remedy = f"Run `headgate migrate --grants {row['role']}` as the role that owns the tables."
        yield failed(f"rights of {row['role']}", f"{', '.join(row['lacks'])} is missing", remedy)


async def _looked_into(connection: Any) -> list[Finding]:
    asked = time.time()
    row = await connection.fetchrow(_LOOK)
    answered = time.time()
    leases = await connection.fetch(_LEASES)
    months = await _months(connection, datetime.fromtimestamp(row["now"], UTC))
    clock = row["now"] - (asked + answered) / 2
    return [
        _schema(row["schema"]),
        _clock(clock),
        *_pooler(connection, row["longest"]),
        months,
        _outbox(row),
        _unpublishable(row["unpublishable"]),
        *_leases(leases),
    ]


def _schema(found: str) -> Finding:
    wanted = head()
    if found == wanted:
        return ok("schema", f"revision {found}")
    remedy = f"This version needs {wanted}: run `headgate migrate`, or use the version that made {found}."
    return failed("schema", f"revision {found}", remedy)


def _clock(difference: float) -> Finding:
    found = f"{abs(difference) * 1000:.0f} ms from PostgreSQL's"
    if abs(difference) < 1:
        return ok("clock of this machine", found)
    remedy = f"Synchronise both clocks (NTP); gateways refuse to commit from {CLOCK_BOUND_SECONDS} s on."
    tell = failed if abs(difference) >= CLOCK_BOUND_SECONDS else warning
    return tell("clock of this machine", found, remedy)


def _pooler(connection: Any, longest: str) -> Iterator[Finding]:
    """A pooler keeps no session, so what a gateway would ask for in its own must be set where servers are opened."""
    if not through_pooler(connection):
        return
    if longest == "0":
        remedy = "Set statement_timeout, lock_timeout and jit where it opens its servers: docs/proxies.md"
        yield warning("pooler", "statements through it may run for ever", remedy)
    else:
        yield ok("pooler", f"in between; a statement may take {longest}")


async def _months(connection: Any, now: datetime) -> Finding:
    """The months up to the coming one are there, so nothing that is written has to go without."""
    found: Partitions = named([each["relname"] for each in await connection.fetch(PARTITIONS)])
    missing = found.missing(now, ahead=1)
    if not found.partitioned or not missing:
        return ok("months", f"up to {found.end}" if found.end else "not before `headgate migrate`")
    stray = await connection.fetchval(_STRAY, missing[0].first, missing[-1].following.first)
    told = f"{missing[0].table} is missing" + (f", {stray} of its applications are in the default" if stray else "")
    return warning("months", told, "Run `headgate migrate`; if it may, a gateway makes them within hours.")


def _outbox(row: Any) -> Finding:
    if not row["batches"]:
        return ok("outbox", "empty: everything accepted is published")
    found = f"{row['batches']} batches, the oldest {row['oldest']:.0f} s old"
    if row["oldest"] < OUTBOX_SECONDS:
        return ok("outbox", found)
    return failed("outbox", found, "Kafka away, or no living gateway to claim it: docs/runbook/outbox-old.md")


def _unpublishable(count: int) -> Finding:
    if not count:
        return ok("unpublishable", "none")
    return warning("unpublishable", f"{count} applications", "Kafka refuses them: docs/runbook/unpublishable.md")


def _leases(rows: list[Any]) -> Iterator[Finding]:
    living = [row for row in rows if row["claimed_by"] is None and row["silent"] <= row["seconds"]]
    yield (
        ok("gateways", ", ".join(row["instance"] for row in living))
        if living
        else warning("gateways", "none holds a lease", "Start one: `headgate gateway`.")
    )
    for row in rows:
        if row["claimed_by"] is not None:
            remedy = "Nothing, if it is gone in a minute; else docs/runbook/recovery-stopped.md"
            yield warning(f"lease of {row['instance']}", "the gateway is gone, it is being drained", remedy)
        elif row not in living:
            remedy = "A living gateway claims it by itself; start one if there is none."
            yield warning(f"lease of {row['instance']}", f"silent for {row['silent']:.0f} s", remedy)
