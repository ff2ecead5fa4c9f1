"""Questions to the brokers end when they are cancelled, also when the answer comes in the same moment."""

import asyncio
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from aiokafka.errors import TopicAuthorizationFailedError

from gateway.publish import topic
from gateway.publish.topic import batch_bytes_max, look

ANSWER = SimpleNamespace(topics=[(0, "applications", UUID(int=1), False, [(0, 0, 1, 0, [1], [1], [], [])], 0, [])])


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
