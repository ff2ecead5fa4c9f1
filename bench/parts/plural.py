"""One, two and three of each: gateways, brokers, standbys of PostgreSQL, metrics workers.

On one machine they share its cores, so a rate rises with their number only until these are used up. What can be read
here is what the plural costs, the CPU time for each application; `python -m bench.fleet` says what that comes to on
machines of their own.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from aiokafka import TopicPartition

from bench.baselines.outcome import Outcome
from bench.findings import Finding, Table
from bench.flush import flush_seconds
from bench.load import POST, Shot, fire
from bench.parts.workers import between, progressed
from bench.processes import Meter
from bench.rounds import COLUMNS, Round, Subject, measure, plain, row
from bench.rows import fill
from bench.series import number
from bench.stage import Stage, raised
from devstack.postgresql.standby import Standby
from stream_workers.kinds import METRICS

MOST = 3
# Two for each of three workers.
_PARTITIONS = 6
EVENTS, QUICK_EVENTS = 600_000, 150_000
_ROWS = 10_000
# New brokers compile their code while they are busy for the first time.
_WARM_UP_SECONDS = 15.0


async def run(stage: Stage) -> Finding:
    finding = Finding("plural")
    rounds: dict[str, list[Round]] = {}
    for count in range(1, MOST + 1):
        rounds[_of(count, "gateway")] = await _posted(stage, processes=count)
    for count in range(2, MOST + 1):
        async with raised(stage.settings, brokers=count) as own:
            rounds[_of(count, "broker")] = await _posted(own)
    async with raised(stage.settings) as own, AsyncExitStack() as standbys:
        for count in range(1, MOST):
            standby = await standbys.enter_async_context(streaming(own, f"standby{count}"))
            await asyncio.to_thread(standby.make_synchronous)
            rounds[_of(count, "standby")] = await _posted(own)
    lines = [row(name, many) for name, many in rounds.items()]
    finding.tables.append(Table("POST /applications as the parts multiply, 64 connections", COLUMNS, lines))
    finding.figures |= plain(rounds) | {"flush_seconds": flush_seconds(stage.folder)}
    await _workers(stage, finding)
    await _reads(stage, finding)
    return finding


async def _posted(stage: Stage, *, processes: int = 1) -> list[Round]:
    database, topics = await stage.database(), await stage.topics()
    gateway = await stage.gateway(database, topics, gateway_processes=processes)
    await fire(gateway.address, POST, connections=64, seconds=_WARM_UP_SECONDS)
    subject, seconds = Subject("gateway", gateway, database), stage.settings.load_seconds
    rounds = [
        await measure(stage, subject, POST, connections=64, seconds=seconds) for _ in range(stage.settings.round_count)
    ]
    stage.end(gateway)
    return rounds


async def _workers(stage: Stage, finding: Finding) -> None:
    events = QUICK_EVENTS if stage.settings.quick else EVENTS
    outcomes = {_of(count, "worker"): await _counted(stage, count, events) for count in range(1, MOST + 1)}
    lines = [(name, number(each.rate), number(each.cpu_us)) for name, each in outcomes.items()]
    columns = ("", "events per second", "CPU µs for each, all workers")
    finding.tables.append(Table("Metrics workers, while the topic is filled", columns, lines))
    finding.figures["workers"] = {name: {"rate": each.rate, "cpu": each.cpu_us} for name, each in outcomes.items()}


async def _counted(stage: Stage, count: int, events: int) -> Outcome:
    """All workers have joined before there is anything to count, so that none counts before the others."""
    topics = await stage.topics(_PARTITIONS)
    arguments = ["-m", "cli", "worker", "metrics"]
    workers = [
        stage.program(f"metrics-{number}", arguments, "postgres", topics, log_format="json") for number in range(count)
    ]
    for worker in workers:
        await stage.until_open(worker)
    partitions = [TopicPartition(METRICS.changelog(topics), number) for number in range(_PARTITIONS)]
    filling = asyncio.create_task(stage.outcome("bare_kafka", ["batch", str(events)], "postgres", topics))
    progress = await progressed(stage, workers, partitions, events)
    await filling
    stage.end(*workers)
    return between(progress)


async def _reads(stage: Stage, finding: Finding) -> None:
    """Page 1, from the primary and then from one replica: what the replica takes off the primary."""
    lines = []
    async with raised(stage.settings) as own:
        database = await own.database()
        async with own.connection(database) as connection:
            await fill(connection, _ROWS)
        lines.append(await _read(own, database, "the primary"))
        async with streaming(own, "replica") as replica:
            lines.append(await _read(own, database, "a replica", replica))
    columns = ("page 1 from", "per second", "p50 ms", "CPU µs: gateway", "primary", "replica")
    finding.tables.append(Table("GET /applications with a replica, 8 connections", columns, lines))


async def _read(stage: Stage, database: str, name: str, replica: Standby | None = None) -> tuple[str, ...]:
    settings: dict[str, Any] = {"database_read_url": replica.url(database)} if replica else {}
    gateway = await stage.gateway(database, await stage.topics(), **settings)
    shot = Shot("get", "/applications")
    await fire(gateway.address, shot, connections=8, seconds=_WARM_UP_SECONDS)
    meters = [gateway.meter, stage.postgres_meter, Meter(*([replica.running_child().pid] if replica else []))]
    before = [meter.cpu_seconds() for meter in meters]
    load = await fire(gateway.address, shot, connections=8, seconds=stage.settings.load_seconds)
    spent = [(meter.cpu_seconds() - began) / load.requests * 1e6 for meter, began in zip(meters, before, strict=True)]
    stage.end(gateway)
    return name, number(load.rate), number(load.p50_ms), *map(number, spent)


@asynccontextmanager
async def streaming(stage: Stage, name: str) -> AsyncIterator[Standby]:
    """One more standby of the stage's PostgreSQL."""
    standby = Standby(stage.folder / name, stage.postgres, name=name)
    try:
        await asyncio.to_thread(standby.start)
        yield standby
    finally:
        await asyncio.to_thread(standby.kill)


def _of(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count > 1 else ''}"
