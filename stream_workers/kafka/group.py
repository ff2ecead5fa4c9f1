"""What the workers of one group must know of each other: which partitions they share out, and who took one's place.

The private parts of Faust and aiokafka that concern the group are here;
tests/unit/stream_workers/kafka/test_faust_internals.py guards them.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from aiokafka.errors import GroupIdNotFound, KafkaError, for_code
from faust.assignor.partition_assignor import PartitionAssignor

from runtime.kafka.clients import Kafka
from stream_workers.errors import KafkaAwayError, why

ANSWER_SECONDS = 10.0


class CommonPartitions(PartitionAssignor):
    """Shares out the partitions that the source topic and the changelog both have.

    Faust takes topics with different numbers of partitions for unrelated ones, and would give a partition to one worker
    and its state to another. Their numbers differ for a moment whenever topics grow: `headgate topics grow`.
    """

    @classmethod
    def _get_copartitioned_groups(cls, topics: set[str], cluster: Any, subscriptions: Any) -> Any:
        by_count: Mapping[int, Any] = super()._get_copartitioned_groups(topics, cluster, subscriptions)
        if len(by_count) < 2:
            return by_count
        together = {topic for groups in by_count.values() for group in groups for topic in group}
        return {min(by_count): cls._group_co_subscribed(together, subscriptions)}


async def members(kafka: Kafka, group: str) -> list[str]:
    """The ids of all members of a consumer group; KafkaAwayError if Kafka does not answer."""
    admin = kafka.admin(request_timeout_ms=int(ANSWER_SECONDS * 1000))
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await admin.start()
            answers: Any = await admin.describe_consumer_groups([group])
    except (KafkaError, OSError, TimeoutError) as error:
        raise KafkaAwayError(f"Kafka at {kafka} does not answer: {why(error)}") from error
    finally:
        await admin.close()
    found = [group for answer in answers for group in answer.groups]
    for code, *_ in found:
        if code not in {0, GroupIdNotFound.errno}:
            raise KafkaAwayError(f"Kafka at {kafka} does not say who is in the group {group}: {for_code(code)!r}")
    return [member[0] for answered in found for member in answered[5]]


def with_instance_id(member_ids: list[str], instance_id: str) -> set[str]:
    """Those whom Kafka knows under this instance id: it calls a static member ``<instance id>-<a UUID>``."""
    return {found for found in member_ids if found[: -len("-01234567-89ab-cdef-0123-456789abcdef")] == instance_id}
