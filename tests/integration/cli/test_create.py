"""`headgate topics create` and `grow`: each topic once, and ready for whoever waited for the command."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from cli.errors import CommandError
from cli.settings import Shape
from cli.topics import admin
from cli.topics.create import create
from cli.topics.grow import grow, plan
from contracts import Topics
from gateway.publish.topic import TopicAwayError, brokers, look, readable_ends
from runtime.kafka.clients import Kafka
from stream_workers.kinds import JOURNAL, METRICS


@pytest.fixture
async def prefixes(kafka: Kafka) -> AsyncIterator[Sequence[str]]:
    """Of topics that are not there yet; removed afterwards."""
    names = [f"t{secrets.token_hex(4)}." for _ in range(3)]
    yield names
    async with admin.admin(kafka) as client:
        await client.delete_topics([name for name in await client.list_topics() if name.startswith(tuple(names))])


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


async def test_what_was_created_and_grown_answers_at_once(kafka: Kafka, prefixes: Sequence[str]) -> None:
    """Most did not when the command went by what the brokers tell of them, and none after the faster of two."""
    async with brokers(kafka) as client:
        for names in map(Topics, prefixes):
            first, second = await asyncio.gather(create(kafka, names, Shape()), create(kafka, names, Shape()))
            assert all(first[name] != second[name] for name in first)
            for name in first:
                assert len(await readable_ends(client, name, await look(client, name)))
            await grow(kafka, await plan(kafka, names, 9), report=lambda _: None)
            for name in (names.applications, JOURNAL.changelog(names), METRICS.changelog(names)):
                assert len(await readable_ends(client, name, await look(client, name))) == 9


async def test_a_partition_is_asked_until_it_answers(
    kafka: Kafka, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Any] = [TopicAwayError("no leader yet"), {0: 0}, {0: 0, 1: 0}]

    async def answer(*_: object) -> Any:
        if isinstance(answers[0], Exception):
            raise answers.pop(0)
        return answers.pop(0)

    monkeypatch.setattr(admin, "readable_ends", answer)
    await admin.until_answering(kafka, {topics.applications: 2})
    assert answers == []


@pytest.mark.parametrize(("topic", "why"), [("applications", "4 of 5 partitions"), ("nothing", "UnknownTopic")])
async def test_what_does_not_answer_is_named(kafka: Kafka, topics: Topics, topic: str, why: str) -> None:
    with pytest.raises(CommandError, match=f"after 0.5 s: topic {topics.prefix}{topic}: {why}"):
        await admin.until_answering(kafka, {f"{topics.prefix}{topic}": Shape().partitions + 1}, seconds=0.5)
