"""Retention that empties a partition to which the gateways publish nothing: their positions in it grow old."""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress

import httpx
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.partitioner import murmur2

from runtime.kafka.clients import Kafka
from tests.support.write_path import rows
from tests.support.write_path_series import Stack

_EVERY = 100
_KNOWN_SECONDS = 200


def idle_partition(users: Iterable[str], partitions: int) -> int:
    """The first partition that has none of these users."""
    busy = {(murmur2(user.encode()) & 0x7FFFFFFF) % partitions for user in users}
    return min(set(range(partitions)) - busy)


async def idle_partition_emptied(
    one: Stack, *, partition: int, times: int = 1, kept_seconds: float | None = None
) -> None:
    """Others write to it, retention removes that, and a gateway that owes something dies while the broker is silent.

    Retention is long: each gateway has read its positions again before; or it comes after ``kept_seconds``.
    """
    at = TopicPartition(one.topics.applications, partition)
    for _ in range(times):
        await one.until_accepted(200)
        end = await _others_write(Kafka(one.broker.bootstrap), at)
        if kept_seconds is None:
            await _until_all_know(one, partition, end)
        else:
            await asyncio.sleep(kept_seconds)
        await emptied(Kafka(one.broker.bootstrap), [at])
        one.broker.pause()
        try:
            await one.until_accepted(300)
            await one.replace(one.rng.choice(one.gateways))
            await one.until_accepted(200)
        finally:
            one.broker.resume()


async def emptied(kafka: Kafka, partitions: Iterable[TopicPartition]) -> None:
    """Remove everything that is there now, as retention does: the log starts at its end."""
    admin = kafka.admin()
    await admin.start()
    try:
        await admin.delete_records({at: RecordsToDelete(before_offset=-1) for at in partitions})
    finally:
        await admin.close()


async def _others_write(kafka: Kafka, at: TopicPartition) -> int:
    """Records that no gateway knows of; returns the offset after the last."""
    producer = kafka.producer()
    await producer.start()
    try:
        sent = [await producer.send(at.topic, b"{}", partition=at.partition) for _ in range(_EVERY)]
        return 1 + max(int(done.offset) for done in await asyncio.gather(*sent))
    finally:
        await producer.stop()


async def _until_all_know(one: Stack, partition: int, end: int) -> None:
    """Every gateway runs and has committed with a position as far as ``end``, and nothing older is owed by anybody.

    What retention removes before, a drain could not tell from what it owes: it would stop, and be right.
    """
    deadline = time.monotonic() + _KNOWN_SECONDS
    known: dict[str, int] = {}
    while time.monotonic() < deadline:
        await asyncio.gather(*(_speak(gateway.port) for gateway in one.gateways))
        position = f"coalesce((positions -> 'next' ->> '{partition}')::bigint, 0)"
        owed = await rows(one.database_url, f"SELECT lease, {position} AS position FROM outbox")
        for row in owed:
            known[str(row["lease"])] = max(known.get(str(row["lease"]), 0), row["position"])
        living = await rows(one.database_url, "SELECT id FROM gateway_leases WHERE claimed_by IS NULL")
        reached = [known.get(str(row["id"]), 0) >= end for row in living]
        if len(living) == len(one.gateways) and all(reached) and all(row["position"] >= end for row in owed):
            return
        await asyncio.sleep(0.2)
    ids = [str(row["id"]) for row in living]
    raise AssertionError(
        f"after {_KNOWN_SECONDS} s partition {partition} is known as far as {known}, by {ids}, of {end}"
    )


async def _speak(port: int) -> None:
    """How far a gateway knows is seen in what it commits, and the crowd may have left it alone since it came back."""
    async with httpx.AsyncClient(timeout=5) as client:
        with suppress(httpx.HTTPError):
            said = {"user_name": "position", "description": "how far?"}
            await client.post(f"http://127.0.0.1:{port}/applications", json=said)
