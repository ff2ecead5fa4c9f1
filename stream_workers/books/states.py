"""The states as they stand on the changelogs, read once: for audit, trace and the commands that write a state."""

from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts import Topics
from stream_workers.books.journal import Position, position_from_json
from stream_workers.books.state import from_json
from stream_workers.exact.ledger import rank
from stream_workers.kafka.broker import Broker


@dataclass(frozen=True)
class Totals:
    """What the metrics worker has booked of one partition: counted + dead + replayed + missing = last - first + 1."""

    topic_id: str
    first: int
    last: int
    counted: int
    dead: int
    replayed: int
    missing: int


async def metrics_totals(bootstrap: str, topics: Topics) -> dict[int, Totals]:
    """The metrics worker's totals of each partition that it has begun; KafkaAwayError if Kafka does not answer."""
    found = {}
    for partition, value in (await read_states(bootstrap, topics.metrics_changelog)).items():
        state = from_json(value)
        found[partition] = Totals(
            topic_id=state.topic_id,
            first=state.first,
            last=state.last_offset,
            counted=state.total,
            dead=state.dead,
            replayed=state.replayed,
            missing=state.missing,
        )
    return found


async def journal_positions(bootstrap: str, topics: Topics) -> dict[int, Position]:
    """How far the journal is on each partition; KafkaAwayError if Kafka does not answer."""
    states = await read_states(bootstrap, topics.journal_changelog)
    return {partition: position_from_json(value) for partition, value in states.items()}


async def read_states(bootstrap: str, changelog: str) -> dict[int, bytes]:
    """The state that holds for each partition, as bytes."""
    async with await Broker.connected(bootstrap) as broker:
        found = await broker.end_offsets(changelog, await broker.partitions(changelog))
    ends = {TopicPartition(changelog, partition): end for partition, end in found.items() if end > 0}
    if not ends:
        return {}
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        return await _read_to(consumer, ends)
    finally:
        await consumer.stop()


async def _read_to(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> dict[int, bytes]:
    newest: dict[int, bytes] = {}
    consumer.assign(list(ends))
    await consumer.seek_to_beginning()
    while any([await consumer.position(at) < end for at, end in ends.items()]):
        for at, records in (await consumer.getmany(timeout_ms=500)).items():
            for record in records:
                held = newest.get(at.partition)
                if record.value is not None and (held is None or rank(record.value) >= rank(held)):
                    newest[at.partition] = record.value
    return newest
