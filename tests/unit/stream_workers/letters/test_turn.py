"""The lock of redrives: a step is taken by whoever has it, and it goes to nobody else amid a step."""

import asyncio

import pytest
from aiokafka import TopicPartition

from stream_workers.letters.turn import BusyError, Turn

LOCK, OTHER = (TopicPartition("letters", number) for number in range(2))


async def held() -> Turn:
    turn = Turn("redrive", LOCK)
    await turn.on_partitions_assigned([LOCK, OTHER])
    assert turn.given.is_set()
    return turn


async def test_whoever_has_lost_it_takes_no_further_step() -> None:
    turn = await held()
    async with turn.step():
        pass
    await turn.on_partitions_revoked([LOCK, OTHER])
    await turn.on_partitions_assigned([OTHER])
    with pytest.raises(BusyError):
        async with turn.step():
            pass


async def test_it_goes_to_nobody_else_amid_a_step() -> None:
    turn = await held()
    async with turn.step():
        losing = asyncio.create_task(turn.on_partitions_revoked([LOCK]))
        await asyncio.sleep(0)
        assert not losing.done()
    await losing


async def test_another_partition_is_no_turn() -> None:
    turn = Turn("redrive", LOCK)
    await turn.on_partitions_assigned([OTHER])
    assert not turn.given.is_set()
