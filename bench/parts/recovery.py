"""After an outage of Kafka: how fast the backlog drains, beside a bare producer that sends as many events.

Both meet a broker that has just started, whose Java is cold.
"""

import asyncio
from time import perf_counter

from aiokafka import TopicPartition

from bench.baselines.outcome import Outcome
from bench.findings import Finding, Table
from bench.load import fire
from bench.parts.batch import BATCH, CONNECTIONS, ITEMS
from bench.series import Series
from bench.stage import Stage
from contracts import Topics

EVENTS, QUICK_EVENTS = 100_000, 40_000
_DRAIN_SECONDS = 300.0
_PARTITIONS = 4


async def run(stage: Stage) -> Finding:
    finding = Finding("recovery")
    least = QUICK_EVENTS if stage.settings.quick else EVENTS
    drained: list[Outcome] = []
    sent: dict[str, list[Outcome]] = {"send": [], "batch": []}
    for _ in range(max(1, stage.settings.round_count // 2 + 1)):
        drained.append(await _outage(stage, least))
        for way, outcomes in sent.items():
            await asyncio.to_thread(stage.kafka.nodes[0].restart)
            topics = await stage.topics()
            outcomes.append(await stage.outcome("bare_kafka", [way, str(drained[-1].events)], "postgres", topics))
    _tell(finding, drained, sent)
    return finding


async def _outage(stage: Stage, least: int) -> Outcome:
    """Stop the broker, accept at least so many applications, start it; from the first published one to the last."""
    database, topics = await stage.database(), await stage.topics()
    gateway = await stage.gateway(database, topics)
    await asyncio.to_thread(stage.kafka.stop)
    accepted = 0
    while accepted < least:
        load = await fire(gateway.address, BATCH, connections=CONNECTIONS, seconds=2)
        accepted += load.requests * ITEMS
    async with stage.connection(database) as connection:
        stored = await connection.fetchval("SELECT count(*) FROM applications")
    spent = gateway.meter.cpu_seconds()
    await asyncio.to_thread(stage.kafka.start)
    seconds = await _drain(stage, topics, stored)
    outcome = Outcome(stored, seconds, gateway.meter.cpu_seconds() - spent)
    stage.end(gateway)
    return outcome


async def _drain(stage: Stage, topics: Topics, events: int) -> float:
    consumer = stage.kafka.kafka.consumer()
    await consumer.start()
    partitions = [TopicPartition(topics.applications, number) for number in range(_PARTITIONS)]
    began, there = None, 0
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            while there < events:
                before = perf_counter()
                there = sum((await consumer.end_offsets(partitions)).values())
                if began is None and there:
                    began = before
                await asyncio.sleep(0.02)
    finally:
        await consumer.stop()
    return perf_counter() - (began or 0)


def _tell(finding: Finding, drained: list[Outcome], sent: dict[str, list[Outcome]]) -> None:
    rates = {
        "Headgate drains": Series.of(each.rate for each in drained),
        "bare producer, send": Series.of(each.rate for each in sent["send"]),
        "bare producer, send_batch": Series.of(each.rate for each in sent["batch"]),
    }
    lines = [(name, str(series)) for name, series in rates.items()]
    finding.tables.append(Table("Recovery after an outage of Kafka", ("", "events per second"), lines))
    finding.figures["rates"] = {name: series.values for name, series in rates.items()}
    share = rates["Headgate drains"].ratios(rates["bare producer, send"])
    finding.judge("recovery: at least 50 % of a bare producer", f"{share.median:.0%}", met=share.median >= 0.5)
