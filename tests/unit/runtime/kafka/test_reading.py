"""A reader of a stretch waits for a silent broker so long and no longer, and says for what it waited."""

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError

from runtime.kafka.reading import read
from tests.records import good

AT = TopicPartition("applications", 0)


class Consumer:
    """Gives what it holds, then nothing for ever; each question takes a second."""

    def __init__(self, *portions: int) -> None:
        self.portions, self.now, self.at = list(portions), 0.0, 0

    def assign(self, partitions: Any) -> None:
        pass

    def seek(self, at: Any, offset: int) -> None:  # noqa: ARG002 -- as a consumer is
        self.at = offset

    async def position(self, at: Any) -> int:  # noqa: ARG002 -- as a consumer is
        return self.at

    async def getmany(self, *_: Any, **__: Any) -> dict[Any, Any]:
        self.now += 1.0
        if not self.portions or not self.portions[0]:
            self.portions = self.portions[1:]
            return {}
        count = self.portions.pop(0)
        self.at += count
        return {AT: [good(offset) for offset in range(self.at - count, self.at)]}


async def taken(consumer: Any, end: int) -> int:
    stretches = {AT: (0, end)}
    reading = read(consumer, stretches, at_most=10, patience=5.0, clock=lambda: consumer.now)
    return sum([len(records) async for records in reading])


async def test_a_silent_broker_is_an_error_that_names_what_is_missing() -> None:
    with pytest.raises(KafkaTimeoutError, match=r"applications\[0\] from 3 to 9"):
        await taken(Consumer(3), 9)


async def test_a_slow_broker_is_not_silent() -> None:
    assert await taken(Consumer(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1), 3) == 3
