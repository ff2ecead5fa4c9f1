"""What comes packed is unpacked a piece at a time, whatever it unpacks to, and others have their turn between."""

import asyncio
import gzip
from collections.abc import Mapping
from typing import Any

from gateway.intake.turns import Turns
from gateway.intake.unpacking import unpacked


async def test_a_bomb_is_unpacked_only_as_far_as_it_is_read() -> None:
    packed, turns = gzip.compress(bytes(64 * 2**20)), 0

    async def receive() -> Mapping[str, Any]:
        return {"type": "http.request", "body": packed, "more_body": False}

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside, read = asyncio.create_task(others()), unpacked(receive, limit=2**20, turns=Turns())
    pieces = [(await read())["body"] for _ in range(40)]
    beside.cancel()
    assert [len(piece) for piece in pieces] == [64 * 1024] * 40
    assert turns >= 40
