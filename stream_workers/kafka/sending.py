"""What a book sends to a topic of its own: on Kafka before the batch that it comes from is acknowledged."""

import asyncio
from collections.abc import Iterable
from typing import Any

from faust import TopicT

from stream_workers.errors import StateNotWrittenError


async def send_all(topic: TopicT, messages: Iterable[dict[str, Any]], *, what: str) -> None:
    """Send in order (``key``, ``value``, ``headers``) and return when Kafka has all of them.

    Raises StateNotWrittenError, which ends the worker before anything later is acknowledged; ``what`` names them.
    """
    try:
        await asyncio.gather(*[await topic.send(**message) for message in messages])
    except Exception as error:
        raise StateNotWrittenError(f"Kafka did not take {what}: {error!r}") from error
