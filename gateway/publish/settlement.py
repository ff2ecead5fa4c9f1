"""Waiting out what a producer that is gone may still have under way (protocol, rule 8).

Bytes that a dead process handed to its kernel may still reach a leader, and a record on a leader may not be readable
yet. So before anything is called missing: a time in which every leader is unchanged, answers promptly and has enough
in-sync replicas; then the log's very end, waited for until it is readable.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiokafka.client import AIOKafkaClient

from gateway.publish.topic import (
    BROKER_ERRORS,
    TopicState,
    brokers,
    log_ends,
    look,
    min_in_sync,
    readable_ends,
    replica_lag_seconds,
)
from runtime.kafka.clients import Kafka

log = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 1.0
_LOG_START = -2


@dataclass(frozen=True, slots=True)
class Settled:
    """What no process that is gone can change any more: where each partition's log starts and ends."""

    state: TopicState
    starts: dict[int, int]
    ends: dict[int, int]


async def settle(
    *,
    kafka: Kafka,
    topic: str,
    request_seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Settled:
    """Wait until nothing of a dead producer can arrive any more; waits on while brokers are away."""
    while True:
        try:
            async with brokers(kafka) as client:
                state = await _quiet(client, topic, request_seconds=request_seconds, clock=clock, sleep=sleep)
                ends = await log_ends(client, topic, state)
                while any(end < ends[number] for number, end in (await readable_ends(client, topic, state)).items()):
                    await sleep(LOOK_EVERY_SECONDS)
                    if await look(client, topic) != state:
                        break  # what was beyond may be gone with a leader, and would never be readable
                if await look(client, topic) == state:
                    return Settled(state, await readable_ends(client, topic, state, at=_LOG_START), ends)
        except BROKER_ERRORS as error:
            log.debug("The topic cannot be settled yet: %s", error)
            await sleep(LOOK_EVERY_SECONDS)


async def _quiet(
    client: AIOKafkaClient,
    topic: str,
    *,
    request_seconds: float,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]],
) -> TopicState:
    """Look until the state has been the same, with enough replicas in sync, for as long as a request can live."""
    enough = await min_in_sync(client, topic)
    state = await look(client, topic)
    wait = max(request_seconds, await replica_lag_seconds(client, state))
    since = clock()
    while clock() - since < wait:
        await sleep(min(LOOK_EVERY_SECONDS, wait))
        now = await look(client, topic)
        await log_ends(client, topic, now)
        short = any(len(partition.in_sync) < enough for partition in now.partitions.values())
        if now != state or short:
            state, since = now, clock()
    return state
