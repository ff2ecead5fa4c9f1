"""What the brokers say about the topic: its id, leaders, in-sync replicas, and where its log ends."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.protocol.admin import DescribeConfigsRequest
from aiokafka.protocol.offset import OffsetRequest

from gateway.publish.kafka_wire import LeaderEpochEndRequest
from runtime.kafka.clients import Kafka
from runtime.kafka.metadata import TopicMetadataRequest
from runtime.kafka.uncut import uncut

log = logging.getLogger(__name__)

ANSWER_SECONDS = 3.0
_LATEST = -1
_REPLICA_LAG_MS = 30_000  # Kafka's default since 2.5

BROKER_ERRORS = (KafkaError, OSError, TimeoutError)


class TopicAwayError(KafkaError):
    """The brokers cannot say it now: no leader, no such topic, no answer."""


@dataclass(frozen=True, slots=True)
class PartitionState:
    """Leader, its epoch, and the replicas that are in sync: while none of it changes, nothing was handed over."""

    leader: int
    epoch: int
    in_sync: frozenset[int]


@dataclass(frozen=True, slots=True)
class TopicState:
    """One look at the topic; two equal ones mean that no leader and no in-sync replica changed between them."""

    topic_id: UUID
    partitions: dict[int, PartitionState]


@asynccontextmanager
async def brokers(kafka: Kafka) -> AsyncIterator[AIOKafkaClient]:
    """A client for questions only; raises KafkaError where no broker answers."""
    client = kafka.client(
        client_id="headgate-questions",
        request_timeout_ms=int(ANSWER_SECONDS * 1000),
    )
    try:
        await uncut(client.bootstrap())
        yield client
    finally:
        await client.close()


async def look(client: AIOKafkaClient, topic: str) -> TopicState:
    """Ask for the topic's state. Raises TopicAwayError where a partition has no leader or the topic does not exist."""
    answer = await _answer(client, client.get_random_node(), TopicMetadataRequest(topic))
    error_code, _, topic_id, _, partitions, _, _ = answer.topics[0]
    if error_code:
        raise TopicAwayError(f"topic {topic}: {for_code(error_code).__name__}")
    states = {
        number: PartitionState(leader, epoch, frozenset(isr)) for _, number, leader, epoch, _, isr, _, _ in partitions
    }
    leaderless = sorted(number for number, state in states.items() if state.leader < 0)
    if leaderless:
        raise TopicAwayError(f"topic {topic}: no leader for partition {leaderless[0]}")
    return TopicState(topic_id, states)


async def log_ends(client: AIOKafkaClient, topic: str, state: TopicState) -> dict[int, int]:
    """The end of each leader's log, whatever replication has reached: nothing appended so far is beyond it."""
    ends: dict[int, int] = {}
    for leader, numbers in _by_leader(state).items():
        request = LeaderEpochEndRequest(topic, {number: state.partitions[number].epoch for number in numbers})
        answer = await _answer(client, leader, request)
        for error_code, number, _, end, _ in answer.topics[0][1]:
            if error_code or end < 0:
                raise TopicAwayError(f"topic {topic}, partition {number}: {for_code(error_code).__name__}")
            ends[number] = end
    return ends


async def readable_ends(client: AIOKafkaClient, topic: str, state: TopicState, *, at: int = _LATEST) -> dict[int, int]:
    """The high watermark of each partition (``at=-2``: its log start): what a consumer can read to (from)."""
    ends: dict[int, int] = {}
    for leader, numbers in _by_leader(state).items():
        request = OffsetRequest(-1, 0, [(topic, [(number, at) for number in numbers])])
        answer = await _answer(client, leader, request)
        for number, error_code, _, offset, *_ in answer.topics[0][1]:
            if error_code:
                raise TopicAwayError(f"topic {topic}, partition {number}: {for_code(error_code).__name__}")
            ends[number] = offset
    return ends


async def replica_lag_seconds(client: AIOKafkaClient, state: TopicState) -> float:
    """The longest replica.lag.time.max.ms among the leaders: how long a silent follower counts as in sync."""
    values = await _configs(client, state, "replica.lag.time.max.ms")
    return max([_REPLICA_LAG_MS if value is None else int(value) for value in values]) / 1000


async def min_in_sync(client: AIOKafkaClient, topic: str) -> int:
    """The topic's min.insync.replicas."""
    return int(await _of_topic(client, topic, "min.insync.replicas") or 1)


async def batch_bytes_max(client: AIOKafkaClient, topic: str) -> int | None:
    """The topic's max.message.bytes, which bounds a batch; None where the brokers do not say it."""
    value = await _of_topic(client, topic, "max.message.bytes")
    return int(value) if value else None


async def _of_topic(client: AIOKafkaClient, topic: str, name: str) -> str | None:
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, {name: None})
    return await _describe(client, client.get_random_node(), resource)


async def _answer(client: AIOKafkaClient, node: int, request: Any) -> Any:
    async with asyncio.timeout(ANSWER_SECONDS):
        return await client.send(node, request)


async def _configs(client: AIOKafkaClient, state: TopicState, name: str) -> list[str | None]:
    leaders = {partition.leader for partition in state.partitions.values()}
    resources = [(leader, ConfigResource(ConfigResourceType.BROKER, str(leader), {name: None})) for leader in leaders]
    return [await _describe(client, leader, resource) for leader, resource in resources]


async def _describe(client: AIOKafkaClient, node: int, resource: ConfigResource) -> str | None:
    """The one value that is asked for; None where the broker has no such setting, or does not let us read it."""
    asked = [(resource.resource_type, resource.name, list(resource.configs))]
    answer = await _answer(client, node, DescribeConfigsRequest(asked, False))
    error_code, message, _, _, entries = answer.resources[0][:5]
    if error_code == TopicAuthorizationFailedError.errno or error_code == ClusterAuthorizationFailedError.errno:
        _say_unreadable(next(iter(resource.configs)))
        return None
    if error_code:
        raise TopicAwayError(f"configuration of {resource.name}: {message or for_code(error_code).__name__}")
    return next((entry[1] for entry in entries), None)


@cache  # said once: it is asked for at every look
def _say_unreadable(name: str) -> None:
    log.warning("%s cannot be read (grant DescribeConfigs); Kafka's default is assumed", name)


def _by_leader(state: TopicState) -> dict[int, list[int]]:
    groups: dict[int, list[int]] = defaultdict(list)
    for number, partition in state.partitions.items():
        groups[partition.leader].append(number)
    return groups
