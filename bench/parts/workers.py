"""Both stream workers beside a stock Faust agent that does nothing, on topics filled with the same events."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from aiokafka import TopicPartition

from bench.baselines.outcome import Outcome
from bench.findings import Finding, Table
from bench.processes import Meter
from bench.series import Series
from bench.stage import Server, Stage
from contracts import Topics
from stream_workers.kinds import JOURNAL, METRICS, Kind

EVENTS, QUICK_EVENTS = 600_000, 150_000
# The stock agent takes about a second for ten thousand.
STOCK_EVENTS, QUICK_STOCK_EVENTS = 80_000, 30_000
PARTITIONS = 4
_SECONDS = 240.0
# As where Faust has no wheel, on Linux on ARM.
WITHOUT = ", without Cython"


@dataclass(frozen=True)
class Progress:
    """What a state on the changelog tells: when it was written and how far it reaches, over all partitions."""

    at_ms: int
    events: int
    cpu_seconds: float


async def run(stage: Stage) -> Finding:
    finding, quick = Finding("workers"), stage.settings.quick
    events, stock_events = (QUICK_EVENTS, QUICK_STOCK_EVENTS) if quick else (EVENTS, STOCK_EVENTS)
    kinds = [kind.name for kind in (METRICS, JOURNAL)]
    names = ("bare consumer", *kinds, *(f"{name}{WITHOUT}" for name in kinds), "empty agent")
    results: dict[str, list[Outcome]] = {name: [] for name in names}
    for _ in range(max(1, stage.settings.round_count // 2 + 1)):
        topics = await filled(stage, events)
        arguments = ["read", str(events)]
        results["bare consumer"].append(await stage.outcome("bare_kafka", arguments, "postgres", topics))
        for kind in (METRICS, JOURNAL):
            results[kind.name].append(await worker_outcome(stage, kind, topics, events))
        topics = await filled(stage, events)
        for kind in (METRICS, JOURNAL):
            outcome = await worker_outcome(stage, kind, topics, events, no_cython=1)
            results[f"{kind.name}{WITHOUT}"].append(outcome)
        stock = await filled(stage, stock_events)
        results["empty agent"].append(await stage.outcome("empty_agent", [str(stock_events)], "postgres", stock))
    _tell(finding, results)
    return finding


async def filled(stage: Stage, events: int, *, partitions: int = PARTITIONS, users: int | None = None) -> Topics:
    """Topics with so many events on `applications`."""
    topics = await stage.topics(partitions)
    arguments = ["batch", str(events)] if users is None else ["batch", str(events), str(users)]
    await stage.outcome("bare_kafka", arguments, "postgres", topics)
    return topics


async def worker_outcome(
    stage: Stage,
    kind: Kind,
    topics: Topics,
    events: int,
    *,
    partitions: int = PARTITIONS,
    tree: Path | None = None,
    **settings: Any,
) -> Outcome:
    """From the first state that the worker writes to the one that holds every event."""
    changelog = kind.changelog(topics)
    server = stage.program(
        kind.name, ["-m", "cli", "worker", kind.name], "postgres", topics, tree=tree, log_format="json", **settings
    )
    progress = await progressed(
        stage, [server], [TopicPartition(changelog, number) for number in range(partitions)], events
    )
    stage.end(server)
    return between(progress)


def between(progress: list[Progress]) -> Outcome:
    """From the first state that was written to the last."""
    first, last = progress[0], progress[-1]
    seconds = max(last.at_ms - first.at_ms, 1) / 1000
    return Outcome(last.events - first.events, seconds, last.cpu_seconds - first.cpu_seconds)


async def progressed(
    stage: Stage, workers: Sequence[Server], partitions: list[TopicPartition], events: int
) -> list[Progress]:
    """What the states of these workers tell, until they hold so many events; RuntimeError where one ends before."""
    meter = Meter(*(worker.child.pid for worker in workers))
    consumer = stage.kafka.kafka.consumer(enable_auto_commit=False)
    await consumer.start()
    consumer.assign(partitions)
    await consumer.seek_to_beginning()
    reached: dict[int, int] = {}
    progress: list[Progress] = []
    try:
        async with asyncio.timeout(_SECONDS):
            while sum(reached.values()) < events:
                if ended := [worker.child for worker in workers if not worker.child.running]:
                    raise RuntimeError(ended[0].epitaph())
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    for record in records:
                        reached[record.partition] = _booked(orjson.loads(record.value or b"{}"))
                        cpu = meter.cpu_seconds()
                        progress.append(Progress(record.timestamp, sum(reached.values()), cpu))
    finally:
        await consumer.stop()
    return progress


def _booked(state: Mapping[str, int]) -> int:
    return state["last_offset"] - state["first"] + 1


def _tell(finding: Finding, results: dict[str, list[Outcome]]) -> None:
    rates = {name: Series.of(each.rate for each in many) for name, many in results.items()}
    spent = {name: Series.of(each.cpu_us for each in many) for name, many in results.items()}
    lines = [(name, str(rates[name]), str(spent[name])) for name in results]
    finding.tables.append(Table("Stream workers, 4 partitions", ("", "events per second", "CPU µs for each"), lines))
    finding.figures["rates"] = {name: series.values for name, series in rates.items()}
    for name, least in (("metrics", 5), ("journal", 2)):
        times = rates[name].ratios(rates["empty agent"])
        budget = f"{name} worker: at least {least} times an empty stock Faust agent"
        finding.judge(budget, f"{times} times", met=times.median >= least)
