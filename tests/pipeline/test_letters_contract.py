"""What is on the topic of dead letters, and on the applications after a redrive, is what AsyncAPI says of it."""

import asyncio
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.codec import zstd_encode
from jsonschema import Draft202012Validator

from contracts import Topics
from contracts.asyncapi import document
from runtime.kafka.clients import Kafka
from stream_workers.letters.dead_letters import DeadLetter, Origin
from stream_workers.letters.letters import read_letters
from stream_workers.letters.redrive import redrive
from tests.pipeline.test_any_bytes import ODD_NAME, send_raw
from tests.pipeline.workers import WorkerProcess, environment, until_booked
from tests.raw_batches import Raw, RawBatch
from tests.records import POISON, good
from tests.support.topic_settings import set_topic
from tests.support.write_path import Record, records

pytestmark = pytest.mark.timeout(300)

# Not to be compressed.
LARGE = Raw(random.Random(1).randbytes(300_000), b"key", ((b"h", b"v"),))


async def test_letters_and_marks_have_the_headers_that_asyncapi_tells(
    kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    sent = [*(record for _, record in POISON), good(0)]
    async with kafka.producer(max_request_size=2_000_000) as producer:
        for record in sent:
            headers = list(record.headers)
            await producer.send_and_wait(topics.applications, record.value, record.key, partition=0, headers=headers)
        await send_letter(producer, topics)
    broken = RawBatch([Raw()], codec=4, packed=lambda plain: zstd_encode(plain)[:-3])
    odd = await send_raw(kafka, topics.applications, [RawBatch([ODD_NAME]), RawBatch([LARGE]), broken])
    await set_topic(kafka, topics.dead_letters, max_message_bytes=100_000)
    worker = WorkerProcess("metrics", environment(kafka, topics), tmp_path / "metrics.log")
    worker.start()
    try:
        await until_booked(kafka, topics, len(sent) + odd, [worker])
        letters = [letter for letter in await read_letters(kafka, topics) if letter.unsendable is None]
        again = max([done async for done in redrive(kafka, topics, letters)])
        await until_booked(kafka, topics, len(sent) + odd + again, [worker])
    finally:
        await asyncio.to_thread(worker.stop)
    messages = document(topics)["components"]["messages"]
    kinds = [messages["deadLetter"], messages["redriveMark"]]
    found = await records(kafka, topics.dead_letters)
    assert [fits(record, kinds) for record in found].count(["redrive-mark"]) == 2 * again
    assert {tuple(fits(record, kinds)) for record in found} == {("dead-letter",), ("redrive-mark",)}
    for kind in kinds:
        assert set(kind["headers"]["properties"]) <= names(found)
    redriven = [record for record in await records(kafka, topics.applications) if has(record, "headgate-redriven-from")]
    assert len(redriven) == again
    [readable] = [record for record in redriven if record.key == b"ada" and has(record, "ce_id") and is_good(record)]
    assert fits(readable, [messages["application"]]) == [messages["application"]["name"]]


async def send_letter(producer: AIOKafkaProducer, topics: Topics) -> None:
    """A letter that this version can read."""
    event = good(1)
    origin = Origin(topics.applications, 0, 1_000_000, "id")
    letter = DeadLetter(
        origin, "unknown-version", "why", "2026-01-01T00:00:00.000Z", event.key, event.value, event.headers
    )
    await producer.send_and_wait(topics.dead_letters, letter.value, key=origin.key(), headers=letter.to_headers())


def fits(record: Record, messages: Iterable[dict[str, Any]]) -> list[str]:
    """The messages of the document that a record is one of: its headers are those, and no others."""
    headers = {name: (value or b"").decode() for name, value in record.headers}
    return [
        message["name"]
        for message in messages
        if Draft202012Validator(message["headers"] | {"additionalProperties": False}).is_valid(headers)
        and (record.value is None or message.get("payload") != {"type": "null"})
    ]


def names(found: Iterable[Record]) -> set[str]:
    return {name for record in found for name, _ in record.headers}


def has(record: Record, name: str) -> bool:
    return name in names([record])


def is_good(record: Record) -> bool:
    return record.value == good(1).value
