"""WORKER_INSTANCE_ID: a restart that nobody else notices; and what two workers with one id do."""

import asyncio
import json
import signal
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from contracts import Topics
from runtime.kafka.clients import Kafka
from stream_workers.kinds import METRICS
from stream_workers.web.look.groups import Group, Groups
from tests.pipeline.test_worker_lifecycle import ready, until
from tests.pipeline.workers import WorkerProcess, drift, environment, produce, until_booked

pytestmark = pytest.mark.timeout(300)

# A worker's line after each rebalance that it takes part in.
ASSIGNED = "partitions assigned"


class Pair:
    """Two metrics workers under ids of their own, or none."""

    def __init__(self, kafka: Kafka, topics: Topics, log: Path, *, ids: tuple[str | None, str | None]) -> None:
        self.kafka, self.topics = kafka, topics
        self.workers = [
            WorkerProcess("metrics", environment(kafka, topics, WORKER_INSTANCE_ID=id_ or ""), log / f"{number}.log")
            for number, id_ in enumerate(ids)
        ]

    async def start(self) -> None:
        for worker in self.workers:
            worker.start()
        for worker in self.workers:
            await until(partial(ready, worker))
        await until(self.shared)

    async def owners(self) -> Mapping[int, str]:
        groups = Groups(self.kafka, self.topics.applications, [METRICS.group(self.topics)])
        try:
            group: Group = (await groups.ask())[METRICS.group(self.topics)]
        finally:
            await groups.close()
        return group.owners() if group.settled else {}

    async def shared(self) -> bool:
        owners = await self.owners()
        return len(owners) == 4 and len(set(owners.values())) == 2

    async def taken_over(self) -> bool:
        """One worker has all partitions."""
        owners = await self.owners()
        return len(owners) == 4 and len(set(owners.values())) == 1

    def kill(self) -> None:
        for worker in self.workers:
            worker.kill()


@pytest.fixture
def static(kafka: Kafka, topics: Topics, tmp_path: Path) -> Iterator[Pair]:
    pair = Pair(kafka, topics, tmp_path, ids=("first", "second"))
    yield pair
    pair.kill()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_restart_within_the_session_moves_no_partition(static: Pair, how: signal.Signals) -> None:
    """The one that stays joins once; the one that comes back gets what it had, in the same generation."""
    await static.start()
    ids = await produce(static.kafka, static.topics, 1_000)
    await until_booked(static.kafka, static.topics, len(ids))
    owners, staying, leaving = await static.owners(), *static.workers
    joined = staying.output().count(ASSIGNED)
    generation = _generation(leaving)
    if how == signal.SIGTERM:
        assert await asyncio.to_thread(leaving.stop) == 0
    else:
        await asyncio.to_thread(leaving.kill)
    leaving.start()
    await until(partial(ready, leaving))
    ids += await produce(static.kafka, static.topics, 1_000)
    totals = await until_booked(static.kafka, static.topics, len(ids))
    assert drift(totals, len(ids)) == []
    assert await static.owners() == owners
    assert staying.output().count(ASSIGNED) == joined, "the restart cost the other one a rebalance"
    assert _generation(leaving) == generation


def _generation(worker: WorkerProcess) -> int:
    """The newest one that this worker has taken part in."""
    lines = [json.loads(line) for line in worker.output().splitlines() if ASSIGNED in line]
    return int(lines[-1]["generation"])


async def test_of_two_workers_with_one_id_the_later_stays_and_the_other_says_why_it_ends(
    kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    pair = Pair(kafka, topics, tmp_path, ids=("same", "same"))
    earlier, later = pair.workers
    try:
        earlier.start()
        await until(partial(ready, earlier))
        later.start()
        assert earlier.child is not None
        assert await asyncio.to_thread(earlier.child.process.wait, 90) == 3
        assert "WORKER_INSTANCE_ID=same" in earlier.output()
        ids = await produce(kafka, topics, 1_000)
        assert drift(await until_booked(kafka, topics, len(ids)), len(ids)) == []
        assert later.running
        assert later.output().count(ASSIGNED) <= 2, "they took turns"
    finally:
        pair.kill()


async def test_a_paused_worker_with_an_id_of_its_own_comes_back(static: Pair) -> None:
    """Kafka has dropped it, and nobody has taken its place: it may join again."""
    await static.start()
    static.workers[1].signal(signal.SIGSTOP)
    await until(static.taken_over)
    static.workers[1].signal(signal.SIGCONT)
    await until(static.shared)
    assert all(worker.running for worker in static.workers)


async def test_without_ids_a_killed_worker_s_partitions_move(kafka: Kafka, topics: Topics, tmp_path: Path) -> None:
    """After the session of 10 s and a rebalance; the deadline is a generous one for a busy machine."""
    pair = Pair(kafka, topics, tmp_path, ids=(None, None))
    try:
        await pair.start()
        ids = await produce(kafka, topics, 1_000)
        await asyncio.to_thread(pair.workers[1].kill)
        await until(pair.taken_over, seconds=60)
        ids += await produce(kafka, topics, 1_000)
        assert drift(await until_booked(kafka, topics, len(ids), pair.workers[:1]), len(ids)) == []
    finally:
        pair.kill()
