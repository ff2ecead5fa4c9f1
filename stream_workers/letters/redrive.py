"""Sends dead letters to the topic again, each at most once, also when a run is cut short.

A letter is marked on the dead-letter topic itself, under its own key: ``intent`` (with the topic's end offsets) before
it is sent, ``done`` after Kafka has it. A run that finds an intent without its end reads the topic from those offsets
for the letter's origin, which every redriven event carries in a header.
"""

from collections.abc import AsyncIterator, Collection, Sequence

import orjson
from aiokafka import AIOKafkaProducer

from contracts import REDRIVEN_HEADER, Header, Topics
from runtime.kafka.clients import Kafka
from stream_workers.kafka.broker import Broker
from stream_workers.kafka.reader import batches, bounds
from stream_workers.letters.letters import MARK_HEADER, POSITIONS_HEADER, Letter, with_all_marks
from stream_workers.letters.turn import turn

# Letters that are marked and sent together: what a killed run may have to look for.
CHUNK = 100


async def redrive(kafka: Kafka, topics: Topics, letters: Sequence[Letter]) -> AsyncIterator[int]:
    """Send letters that are not redriven yet; yields how many are, after each chunk.

    One redrive at a time, in whatever process: BusyError if another one goes on for long. What became of the letters
    since they were read is asked again when it is this one's turn.
    """
    if not letters:
        return
    async with turn(kafka, topics) as mine:
        found = await with_all_marks(kafka, topics, letters)
        due = [letter for letter in found if letter.state != "redriven"]
        already = await _already_there(kafka, topics, due)
        producer = kafka.producer(acks="all", enable_idempotence=True, linger_ms=5)
        await producer.start()
        try:
            for start in range(0, len(due), CHUNK):
                chunk = due[start : start + CHUNK]
                async with mine.step():
                    missing = [letter for letter in chunk if _key(letter) not in already]
                    await _send(kafka, topics, producer, missing)
                    await _mark(producer, topics, chunk, [(MARK_HEADER, b"done")])
                yield start + len(chunk)
        finally:
            await producer.stop()


async def _send(kafka: Kafka, topics: Topics, producer: AIOKafkaProducer, chunk: Sequence[Letter]) -> None:
    async with await Broker.connected(kafka) as broker:
        ends = await broker.end_offsets(topics.applications, await broker.known_partitions(topics.applications))
    positions = orjson.dumps(ends, option=orjson.OPT_NON_STR_KEYS)
    await _mark(producer, topics, chunk, [(MARK_HEADER, b"intent"), (POSITIONS_HEADER, positions)])
    sent = [
        await producer.send(
            topics.applications,
            letter.dead.value,
            key=letter.dead.key,
            headers=[*_own(letter.dead.headers), (REDRIVEN_HEADER, _key(letter))],
        )
        for letter in chunk
    ]
    for answer in sent:
        await answer


async def _mark(producer: AIOKafkaProducer, topics: Topics, chunk: Sequence[Letter], headers: Sequence[Header]) -> None:
    sent = [await producer.send(topics.dead_letters, None, key=_key(letter), headers=list(headers)) for letter in chunk]
    for answer in sent:
        await answer


async def _already_there(kafka: Kafka, topics: Topics, letters: Sequence[Letter]) -> Collection[bytes]:
    """Which of the letters with an intent are on the topic: a former run was cut short after sending them."""
    intended = {_key(letter): letter for letter in letters if letter.state == "intended"}
    if not intended:
        return ()
    stretches = await bounds(kafka, topics.applications)
    for partition, (start, end) in stretches.items():
        earliest = min(letter.positions.get(partition, start) for letter in intended.values())
        stretches[partition] = (max(start, earliest), end)
    found: set[bytes] = set()
    async for records in batches(kafka, topics.applications, stretches):
        found |= {_origin(record.headers) for record in records} & intended.keys()
    return found


def _own(headers: Sequence[Header]) -> list[Header]:
    """Without where an earlier redrive had it from: it died again, at another place."""
    return [(name, value) for name, value in headers if name != REDRIVEN_HEADER]


def _origin(headers: Sequence[Header]) -> bytes:
    """What the last redrive of a record says, of several."""
    return next((value for name, value in reversed(headers) if name == REDRIVEN_HEADER), b"")


def _key(letter: Letter) -> bytes:
    return letter.dead.origin.key()
