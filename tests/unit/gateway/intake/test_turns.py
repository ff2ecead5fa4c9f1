"""Of all bodies that are read at the same time, a turn of the event loop reads one part."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from gateway.intake import batch_items
from gateway.intake.turns import PART_BYTES, Turns

BODIES, PARTS = 20, 10
ITEM = b'{"user_name":"Ann","description":"%b"}' % (b"a" * 4_000)
BODY = {
    "from_lines": b"\n".join([ITEM] * (PART_BYTES * PARTS // len(ITEM))),
    "from_array": b"[" + b",".join([ITEM] * (PART_BYTES * PARTS // len(ITEM))) + b"]",
}


class CountedTurns(Turns):
    """How many parts were begun in each turn of the event loop."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = 0
        self.begun: Counter[int] = Counter()

    async def count(self) -> None:
        while True:
            self.turn += 1
            await asyncio.sleep(0)

    async def next(self) -> None:
        await super().next()
        self.begun[self.turn] += 1


async def once(body: bytes) -> AsyncIterator[bytes]:
    yield body


@pytest.mark.parametrize("way", BODY)
async def test_a_turn_reads_one_part_of_all_bodies(way: str) -> None:
    turns = CountedTurns()
    counting = asyncio.create_task(turns.count())
    read = getattr(batch_items, way)
    await asyncio.gather(*(read(once(BODY[way]), limit=1_000, turns=turns) for _ in range(BODIES)))
    counting.cancel()
    assert sum(turns.begun.values()) >= BODIES * PARTS
    assert max(turns.begun.values()) == 1


async def test_whoever_gives_up_leaves_the_turn_to_the_next() -> None:
    turns = Turns()
    waiting = [asyncio.create_task(turns.next()) for _ in range(4)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    waiting[2].cancel()
    await asyncio.wait(waiting)
    assert [one.cancelled() for one in waiting] == [True, False, True, False]
