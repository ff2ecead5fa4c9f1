"""Exact counters through everything that happens to workers: the short series; the long ones are in tests/chaos."""

import asyncio
from pathlib import Path

import pytest

from contracts import Topics
from runtime.kafka.clients import Kafka
from tests.pipeline.faults import torment
from tests.pipeline.workers import WorkerProcess, drift, environment, produce, produce_during, until_booked

LOSING = ("tests.pipeline.losing_worker",)
CARELESS = ("tests.pipeline.careless_worker",)


async def counted_by(
    command: tuple[str, ...], kafka: Kafka, topics: Topics, log: Path
) -> tuple[WorkerProcess, list[str]]:
    """What one worker makes of events that come evenly; it, and what is not exact."""
    worker = WorkerProcess("metrics", environment(kafka, topics, WORKER_STUCK_SECONDS="5"), log, command)
    worker.start()
    try:
        assert worker.child is not None
        await asyncio.to_thread(worker.child.wait_until, lambda: "partitions assigned" in worker.output(), seconds=90)
        ids = await produce(kafka, topics, 6_000, rate=600)
        totals = await until_booked(kafka, topics, len(ids), [worker])
    finally:
        worker.kill()
    return worker, drift(totals, len(ids))


@pytest.mark.timeout(300)
async def test_batches_that_the_consumer_loses_are_read_again(kafka: Kafka, topics: Topics, tmp_path: Path) -> None:
    worker, found = await counted_by(LOSING, kafka, topics, tmp_path / "losing.log")
    assert found == []
    assert "gap: reading again" in worker.log.read_text()


@pytest.mark.timeout(300)
async def test_a_worker_without_the_contiguity_check_loses_them(kafka: Kafka, topics: Topics, tmp_path: Path) -> None:
    """If this one were exact, the test above would prove nothing."""
    _, found = await counted_by(CARELESS, kafka, topics, tmp_path / "careless.log")
    assert found


# Without Cython too: where Faust has no wheel (Linux on ARM), it runs like that.
@pytest.mark.parametrize("cython", [{}, {"NO_CYTHON": "1"}], ids=["cython", "no-cython"])
@pytest.mark.timeout(300)
async def test_two_workers_count_exactly_through_kills_and_rebalances(
    kafka: Kafka, topics: Topics, tmp_path: Path, cython: dict[str, str]
) -> None:
    told = environment(kafka, topics, **cython)
    workers = [WorkerProcess("metrics", told, tmp_path / f"{name}.log", fresh=bool(cython)) for name in "ab"]
    for worker in workers:
        worker.start()
    try:
        tormenting = asyncio.create_task(torment(workers, rounds=5, seed=7))
        ids = await produce_during(tormenting, kafka, topics, rate=1_500)
        done = await tormenting
        totals = await until_booked(kafka, topics, len(ids), workers)
    finally:
        for worker in workers:
            worker.kill()
    assert drift(totals, len(ids)) == [], done
