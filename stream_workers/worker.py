"""One worker process: wait for Kafka, run the Faust app, stop in time, and say with the exit code why it ended."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

from runtime import allocator, collector
from runtime.kafka.access.exposure import exposed
from stream_workers.app import create_app
from stream_workers.errors import KafkaAwayError, PartitionsDifferError, ReplacedError, WorkerError
from stream_workers.kafka.broker import Broker
from stream_workers.kinds import Kind
from stream_workers.logs import configure_logs
from stream_workers.parts import Worker
from stream_workers.settings import Settings
from stream_workers.web.serving.access import refuse_open_bind, refuse_taken_port

log = logging.getLogger(__name__)

T = TypeVar("T")

# A stop must not wait for a Kafka that is away: the state there is enough to go on from.
STOP_SECONDS = 8.0
KAFKA_RETRY_SECONDS = 2.0
_GARBAGE_THRESHOLD = 50_000


def run(settings: Settings, kind: Kind) -> int:
    """Run one worker in the foreground until SIGTERM or SIGINT, or until it cannot go on; return the exit code.

    0 after a stop that was asked for; 1 unforeseen; 3 somebody must decide; 4 start it again. See errors.py.
    """
    configure_logs(settings)
    allocator.keep_little()
    collector.spare(_GARBAGE_THRESHOLD)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings, kind))


async def _serve(settings: Settings, kind: Kind) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _on_signal, stop)
    reason = await _until(stop, _work(settings, kind, stop), patience=STOP_SECONDS)
    code = _tell(kind, reason)
    _end_hard_after(STOP_SECONDS / 4, code)
    return code


def _on_signal(stop: asyncio.Event) -> None:
    if not stop.is_set():
        _end_hard_after(STOP_SECONDS, 0)
    stop.set()


async def _work(settings: Settings, kind: Kind, stop: asyncio.Event) -> BaseException | None:
    """Everything from the first connection on; returns why it ended, None when it was asked to."""
    try:
        if kind.serves_view:
            refuse_open_bind(settings)
        refuse_taken_port(settings.worker_web_host, settings.web_port(kind))
        broker = await _until(stop, _connected(settings))
        if broker is None:
            return None
        async with broker:
            count = await _until(stop, _partition_count(settings, kind, broker))
            if count is None:
                return None
            return await _run(create_app(settings, kind, broker=broker, partition_count=count), stop)
    except Exception as error:  # noqa: BLE001 -- told and turned into an exit code
        return error


async def _run(worker: Worker, stop: asyncio.Event) -> BaseException | None:
    app = worker.app
    app.loop = asyncio.get_running_loop()
    app.finalize()
    tasks = [asyncio.create_task(_failing(work, worker)) for work in (app.start(), _crash(worker), *worker.tasks())]
    stopping = asyncio.create_task(stop.wait())
    ends: set[asyncio.Future[Any]] = {stopping, worker.failed}
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    reason = worker.failed.result() if worker.failed.done() else None
    if isinstance(reason, ReplacedError):
        os._exit(_tell(worker.kind, reason))  # to stop in good order it would first have to join the group again
    await _stop(worker)
    for task in (*tasks, stopping):
        task.cancel()
    if worker.telemetry.tracing is not None:
        await asyncio.to_thread(worker.telemetry.tracing.stop)
    return reason


async def _failing(work: Coroutine[Any, Any, None], worker: Worker) -> None:
    try:
        await work
    except Exception as error:  # noqa: BLE001 -- told by _tell
        worker.fail(error)


async def _crash(worker: Worker) -> None:
    """Raise what Faust's own services crash with."""
    await worker.app.wait_until_stopped()
    raise worker.app.crash_reason or WorkerError("Faust stopped by itself")


async def _stop(worker: Worker) -> None:
    """Write what is not written yet, then leave the group; whatever does not work now is repeated by the next owner."""
    for step in (worker.partitions.write_all(), worker.app.stop()):
        try:
            async with asyncio.timeout(STOP_SECONDS / 2):
                await step
        except Exception as error:  # noqa: BLE001 -- a stop goes on
            log.warning("stopping: %r", error)


async def _connected(settings: Settings) -> Broker:
    """A broker that answers; until one does, once a connection is refused, try again and say so once."""
    if said := exposed(settings.kafka):
        log.warning(said)
    told = False
    while True:
        try:
            return await Broker.connected(settings.kafka)
        except KafkaAwayError as error:
            if not told:
                log.warning("waiting for Kafka: %s", error)
            told = True
            await asyncio.sleep(KAFKA_RETRY_SECONDS)


async def _partition_count(settings: Settings, kind: Kind, broker: Broker) -> int:
    """The topic's partitions, which the changelog must have too; waits for topics that are not there yet."""
    topics = settings.topics
    changelog = kind.changelog(topics)
    told = False
    while True:
        source = len(await broker.partitions(topics.applications))
        ours = len(await broker.partitions(changelog))
        if source and source <= ours:
            return source
        if source and ours:
            raise PartitionsDifferError(
                topic=topics.applications, partitions=source, changelog=changelog, changelog_partitions=ours
            )
        if not told:
            missing = changelog if source else topics.applications
            log.warning("waiting for topic %s: run `headgate topics create`", missing)
        told = True
        await asyncio.sleep(KAFKA_RETRY_SECONDS)


async def _until(stop: asyncio.Event, work: Coroutine[Any, Any, T], *, patience: float = 0.0) -> T | None:
    """The outcome of the work; once a stop was asked for, None unless it ends within ``patience`` seconds."""
    task = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    ends: set[asyncio.Future[Any]] = {task, stopping}
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        await asyncio.wait({task}, timeout=patience)
    stopping.cancel()
    if not task.done():
        task.cancel()
        return None
    return task.result()


def _tell(kind: Kind, reason: BaseException | None) -> int:
    if reason is None:
        log.info("%s worker stopped", kind)
        return 0
    if isinstance(reason, WorkerError):
        log.error("%s worker ends: %s", kind, reason)
        return reason.exit_code
    log.error("%s worker ends with an unforeseen error", kind, exc_info=reason)
    return 1


def _end_hard_after(seconds: float, code: int) -> None:
    """Whatever still hangs then is not waited for: Kafka holds all that the next start needs."""
    timer = threading.Timer(seconds, os._exit, (code,))
    timer.daemon = True
    timer.start()
