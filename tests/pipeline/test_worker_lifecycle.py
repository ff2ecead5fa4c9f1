"""How workers start, stop, fail and tell: one process or two, and a broker that comes and goes."""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.audit.lines import journal_lines
from cli.settings import Shape
from cli.topics.create import create
from contracts import Topics
from devstack.kafka.broker import Broker
from runtime.kafka.clients import Kafka
from stream_workers.books.states import journal_positions
from tests.pipeline.workers import WorkerProcess, drift, environment, produce, until_booked

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
async def own_broker(tmp_path: Path) -> AsyncIterator[Broker]:
    """A broker that this test may pause and restart."""
    broker = Broker(tmp_path / "kafka")
    await asyncio.to_thread(broker.start)
    yield broker
    await asyncio.to_thread(broker.kill)


async def answer(worker: WorkerProcess, path: str) -> tuple[int, Any]:
    async with httpx.AsyncClient() as client:
        response = await client.get(f"http://127.0.0.1:{worker.web_port}{path}")
    return response.status_code, response.json()


async def until(holds: Callable[[], Any], *, seconds: float = 90) -> Any:
    """Poll until something holds; its value."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if value := await holds():
                return value
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.2)
    pytest.fail(f"nothing after {seconds} s")


async def ready(worker: WorkerProcess) -> bool:
    status, _ = await answer(worker, "/readyz")
    return status == 200


async def test_every_worker_shows_the_whole_of_the_counters(kafka: Kafka, topics: Topics, tmp_path: Path) -> None:
    """Also the partitions that another one owns, and also while that one is gone."""
    workers = [WorkerProcess("metrics", environment(kafka, topics), tmp_path / f"{name}.log") for name in "ab"]
    for worker in workers:
        worker.start()
    try:
        for worker in workers:
            await until(partial(ready, worker))
        ids = await produce(kafka, topics, 5_000)
        await until_booked(kafka, topics, len(ids), workers)

        async def complete(worker: WorkerProcess) -> Any:
            _, seen = await answer(worker, "/api/metrics")
            return seen if seen["total"] == len(ids) and seen["lag"] == 0 and seen["complete"] else None

        first, second = [await until(partial(complete, worker)) for worker in workers]
        assert first["distinct_users"] == second["distinct_users"]
        assert {one["owner"] for one in first["partitions"]} == {one["owner"] for one in second["partitions"]}
        assert len({one["owner"] for one in first["partitions"]}) == 2
        assert sum(first["minutes"].values()) == sum(first["days"].values()) == len(ids)
        assert all(one["exact"] for one in first["partitions"])
        workers[0].kill()
        _, seen = await answer(workers[1], "/api/metrics")
        assert seen["total"] == len(ids)
        ids += await produce(kafka, topics, 500)
        await until(partial(complete, workers[1]))
        _, seen = await answer(workers[1], "/api/metrics")
        assert len({one["owner"] for one in seen["partitions"]}) == 1
    finally:
        for worker in workers:
            worker.kill()


async def test_the_journal_has_a_line_for_each_event_through_kills(
    kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    workers = [WorkerProcess("journal", environment(kafka, topics), tmp_path / f"{name}.log") for name in "ab"]
    for worker in workers:
        worker.start()
    try:
        producing = asyncio.create_task(produce(kafka, topics, 8_000, rate=1_000))
        for victim in (0, 1, 0):
            await asyncio.sleep(2.5)  # a kill waits for nothing: it may come while its victim joins, reads or writes
            await asyncio.to_thread(workers[victim].kill)
            workers[victim].start()
        ids = await producing

        async def all_read() -> bool:
            positions = await journal_positions(kafka, topics)
            return sum(position.last_offset + 1 for position in positions.values()) >= len(ids)

        await until(all_read)
    finally:
        for worker in workers:
            worker.kill()
    lines = [
        json.loads(line)
        for name in "ab"
        for line in (tmp_path / f"{name}.log").read_text().splitlines()
        if '"event":"application"' in line and line.endswith("}")
    ]
    places = defaultdict(set)
    for line in lines:
        places[line["id"]].add((line["partition"], line["offset"]))
    assert set(places) == set(ids)
    assert all(len(place) == 1 for place in places.values())
    assert all(line["user_name"] == "u***" and "description" not in line for line in lines)
    found = await journal_lines(kafka, topics, [tmp_path / f"{name}.log" for name in "ab"])
    assert found is not None
    assert (found.absent, found.lines - found.repeated) == (0, len(ids))


async def test_a_restarted_broker_is_found_again_and_nothing_is_lost(
    own_broker: Broker, prefix: str, tmp_path: Path
) -> None:
    topics = Topics(prefix)
    await create(own_broker.kafka, topics, Shape())
    workers = [
        WorkerProcess("metrics", environment(own_broker.kafka, topics), tmp_path / f"{name}.log") for name in "ab"
    ]
    for worker in workers:
        worker.start()
    try:
        producing = asyncio.create_task(produce(own_broker.kafka, topics, 10_000, rate=500))
        await until_booked(own_broker.kafka, topics, 1_000, workers)
        await asyncio.to_thread(own_broker.restart)
        ids = await producing
        totals = await until_booked(own_broker.kafka, topics, len(ids), workers, seconds=150)
    finally:
        for worker in workers:
            worker.kill()
    assert drift(totals, len(ids)) == []
