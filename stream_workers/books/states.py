"""The states as they stand on the changelogs, read once: for audit, trace and the commands that write a state."""

from collections.abc import Mapping
from dataclasses import dataclass

from contracts import Topics
from runtime.kafka.clients import Kafka
from stream_workers.books.journal import Position, position_from_json
from stream_workers.books.shelf import BOOKS
from stream_workers.books.state import from_json
from stream_workers.exact.ledger import is_state, rank
from stream_workers.kafka.batches import state_key
from stream_workers.kafka.reader import batches, bounds
from stream_workers.kinds import JOURNAL, METRICS, Kind


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


@dataclass(frozen=True)
class Junk:
    """What is on a changelog and is no state: how many records, and where the last one is."""

    changelog: str
    count: int
    partition: int
    offset: int

    def __str__(self) -> str:
        are = "1 record is no state" if self.count == 1 else f"{self.count} records are no states"
        return f"{self.changelog}: {are} (the last: partition {self.partition}, offset {self.offset})"


@dataclass(frozen=True)
class States:
    """The state that holds for each partition, as bytes, and what else there is."""

    values: Mapping[int, bytes]
    junk: Junk | None


async def metrics_totals(kafka: Kafka, topics: Topics) -> dict[int, Totals]:
    """The metrics worker's totals of each partition that it has begun; KafkaAwayError if Kafka does not answer."""
    return totals((await read_states(kafka, topics, METRICS)).values)


def totals(values: Mapping[int, bytes]) -> dict[int, Totals]:
    """The same from its states."""
    found = {}
    for partition, value in values.items():
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
    states = await read_states(kafka, topics, JOURNAL)
    return {partition: position_from_json(value) for partition, value in states.values.items()}


async def read_states(kafka: Kafka, topics: Topics, kind: Kind) -> States:
    """What is on the changelog of one kind of worker."""
    changelog, book = kind.changelog(topics), BOOKS[kind.name]
    newest: dict[int, bytes] = {}
    junk: Junk | None = None
    async for records in batches(kafka, changelog, await bounds(kafka, changelog)):
        for record in sorted(records, key=lambda record: rank(record.value) or (-1, -1), reverse=True):
            order = rank(record.value) if record.key == state_key(record.partition) else None
            if order is not None and order < (rank(newest.get(record.partition)) or order):
                continue
            if order is not None and record.value is not None and is_state(book, record.value):
                newest[record.partition] = record.value
            else:
                last = max((junk.partition, junk.offset), (record.partition, record.offset)) if junk else None
                partition, offset = last or (record.partition, record.offset)
                junk = Junk(changelog, 1 + (junk.count if junk else 0), partition, offset)
    return States(newest, junk)
