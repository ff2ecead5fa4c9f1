"""What a book sends to a topic of its own: on Kafka before the batch that it comes from is acknowledged."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from aiokafka.errors import MessageSizeTooLargeError, RecordListTooLargeError
from faust import TopicT

from stream_workers.errors import StateNotWrittenError, why

TOGETHER_BYTES = 4 * 1024 * 1024

Forms: TypeAlias = Iterator[dict[str, Any]]
Sized: TypeAlias = tuple[Forms, int]


async def send_all(topic: TopicT, messages: Iterable[dict[str, Any]], *, what: str) -> None:
    """Send in order (``key``, ``value``, ``headers``) and return when Kafka has all of them.

    Raises StateNotWrittenError, which ends the worker before anything later is acknowledged; ``what`` names them.
    """
    with _ends_the_worker(what):
        await asyncio.gather(*[await topic.send(**message) for message in messages])


async def send_fitting(topic: TopicT, messages: Iterable[Sized], *, what: str) -> None:
    """The same for messages of which each has forms, the whole one first: sent is the largest that Kafka takes.

    Together are made, and sent, those that take ``TOGETHER_BYTES`` of memory, each with about how much it takes.
    """
    with _ends_the_worker(what):
        for together in _groups(messages):
            await asyncio.gather(*[_send_fitting(topic, forms) for forms in together])


def _groups(messages: Iterable[Sized]) -> Iterator[list[Forms]]:
    group: list[Forms] = []
    room = TOGETHER_BYTES
    for forms, size in messages:
        if group and size > room:
            yield group
            group, room = [], TOGETHER_BYTES
        group.append(forms)
        room -= size
    if group:
        yield group


@contextmanager
def _ends_the_worker(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise StateNotWrittenError(f"Kafka did not take {what}: {why(error)}") from error


async def _send_fitting(topic: TopicT, forms: Forms) -> None:
    message = next(forms)
    for smaller in forms:
        try:
            await (await topic.send(**message))
        except Exception as error:
            if not _is_too_large(error):
                raise
            message = smaller
        else:
            return
    await (await topic.send(**message))


def _is_too_large(error: BaseException) -> bool:
    too_large = (MessageSizeTooLargeError, RecordListTooLargeError)
    return isinstance(error, too_large) or isinstance(error.__cause__, too_large)
