"""The states as they stand on the changelogs, read once: for audit, trace and the commands that write a state."""

from dataclasses import dataclass

from contracts import Topics
from runtime.kafka.clients import Kafka
from stream_workers.books.journal import Position, position_from_json
from stream_workers.books.state import from_json
from stream_workers.exact.ledger import rank
from stream_workers.kafka.batches import state_key
from stream_workers.kafka.reader import batches, bounds
from stream_workers.kinds import JOURNAL, METRICS


@dataclass(frozen=True)
class Totals:
    """What the metrics worker has booked of one partition.

    counted + dead + replayed + missing + empty = last - first + 1, always.
    """

    topic_id: str
    first: int
    last: int
    counted: int
    dead: int
    replayed: int
    missing: int
    empty: int = 0

    @property
    def exact(self) -> bool:
        """Whether every offset is booked exactly once."""
        booked = self.counted + self.dead + self.replayed + self.missing + self.empty
        return booked == self.last - self.first + 1


async def metrics_totals(kafka: Kafka, topics: Topics) -> dict[int, Totals]:
    """The metrics worker's totals of each partition that it has begun; KafkaAwayError if Kafka does not answer."""
    found = {}
    for partition, value in (await read_states(kafka, METRICS.changelog(topics))).items():
        state = from_json(value)
        found[partition] = Totals(
            topic_id=state.topic_id,
            first=state.first,
            last=state.last_offset,
            counted=state.total,
            dead=state.dead,
            replayed=state.replayed,
            missing=state.missing,
            empty=state.empty,
        )
    return found


async def journal_positions(kafka: Kafka, topics: Topics) -> dict[int, Position]:
    """How far the journal is on each partition; KafkaAwayError if Kafka does not answer."""
    states = await read_states(kafka, JOURNAL.changelog(topics))
    return {partition: position_from_json(value) for partition, value in states.items()}


async def read_states(kafka: Kafka, changelog: str) -> dict[int, bytes]:
    """The state that holds for each partition, as bytes."""
    newest: dict[int, bytes] = {}
    async for records in batches(kafka, changelog, await bounds(kafka, changelog)):
        for record in records:
            order = rank(record.value) if record.key == state_key(record.partition) else None
            if order is not None and record.value and order >= (rank(newest.get(record.partition)) or order):
                newest[record.partition] = record.value
    return newest
