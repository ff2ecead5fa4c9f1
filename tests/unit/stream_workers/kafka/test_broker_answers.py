"""What a broker does not know is unknown, not none."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from runtime.kafka import clients
from runtime.kafka.clients import Kafka
from stream_workers.errors import KafkaAwayError, NoTopicError
from stream_workers.kafka import group
from stream_workers.kafka.broker import Broker, Description, describe

UNKNOWN_TOPIC, NOT_AUTHORIZED, NOT_AVAILABLE, NO_COORDINATOR, NO_GROUP = 3, 29, 5, 15, 69


def client(error: int) -> AIOKafkaClient:
    async def send(*_: object) -> Any:
        return SimpleNamespace(brokers=[], topics=[(error, "applications", None, False, [], 0, {})])

    return cast("AIOKafkaClient", SimpleNamespace(send=send, get_random_node=lambda: 1))


async def test_only_the_brokers_word_makes_a_topic_absent() -> None:
    found: Description = await describe(client(UNKNOWN_TOPIC), "applications")
    assert found.id is None
    for error in (NOT_AUTHORIZED, NOT_AVAILABLE):
        with pytest.raises(KafkaError):
            await describe(client(error), "applications")


async def test_a_topic_that_is_not_there_has_no_id_that_anything_could_be_held_against() -> None:
    async def absent(_: str) -> None:
        return None

    broker: Any = SimpleNamespace(topic_id=absent)
    with pytest.raises(NoTopicError):
        await Broker.known_topic_id(broker, "applications")


@pytest.mark.parametrize(("error", "known"), [(0, True), (NO_GROUP, True), (NO_COORDINATOR, False)])
async def test_a_group_that_nobody_speaks_for_is_not_empty(
    monkeypatch: pytest.MonkeyPatch, error: int, known: bool
) -> None:
    class Admin:
        def __init__(self, **_: object) -> None: ...
        async def start(self) -> None: ...
        async def close(self) -> None: ...
        async def describe_consumer_groups(self, _: object) -> list[Any]:
            return [SimpleNamespace(groups=[(error, "metrics", "", "", "", [])])]

    monkeypatch.setattr(clients, "AIOKafkaAdminClient", Admin)
    if known:
        assert await group.members(Kafka("nowhere:1"), "metrics") == []
    else:
        with pytest.raises(KafkaAwayError):
            await group.members(Kafka("nowhere:1"), "metrics")
