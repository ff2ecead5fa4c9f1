"""SIGTERM while Kafka is silent, away, or was never there: the worker ends in time all the same."""

import asyncio
import time
from functools import partial
from pathlib import Path

import pytest

from cli.settings import Shape
from cli.topics.create import create
from contracts import Topics
from devstack.kafka.broker import Broker
from devstack.ports import free_port
from runtime.kafka.clients import Kafka
from stream_workers.worker import STOP_SECONDS
from tests.pipeline.test_worker_lifecycle import answer, own_broker, ready, until
from tests.pipeline.workers import WorkerProcess, environment, produce

pytestmark = pytest.mark.timeout(300)

__all__ = ["own_broker"]

PROMISED_SECONDS = 10
# What a machine busy with other tests may add until the signal is handled and the end of the process is noticed.
NOISE_SECONDS = 30

KINDS = pytest.mark.parametrize("kind", ["metrics", "journal"])


def test_the_bound_of_a_stop_keeps_the_promise() -> None:
    """The clock runs from the signal; whatever hangs then is cut off by a thread of its own."""
    assert STOP_SECONDS < PROMISED_SECONDS


async def stopped_in_time(worker: WorkerProcess) -> None:
    began = time.monotonic()
    assert await asyncio.to_thread(worker.stop) == 0, worker.output()
    assert time.monotonic() - began < PROMISED_SECONDS + NOISE_SECONDS, worker.output()


async def noticed(worker: WorkerProcess) -> bool:
    """Whether the worker itself has found out that Kafka does not answer."""
    status, _ = await answer(worker, "/readyz")
    return status == 503


async def running(kind: str, broker: Broker, prefix: str, log: Path) -> WorkerProcess:
    """A worker that has read something, and goes on being given events for as long as the broker takes them."""
    topics = Topics(prefix)
    await create(broker.kafka, topics, Shape())
    worker = WorkerProcess(kind, environment(broker.kafka, topics), log)
    worker.start()
    await until(partial(ready, worker))
    await produce(broker.kafka, topics, 500)
    return worker


@KINDS
async def test_kafka_was_never_there(kind: str, topics: Topics, tmp_path: Path) -> None:
    worker = WorkerProcess(kind, environment(Kafka(f"127.0.0.1:{free_port()}"), topics), tmp_path / "worker.log")
    worker.start()
    assert worker.child is not None
    await asyncio.to_thread(worker.child.wait_until, lambda: "waiting for Kafka" in worker.output(), seconds=60)
    await stopped_in_time(worker)


@KINDS
async def test_the_topics_were_never_there(kind: str, kafka: Kafka, prefix: str, tmp_path: Path) -> None:
    worker = WorkerProcess(kind, environment(kafka, Topics(prefix)), tmp_path / "worker.log")
    worker.start()
    assert worker.child is not None
    await asyncio.to_thread(worker.child.wait_until, lambda: "waiting for topic" in worker.output(), seconds=60)
    await stopped_in_time(worker)


@KINDS
@pytest.mark.parametrize("at_once", [False, True])
async def test_kafka_fell_silent(kind: str, own_broker: Broker, prefix: str, tmp_path: Path, *, at_once: bool) -> None:
    """Whether the worker has noticed already or is in the middle of something."""
    worker = await running(kind, own_broker, prefix, tmp_path / "worker.log")
    try:
        own_broker.pause()
        if not at_once:
            await until(partial(noticed, worker))
        await stopped_in_time(worker)
    finally:
        own_broker.resume()
        worker.kill()


@KINDS
async def test_kafka_was_killed(kind: str, own_broker: Broker, prefix: str, tmp_path: Path) -> None:
    worker = await running(kind, own_broker, prefix, tmp_path / "worker.log")
    try:
        await asyncio.to_thread(own_broker.kill)
        await until(partial(noticed, worker))
        await stopped_in_time(worker)
    finally:
        worker.kill()
