"""Whoever is cancelled while a client closes is cancelled, and the client is closed all the same."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient

from runtime.kafka.clients import Kafka
from runtime.kafka.uncut import uncut

NOWHERE = Kafka("127.0.0.1:1")


MADE: dict[str, Callable[[], Any]] = {
    "consumer": NOWHERE.consumer,
    "producer": NOWHERE.producer,
    "admin": NOWHERE.admin,
    "client": NOWHERE.client,
}


def inside(made: Any) -> AIOKafkaClient:
    return made if isinstance(made, AIOKafkaClient) else getattr(made, "client", None) or made._client


async def refresh() -> None:
    """As aiokafka's task that asks for metadata: it does not end at once."""
    try:
        await asyncio.Event().wait()
    finally:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("kind", list(MADE))
async def test_a_cancellation_is_not_lost_in_closing(kind: str) -> None:
    made = MADE[kind]()
    client = inside(made)
    client._sync_task = refreshing = asyncio.create_task(refresh())
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(made.stop() if hasattr(made, "stop") else made.close())
    while not refreshing.cancelling():  # noqa: ASYNC110 -- a task tells nobody that it is to end
        await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert refreshing.done()
    assert client._sync_task is None


@pytest.mark.parametrize("kind", ["consumer", "producer"])
async def test_nor_in_ending_the_tasks_of_a_client(kind: str) -> None:
    made = MADE[kind]()
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def close() -> None:
        begun.set()
        with suppress(asyncio.CancelledError):
            await may_end.wait()

    task = SimpleNamespace(close=close, sender_task=asyncio.ensure_future(asyncio.sleep(0)))
    made._fetcher = made._sender = task
    closing = asyncio.ensure_future(made.stop())
    await begun.wait()
    closing.cancel()
    await asyncio.sleep(0)
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await closing


async def test_who_is_told_twice_leaves_nothing_behind_that_goes_on_for_ever() -> None:
    begun, told = asyncio.Event(), asyncio.Event()

    async def ask_for_ever() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            told.set()

    caller = asyncio.ensure_future(uncut(ask_for_ever()))
    await begun.wait()
    for _ in range(2):
        caller.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await caller
    async with asyncio.timeout(5):
        await told.wait()
