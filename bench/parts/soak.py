"""A long, even load: nothing may grow. Memory, connections, threads, outbox rows and dead tuples are sampled."""

import asyncio
import statistics
from collections.abc import Sequence
from time import perf_counter

import psutil

from bench.findings import Finding, Table
from bench.load import POST, fire
from bench.parts.idle import workers
from bench.series import number
from bench.stage import Connection, Server, Stage

# Few connections: what comes in is what a quiet day brings, not all that the machine can take.
CONNECTIONS = 4
_EVERY_SECONDS = 5.0
# The first part warms up; the second quarter is compared with the last one.
_MEMORY_GROWTH = 1.05
_COUNT_GROWTH = 5

_DATABASE = """
SELECT (SELECT count(*) FROM outbox) AS "outbox rows",
       (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) AS "database connections",
       (SELECT sum(n_dead_tup)::bigint FROM pg_stat_user_tables) AS "dead tuples"
"""

Sample = dict[str, float]


async def run(stage: Stage) -> Finding:
    finding = Finding("soak")
    database, topics = await stage.database(), await stage.topics()
    gateway = await stage.gateway(database, topics)
    servers = [gateway, *await workers(stage, database, topics)]
    seconds = stage.settings.soak_minutes * 60
    load = asyncio.create_task(fire(gateway.address, POST, connections=CONNECTIONS, seconds=seconds))
    samples: list[Sample] = []
    async with stage.connection(database) as connection:
        began = perf_counter()
        while not load.done() and perf_counter() - began < seconds - _EVERY_SECONDS:
            await asyncio.sleep(_EVERY_SECONDS)
            samples.append(await _sample(connection, servers))
    rate = (await load).rate
    stage.end(*servers)
    _tell(finding, samples, minutes=stage.settings.soak_minutes, rate=rate)
    return finding


async def _sample(connection: Connection, servers: Sequence[Server]) -> Sample:
    figures = {name: float(value or 0) for name, value in (await connection.fetch(_DATABASE))[0].items()}
    for server in servers:
        process = psutil.Process(server.child.pid)
        figures |= {
            f"{server.name}: MB": process.memory_info().rss / 2**20,
            f"{server.name}: connections": float(server.meter.connections()),
            f"{server.name}: threads": float(process.num_threads()),
            f"{server.name}: open files": float(process.num_fds()),
        }
    return figures


def _tell(finding: Finding, samples: list[Sample], *, minutes: float, rate: float) -> None:
    quarter = len(samples) // 4
    early, late = _medians(samples[quarter : 2 * quarter]), _medians(samples[3 * quarter :])
    lines = [(name, number(early[name]), number(late[name])) for name in early]
    title = f"Soak, {minutes:.0f} minutes at {number(rate)} applications a second"
    finding.tables.append(Table(title, ("median of", "second quarter", "last quarter"), lines))
    finding.figures["samples"] = samples
    grown = [name for name in early if late[name] > early[name] * _MEMORY_GROWTH + _COUNT_GROWTH]
    # Dead tuples rise until autovacuum comes: a saw, whose height is autovacuum's own threshold.
    grown = [name for name in grown if name != "dead tuples"]
    finding.judge("soak: nothing grows", ", ".join(grown) or "nothing did", met=not grown)


def _medians(samples: list[Sample]) -> Sample:
    return {name: statistics.median(sample[name] for sample in samples) for name in samples[0]}
