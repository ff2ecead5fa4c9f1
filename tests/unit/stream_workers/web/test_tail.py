"""The first fetch of a consumer that just began brings nothing: that is silence, not an empty topic."""

from typing import Any, cast

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from runtime.kafka.clients import Kafka
from stream_workers.kafka.broker import Broker
from stream_workers.web.look.tail import PATIENT_FETCHES, Tail

AT = TopicPartition("t", 0)


class Slow:
    """A consumer whose first fetches bring nothing."""

    def __init__(self, silent: int) -> None:
        self.silent = silent
        self.here = 0

    async def getmany(self, *_: object, **__: object) -> dict[TopicPartition, list[Any]]:
        self.silent -= 1
        if self.silent >= 0:
            return {}
        self.here = 1
        return {AT: [ConsumerRecord("t", 0, 0, 0, 0, b"", b"", None, 0, 0, ())]}

    async def position(self, _: TopicPartition) -> int:
        return self.here


def tail() -> Tail:
    one = Tail(Kafka(""), "t", cast("Broker", None))
    one._ends = {AT: 1}
    return one


async def test_what_comes_late_is_waited_for() -> None:
    assert len(await tail()._fetched(cast("AIOKafkaConsumer", Slow(PATIENT_FETCHES - 1)), [AT])) == 1


async def test_silence_is_not_nothing() -> None:
    with pytest.raises(TimeoutError):
        await tail()._fetched(cast("AIOKafkaConsumer", Slow(100)), [AT])
