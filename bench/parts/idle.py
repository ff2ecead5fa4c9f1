"""What the whole stack costs when nothing happens: CPU of each process, transactions at PostgreSQL."""

import asyncio

from bench.findings import Finding, Table
from bench.processes import Meter
from bench.stage import Server, Stage
from contracts import Topics
from stream_workers.kinds import KINDS

SECONDS, QUICK_SECONDS = 60.0, 15.0
# Joining the groups, first heartbeats, first metadata.
_SETTLE_SECONDS = 15.0

_TRANSACTIONS = "SELECT sum(xact_commit + xact_rollback)::bigint FROM pg_stat_database"


async def run(stage: Stage) -> Finding:
    finding = Finding("idle")
    database, topics = await stage.database(), await stage.topics()
    servers = [await stage.gateway(database, topics), *await workers(stage, database, topics)]
    meters = {server.name: server.meter for server in servers}
    others = {"PostgreSQL": stage.postgres_meter, "Kafka": stage.kafka_meter}
    seconds = QUICK_SECONDS if stage.settings.quick else SECONDS
    await asyncio.sleep(_SETTLE_SECONDS)
    async with stage.connection(database) as connection:
        before, spent = await connection.fetchval(_TRANSACTIONS), _read(meters | others)
        await asyncio.sleep(seconds)
        # The connection that asks is one of them: its own two questions are taken off.
        transactions = (await connection.fetchval(_TRANSACTIONS) - before - 1) / seconds
        share = {name: (now - spent[name]) / seconds for name, now in _read(meters | others).items()}
    stage.end(*servers)
    lines = [(name, f"{used:.2%}") for name, used in share.items()]
    finding.tables.append(Table(f"Idle for {seconds:.0f} s", ("", "CPU of one core"), lines))
    finding.figures |= {"cpu": share, "transactions": transactions}
    worst = max(meters, key=lambda name: share[name])
    finding.judge("idle: below 1 % CPU for each process", f"{share[worst]:.2%} ({worst})", met=share[worst] < 0.01)
    finding.judge("idle: at most 2 transactions a second", f"{transactions:.2f}", met=transactions <= 2)
    return finding


async def workers(stage: Stage, database: str, topics: Topics) -> list[Server]:
    """One worker of each kind, ready."""
    started = [stage.program(kind, ["-m", "cli", "worker", kind], database, topics) for kind in KINDS]
    for worker in started:
        await stage.until_open(worker)
    return started


def _read(meters: dict[str, Meter]) -> dict[str, float]:
    return {name: meter.cpu_seconds() for name, meter in meters.items()}
