"""Random faults for a while: workers killed, stopped, paused, added and taken away."""

import asyncio
import random
import signal
import time
from collections.abc import Sequence

from tests.pipeline.workers import WorkerProcess

# Most faults hit a worker that has partitions, however busy the machine is; the others may hit one that starts.
AT_WORK = 0.7


async def torment(
    workers: Sequence[WorkerProcess], *, rounds: int, seed: int, pause_seconds: float = 12.0
) -> list[str]:
    """So many faults, one after the other; every worker runs again at the end. Returns what was done."""
    chance = random.Random(seed)
    done = []
    for _ in range(rounds):
        await asyncio.sleep(chance.uniform(1.0, 4.0))
        for worker in workers:
            worker.keep_up()
        worker = chance.choice(workers)
        if chance.random() < AT_WORK:
            await _until_at_work(worker)
        fault = chance.choice((_kill, _kill, _stop, _pause, _leave))
        done.append(fault.__name__)
        await fault(worker, chance, pause_seconds)
    for worker in workers:
        worker.keep_up()
    return done


async def _until_at_work(worker: WorkerProcess, *, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while worker.running and "partitions assigned" not in worker.output():
        if time.monotonic() > deadline:
            return
        await asyncio.sleep(0.1)


async def _kill(worker: WorkerProcess, chance: random.Random, _: float) -> None:
    await asyncio.to_thread(worker.kill)
    await asyncio.sleep(chance.uniform(0.0, 1.0))
    worker.start()


async def _stop(worker: WorkerProcess, chance: random.Random, _: float) -> None:  # noqa: ARG001 -- one shape for all
    told = worker.output()
    status = await asyncio.to_thread(worker.stop)
    assert status == 0 or not told, f"exit status {status} after SIGTERM: {told}"
    worker.start()


async def _pause(worker: WorkerProcess, chance: random.Random, pause_seconds: float) -> None:
    """Longer or shorter than the session: with the longer ones somebody else owns the partitions meanwhile."""
    worker.signal(signal.SIGSTOP)
    await asyncio.sleep(chance.uniform(0.5, pause_seconds))
    worker.signal(signal.SIGCONT)


async def _leave(worker: WorkerProcess, chance: random.Random, _: float) -> None:
    """Gone for as long as a rebalance takes, so that the others get its partitions."""
    await asyncio.to_thread(worker.stop)
    await asyncio.sleep(chance.uniform(2.0, 5.0))
    worker.start()
