"""What people decide about a state: a hole booked as missing, a breaker released, the counters built anew.

Each of them writes a state on the changelog. A state of a higher edition, or of the same edition and a higher offset,
holds from then on: workers that run take it over, those that start find it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from aiokafka import AIOKafkaProducer

from contracts import JOURNAL_TABLE, METRICS_TABLE, Topics
from stream_workers.books.apply import apply
from stream_workers.books.journal import Position, position_from_json, position_to_json
from stream_workers.books.state import State, fresh, from_json, to_json
from stream_workers.books.states import read_states
from stream_workers.errors import WorkerError
from stream_workers.kafka.batches import state_key
from stream_workers.kafka.broker import Broker
from stream_workers.kafka.group import members
from stream_workers.kafka.reader import batches, bounds

Progress = Callable[[int, int], None]
TABLES = (METRICS_TABLE, JOURNAL_TABLE)


class NotNowError(WorkerError):
    """The command cannot be carried out as things are; the message says what to do first."""


def changelog_of(topics: Topics, table: str) -> str:
    """The topic that keeps the states of a table."""
    return topics.metrics_changelog if table == METRICS_TABLE else topics.journal_changelog


async def book_missing(bootstrap: str, topics: Topics, *, table: str, partition: int) -> tuple[int, int] | None:
    """Book offsets that are gone before they were read as missing; returns the first and the last, None if none is."""
    await refuse_while_running(bootstrap, topics, table)
    value = (await read_states(bootstrap, changelog_of(topics, table))).get(partition)
    if value is None:
        return None
    state: Any = from_json(value) if table == METRICS_TABLE else position_from_json(value)
    due = state.last_offset + 1
    async with await Broker.connected(bootstrap) as broker:
        record = await broker.record_from(topics.applications, partition, due)
        ends = await broker.end_offsets(topics.applications, [partition])
    found = record.offset if record is not None else ends[partition]
    if found <= due:
        return None
    booked = replace(state, last_offset=found - 1, missing=state.missing + found - due)
    await write_states(bootstrap, changelog_of(topics, table), {partition: _to_json(booked)})
    return due, found - 1


async def release_breaker(bootstrap: str, topics: Topics) -> list[int]:
    """Forget the bad events that opened the breaker; returns the partitions. Bad events become dead letters again."""
    await refuse_while_running(bootstrap, topics, METRICS_TABLE)
    states = {p: from_json(value) for p, value in (await read_states(bootstrap, topics.metrics_changelog)).items()}
    released = {p: to_json(replace(state, outcomes=0)) for p, state in states.items() if state.outcomes}
    await write_states(bootstrap, topics.metrics_changelog, released)
    return sorted(released)


async def rebuild_counters(bootstrap: str, topics: Topics, *, progress: Progress) -> dict[int, State]:
    """Count the topic again from its first record, beside the running workers, then switch to the new states.

    Only what the topic still holds can be counted; latencies are kept, since the topic does not know them.
    """
    old = {p: from_json(value) for p, value in (await read_states(bootstrap, topics.metrics_changelog)).items()}
    stretches = await bounds(bootstrap, topics.applications)
    new = await _fresh_states(bootstrap, topics, {p: start for p, (start, _) in stretches.items()}, old)
    size, done = sum(end - start for start, end in stretches.values()), 0
    async for records in batches(bootstrap, topics.applications, stretches):
        state = new[records[0].partition]
        applied = apply(replace(state, outcomes=0), records, consumed_at=records[-1].timestamp)
        new[records[0].partition] = applied.state
        done += len(records)
        progress(done, size)
    for partition, state in new.items():
        if partition in old and old[partition].topic_id == state.topic_id:
            new[partition] = replace(state, latency=old[partition].latency, recent=old[partition].recent)
    await write_states(bootstrap, topics.metrics_changelog, {p: to_json(state) for p, state in new.items()})
    return new


async def restart_journal(bootstrap: str, topics: Topics) -> None:
    """Let the journal begin again at the topic's first record: every event gets one more line."""
    old = await read_states(bootstrap, topics.journal_changelog)
    edition = 1 + max((position_from_json(value).edition for value in old.values()), default=0)
    stretches = await bounds(bootstrap, topics.applications)
    topic_id = await _topic_id(bootstrap, topics)
    positions = {
        partition: Position(topic_id=topic_id, first=start, last_offset=start - 1, edition=edition)
        for partition, (start, _) in stretches.items()
    }
    values = {partition: position_to_json(position) for partition, position in positions.items()}
    await write_states(bootstrap, topics.journal_changelog, values)


async def write_states(bootstrap: str, changelog: str, values: dict[int, bytes]) -> None:
    """Put states on a changelog; returns when all replicas have them."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        for partition, value in values.items():
            await producer.send_and_wait(changelog, value, key=state_key(partition), partition=partition)
    finally:
        await producer.stop()


async def refuse_while_running(bootstrap: str, topics: Topics, table: str) -> None:
    """NotNowError if a worker of this table is in its group: it would not see the new state."""
    group = topics.metrics if table == METRICS_TABLE else topics.journal
    running = await members(bootstrap, group)
    if running:
        raise NotNowError(f"{len(running)} workers of the group {group} are running: stop them first")


async def _fresh_states(
    bootstrap: str, topics: Topics, firsts: dict[int, int], old: dict[int, State]
) -> dict[int, State]:
    edition = 1 + max((state.edition for state in old.values()), default=0)
    topic_id = await _topic_id(bootstrap, topics)
    return {partition: replace(fresh(topic_id, first), edition=edition) for partition, first in firsts.items()}


async def _topic_id(bootstrap: str, topics: Topics) -> str:
    async with await Broker.connected(bootstrap) as broker:
        return await broker.topic_id(topics.applications) or ""


def _to_json(state: State | Position) -> bytes:
    return to_json(state) if isinstance(state, State) else position_to_json(state)
