"""How long the disk takes to make a page of a log durable, asked as PostgreSQL asks it."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from time import perf_counter

_PAUSE_SECONDS = 0.01


def flush_seconds(folder: Path, times: int = 200) -> float:
    """The median, with nothing else to do."""
    with (folder / "flush").open("wb", buffering=0) as log:
        return median(_flushed(log.fileno()) for _ in range(times))


@asynccontextmanager
async def probed(folder: Path) -> AsyncIterator[list[float]]:
    """A hundred times a second at most, until the end of the block: what it took each time, in seconds."""
    taken: list[float] = []

    async def probe() -> None:
        with (folder / "flush").open("wb", buffering=0) as log:
            while True:
                taken.append(await asyncio.to_thread(_flushed, log.fileno()))
                await asyncio.sleep(_PAUSE_SECONDS)

    probing = asyncio.create_task(probe())
    try:
        yield taken
    finally:
        probing.cancel()
        await asyncio.gather(probing, return_exceptions=True)


def _flushed(log: int) -> float:
    os.write(log, bytes(8192))
    began = perf_counter()
    os.fdatasync(log)
    return perf_counter() - began
