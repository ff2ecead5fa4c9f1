"""Exact counters through everything that happens to workers: the short series; the long ones are in tests/chaos."""

import asyncio
from pathlib import Path

import pytest

from contracts import Topics
from tests.pipeline.faults import torment
from tests.pipeline.workers import WorkerProcess, drift, environment, produce_during, until_booked


@pytest.mark.timeout(300)
async def test_two_workers_count_exactly_through_kills_and_rebalances(
    kafka: str, topics: Topics, tmp_path: Path
) -> None:
    workers = [WorkerProcess("metrics", environment(kafka, topics), tmp_path / f"{name}.log") for name in "ab"]
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
