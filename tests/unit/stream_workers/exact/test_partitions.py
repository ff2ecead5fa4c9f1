"""Where the states meet what Kafka and Faust do: gaps, old generations, late writes, rebuilds, failed writes."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from stream_workers.books.journal import Journal, Position, position_from_json, position_to_json
from stream_workers.errors import (
    HoleError,
    KafkaAwayError,
    PartitionsDifferError,
    RecreatedTopicError,
    StateNotWrittenError,
)
from stream_workers.exact.ledger import following, rank
from stream_workers.exact.partitions import Partitions
from tests.records import good

TOPIC = "applications"


class Offsets(Journal):
    """A book that only moves the position."""

    def __init__(self) -> None:
        """Nothing is written."""

    async def fold(self, partition: int, state: Position, records: Sequence[Any]) -> Position:  # noqa: ARG002 -- as a book is
        last, empty = records[-1].offset, records[-1].offset - state.last_offset - len(records)
        return replace(state, last_offset=last, logged=state.logged + len(records), empty=state.empty + empty)


@dataclass
class Kafka:
    """Stands for Faust's app, the table and the broker: what a test sets, and what was done to it."""

    first: int = 0
    end: int = 1_000
    id: str = "id"
    stored: bytes | None = None
    without_record: dict[int, int] = field(default_factory=dict)
    refuses: bool = False
    ours: set[int] = field(default_factory=lambda: {0})
    rewinds: list[int] = field(default_factory=list)
    written: list[Position] = field(default_factory=list)

    source = TOPIC
    consumer_generation_id = 1
    room = SimpleNamespace(taken=lambda _: None)
    changelog_topic = SimpleNamespace(get_topic_name=lambda: "changelog")

    @property
    def consumer(self) -> Any:
        mine = [SimpleNamespace(topic="changelog", partition=partition) for partition in self.ours]
        return SimpleNamespace(assignment=lambda: mine)

    async def rewind(self, tp: Any, offset: int) -> None:
        assert tp.partition == 0
        self.rewinds.append(offset)

    def load(self, partition: int) -> bytes | None:
        assert partition == 0
        return self.stored

    async def write(self, partition: int, value: bytes) -> None:
        assert partition == 0
        if self.refuses:
            raise OSError("no leader")
        self.written.append(position_from_json(value))

    async def known_topic_id(self, topic: str) -> str:  # noqa: ARG002 -- as a broker is
        return self.id

    async def partitions(self, topic: str) -> set[int]:  # noqa: ARG002 -- as a broker is
        return {0}

    async def first_offsets(self, topic: str, partitions: set[int]) -> dict[int, int]:  # noqa: ARG002 -- as a broker is
        return {0: self.first}

    async def end_offsets(self, topic: str, partitions: set[int]) -> dict[int, int]:  # noqa: ARG002 -- as a broker is
        return {0: self.end}

    async def empty(self, topic: str, partition: int, start: int, end: int) -> dict[int, int]:  # noqa: ARG002 -- as a broker is
        return self.without_record

    async def first_held(self, topic: str, partition: int, start: int) -> int:  # noqa: ARG002 -- as a broker is
        return self.without_record.get(start, start)


class Event:
    """A Faust event with a batch in it."""

    def __init__(self, first: int, last: int, *, generation: int = 1) -> None:
        self.acked = False
        self.message = SimpleNamespace(
            partition=0,
            generation_id=generation,
            tp=SimpleNamespace(topic=TOPIC, partition=0),
            weight=0,
            records=[good(offset) for offset in range(first, last + 1)],
        )

    def ack(self) -> None:
        self.acked = True


def owning(kafka: Any) -> Partitions[Position]:
    silent: Any = SimpleNamespace(folded=lambda *_, **__: None)
    return Partitions(kafka, kafka, Offsets(), kafka, write_seconds=0.01, telemetry=silent)


async def owned(kafka: Kafka) -> Partitions[Position]:
    partitions = owning(kafka)
    await partitions.assign({0})
    return partitions


def at(partitions: Partitions[Position]) -> int:
    return partitions.owned[0].state.last_offset


async def test_a_batch_is_acknowledged_after_its_state_is_written() -> None:
    kafka = Kafka()
    partitions, event = await owned(kafka), Event(0, 9)
    await partitions.take(event)  # type: ignore[arg-type]
    assert (at(partitions), kafka.written, event.acked) == (9, [], False)
    await partitions.write_all()
    assert ([state.last_offset for state in kafka.written], event.acked) == ([9], True)
    await partitions.write_all()
    assert len(kafka.written) == 1


async def test_a_batch_takes_room_until_it_is_folded() -> None:
    kafka: Any = Kafka()
    partitions, reached = await owned(kafka), []
    kafka.room = SimpleNamespace(taken=lambda _: reached.append(at(partitions)))
    await partitions.take(Event(0, 9))  # type: ignore[arg-type]
    assert reached == [9]


async def test_what_waits_for_its_acknowledgement_holds_no_records() -> None:
    """One batch of each partition waits, and a record may be large."""
    event: Any = Event(0, 9)
    partitions = await owned(Kafka())
    await partitions.take(event)
    assert partitions.owned[0].unacked is not None
    assert not event.message.records


async def test_a_state_that_kafka_does_not_take_ends_the_worker_and_acknowledges_nothing() -> None:
    kafka = Kafka(refuses=True)
    partitions, event = await owned(kafka), Event(0, 9)
    await partitions.take(event)  # type: ignore[arg-type]
    with pytest.raises(StateNotWrittenError, match="Nothing is lost"):
        await partitions.write_all()
    assert not event.acked


async def test_batches_of_an_old_generation_and_of_others_partitions_are_dropped() -> None:
    partitions = await owned(Kafka())
    await partitions.take(Event(0, 9, generation=0))  # type: ignore[arg-type]
    assert at(partitions) == -1
    partitions.owned.clear()
    await partitions.take(Event(0, 9))  # type: ignore[arg-type]
    assert partitions.figures.stale_batches == 2


async def test_what_was_skipped_is_read_again() -> None:
    kafka = Kafka()
    partitions = await owned(kafka)
    await partitions.take(Event(0, 9))  # type: ignore[arg-type]
    await partitions.take(Event(20, 29))  # type: ignore[arg-type]
    assert (at(partitions), kafka.rewinds) == (9, [10])
    await partitions.take(Event(5, 29))  # type: ignore[arg-type]
    assert (at(partitions), partitions.owned[0].state.logged) == (29, 30)


async def test_a_gap_that_the_broker_has_too_is_a_hole() -> None:
    kafka = Kafka()
    partitions = await owned(kafka)
    await partitions.take(Event(0, 9))  # type: ignore[arg-type]
    kafka.first = 20
    await partitions.take(Event(20, 29))  # type: ignore[arg-type]
    with pytest.raises(HoleError, match="offsets 10 to 19"):
        await partitions.take(Event(20, 29))  # type: ignore[arg-type]


async def test_offsets_that_hold_no_record_are_booked_as_empty() -> None:
    kafka = Kafka(without_record={10: 15, 15: 20, 30: 33})
    partitions = await owned(kafka)
    await partitions.take(Event(0, 9))  # type: ignore[arg-type]
    await partitions.take(Event(20, 29))  # type: ignore[arg-type]
    state = partitions.owned[0].state
    assert (at(partitions), state.logged, state.empty, kafka.rewinds) == (29, 20, 10, [])
    await partitions.pass_empty_ends({0: 33})
    assert at(partitions) == 29  # what has moved since the last look is read by itself
    await partitions.pass_empty_ends({0: 33})
    assert (at(partitions), partitions.owned[0].state.empty) == (32, 13)
    await partitions.write_all()
    assert kafka.written[-1].last_offset == 32


async def test_a_batch_that_comes_while_the_broker_is_asked_about_an_end_is_not_taken_back() -> None:
    kafka: Any = Kafka(without_record={10: 12})
    partitions = await owned(kafka)
    await partitions.take(Event(0, 9))  # type: ignore[arg-type]
    asked = kafka.first_held

    async def first_held(*where: Any) -> int:
        await partitions.take(Event(10, 29))  # type: ignore[arg-type]
        return int(await asked(*where))

    kafka.first_held = first_held
    for _ in range(2):
        await partitions.pass_empty_ends({0: 30})
    assert (at(partitions), partitions.owned[0].state.logged, partitions.owned[0].state.empty) == (29, 30, 0)


async def test_an_end_that_holds_a_record_or_that_nobody_tells_of_is_not_passed() -> None:
    kafka: Any = Kafka()
    partitions = await owned(kafka)
    await partitions.take(Event(0, 9))  # type: ignore[arg-type]
    for _ in range(2):
        await partitions.pass_empty_ends({0: 12})
    kafka.first_held = silent
    for _ in range(2):
        await partitions.pass_empty_ends({0: 12})
    assert (at(partitions), partitions.owned[0].state.empty) == (9, 0)


async def test_a_gap_is_read_again_while_nobody_tells_whether_it_holds_records() -> None:
    kafka: Any = Kafka(without_record={10: 20})
    partitions, asked = await owned(kafka), kafka.empty
    await partitions.take(Event(0, 9))  # type: ignore[arg-type]
    kafka.empty = silent
    await partitions.take(Event(20, 29))  # type: ignore[arg-type]
    assert (at(partitions), kafka.rewinds) == (9, [10])
    kafka.empty = asked
    await partitions.take(Event(20, 29))  # type: ignore[arg-type]
    assert (at(partitions), partitions.owned[0].state.empty) == (29, 10)


async def test_what_went_to_another_worker_while_the_broker_was_asked_is_not_folded() -> None:
    kafka: Any = Kafka()
    partitions = await owned(kafka)
    await partitions.take(Event(0, 9))  # type: ignore[arg-type]
    before = partitions.owned[0]

    async def empty(*_where: Any) -> dict[int, int]:
        await partitions.assign(set())
        return {10: 20}

    kafka.empty = empty
    await partitions.take(Event(20, 29))  # type: ignore[arg-type]
    assert (before.state.logged, kafka.rewinds) == (10, [])


async def silent(*_where: Any) -> Any:
    raise KafkaAwayError("nobody answers")


async def test_a_gap_that_the_broker_does_not_have_is_read_again_as_often_as_it_comes() -> None:
    kafka = Kafka()
    partitions = await owned(kafka)
    await partitions.take(Event(0, 9))  # type: ignore[arg-type]
    for _ in range(4):
        await partitions.take(Event(20, 29))  # type: ignore[arg-type]
    assert kafka.rewinds == [10] * 4


def stored(last: int, *, topic_id: str = "id", edition: int = 0) -> bytes:
    return position_to_json(Position(topic_id=topic_id, first=0, last_offset=last, edition=edition))


async def test_reading_begins_where_the_state_ends() -> None:
    assert await owning(Kafka(stored=stored(41))).assign({0}) == {0: 42}
    assert await owning(Kafka(first=7)).assign({0}) == {0: 7}
    assert await owning(Kafka()).assign(set()) == {}


@pytest.mark.parametrize(
    ("kafka", "error"),
    [
        (Kafka(stored=stored(41, topic_id="another")), RecreatedTopicError),
        (Kafka(stored=stored(2_000)), RecreatedTopicError),
        (Kafka(stored=stored(41), first=50), HoleError),
        (Kafka(ours=set()), PartitionsDifferError),
    ],
)
async def test_a_state_that_does_not_fit_the_topic_is_refused(kafka: Kafka, error: type[Exception]) -> None:
    with pytest.raises(error):
        await owning(kafka).assign({0})


async def test_what_a_paused_worker_wrote_late_is_mended() -> None:
    kafka = Kafka()
    partitions = await owned(kafka)
    await partitions.take(Event(0, 9))  # type: ignore[arg-type]
    await partitions.write_all()
    partitions.seen(0, stored(9))
    await partitions.write_all()
    assert len(kafka.written) == 1
    partitions.seen(0, stored(4))
    await partitions.write_all()
    assert [state.last_offset for state in kafka.written] == [9, 9]


async def test_a_rebuilt_state_is_taken_over_and_read_on_from() -> None:
    kafka = Kafka()
    partitions = await owned(kafka)
    await partitions.take(Event(0, 9))  # type: ignore[arg-type]
    partitions.seen(0, stored(4, edition=1))
    rewinding = asyncio.create_task(partitions.run_rewinds())
    while not kafka.rewinds:  # noqa: ASYNC110 -- the task sets no event
        await asyncio.sleep(0)
    rewinding.cancel()
    assert (at(partitions), kafka.rewinds) == (4, [5])
    await partitions.take(Event(0, 9))  # type: ignore[arg-type]
    await partitions.write_all()
    assert (kafka.written[-1].edition, kafka.written[-1].last_offset) == (1, 9)


@pytest.mark.parametrize(
    ("offsets", "last", "taken", "gap"),
    [
        ([0, 1, 2], -1, [0, 1, 2], None),
        ([0, 1, 2], 1, [2], None),
        ([0, 1, 2], 5, [], None),
        ([3, 4], 1, [], 3),
        ([2, 3, 7, 8], 1, [2, 3], 7),
        ([0, 1, 5, 6], 1, [], 5),
    ],
)
def test_only_what_follows_without_a_gap_is_taken(
    offsets: list[int], last: int, taken: list[int], gap: int | None
) -> None:
    records, found = following([good(offset) for offset in offsets], last)
    assert ([record.offset for record in records], found) == (taken, gap)


async def test_a_rebuilt_state_that_comes_while_the_partition_is_assigned_is_taken_over() -> None:
    kafka = Kafka(stored=stored(41))
    partitions = owning(kafka)

    class Slow(Kafka):
        async def end_offsets(self, topic: str, partitions_: set[int]) -> dict[int, int]:
            partitions.seen(0, b"junk")
            partitions.seen(0, stored(4, edition=1))
            return await super().end_offsets(topic, partitions_)

    slow: Any = Slow(stored=stored(41))
    partitions._broker = slow
    assert await partitions.assign({0}) == {0: 5}
    assert partitions.owned[0].state.edition == 1


@pytest.mark.parametrize(
    "junk", [b"", b"junk", b"[]", b"1", b"{}", b'{"edition": "x", "last_offset": null, "topic_id": 1}']
)
async def test_junk_on_the_changelog_is_no_state(junk: bytes) -> None:
    assert rank(junk) is None
    partitions = await owned(Kafka())
    partitions.seen(0, junk)
    assert at(partitions) == -1


async def test_a_broker_that_does_not_know_the_topic_yet_is_no_other_topic() -> None:
    class Forgetful(Kafka):
        async def known_topic_id(self, topic: str) -> str:
            raise KafkaAwayError(topic)

    with pytest.raises(KafkaAwayError):
        await owning(Forgetful(stored=stored(41))).assign({0})
