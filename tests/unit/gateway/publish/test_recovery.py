"""When a drain must end."""

import asyncio
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from gateway.commit.lease import LeaseKeeper
from gateway.publish.recovery import Recovery
from gateway.settings import Settings


async def test_nothing_is_resent_once_ones_own_lease_is_lost_even_if_the_database_is_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The keeper's loop does not run here, as when it waits for a heartbeat that is not answered."""
    draining, ended = asyncio.Event(), asyncio.Event()

    async def drain(_: Recovery, __: Any) -> None:
        draining.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    monkeypatch.setattr(Recovery, "_drain", drain)
    settings = Settings(_env_file=None)
    keeper = LeaseKeeper(session=None, settings=settings, instance="test")  # type: ignore[arg-type]
    keeper.lease = own = uuid4()
    dead: Any = SimpleNamespace(id=uuid4(), claimed_by=own, former=None)
    keeper.leases = {dead.id: dead}
    recovery = Recovery(keeper=keeper, session=None, settings=settings)  # type: ignore[arg-type]
    running = asyncio.create_task(recovery.run())
    async with asyncio.timeout(5):
        await draining.wait()
        keeper.lost(own, "it could not be renewed in time")
        await ended.wait()
    running.cancel()
