"""Long series of faults against the workers: `make chaos` runs them. The careless worker must not survive them."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from cli.settings import Shape
from cli.topics.create import create
from contracts import Topics
from devstack.kafka.brokers import Brokers
from runtime.kafka.clients import Kafka
from stream_workers.kafka.reader import bounds
from tests.pipeline.faults import torment
from tests.pipeline.test_any_bytes import ANYTHING, is_small, send_raw, transaction
from tests.pipeline.workers import COMMAND, WorkerProcess, drift, environment, produce, produce_during, until_booked

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1_200)]

CARELESS = ("tests.pipeline.careless_worker",)
LOSING = ("tests.pipeline.losing_worker",)


async def series(
    kafka: Kafka,
    topics: Topics,
    log: Path,
    *,
    count: int,
    seed: int,
    rounds: int = 12,
    command: tuple[str, ...] = COMMAND,
) -> list[str]:
    """One series; what is not exact at its end."""
    env = environment(kafka, topics)
    workers = [WorkerProcess("metrics", env, log / f"{seed}-{n}.log", command) for n in range(count)]
    for worker in workers:
        worker.start()
    try:
        tormenting = asyncio.create_task(torment(workers, rounds=rounds, seed=seed))
        ids = await produce_during(tormenting, kafka, topics, rate=1_500, seed=seed)
        done = await tormenting
        totals = await until_booked(kafka, topics, len(ids), workers, seconds=180)
    finally:
        for worker in workers:
            worker.kill()
    found = drift(totals, len(ids))
    print(report(len(ids), done, workers), "drift:", found)  # noqa: T201 -- the report of a series
    return [*found, f"after {done}"] if found else []


def report(events: int, done: Sequence[str], workers: Sequence[WorkerProcess]) -> str:
    """What happened, in figures."""
    ends = Counter(status for worker in workers for status in worker.ends)
    assigned = sum(worker.log.read_text().count("partitions assigned") for worker in workers)
    gaps = sum(worker.log.read_text().count("gap: reading again") for worker in workers)
    return f"{events} events, faults {dict(Counter(done))}, ends {dict(ends)}, {assigned} assignments, {gaps} gaps"


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("count", [2, 3])
async def test_workers_stay_exact(kafka: Kafka, topics: Topics, tmp_path: Path, count: int, seed: int) -> None:
    assert await series(kafka, topics, tmp_path, count=count, seed=seed) == []


@pytest.mark.parametrize("seed", range(3))
async def test_workers_stay_exact_beside_any_other_producer(
    kafka: Kafka, topics: Topics, tmp_path: Path, seed: int
) -> None:
    """A transactional producer and one of every kind of bytes write to the same topic all the while."""
    workers = [WorkerProcess("metrics", environment(kafka, topics), tmp_path / f"{n}.log") for n in range(2)]
    for worker in workers:
        worker.start()
    try:
        tormenting = asyncio.create_task(torment(workers, rounds=6, seed=seed))
        others = asyncio.create_task(write_anything(tormenting, kafka, topics))
        ids = await produce_during(tormenting, kafka, topics, rate=800, seed=seed)
        (odd, committed, aborted), _ = await others, await tormenting
        ends = {p: end for p, (_, end) in (await bounds(kafka, topics.applications)).items()}
        totals = await until_booked(kafka, topics, sum(ends.values()), workers, seconds=180)
    finally:
        for worker in workers:
            worker.kill()
    assert drift(totals, len(ids) + 2 * committed) == []
    assert {p: t.last + 1 for p, t in totals.items()} == ends
    assert sum(t.dead for t in totals.values()) == odd
    assert sum(t.empty for t in totals.values()) == committed + 3 * aborted


async def write_anything(work: "asyncio.Task[object]", kafka: Kafka, topics: Topics) -> tuple[int, int, int]:
    """Until that work is done: records of any bytes, and transactions that end in either way; how many of each."""
    odd = committed = aborted = 0
    while not work.done():
        odd += await send_raw(kafka, topics.applications, [batch for batch in ANYTHING.values() if is_small(batch)])
        await transaction(kafka, topics, commit=True)
        await transaction(kafka, topics, commit=False)
        committed, aborted = committed + 1, aborted + 1
        await asyncio.sleep(1)
    return odd, committed, aborted


async def test_workers_stay_exact_although_their_consumers_lose_batches(
    kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    assert await series(kafka, topics, tmp_path, count=2, seed=7, command=LOSING) == []


async def test_the_series_catch_a_worker_without_the_contiguity_check(
    kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    """If this one came through, the series above would prove nothing."""
    for seed in range(6):
        if await series(kafka, topics, tmp_path, count=2, seed=seed, command=CARELESS):
            return
    pytest.fail("six series did not tell a careless worker from an exact one")


async def test_workers_stay_exact_while_one_broker_of_three_is_killed(prefix: str, tmp_path: Path) -> None:
    """Two replicas stay in sync: the other two brokers go on, and the third comes back."""
    brokers = Brokers(tmp_path / "brokers", 3)
    topics = Topics(prefix)
    workers: list[WorkerProcess] = []
    await asyncio.to_thread(brokers.start)
    try:
        await create(brokers.kafka, topics, Shape(replication_factor=3, min_insync_replicas=2))
        env = environment(brokers.kafka, topics)
        workers += [WorkerProcess("metrics", env, tmp_path / f"{name}.log") for name in "ab"]
        for worker in workers:
            worker.start()
        producing = asyncio.create_task(produce(brokers.kafka, topics, 20_000, rate=500))
        for node, booked in ((brokers.nodes[0], 4_000), (brokers.nodes[1], 12_000)):
            await until_booked(brokers.kafka, topics, booked, workers)
            await asyncio.to_thread(node.kill)
            await asyncio.sleep(4)  # it is away
            await asyncio.to_thread(node.start)
        ids = await producing
        totals = await until_booked(brokers.kafka, topics, len(ids), workers, seconds=300)
    finally:
        for worker in workers:
            worker.kill()
        for node in brokers.nodes:
            await asyncio.to_thread(node.kill)
    print(report(len(ids), ["broker killed"] * 2, workers))  # noqa: T201 -- the report of a series
    assert drift(totals, len(ids)) == []
