"""`headgate topics groups` on a real broker: groups that read, that stand still, that read something else."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from contracts import Topics
from runtime.kafka.clients import Kafka
from stream_workers.consumers.watched import Consumer, Watched
from stream_workers.kafka.broker import Broker
from tests.integration.cli.test_audit import application, headgate, publish
from tests.support.write_path import eventually


@asynccontextmanager
async def reading(kafka: Kafka, topic: str, group: str) -> AsyncIterator[None]:
    """A member of the group that commits the first event of every partition that has one, and stays."""
    consumer = kafka.consumer(topic, group_id=group, auto_offset_reset="earliest", session_timeout_ms=10_000)
    await consumer.start()
    try:

        async def assigned() -> bool:
            return len(consumer.assignment()) == 4

        await eventually(assigned)
        ends = await consumer.end_offsets(consumer.assignment())
        await consumer.commit({at: min(1, end) for at, end in ends.items()})
        yield
    finally:
        await consumer.stop()


async def groups_of(kafka: Kafka, topics: Topics) -> dict[str, Consumer]:
    async with await Broker.connected(kafka) as broker:
        watched = Watched(kafka, topics.applications, broker, dict)
        return {found.group: found for found in (await watched.ask()).found if found.group.startswith(topics.prefix)}


async def test_who_reads_the_topic_is_listed_and_nobody_else(database_url: str, kafka: Kafka, topics: Topics) -> None:
    await publish(kafka, topics, [application(number) for number in range(40)])
    async with (
        reading(kafka, topics.applications, f"{topics.prefix}<b>[red]"),
        reading(kafka, topics.dead_letters, f"{topics.prefix}other"),
    ):
        found = await groups_of(kafka, topics)
        assert list(found) == [f"{topics.prefix}<b>[red]"]
        (group,) = found.values()
        assert (group.state, [list(held) for held in (group.members or {}).values()]) == ("Stable", [[0, 1, 2, 3]])
        ends = {row.partition: row.end for row in group.partitions}
        first = sum(end > 0 for end in ends.values())
        assert (group.lag, sum(ends.values())) == (40 - first, 40)

    async def nobody() -> bool:
        (left,) = (await groups_of(kafka, topics)).values()
        return (left.state, left.members) == ("Empty", {})

    await eventually(nobody)
    shown = await headgate(database_url, kafka, topics, "topics", "groups", "--over", "1")
    assert (shown.returncode, f"{topics.prefix}<b>[red]" in shown.stdout) == (0, True), shown.stderr
    listed = await headgate(database_url, kafka, topics, "topics", "groups", "--over", "1", "--json")
    lines = [json.loads(line) for line in listed.stdout.splitlines()]
    (ours,) = [line for line in lines if line["group"] == f"{topics.prefix}<b>[red]"]
    assert (ours["lag"], ours["trend"], len(ours["partitions"])) == (40 - first, "steady", 4)
