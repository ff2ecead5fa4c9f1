"""Memory under load, and while Kafka is away and the load goes on."""

import asyncio
from collections.abc import Awaitable, Mapping

from bench.findings import Finding, Table
from bench.load import POST, Load, fire
from bench.parts.idle import workers
from bench.processes import Meter
from bench.stage import Stage

SECONDS, QUICK_SECONDS = 60.0, 10.0
_EVERY_SECONDS = 0.25
_GATEWAY_MB, _WORKER_MB = 150, 200
# What an outage may still add in its second half: pages, not events.
_GROWTH_MB = 10


async def run(stage: Stage) -> Finding:
    finding = Finding("memory")
    database, topics = await stage.database(), await stage.topics()
    gateway = await stage.gateway(database, topics)
    servers = [gateway, *await workers(stage, database, topics)]
    meters = {server.name: server.meter for server in servers}
    seconds = QUICK_SECONDS if stage.settings.quick else SECONDS
    idle = _read(meters)
    load = await _highest(meters, fire(gateway.address, POST, connections=64, seconds=seconds))
    await asyncio.to_thread(stage.kafka.stop)
    first = await _highest(meters, fire(gateway.address, POST, connections=64, seconds=seconds))
    second = await _highest(meters, fire(gateway.address, POST, connections=64, seconds=seconds))
    stage.end(*servers)
    columns = ("MB", "idle", "under load", "Kafka away", "Kafka away, twice as long")
    lines = [(name, *(f"{each[name]:.0f}" for each in (idle, load, first, second))) for name in meters]
    finding.tables.append(Table("Memory (RSS, highest)", columns, lines))
    finding.figures |= {"idle": idle, "load": load, "outage": first, "outage_longer": second}
    _judge(finding, load, first, second)
    return finding


def _judge(
    finding: Finding, load: Mapping[str, float], first: Mapping[str, float], second: Mapping[str, float]
) -> None:
    gateway, worker = load["headgate"], max(load["metrics"], load["journal"])
    finding.judge(f"gateway below {_GATEWAY_MB} MB under load", f"{gateway:.0f} MB", met=gateway < _GATEWAY_MB)
    finding.judge(f"worker below {_WORKER_MB} MB under load", f"{worker:.0f} MB", met=worker < _WORKER_MB)
    growth = second["headgate"] - first["headgate"]
    finding.judge(
        "gateway's memory bounded in an outage", f"{growth:+.0f} MB in its second half", met=growth < _GROWTH_MB
    )


async def _highest(meters: Mapping[str, Meter], load: Awaitable[Load]) -> dict[str, float]:
    """The highest memory of each process while the load lasts, in MB."""
    task = asyncio.ensure_future(load)
    highest = _read(meters)
    while not task.done():
        await asyncio.sleep(_EVERY_SECONDS)
        highest = {name: max(highest[name], now) for name, now in _read(meters).items()}
    await task
    return highest


def _read(meters: Mapping[str, Meter]) -> dict[str, float]:
    return {name: meter.largest_rss_bytes() / 2**20 for name, meter in meters.items()}
