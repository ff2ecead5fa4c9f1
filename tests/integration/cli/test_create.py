"""`headgate topics create` and `grow`: each topic once, and ready for whoever waited for the command."""

import secrets

import pytest

from cli.errors import CommandError
from cli.settings import Shape
from cli.topics.admin import until_led
from cli.topics.create import create
from cli.topics.grow import grow, plan
from contracts import Topics
from gateway.publish.topic import brokers, look, readable_ends
from runtime.kafka.clients import Kafka
from stream_workers.kinds import JOURNAL, METRICS


async def test_topics_are_created_once(kafka: Kafka, topics: Topics) -> None:
    again = await create(kafka, topics, Shape())
    assert set(again) == {
        topics.applications,
        topics.dead_letters,
        JOURNAL.changelog(topics),
        METRICS.changelog(topics),
        topics.happened,
    }
    assert not any(again.values())


async def test_what_was_created_and_grown_answers_at_once(kafka: Kafka) -> None:
    """Four of five topics did not, on a busy machine, when the command went by what the brokers tell of them."""
    async with brokers(kafka) as client:

        async def ends() -> set[int]:
            return {n for name in created for n in await readable_ends(client, name, await look(client, name))}

        for _ in range(10):
            names = Topics(f"t{secrets.token_hex(4)}.")
            created = await create(kafka, names, Shape())
            assert await ends() == set(range(Shape().partitions))
            await grow(kafka, await plan(kafka, names, 9), report=lambda _: None)
            assert await ends() == set(range(9))


async def test_a_partition_without_a_leader_is_told_of(kafka: Kafka, topics: Topics) -> None:
    with pytest.raises(CommandError, match=f"partitions of {topics.applications} have no leader after 0.5 s"):
        await until_led(kafka, {topics.applications: Shape().partitions + 1}, seconds=0.5)
