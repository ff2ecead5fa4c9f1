"""When a drain must end, and what it sends around what the brokers refuse."""

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest

from gateway.commit.lease import LeaseKeeper
from gateway.publish.backlog import StoredBatch
from gateway.publish.producer import ContentRefusedError
from gateway.publish.recovery import Recovery, _Resender
from gateway.publish.settlement import Settled
from gateway.publish.topic import TopicState
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


async def test_a_drain_that_ends_is_let_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told to by the loss of the lease, and by the keeper before the next one; a stop may come meanwhile.

    What it does last is to abort its producer: cut short in that, connections stay and bytes may still be sent.
    """
    ending, may_end, aborted = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def drain(_: Recovery, __: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ending.set()
            await may_end.wait()
            aborted.set()

    monkeypatch.setattr(Recovery, "_drain", drain)
    recovery, dead = idle(), cast("Any", SimpleNamespace(id=uuid4()))
    recovery._keeper.claimed_by_me = lambda: [dead]  # type: ignore[method-assign]
    running = asyncio.create_task(recovery.run())
    await asyncio.sleep(0)
    recovery._keeper.wake()
    async with asyncio.timeout(5):
        await ending.wait()
        stopping = [asyncio.create_task(recovery.stop()) for _ in range(2)]
        await asyncio.sleep(0)
        stopping[0].cancel()
        await asyncio.sleep(0)
        may_end.set()
        await stopping[1]
    assert aborted.is_set()
    running.cancel()


async def test_a_drain_that_did_not_hear_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients of Kafka take a cancellation for the end of a task of their own now and then."""
    monkeypatch.setattr("gateway.publish.recovery._END_SECONDS", -1e9)
    recovery, words = idle(), 0

    async def drain() -> None:
        nonlocal words
        while words < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                words += 1

    recovery._drains[uuid4()] = asyncio.create_task(drain())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await recovery.stop()
    assert words == 2


def idle() -> Recovery:
    """One that drains nothing by itself."""
    settings, nothing = Settings(_env_file=None), cast("Any", None)
    keeper = LeaseKeeper(session=nothing, settings=settings, instance="test")
    return Recovery(keeper=keeper, session=nothing, settings=settings)


async def test_of_many_drains_one_has_a_portion_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = most = 0

    async def portion(*_: object, **__: object) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1

    monkeypatch.setattr(Recovery, "_publish_portion", portion)
    recovery, nothing = idle(), cast("Any", None)
    settled = Settled(TopicState(uuid4(), {}), starts={}, ends={})
    await asyncio.gather(*(recovery._publish_missing(uuid4(), nothing, settled) for _ in range(5)))
    assert most == 1


async def test_rows_without_positions_are_looked_for_from_their_own_time_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not from the beginning of the topic, portion after portion; nothing on a partition that young: from its end."""
    asked: list[int] = []

    async def offsets(*_: object, at: int) -> dict[int, int]:
        asked.append(at)
        return {0: 40, 1: -1}

    monkeypatch.setattr("gateway.publish.recovery.brokers", lambda _: nullcontext())
    monkeypatch.setattr("gateway.publish.recovery.readable_ends", offsets)
    events: Any = [[SimpleNamespace(timestamp_ms=at)] for at in (9_000_000, 8_000_000)]
    owed = [StoredBatch(uuid4(), {}, each) for each in events]
    settled = Settled(TopicState(uuid4(), {}), starts={0: 0, 1: 0}, ends={0: 100, 1: 100})
    assert await idle()._starts(owed, settled) == {0: 40, 1: 100}
    assert asked == [8_000_000 - 10 * 60_000]


async def resent(monkeypatch: pytest.MonkeyPatch, events: Any, *, together: int, bad: set[int]) -> tuple[Any, Any]:
    """What was refused, and what was taken, by brokers that take batches of so many without these."""
    taken: list[Any] = []
    limits: set[object] = set()

    class Producer:
        """Sends so many in one batch."""

        def __init__(self, *, batch_bytes: int, **_: object) -> None:
            limits.add(batch_bytes)

        async def start(self) -> None: ...
        async def abort(self) -> None: ...

        async def send(self, events: Sequence[Any]) -> None:
            for start in range(0, len(events), together):
                batch, unsent = events[start : start + together], events[start + together :]
                if bad.intersection(batch):
                    raise ContentRefusedError(batch, unsent, "too large")
                taken.extend(batch)

    async def limit(*_: object) -> int:
        return 100_000

    monkeypatch.setattr("gateway.publish.recovery.Producer", Producer)
    monkeypatch.setattr("gateway.publish.recovery.brokers", lambda _: nullcontext())
    monkeypatch.setattr("gateway.publish.recovery.batch_bytes_max", limit)
    telemetry: Any = SimpleNamespace(sending=lambda *_, **__: nullcontext())
    refused = await _Resender(Settings(_env_file=None), telemetry).send(events)
    assert limits == {100_000}, "batches that the topic does not take"
    return refused, taken


@pytest.mark.parametrize("together", [1, 4])
async def test_what_follows_a_refused_batch_is_sent_after_it_in_order(
    monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    events = list(range(20))
    refused, taken = await resent(monkeypatch, events, together=together, bad={9})
    assert refused == [(9, "too large")]
    assert taken == [each for each in events if each != 9]


async def test_however_many_are_refused_each_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a topic takes much less than it did: nothing of that may end a gateway."""
    events = list(range(4_000))
    refused, taken = await resent(monkeypatch, events, together=1, bad=set(events) - {2_000})
    assert [event for event, _ in refused] == [each for each in events if each != 2_000]
    assert taken == [2_000]
