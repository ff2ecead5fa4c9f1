"""The dead-letter topic, read backwards: pages, repeats, marks, and how far a reading goes."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import pytest

from contracts import REDRIVEN_HEADER, Header, Topics
from runtime.kafka.clients import Kafka
from runtime.kafka.records import Record
from stream_workers.kafka import reader
from stream_workers.kafka.broker import Broker
from stream_workers.kafka.events import Bad
from stream_workers.kafka.group import members
from stream_workers.kafka.reader import backwards, bounds
from stream_workers.letters.dead_letters import DeadLetter, Origin, from_bad, from_letter
from stream_workers.letters.letters import MARK_HEADER, Letter, Limits, Positions, Stretch, newest_letters, read_letters
from stream_workers.letters.redrive import redrive
from stream_workers.web.facts.letters_page import Letters
from stream_workers.web.look.apart import Apart
from tests.records import bad, good, to_value
from tests.support.write_path import eventually, records

REASONS = ("invalid", "tombstone", "unknown-version")
START_MS = 1_700_000_000_000
READABLE = to_value(
    id=UUID("01994f3c-8a5e-7c1d-9b0a-3f6e2d1c4b5a"),
    user_name="Ann",
    description="text",
    created_at=datetime(2025, 9, 15, 19, 43, 7, 614_000, UTC),
)


class Book:
    """Writes dead letters and marks, each a second after the one before."""

    def __init__(self, kafka: Kafka, topics: Topics) -> None:
        self._kafka = kafka
        self._topics = topics
        self._written = 0

    async def letters(
        self, *offsets: int, value: bytes | None = None, headers: Sequence[Header] = (), topic_id: str = ""
    ) -> None:
        for offset in offsets:
            origin = Origin(self._topics.applications, 0, offset, topic_id)
            dead = DeadLetter(
                origin, REASONS[offset % 3], "why", "2026-01-01T00:00:00Z", b"k", value or b"%d" % offset, headers
            )
            await self._write(origin.key(), dead.value, dead.to_headers())

    async def mark(self, mark: bytes, *offsets: int, topic_id: str = "") -> None:
        for offset in offsets:
            origin = Origin(self._topics.applications, 0, offset, topic_id)
            await self._write(origin.key(), None, [(MARK_HEADER, mark)])

    async def foreign(self) -> None:
        await self._write(b"whose?", b"none of ours", [("original-topic", b"\xff"), ("original-offset", b"first")])

    async def _write(self, key: bytes, value: bytes | None, headers: list[tuple[str, bytes]]) -> None:
        producer = self._kafka.producer()
        await producer.start()
        try:
            at = START_MS + 1_000 * self._written
            await producer.send_and_wait(self._topics.dead_letters, value, key=key, headers=headers, timestamp_ms=at)
        finally:
            await producer.stop()
        self._written += 1


@pytest.fixture
def book(kafka: Kafka, topics: Topics) -> Book:
    return Book(kafka, topics)


def offsets(stretch: Stretch) -> list[int]:
    return [letter.dead.origin.offset for letter in stretch.letters]


def states(stretch: Stretch) -> Mapping[int, str]:
    return {letter.dead.origin.offset: letter.state for letter in stretch.letters}


@pytest.mark.parametrize("room", [reader.HELD_BYTES, 5_000, 0])
async def test_backwards_gives_every_record_newest_first(
    kafka: Kafka, topics: Topics, book: Book, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """Also where there is no room for what is read ahead: that is read again."""
    monkeypatch.setattr(reader, "HELD_BYTES", room)
    await book.letters(*range(150))
    stretches = await bounds(kafka, topics.dead_letters)
    async with aclosing(backwards(kafka, topics.dead_letters, stretches)) as records:
        values = [int(record.value or b"-1") async for record in records]
    assert len(stretches) > 1
    assert values == list(range(149, -1, -1))


async def test_pages_follow_each_other_and_keep_their_place(kafka: Kafka, topics: Topics, book: Book) -> None:
    await book.letters(*range(25))
    before: Positions | None = None
    pages = []
    while True:
        page = await newest_letters(kafka, topics, before=before, limits=Limits(found=10))
        pages.append(offsets(page))
        if page.older is None:
            break
        before = page.older
    assert pages == [list(range(24, 14, -1)), list(range(14, 4, -1)), list(range(4, -1, -1))]
    await book.letters(*range(25, 30))
    assert offsets(await newest_letters(kafka, topics, before=before, limits=Limits(found=10))) == pages[-1]


async def test_an_origin_is_told_once_with_what_became_of_it(kafka: Kafka, topics: Topics, book: Book) -> None:
    await book.letters(0, 1, 2, 3)
    await book.mark(b"intent", 1, 2)
    await book.mark(b"done", 2)
    await book.letters(0, 2)
    await book.foreign()
    newest = await newest_letters(kafka, topics)
    assert states(newest) == {0: "waiting", 1: "intended", 2: "redriven", 3: "waiting"}
    assert offsets(newest) == [2, 0, 3, 1]
    assert {letter.dead.origin.offset: letter.state for letter in await read_letters(kafka, topics)} == states(newest)
    second = await newest_letters(kafka, topics, before=(await newest_letters(kafka, topics, limits=Limits(2))).older)
    assert states(second) == {1: "intended", 3: "waiting"}


async def test_what_is_chosen_is_looked_for_no_further_than_the_limits(
    kafka: Kafka, topics: Topics, book: Book
) -> None:
    await book.letters(*range(12), *range(100, 160, 3))

    def tombstones(letter: Letter) -> bool:
        return letter.dead.reason == "tombstone"

    assert offsets(await newest_letters(kafka, topics, wanted=tombstones, limits=Limits(found=3))) == [157, 154, 151]
    one = await newest_letters(kafka, topics, wanted=lambda letter: letter.dead.origin.offset == 3)
    assert (offsets(one), one.looked_at) == ([3], 32)
    short = await newest_letters(
        kafka, topics, wanted=lambda letter: letter.dead.reason == "x", limits=Limits(records=5)
    )
    assert (offsets(short), short.looked_at, short.records) == ([], 5, 32)
    assert short.older is not None
    assert offsets(await newest_letters(kafka, topics, before=short.older, limits=Limits(found=1))) == [142]


async def test_large_headers_count_as_what_was_looked_at(kafka: Kafka, topics: Topics, book: Book) -> None:
    """A letter without a value may be the largest of all."""
    await book.letters(*range(6), headers=[("h", b"v")] * 5_000)
    page = await newest_letters(kafka, topics, limits=Limits(size=1_500_000))
    assert (offsets(page), page.older is not None) == ([5, 4], True)
    assert not (await newest_letters(kafka, topics, before=page.older, limits=Limits(size=1_500_000))).certain


async def test_far_back_it_is_not_known_what_became_of_a_letter(kafka: Kafka, topics: Topics, book: Book) -> None:
    await book.letters(*range(20))
    await book.mark(b"done", 3)
    before = (await newest_letters(kafka, topics, limits=Limits(found=15))).older
    near = await newest_letters(kafka, topics, before=before)
    assert (near.certain, states(near)) == (
        True,
        {4: "waiting", 3: "redriven", 2: "waiting", 1: "waiting", 0: "waiting"},
    )
    far = await newest_letters(kafka, topics, before=before, limits=Limits(newer=10))
    assert (far.certain, set(states(far).values())) == (False, {"unknown"})


async def test_a_letter_that_is_written_again_after_its_mark_is_not_sent_again(
    kafka: Kafka, topics: Topics, book: Book
) -> None:
    """Its worker died before the state was written, and came back only after the letter was redriven."""
    await book.letters(0, 3, value=READABLE)
    await book.mark(b"intent", 0)
    await book.mark(b"done", 0)
    await book.letters(0, value=READABLE)
    assert states(await newest_letters(kafka, topics, limits=Limits(found=1))) == {0: "waiting"}
    async with await Broker.connected(kafka) as broker:
        pages = Letters(kafka, topics, broker, apart=Apart())
        origins = [Origin(topics.applications, 0, offset) for offset in (0, 3)]
        found = [await pages.sendable(origin, before="", reason="", state="") for origin in origins]
    assert [[letter.dead.origin for letter in letters] for letters in found] == [[], [origins[1]]]


async def test_two_redrives_at_once_send_each_letter_once(kafka: Kafka, topics: Topics, book: Book) -> None:
    """Both have seen them waiting; each has a process of its own in real life."""
    await book.letters(*range(150), value=READABLE)
    letters = await read_letters(kafka, topics)

    done = await asyncio.gather(*(_all(redrive(kafka, topics, letters)) for _ in range(2)))
    assert sorted(done) == [[], [100, 150]]
    assert sum(end - start for start, end in (await bounds(kafka, topics.applications)).values()) == 150


async def test_a_second_redrive_does_not_even_join_while_the_first_one_is_under_way(
    kafka: Kafka, topics: Topics, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever joins a group moves its partitions, and the turn with them."""
    looks = 0

    async def counted(*asked: Any) -> list[str]:
        nonlocal looks
        looks += 1
        return await members(*asked)

    monkeypatch.setattr("stream_workers.letters.turn.members", counted)
    monkeypatch.setattr("stream_workers.letters.redrive.CHUNK", 1)
    await book.letters(0, 3, value=READABLE)
    letters = await read_letters(kafka, topics)
    first = redrive(kafka, topics, letters)
    assert await anext(first) == 1
    begun, second = looks, asyncio.create_task(_all(redrive(kafka, topics, letters)))

    async def waits() -> bool:
        return looks > begun + 1

    await eventually(waits, what="a second redrive that waits")
    assert len(await members(kafka, f"{topics.prefix}redrive")) == 1
    assert await _all(first) == [2]
    assert await second == []


async def _all(redriving: AsyncIterator[int]) -> list[int]:
    return [done async for done in redriving]


async def test_a_letter_that_was_redriven_before_is_recognised_by_its_last_origin(
    kafka: Kafka, topics: Topics, book: Book
) -> None:
    """It died again, and the run that sent it again was killed before it could say so; another is sent with its own."""
    before = (REDRIVEN_HEADER, Origin(topics.applications, 3, 5).key())
    await book.letters(0, 3, value=READABLE, headers=[before])
    key = Origin(topics.applications, 0, 0).key()
    await book.mark(b"intent", 0)
    async with kafka.producer() as producer:
        headers = [before, (REDRIVEN_HEADER, key)]
        await producer.send_and_wait(topics.applications, READABLE, key=b"k", headers=headers, partition=0)
    assert await _all(redrive(kafka, topics, await read_letters(kafka, topics))) == [2]
    found = await records(kafka, topics.applications)
    origins = [[value for name, value in record.headers if name == REDRIVEN_HEADER] for record in found]
    assert sorted(origins) == [[Origin(topics.applications, 0, 3).key()], [before[1], key]]


async def test_a_letter_of_a_topic_that_was_made_anew_is_another(kafka: Kafka, topics: Topics, book: Book) -> None:
    await book.letters(0, topic_id="former")
    await book.mark(b"done", 0, topic_id="former")
    await book.letters(0, topic_id="today")
    found = await read_letters(kafka, topics)
    assert {letter.dead.origin.topic_id: letter.state for letter in found} == {"former": "redriven", "today": "waiting"}


def test_what_was_dropped_is_said_and_not_sent() -> None:
    """Headers that the topic of letters did not take, and a value that a worker would refuse again."""
    record = cast("Record", replace(bad(7), key=b"k" * 70_000, headers=(("h", b"x" * 70_000),)))
    dead = from_bad(Origin("applications", 0, 7, "id"), record, Bad(7, "invalid", "why"), now=0.0)
    bare = list(dead.smaller())[1]
    read_back = from_letter(cast("Record", replace(bad(0, bare.value), headers=tuple(bare.to_headers()))))
    assert (read_back.left_out, read_back.origin) == (("headers",), dead.origin)
    assert Letter(read_back).unsendable == "not kept of it: headers"
    wide = (good(0).value or b"").replace(b"a boat", b" " * 300_000 + b"a boat")
    assert "oversized" in (Letter(replace(dead, value=wide, headers=())).unreadable or "")


async def test_an_empty_topic_has_no_letters(kafka: Kafka, topics: Topics) -> None:
    stretch = await newest_letters(kafka, topics)
    assert (stretch.letters, stretch.older, stretch.records, stretch.certain) == ([], None, 0, True)
