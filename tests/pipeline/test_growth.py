"""More partitions while everything runs: nothing is counted again, nothing lost, and nobody has to be stopped."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from aiokafka.admin import NewPartitions
from typer.testing import CliRunner, Result

from cli.errors import CommandError
from cli.topics.admin import admin
from cli.topics.grow import grow, plan
from cli.topics.topics_command import app
from contracts import Topics
from runtime.kafka.clients import Kafka
from stream_workers.books.states import journal_positions, metrics_totals
from stream_workers.kinds import JOURNAL, METRICS
from tests.pipeline.test_worker_lifecycle import answer, ready, until
from tests.pipeline.workers import WorkerProcess, drift, environment, produce, until_booked
from tests.support.write_path import eventually, records
from tests.support.write_path_series import OpenStack, Stack, run

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
async def workers(kafka: Kafka, topics: Topics, tmp_path: Path) -> AsyncIterator[Sequence[WorkerProcess]]:
    """Two of each kind, all of them running; the metrics workers first."""
    kinds = ("metrics", "metrics", "journal", "journal")
    found = [
        WorkerProcess(kind, environment(kafka, topics), tmp_path / f"{number}.log") for number, kind in enumerate(kinds)
    ]
    for worker in found:
        worker.start()
    yield found
    for worker in found:
        worker.kill()


async def headgate(kafka: Kafka, topics: Topics, *args: str, partitions: int) -> Result:
    env = environment(kafka, topics, KAFKA_PARTITIONS=str(partitions))
    return await asyncio.to_thread(CliRunner().invoke, app, list(args), env=env)


async def partitions_of(kafka: Kafka, topics: Topics) -> dict[str, int]:
    names = [topics.applications, JOURNAL.changelog(topics), METRICS.changelog(topics)]
    async with admin(kafka) as client:
        return {found["topic"]: len(found["partitions"]) for found in await client.describe_topics(names)}


async def test_topics_grow_under_load_and_no_worker_stops(
    kafka: Kafka, topics: Topics, workers: Sequence[WorkerProcess]
) -> None:
    for worker in workers:
        await until(partial(ready, worker))
    ids = await produce(kafka, topics, 3_000)
    before = await until_booked(kafka, topics, len(ids))
    producing = asyncio.create_task(produce(kafka, topics, 10_000, rate=500))
    grown = await headgate(kafka, topics, "grow", "--yes", "--json", partitions=8)
    assert grown.exit_code == 0, (grown.output, grown.exception)
    steps = json.loads(grown.stdout)["steps"]
    assert [step["topic"] for step in steps][-1] == topics.applications, "the source topic must come last"
    ids += await produce(kafka, topics, 3_000) + await producing
    totals = await until_booked(kafka, topics, len(ids))
    assert drift(totals, len(ids)) == []
    assert set(totals) == set(range(8))
    assert [totals[partition].first for partition in range(8)] == [0] * 8
    assert all(totals[partition].topic_id == before[partition].topic_id for partition in before)

    async def journaled() -> bool:
        positions = await journal_positions(kafka, topics)
        return sum(position.last_offset + 1 for position in positions.values()) == len(ids)

    await until(journaled)
    assert all(worker.running and not worker.ends for worker in workers), "a worker ended and had to be started again"

    async def shown() -> bool:
        _, seen = await answer(workers[0], "/api/metrics")
        return len(seen["partitions"]) == 8 and seen["total"] == len(ids) and seen["lag"] == 0

    await until(shown)


async def test_growing_at_once_or_again_does_nothing_more_and_shrinking_is_refused(
    kafka: Kafka, topics: Topics
) -> None:
    assert "would be done" in (await headgate(kafka, topics, "grow", "--dry-run", partitions=6)).stdout
    assert set((await partitions_of(kafka, topics)).values()) == {4}
    asked = await headgate(kafka, topics, "grow", partitions=6)
    assert (asked.exit_code, "Users move" in asked.stderr) == (1, True)
    assert set((await partitions_of(kafka, topics)).values()) == {4}
    assert isinstance((await headgate(kafka, topics, "create", partitions=6)).exception, CommandError)
    steps = await plan(kafka, topics, 6)
    await asyncio.gather(*(grow(kafka, steps, report=lambda _: None) for _ in range(2)))
    assert "6 partitions already" in (await headgate(kafka, topics, "grow", partitions=6)).stdout
    refused = (await headgate(kafka, topics, "grow", "--yes", partitions=4)).exception
    assert isinstance(refused, CommandError)
    assert "6 partitions" in str(refused)
    assert set((await partitions_of(kafka, topics)).values()) == {6}
    assert (await headgate(kafka, topics, "create", partitions=6)).exit_code == 0


async def test_workers_start_and_count_in_the_middle_of_a_growth(kafka: Kafka, topics: Topics, tmp_path: Path) -> None:
    """The command was interrupted after the changelogs: they have eight partitions, the source topic four."""
    async with admin(kafka) as client:
        for changelog in (JOURNAL.changelog(topics), METRICS.changelog(topics)):
            await client.create_partitions({changelog: NewPartitions(8)})
    found = [WorkerProcess("metrics", environment(kafka, topics), tmp_path / f"{name}.log") for name in "ab"]
    for worker in found:
        worker.start()
    try:
        for worker in found:
            await until(partial(ready, worker))
        ids = await produce(kafka, topics, 2_000)
        assert drift(await until_booked(kafka, topics, len(ids)), len(ids)) == []
        assert (await headgate(kafka, topics, "grow", "--yes", partitions=8)).exit_code == 0
        ids += await produce(kafka, topics, 2_000)
        totals = await until_booked(kafka, topics, len(ids))
        assert drift(totals, len(ids)) == []
        assert set(totals) == set(range(8))
        assert not any(worker.ends for worker in found)
    finally:
        for worker in found:
            worker.kill()


async def test_a_source_topic_that_grew_alone_stops_the_workers_until_the_changelogs_have(
    kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    """Somebody used Kafka's own tool: nothing could be counted on the new partitions."""
    worker = WorkerProcess("metrics", environment(kafka, topics), tmp_path / "worker.log")
    worker.start()
    try:
        await until(partial(ready, worker))
        async with admin(kafka) as client:
            await client.create_partitions({topics.applications: NewPartitions(6)})
        assert worker.child is not None
        assert await asyncio.to_thread(worker.child.process.wait, 90) == 3
        assert "topics grow" in worker.output()
        assert (await headgate(kafka, topics, "grow", "--yes", partitions=6)).exit_code == 0
        worker.start()
        ids = await produce(kafka, topics, 600)
        assert drift(await until_booked(kafka, topics, len(ids)), len(ids)) == []
        assert set(await metrics_totals(kafka, topics)) == set(range(6))
    finally:
        worker.kill()


async def test_gateways_lose_and_double_nothing_while_the_topic_grows(fragile_stack: OpenStack) -> None:
    """Only the order of a user who moves is given up, and the command says so beforehand."""
    async with fragile_stack(seed=4) as one:
        verdict = await run(one, _growth_and_deaths)
        filled = await _filled(one)
    assert replace(verdict, out_of_order=0).clean, verdict
    assert max(filled) >= 4, "no event on a new partition"
    assert set(one.crowd.outcomes) <= {"201", "503", "refused", "cut"}


async def _growth_and_deaths(one: Stack) -> None:
    """Each gateway dies once with a lease from before the growth: one at once, one when it uses the new partitions."""
    await one.until_accepted(200)
    bootstrap = one.broker.kafka
    await grow(bootstrap, await plan(bootstrap, one.topics, 8), report=lambda _: None)
    await one.until_accepted(50)
    await one.replace(one.gateways[0])

    async def used() -> bool:
        return max(await _filled(one)) >= 4

    await eventually(used, seconds=120, what="an event on a new partition")
    await one.until_accepted(200)
    await one.replace(one.gateways[1])
    await one.until_accepted(200)


async def _filled(one: Stack) -> Counter[int]:
    """Events by partition."""
    return Counter(record.partition for record in await records(one.broker.kafka, one.topics.applications))
