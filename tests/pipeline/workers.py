"""Worker processes for tests: started, killed, paused and started again, and the events that they are to count."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import uuid_utils.compat as uuids
from aiokafka import AIOKafkaProducer

from contracts import Topics, to_headers, to_key
from devstack.child import Child, spawn
from devstack.ports import free_port
from runtime.kafka.clients import Kafka
from stream_workers.books.states import Totals, metrics_totals
from tests.records import to_value
from tests.support.forked import forked

COMMAND = ("cli", "worker")
# Ends that a supervisor answers with a new start.
RESTARTABLE = {4, -signal.SIGKILL, 0}


@dataclass
class WorkerProcess:
    """One worker under a supervisor: it comes back after every end that a new start heals.

    ``command`` is a module and the arguments before the kind. Where its code lies in another ``folder``, or if it is to
    be ``fresh``, it is a Python of its own, else one that is forked.
    """

    kind: str
    env: Mapping[str, str]
    log: Path
    command: Sequence[str] = COMMAND
    web_port: int = field(default_factory=free_port)
    folder: Path | None = None
    fresh: bool = False
    child: Child | None = None
    ends: list[int] = field(default_factory=list)

    def start(self) -> None:
        env = {"WORKER_WEB_PORT": str(self.web_port), "LOG_FORMAT": "json", **self.env}
        command, name = [*self.command, self.kind], f"{self.kind} worker"
        if self.fresh or self.folder:
            self.child = spawn([sys.executable, "-m", *command], name=name, log=self.log, env=env, cwd=self.folder)
        else:
            self.child = forked(command, name=name, log=self.log, env=env)

    def kill(self) -> None:
        """SIGKILL, and gone."""
        self._child().kill()
        self.ends.append(-signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        status = self._child().stop()
        self.ends.append(status)
        return status

    def signal(self, number: int) -> None:
        self._child().signal_all(number)

    @property
    def running(self) -> bool:
        return self.child is not None and self.child.running

    def keep_up(self) -> None:
        """Start it again if it ended by itself; an end that nobody asked for and no restart heals is a failure."""
        if self.child is not None and not self.child.running:
            status = self.child.process.wait()
            self.ends.append(status)
            assert status in RESTARTABLE, self.child.epitaph()
            self.start()

    def output(self) -> str:
        return self._child().output()

    def _child(self) -> Child:
        assert self.child is not None
        return self.child


def environment(kafka: Kafka, topics: Topics, **more: str) -> dict[str, str]:
    """What a worker process is told."""
    return {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "KAFKA_PREFIX": topics.prefix,
        "LOG_LEVEL": "INFO",
        **more,
    }


async def produce(kafka: Kafka, topics: Topics, count: int, *, rate: float = 0, seed: int = 1) -> list[str]:
    """Publish so many events as the gateway does, evenly at ``rate`` a second (0: at once); return their ids."""
    chance = random.Random(seed)
    producer = kafka.producer(acks="all", enable_idempotence=True, linger_ms=5, request_timeout_ms=60_000)
    await producer.start()
    ids, sent = [], []
    started = asyncio.get_running_loop().time()
    try:
        for number in range(count):
            id_ = uuids.uuid7()
            ids.append(str(id_))
            sent.append(await _send(producer, topics, id_, f"user {chance.randint(0, 2_000)}"))
            if rate and number % 50 == 0:
                ahead = started + number / rate - asyncio.get_running_loop().time()
                await asyncio.sleep(max(0.0, ahead))
        await asyncio.gather(*sent)
    finally:
        await producer.stop()
    return ids


async def produce_during(
    work: "asyncio.Task[object]", kafka: Kafka, topics: Topics, *, rate: float, seed: int = 1
) -> list[str]:
    """Publish at ``rate`` until that work is done; the ids."""
    ids: list[str] = []
    while not work.done():
        seed += 1_000
        ids += await produce(kafka, topics, int(rate * 2), rate=rate, seed=seed)
    return ids


async def _send(
    producer: AIOKafkaProducer, topics: Topics, id_: uuids.UUID, user_name: str
) -> "asyncio.Future[object]":
    created_at = datetime.fromtimestamp((id_.int >> 80) / 1000, UTC)
    return await producer.send(  # type: ignore[no-any-return]
        topics.applications,
        key=to_key(user_name),
        value=to_value(id=id_, user_name=user_name, description="a boat, please", created_at=created_at),
        headers=to_headers(id=id_, created_at=created_at),
    )


async def until_booked(
    kafka: Kafka, topics: Topics, count: int, workers: Sequence[WorkerProcess] = (), *, seconds: float = 120
) -> dict[int, Totals]:
    """Wait until so many events are booked, keeping the workers up; the totals, whatever they are in the end."""
    deadline = asyncio.get_running_loop().time() + seconds
    totals: dict[int, Totals] = {}
    while asyncio.get_running_loop().time() < deadline:
        for worker in workers:
            worker.keep_up()
        totals = await metrics_totals(kafka, topics)
        if sum(t.last + 1 - t.first for t in totals.values()) >= count:
            break
        await asyncio.sleep(0.3)
    return totals


def drift(totals: Mapping[int, Totals], counted: int) -> list[str]:
    """What is not exact; empty if all is."""
    found = [f"partition {partition}: {t}" for partition, t in totals.items() if not t.exact]
    total = sum(t.counted for t in totals.values())
    return found if total == counted else [*found, f"{total} counted, {counted} published"]
