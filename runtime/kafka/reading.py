"""A stretch of a topic, read to its end: outside any group, whatever the stretch holds."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaTimeoutError

from runtime.kafka.records import Record

_POLL_MS = 1_000
# A broker that answers at all has answered by then.
PATIENCE_SECONDS = 30.0

Stretches = Mapping[TopicPartition, tuple[int, int]]


async def read(
    consumer: AIOKafkaConsumer,
    stretches: Stretches,
    *,
    at_most: int,
    patience: float = PATIENCE_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[Sequence[Record]]:
    """The records of each partition's stretch [start, end), in batches of one partition, in order within it.

    ``at_most`` bounds how many records are objects at a time. Raises KafkaError, and KafkaTimeoutError when nothing was
    read for ``patience`` seconds: the broker is silent, or a transaction that is open holds the rest back.
    """
    ends = {at: end for at, (start, end) in stretches.items() if start < end}
    consumer.assign(list(ends))
    for at in ends:
        consumer.seek(at, stretches[at][0])
    reached: dict[TopicPartition, int] = {}
    heard = clock()
    while ends:
        for at, records in (await consumer.getmany(*ends, timeout_ms=_POLL_MS, max_records=at_most)).items():
            wanted = [record for record in records if record.offset < ends[at]]
            if wanted:
                yield wanted
            await asyncio.sleep(0)  # what was fetched before comes without a wait: others have their turn all the same
        before, reached = reached, {at: await consumer.position(at) for at in ends}
        if reached != before:
            heard = clock()
        elif clock() - heard > patience:
            raise KafkaTimeoutError(f"nothing came for {patience:.0f} s of {_waited_for(reached, ends)}")
        ends = {at: end for at, end in ends.items() if reached[at] < end}


def _waited_for(reached: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]) -> str:
    return ", ".join(f"{at.topic}[{at.partition}] from {reached[at]} to {end}" for at, end in ends.items())
