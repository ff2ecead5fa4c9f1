"""What people decide about a state: a hole booked as missing, a breaker released, the counters built anew.

Each of them writes a state on the changelog. A state of a higher edition, or of the same edition and a higher offset,
holds from then on: workers that run take it over, those that start find it.
"""

import time
from collections.abc import Callable
from dataclasses import replace

from contracts import Topics
from runtime.kafka.clients import Kafka
from stream_workers.books.recount import recount
from stream_workers.books.shelf import BOOKS
from stream_workers.books.state import State, fresh, from_json, to_json
from stream_workers.books.states import read_states
from stream_workers.errors import WorkerError
from stream_workers.exact.ledger import rank, with_empty
from stream_workers.kafka.batches import state_key
from stream_workers.kafka.broker import Broker
from stream_workers.kafka.group import members
from stream_workers.kafka.reader import batches, bounds
from stream_workers.kinds import METRICS, Kind

Progress = Callable[[int, int], None]


class NotNowError(WorkerError):
    """The command cannot be carried out as things are; the message says what to do first."""


async def book_missing(kafka: Kafka, topics: Topics, *, kind: Kind, partition: int) -> tuple[int, int] | None:
    """Book offsets that are gone before they were read as missing; returns the first and the last, None if none is."""
    await refuse_while_running(kafka, topics, kind)
    book, changelog = BOOKS[kind.name], kind.changelog(topics)
    value = (await read_states(kafka, topics, kind)).values.get(partition)
    if value is None:
        return None
    state = book.decode(value)
    due = state.last_offset + 1
    async with await Broker.connected(kafka) as broker:
        found = await _held_from(broker, topics.applications, partition, due)
    if found <= due:
        return None
    booked = replace(state, last_offset=found - 1, missing=state.missing + found - due)
    await write_states(kafka, changelog, {partition: book.encode(booked)})
    return due, found - 1


async def _held_from(broker: Broker, topic: str, partition: int, due: int) -> int:
    """Where the topic goes on at or after an offset: its start, its end, or the next record. Silence says nothing."""
    start = (await broker.first_offsets(topic, [partition]))[partition]
    end = (await broker.end_offsets(topic, [partition]))[partition]
    if start > due or due >= end:
        return max(start, min(due, end))
    record = await broker.record_from(topic, partition, due)
    if record is None:
        raise NotNowError(f"Kafka did not say what {topic}[{partition}] holds from offset {due} on: try again")
    return record.offset


async def release_breaker(kafka: Kafka, topics: Topics) -> list[int]:
    """Forget the bad events that opened the breaker; returns the partitions. Bad events become dead letters again."""
    await refuse_while_running(kafka, topics, METRICS)
    states = await _counters(kafka, topics)
    released = {p: to_json(replace(state, outcomes=0)) for p, state in states.items() if state.outcomes}
    await write_states(kafka, METRICS.changelog(topics), released)
    return sorted(released)


async def rebuild_counters(
    kafka: Kafka, topics: Topics, *, progress: Progress, clock: Callable[[], float] = time.time
) -> dict[int, State]:
    """Count the topic again from its first record, beside the running workers, then switch to the new states.

    They say what a worker would that had read it from its start, up to where only a worker goes on: an open breaker, a
    bad event that is no dead letter yet. Only what the topic still holds can be counted; latencies are kept, since the
    topic does not know them.
    """
    old = await _counters(kafka, topics)
    stretches = await bounds(kafka, topics.applications)
    new = await _fresh_states(kafka, topics, {p: start for p, (start, _) in stretches.items()}, old)
    old = {p: state for p, state in old.items() if p in new and state.topic_id == new[p].topic_id}
    size, done, going_on = sum(end - start for start, end in stretches.values()), 0, set(new)
    async for records in batches(kafka, topics.applications, stretches):
        partition = records[0].partition
        if partition in going_on:
            set_aside = old[partition].last_offset if partition in old else -1
            new[partition], more = recount(new[partition], records, set_aside=set_aside, now=int(clock() * 1000))
            going_on -= set() if more else {partition}
        done += len(records)
        progress(done, size)
    for partition, (_, end) in stretches.items():
        if partition in going_on and new[partition].last_offset + 1 < end:
            new[partition] = with_empty(new[partition], end)  # all of it was read
    for partition, state in old.items():
        new[partition] = replace(new[partition], latency=state.latency, recent=state.recent)
    await write_states(kafka, METRICS.changelog(topics), {p: to_json(state) for p, state in new.items()})
    return new


async def restart(kafka: Kafka, topics: Topics, kind: Kind) -> None:
    """Let a kind of worker begin again at the topic's first record; the journal writes every line once more."""
    book = BOOKS[kind.name]
    old = (await read_states(kafka, topics, kind)).values
    edition = 1 + max((found[0] for value in old.values() if (found := rank(value))), default=0)
    stretches = await bounds(kafka, topics.applications)
    topic_id = await _topic_id(kafka, topics)
    values = {
        partition: book.encode(replace(book.fresh(topic_id, start), edition=edition))
        for partition, (start, _) in stretches.items()
    }
    await write_states(kafka, kind.changelog(topics), values)


async def _counters(kafka: Kafka, topics: Topics) -> dict[int, State]:
    states = await read_states(kafka, topics, METRICS)
    return {partition: from_json(value) for partition, value in states.values.items()}


async def write_states(kafka: Kafka, changelog: str, values: dict[int, bytes]) -> None:
    """Put states on a changelog; returns when all replicas have them."""
    producer = kafka.producer(acks="all", enable_idempotence=True)
    await producer.start()
    try:
        for partition, value in values.items():
            await producer.send_and_wait(changelog, value, key=state_key(partition), partition=partition)
    finally:
        await producer.stop()


async def refuse_while_running(kafka: Kafka, topics: Topics, kind: Kind) -> None:
    """NotNowError if a worker of this kind is in its group: it would not see the new state."""
    running = await members(kafka, kind.group(topics))
    if running:
        raise NotNowError(f"{len(running)} workers of the group {kind.group(topics)} are running: stop them first")


async def _fresh_states(
    kafka: Kafka, topics: Topics, firsts: dict[int, int], old: dict[int, State]
) -> dict[int, State]:
    edition = 1 + max((state.edition for state in old.values()), default=0)
    topic_id = await _topic_id(kafka, topics)
    return {partition: replace(fresh(topic_id, first), edition=edition) for partition, first in firsts.items()}


async def _topic_id(kafka: Kafka, topics: Topics) -> str:
    async with await Broker.connected(kafka) as broker:
        return await broker.known_topic_id(topics.applications)
