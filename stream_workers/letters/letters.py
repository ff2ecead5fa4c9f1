"""The dead letters on their topic: one for each origin, however often it was written, with what became of it.

A redrive marks a letter under the letter's own key: ``intent`` (with the topic's end offsets) before it is sent,
``done`` after Kafka has it. The topic is kept for ever, so pages read it backwards, and only so far.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal

import orjson

from contracts import Header, Topics, header
from runtime.kafka.clients import Kafka
from runtime.kafka.records import Record, weight
from stream_workers.kafka.events import Bad, read
from stream_workers.kafka.reader import Stretches, backwards, batches, bounds
from stream_workers.letters.dead_letters import DeadLetter, from_letter

MARK_HEADER = "redrive"
POSITIONS_HEADER = "redrive-positions"

State = Literal["waiting", "intended", "redriven", "unknown"]
# The offset of each partition at which a reading begins or ends.
Positions = Mapping[int, int]
Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter and what became of it; ``positions`` are the topic's ends when a run began to send it.

    ``unknown``: it was read so far back that the marks after it were not.
    """

    dead: DeadLetter
    state: State = "waiting"
    positions: Positions = field(default_factory=dict)

    @property
    def unsendable(self) -> str | None:
        """Why it cannot be sent as it was, or None."""
        if self.dead.cut is not None:
            return f"only the first part of {self.dead.cut} bytes was kept"
        if self.dead.left_out:
            return f"not kept of it: {', '.join(self.dead.left_out)}"
        return "it has neither a key nor a value" if self.dead.key is None and self.dead.value is None else None

    @property
    def unreadable(self) -> str | None:
        """Why it would be a dead letter again, or None if the workers of this version read it."""
        event = read(_Again(self.dead.origin.offset, self.dead.key, self.dead.value, self.dead.headers))
        return f"{event.reason}: {event.detail}" if isinstance(event, Bad) else None


@dataclass(frozen=True, slots=True)
class _Again:
    """The record that a redrive would make of a letter."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]
    timestamp: int = -1


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a reading goes at most: letters found, records and bytes of memory looked at, seconds.

    ``newer``: records after the place where it begins, which say what became of the letters before it.
    """

    found: int = 50
    records: int = 5_000
    size: int = 16 * 1024 * 1024
    seconds: float | None = 8.0
    newer: int = 5_000


@dataclass(frozen=True, slots=True)
class Stretch:
    """Letters, newest first, from ``begins`` on; ``older`` is where the next ones begin, None: there are none.

    ``looked_at`` of ``records`` on the topic, marks included; ``certain``: what became of the letters is known.
    """

    letters: Sequence[Letter]
    begins: Positions
    older: Positions | None
    looked_at: int
    records: int
    certain: bool


class Collapsed:
    """Takes records in any order, and tells each origin once."""

    def __init__(self) -> None:
        self._met: set[bytes] = set()
        self._intended: dict[bytes, dict[int, int]] = {}
        self._done: set[bytes] = set()

    def take(self, record: Record) -> DeadLetter | None:
        """The dead letter in a record, where its origin was not met before; whatever is none of ours is passed over."""
        mark = header(record.headers, MARK_HEADER)
        try:
            if mark is not None:
                self._mark(record, mark)
                return None
            dead = from_letter(record)
        except ValueError:
            return None
        key = dead.origin.key()
        if key in self._met:
            return None
        self._met.add(key)
        return dead

    def letter(self, dead: DeadLetter, *, certain: bool = True) -> Letter:
        """What became of it, by the marks that were taken."""
        key = dead.origin.key()
        if key in self._done:
            return Letter(dead, "redriven")
        if not certain:
            return Letter(dead, "unknown")
        return Letter(dead, "intended", self._intended[key]) if key in self._intended else Letter(dead)

    def _mark(self, record: Record, mark: bytes) -> None:
        key = record.key or b""
        if mark == b"done":
            self._done.add(key)
            return
        ends = _positions(header(record.headers, POSITIONS_HEADER) or b"{}")
        positions = self._intended.setdefault(key, {})
        for partition, end in ends.items():
            # Of several runs that were cut short, the first: what any of them sent is after its positions.
            positions[partition] = min(end, positions.get(partition, end))


async def read_letters(
    kafka: Kafka,
    topics: Topics,
    *,
    wanted: Callable[[DeadLetter], bool] = lambda _: True,
    report: Report = lambda _done, _total: None,
) -> list[Letter]:
    """All dead letters that are wanted, in the order of partition and offset of their origin; reads the whole topic."""
    stretches = await bounds(kafka, topics.dead_letters)
    collapsed, kept, done, total = Collapsed(), [], 0, _size(stretches)
    async for records in batches(kafka, topics.dead_letters, stretches):
        kept += [dead for record in records if (dead := collapsed.take(record)) and wanted(dead)]
        done += len(records)
        report(done, total)
    letters = [collapsed.letter(dead) for dead in kept]
    return sorted(letters, key=lambda letter: (letter.dead.origin.partition, letter.dead.origin.offset))


async def with_all_marks(kafka: Kafka, topics: Topics, letters: Sequence[Letter]) -> list[Letter]:
    """The letters with what became of them by every mark on the topic, which is read as a whole.

    A reading from the newest may end at a letter that was written again, before the marks between its two copies.
    """
    keys = {letter.dead.origin.key() for letter in letters}
    collapsed = Collapsed()
    stretches = await bounds(kafka, topics.dead_letters)
    async with aclosing(batches(kafka, topics.dead_letters, stretches)) as read:
        async for records in read:
            for record in records:
                if record.key in keys:
                    collapsed.take(record)
    return [collapsed.letter(letter.dead) for letter in letters]


async def newest_letters(
    kafka: Kafka,
    topics: Topics,
    *,
    before: Positions | None = None,
    wanted: Callable[[Letter], bool] = lambda _: True,
    limits: Limits = Limits(),
) -> Stretch:
    """The newest letters that are wanted, of those before a position; never reads further than the limits.

    A letter that was written again counts where it was written last. Only a worker that dies between a letter and its
    state writes one again, so the two mostly stand close together; whoever sends asks ``with_all_marks`` as well.
    """
    stretches = await bounds(kafka, topics.dead_letters)
    begins = _clipped(before, stretches)
    collapsed, found, reached = Collapsed(), [], dict(begins)
    certain = await _take_newer(kafka, topics, collapsed, begins, stretches=stretches, limits=limits)
    older: Positions | None = None
    looked_at = size = 0
    asked = {partition: (start, begins[partition]) for partition, (start, _) in stretches.items()}
    try:
        async with (
            asyncio.timeout(limits.seconds),
            aclosing(backwards(kafka, topics.dead_letters, asked)) as records,
        ):
            async for record in records:
                reached[record.partition] = record.offset
                looked_at += 1
                size += weight(record)
                dead = collapsed.take(record)
                if dead and wanted(collapsed.letter(dead, certain=certain)):
                    found.append(dead)
                if len(found) >= limits.found or looked_at >= limits.records or size >= limits.size:
                    older = reached
                    break
    except TimeoutError:
        older = reached
    if older and all(older[partition] <= start for partition, (start, _) in stretches.items()):
        older = None
    letters = [collapsed.letter(dead, certain=certain) for dead in found]
    return Stretch(letters, begins, older, looked_at, _size(stretches), certain)


async def _take_newer(
    kafka: Kafka, topics: Topics, collapsed: Collapsed, begins: Positions, *, stretches: Stretches, limits: Limits
) -> bool:
    """Take what is newer than the place to begin at; False where that is more than the limits allow."""
    newer = {partition: (begins[partition], end) for partition, (_, end) in stretches.items()}
    if _size(newer) > limits.newer:
        return False
    size = 0
    try:
        async with asyncio.timeout(limits.seconds), aclosing(batches(kafka, topics.dead_letters, newer)) as read:
            async for records in read:
                for record in records:
                    collapsed.take(record)
                    size += weight(record)
                if size > limits.size:
                    return False
    except TimeoutError:
        return False
    return True


def _clipped(before: Positions | None, stretches: Stretches) -> dict[int, int]:
    """Positions inside the topic; a partition that a position does not know is younger than it."""
    if before is None:
        return {partition: end for partition, (_, end) in stretches.items()}
    return {
        partition: min(max(start, before.get(partition, start)), end) for partition, (start, end) in stretches.items()
    }


def _size(stretches: Stretches) -> int:
    return sum(end - start for start, end in stretches.values())


def _positions(text: bytes) -> dict[int, int]:
    """What a mark says of the topic's ends; ValueError where anybody else wrote it."""
    try:
        return {int(partition): int(end) for partition, end in orjson.loads(text).items()}
    except (AttributeError, TypeError, OverflowError) as error:
        raise ValueError("no positions") from error
