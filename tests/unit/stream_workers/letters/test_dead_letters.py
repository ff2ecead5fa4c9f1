"""A dead letter is as whole as the topic lets it be, says what is not there, and is never a reason to stop."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka.errors import MessageSizeTooLargeError, NotLeaderForPartitionError
from faust.exceptions import ProducerSendError

from contracts import UNREADABLE_HEADER
from stream_workers.errors import StateNotWrittenError
from stream_workers.kafka.events import Bad
from stream_workers.kafka.sending import TOGETHER_BYTES, send_fitting
from stream_workers.letters.dead_letters import DeadLetter, Origin, from_bad, from_letter
from stream_workers.letters.letters import Letter
from tests.records import Record

BAD = Bad(7, "invalid", "no such thing")
_ORIGIN = Origin("applications", 0, 7, "id")


class Topic:
    """Takes messages up to a size, like a broker, or up to that of a client; ``fails`` once with anything else."""

    def __init__(self, limit: int, *, client_limit: int = 1 << 62, fails: Exception | None = None) -> None:
        self.limit, self.client_limit, self.fails = limit, client_limit, fails
        self.taken: list[dict[str, Any]] = []

    async def send(self, **message: Any) -> Any:
        size = sum(len(name) + len(value or b"") for name, value in message["headers"])
        size += len(message["key"]) + len(message["value"] or b"")

        if size > self.client_limit:
            raise ProducerSendError("as Faust says it") from MessageSizeTooLargeError()

        async def outcome() -> None:
            if self.fails:
                error, self.fails = self.fails, None
                raise error
            if size > self.limit:
                raise MessageSizeTooLargeError
            self.taken.append(message)

        return outcome()


async def kept(record: Record, topic: Any) -> DeadLetter:
    """The letter that a topic holds in the end, read back."""
    forms = from_bad(_ORIGIN, record, BAD, now=0.0).smaller()
    messages = ({"key": b"k", "value": form.value, "headers": form.to_headers()} for form in forms)
    await send_fitting(topic, [(messages, 0)], what="a letter")
    [taken] = topic.taken
    return from_letter(Record(0, taken["value"], tuple(taken["headers"]), taken["key"]))  # type: ignore[arg-type]


LARGE = Record(7, b"v" * 950_000, tuple([("h", b"")] * 64_000), b"k" * 70_000)


@pytest.mark.parametrize(
    ("limit", "headers", "key", "value", "cut", "left_out"),
    [
        (8_000_000, 64_000, 70_000, 950_000, None, ()),
        (1_500_000, 0, 70_000, 950_000, None, ("headers",)),
        (1_000_000, 0, None, 900_000, 950_000, ("headers", "key")),
        (10_000, 0, None, 0, 950_000, ("headers", "key")),
    ],
)
async def test_a_letter_shrinks_to_what_the_topic_takes(
    limit: int, headers: int, key: int | None, value: int, cut: int | None, left_out: tuple[str, ...]
) -> None:
    letter = await kept(LARGE, Topic(limit))
    assert letter == await kept(LARGE, Topic(8_000_000, client_limit=limit))
    assert len(letter.headers) == headers
    assert (len(letter.key) if letter.key else None, len(letter.value or b"")) == (key, value)
    assert (letter.cut, letter.left_out, letter.reason) == (cut, left_out, "invalid")
    assert bool(Letter(letter).unsendable) == bool(cut or left_out)


async def test_the_last_form_has_no_key_either() -> None:
    letter = await kept(Record(7, b"v", (), b"k" * 60_000), Topic(10_000))
    assert (letter.key, letter.value, letter.left_out) == (None, b"", ("key",))


async def test_what_nobody_could_read_is_said_and_not_sent_again() -> None:
    letter = await kept(Record(7, None, ((UNREADABLE_HEADER, b"broken"),)), Topic(8_000_000))
    assert (letter.left_out, letter.headers) == (("content",), ())
    assert "content" in (Letter(letter).unsendable or "")


def test_a_reason_can_be_written_whatever_it_quotes() -> None:
    letter = from_bad(_ORIGIN, Record(7, b""), Bad(7, "invalid", "\udcff"), now=0.0)
    assert dict(letter.to_headers())["detail"] == b"\\udcff"


async def test_another_failure_ends_the_worker_before_anything_is_acknowledged() -> None:
    topic: Any = Topic(10, fails=NotLeaderForPartitionError())
    forms = iter([{"key": b"", "value": b"", "headers": []}] * 3)
    with pytest.raises(StateNotWrittenError, match="a letter"):
        await send_fitting(topic, [(forms, 0)], what="a letter")


async def test_large_letters_are_made_and_sent_a_few_at_a_time() -> None:
    made: list[int] = []
    together: list[int] = []

    class Slow(Topic):
        async def send(self, **message: Any) -> Any:
            made.append(len(message["value"]))

            async def outcome() -> None:
                await asyncio.sleep(0)
                together.append(len(made))

            return outcome()

    def forms(size: int) -> Iterator[dict[str, Any]]:
        yield {"key": b"", "value": bytes(size), "headers": []}

    topic: Any = Slow(0)
    sizes = [TOGETHER_BYTES // 2] * 5 + [TOGETHER_BYTES * 2] + [1] * 100
    await send_fitting(topic, ((forms(size), size) for size in sizes), what="letters")
    assert made == sizes
    assert together == [2, 2, 4, 4, 5, 6] + [106] * 100
