"""aiokafka and a caller that is cancelled meanwhile.

A connection that is cut half-way through being opened is lost, and whoever is cancelled while a client closes hears
nothing of it: aiokafka takes that for the end of a task of its own, and the caller goes on as if it were wanted.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.client import AIOKafkaClient

_SECONDS = 3.0


async def uncut(doing: Coroutine[Any, Any, None]) -> None:
    """To the end even if the caller is cancelled, who hears of it then. The end comes within a moment, or it is cut."""
    task = asyncio.ensure_future(doing)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        try:
            await asyncio.wait({task}, timeout=_SECONDS)
        finally:  # also where the caller is told a second time
            task.cancel()  # aiokafka asks for a producer id for ever
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # looked at, and of no interest any more
        raise


def close_uncut() -> None:
    """Let every client of this process be closed that way; may be called again."""
    AIOKafkaClient.close = _close  # type: ignore[method-assign]
    AIOKafkaConsumer.stop, AIOKafkaProducer.stop = _stop_consumer, _stop_producer  # type: ignore[method-assign]


_client_close: Any = AIOKafkaClient.close
_consumer_stop: Any = AIOKafkaConsumer.stop
_producer_stop: Any = AIOKafkaProducer.stop


async def _close(client: AIOKafkaClient) -> None:
    await uncut(_client_close(client))


async def _stop_consumer(consumer: AIOKafkaConsumer) -> None:
    await uncut(_consumer_stop(consumer))


async def _stop_producer(producer: AIOKafkaProducer) -> None:
    await uncut(_producer_stop(producer))
