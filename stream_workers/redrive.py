"""Sends dead letters to the topic again, each at most once, also when a run is cut short.

A letter is marked on the dead-letter topic itself, under its own key: ``intent`` (with the topic's end offsets) before
it is sent, ``done`` after Kafka has it. A run that finds an intent without its end reads the topic from those offsets
for the letter's origin, which every redriven event carries in a header.
"""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import orjson
from aiokafka import AIOKafkaProducer

from contracts import Header, Topics, UndecodableError, from_record, header
from stream_workers.batches import Record
from stream_workers.broker import Broker
from stream_workers.dead_letters import DeadLetter, from_letter
from stream_workers.reader import batches, bounds

MARK_HEADER = "redrive"
POSITIONS_HEADER = "redrive-positions"
ORIGIN_HEADER = "headgate-redriven-from"

# Letters that are marked and sent together: what a killed run may have to look for.
CHUNK = 100

State = Literal["waiting", "intended", "redriven"]
Wanted = Callable[["Letter"], bool]


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter and what became of it; ``positions`` are the topic's ends when a run began to send it."""

    dead: DeadLetter
    state: State = "waiting"
    positions: dict[int, int] = field(default_factory=dict)

    @property
    def unsendable(self) -> str | None:
        """Why it cannot be sent as it was, or None."""
        if self.dead.cut is not None:
            return f"only the first part of {self.dead.cut} bytes was kept"
        return "it has neither a key nor a value" if self.dead.key is None and self.dead.value is None else None

    @property
    def unreadable(self) -> str | None:
        """Why it would be a dead letter again, or None if this version reads it."""
        try:
            from_record(self.dead.value, self.dead.headers)
        except UndecodableError as error:
            return str(error)
        return None


async def read_letters(bootstrap: str, topics: Topics) -> list[Letter]:
    """All dead letters, one for each origin, in the order of partition and offset of their origin."""
    letters: dict[bytes, Letter] = {}
    async for records in batches(bootstrap, topics.dead_letters, await bounds(bootstrap, topics.dead_letters)):
        for record in records:
            _take(letters, record)
    return sorted(letters.values(), key=lambda letter: (letter.dead.origin.partition, letter.dead.origin.offset))


def _take(letters: dict[bytes, Letter], record: Record) -> None:
    key = record.key or b""
    mark = header(record.headers, MARK_HEADER)
    known = letters.get(key)
    if mark is None:
        if known is None and header(record.headers, "original-offset") is not None:
            letters[key] = Letter(from_letter(record))
    elif known is not None and mark == b"done":
        letters[key] = replace(known, state="redriven")
    elif known is not None and known.state != "redriven":
        positions = orjson.loads(header(record.headers, POSITIONS_HEADER) or b"{}")
        letters[key] = replace(known, state="intended", positions={int(p): end for p, end in positions.items()})


async def redrive(bootstrap: str, topics: Topics, letters: Sequence[Letter]) -> AsyncIterator[int]:
    """Send letters that are not redriven yet; yields how many are, after each chunk."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, linger_ms=5)
    await producer.start()
    try:
        already = await _already_there(bootstrap, topics, letters)
        done = 0
        for start in range(0, len(letters), CHUNK):
            chunk = letters[start : start + CHUNK]
            await _send(bootstrap, topics, producer, [letter for letter in chunk if _key(letter) not in already])
            await _mark(producer, topics, chunk, [(MARK_HEADER, b"done")])
            done += len(chunk)
            yield done
    finally:
        await producer.stop()


async def _send(bootstrap: str, topics: Topics, producer: AIOKafkaProducer, chunk: Sequence[Letter]) -> None:
    async with await Broker.connected(bootstrap) as broker:
        ends = await broker.end_offsets(topics.applications, await broker.partitions(topics.applications))
    positions = orjson.dumps(ends, option=orjson.OPT_NON_STR_KEYS)
    await _mark(producer, topics, chunk, [(MARK_HEADER, b"intent"), (POSITIONS_HEADER, positions)])
    sent = [
        await producer.send(
            topics.applications,
            letter.dead.value,
            key=letter.dead.key,
            headers=[*letter.dead.headers, (ORIGIN_HEADER, _key(letter))],
        )
        for letter in chunk
    ]
    for answer in sent:
        await answer


async def _mark(producer: AIOKafkaProducer, topics: Topics, chunk: Sequence[Letter], headers: Sequence[Header]) -> None:
    sent = [await producer.send(topics.dead_letters, None, key=_key(letter), headers=list(headers)) for letter in chunk]
    for answer in sent:
        await answer


async def _already_there(bootstrap: str, topics: Topics, letters: Sequence[Letter]) -> Collection[bytes]:
    """Which of the letters with an intent are on the topic: a former run was cut short after sending them."""
    intended = {_key(letter): letter for letter in letters if letter.state == "intended"}
    if not intended:
        return ()
    stretches = await bounds(bootstrap, topics.applications)
    for partition, (start, end) in stretches.items():
        earliest = min(letter.positions.get(partition, start) for letter in intended.values())
        stretches[partition] = (max(start, earliest), end)
    found = set()
    async for records in batches(bootstrap, topics.applications, stretches):
        found |= {origin for record in records if (origin := header(record.headers, ORIGIN_HEADER)) in intended}
    return {origin for origin in found if origin is not None}


def _key(letter: Letter) -> bytes:
    return letter.dead.origin.key()
