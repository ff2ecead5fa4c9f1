"""The workers' books against the topic: what they booked = last - first + 1, on every partition."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contracts import Topics
from runtime.kafka.clients import Kafka
from stream_workers.books.shelf import BOOKS
from stream_workers.books.states import Junk, read_states
from stream_workers.exact.ledger import Ledger
from stream_workers.kafka.broker import Broker
from stream_workers.kinds import KINDS, Kind


@dataclass
class Booked:
    """Sums over the partitions; ``counts`` by name are what was done with an offset, ``missing`` among them.

    ``behind`` is what the worker has not come to yet: lag, no drift. ``before_first`` are offsets that were gone from
    the topic before the worker first looked. What it booked of a former topic of this name is drift.
    """

    counts: dict[str, int]
    before_first: int = 0
    behind: int = 0
    drift: int = 0

    def to_fields(self) -> dict[str, int]:
        rest = {"before_first": self.before_first, "behind": self.behind, "drift": self.drift}
        return self.counts | rest


Stretches = Mapping[int, tuple[int, int]]


@dataclass(frozen=True)
class Books:
    """The books of each kind of worker, None until it has begun; ``junk`` is what else is among its states."""

    booked: Mapping[str, Booked | None]
    junk: Sequence[Junk]


async def books(kafka: Kafka, topics: Topics, stretches: Stretches) -> Books:
    """The books of all kinds of workers. ``stretches``: the topic's first and end offsets."""
    async with await Broker.connected(kafka) as broker:
        topic_id = await broker.known_topic_id(topics.applications)
    states = {kind: await read_states(kafka, topics, kind) for kind in KINDS.values()}
    found = {kind.name: _booked(kind, held.values, stretches, topic_id=topic_id) for kind, held in states.items()}
    return Books(found, [held.junk for held in states.values() if held.junk])


def _booked(kind: Kind, values: Mapping[int, bytes], stretches: Stretches, *, topic_id: str) -> Booked | None:
    book = BOOKS[kind.name]
    if not values:
        return None
    states = {partition: book.decode(value) for partition, value in values.items()}
    found = Booked({})
    for partition, (start, end) in stretches.items():
        state = states.get(partition) or book.fresh(topic_id, start)
        if state.topic_id != topic_id:
            found.drift += max(1, sum(state.classes.values()))
            state = book.fresh(topic_id, start)
        _add(found, state, start, end)
    return found


def _add(found: Booked, state: Ledger, start: int, end: int) -> None:
    for name, count in state.classes.items():
        found.counts[name] = found.counts.get(name, 0) + count
    found.before_first += state.first
    found.behind += max(0, end - 1 - state.last_offset)
    found.drift += abs(state.last_offset - state.first + 1 - sum(state.classes.values())) + max(0, state.first - start)
