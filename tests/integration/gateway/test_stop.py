"""A stop ends, whatever becomes of the tasks behind the gateway."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import pytest

from gateway import service
from gateway.service import running
from gateway.settings import Settings


class Stubborn:
    """A task's work, and after its cancellation a wait that nothing ends."""

    def __init__(self, work: Coroutine[Any, Any, None]) -> None:
        self._work, self.ends = work, asyncio.Event()

    async def run(self) -> None:
        with suppress(asyncio.CancelledError):
            await self._work
        await self.ends.wait()


async def test_a_task_that_swallows_its_cancellation_is_named_and_not_waited_for(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(service, "_END_SECONDS", 0.0)
    async with running(settings) as gateway:
        await gateway.keeper.held()
        stubborn = Stubborn(gateway.publisher.run())
        gateway._tasks["publisher"].cancel()
        gateway._spawn("publisher", stubborn.run())
    assert "These tasks do not end: publisher" in caplog.text
    stubborn.ends.set()
