"""Questions to the brokers end when they are cancelled, also when the answer comes in the same moment."""

import asyncio
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from gateway.publish import topic
from gateway.publish.topic import (
    PartitionState,
    TopicAwayError,
    TopicState,
    batch_bytes_max,
    look,
    replica_lag_seconds,
)


def described(error: int = 0, *, leader: int = 1) -> SimpleNamespace:
    """An answer of one partition."""
    partitions: list[Any] = [(0, 0, leader, 0, [1], [1], [], [])]
    return SimpleNamespace(topics=[(error, "applications", UUID(int=1), False, partitions, 0, [])])


ANSWER = described()
STATE = TopicState(UUID(int=1), {0: PartitionState(1, 0, frozenset({1}))})


class Client:
    """Answers when the test says so."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def get_random_node(self) -> int:
        return 1

    async def send(self, _node: int, _request: object) -> Any:
        return await self.answer


async def test_an_answer_tells_the_topic() -> None:
    client: Any = Client()
    client.answer.set_result(ANSWER)
    assert (await look(client, "applications")).topic_id == UUID(int=1)


@pytest.mark.parametrize("answer", [described(UnknownTopicOrPartitionError.errno), described(leader=-1)])
async def test_a_topic_that_is_gone_or_has_no_leader_is_away(answer: SimpleNamespace) -> None:
    client: Any = Client()
    client.answer.set_result(answer)
    with pytest.raises(TopicAwayError):
        await look(client, "applications")


@pytest.mark.parametrize(
    ("error", "entries", "seconds"),
    [
        (0, [("replica.lag.time.max.ms", "2000", False, 0, False, [])], 2.0),
        (0, [], 30.0),
        (ClusterAuthorizationFailedError.errno, [], 30.0),
    ],
)
async def test_where_a_broker_does_not_tell_its_lag_it_is_kafkas_own(
    error: int, entries: list[Any], seconds: float
) -> None:
    client: Any = Client()
    client.answer.set_result(SimpleNamespace(resources=[(error, "", 4, "1", entries)]))
    assert await replica_lag_seconds(client, STATE) == seconds


@pytest.mark.parametrize("turns", range(4))
async def test_a_cancellation_is_not_forgotten_over_the_answer(turns: int) -> None:
    client: Any = Client()
    asking = asyncio.create_task(look(client, "applications"))
    await asyncio.sleep(0.01)
    client.answer.set_result(ANSWER)
    for _ in range(turns):
        await asyncio.sleep(0)
    if not asking.done():
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking


async def test_a_setting_that_may_not_be_read_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    topic._say_unreadable.cache_clear()
    client: Any = Client()
    refused: Any = (TopicAuthorizationFailedError.errno, "", 2, "applications", [])
    client.answer.set_result(SimpleNamespace(resources=[refused]))
    for _ in range(3):
        assert await batch_bytes_max(client, "applications") is None
    assert caplog.text.count("max.message.bytes cannot be read (grant DescribeConfigs)") == 1
