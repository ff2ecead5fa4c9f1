"""Looking applications up in the topic: what is found, and in how little memory."""

import tracemalloc
from collections.abc import Sequence
from uuid import UUID

from contracts import REPLAYED_HEADER, NewApplication, Topics
from gateway.commit.submission import from_new
from gateway.database.ids import Ids
from gateway.publish.events import Event, from_submission
from gateway.publish.producer import Producer
from gateway.publish.topic import brokers, look, readable_ends
from gateway.publish.topic_scan import present
from runtime.kafka.clients import Kafka

_IDS = Ids()
_MEGABYTE = 1024 * 1024


async def publish(kafka: Kafka, topics: Topics, count: int, *, description: str) -> Sequence[UUID]:
    """So many events by many users; their ids in order."""
    producer = Producer(kafka=kafka, topic=topics.applications, request_seconds=10)
    await producer.start()
    ids: list[UUID] = []
    for start in range(0, count, 2_000):
        events = [_event(f"user {number % 100}", description) for number in range(start, min(start + 2_000, count))]
        await producer.send(events)
        ids += [event.id for event in events]
    await producer.stop()
    return ids


def _event(user_name: str, description: str) -> Event:
    return from_submission(from_new(NewApplication(user_name=user_name, description=description), new_id=_IDS))


async def test_a_marked_record_is_not_the_event(kafka: Kafka, topics: Topics) -> None:
    """It was published again on purpose; whoever reads the topic passes over it."""
    event = _event("ada", "replayed")
    marked = event._replace(headers=[*event.headers, (REPLAYED_HEADER, b"1")])
    producer = Producer(kafka=kafka, topic=topics.applications, request_seconds=10)
    await producer.start()
    await producer.send([marked])
    assert await scan(kafka, topics, {event.id}) == set()
    await producer.send([event])
    await producer.stop()
    assert await scan(kafka, topics, {event.id}) == {event.id}


async def scan(kafka: Kafka, topics: Topics, ids: set[UUID], *, starts: dict[int, int] | None = None) -> set[UUID]:
    async with brokers(kafka) as client:
        ends = await readable_ends(client, topics.applications, await look(client, topics.applications))
    from_start = dict.fromkeys(ends, 0)
    return await present(ids, kafka=kafka, topic=topics.applications, starts=from_start | (starts or {}), ends=ends)


async def test_finds_what_is_there_and_nothing_else(kafka: Kafka, topics: Topics) -> None:
    ids = await publish(kafka, topics, 300, description="one of many")
    strangers = {_event("ada", "never sent").id for _ in range(3)}
    assert await scan(kafka, topics, {*ids[::7], *strangers}) == set(ids[::7])


async def test_a_long_stretch_of_well_compressed_events_is_read_in_little_memory(kafka: Kafka, topics: Topics) -> None:
    """A fetch of a megabyte may hold tens of thousands of events; as objects they would be hundreds of megabytes."""
    ids = await publish(kafka, topics, 30_000, description="the same words in every one of them")
    tracemalloc.start()
    try:
        found = await scan(kafka, topics, set(ids[-10:]))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == set(ids[-10:])
    assert peak < 30 * _MEGABYTE
