"""The Faust apps, made by a factory: nothing happens at import time."""

import asyncio
import os
import socket
from functools import partial
from typing import Any

import mode
from faust import StreamT
from faust.types import EventT

from stream_workers.books.shelf import BOOKS
from stream_workers.chronicle.topic import Chronicle
from stream_workers.errors import KafkaAwayError, ReplacedError
from stream_workers.exact.changelog import Follower
from stream_workers.exact.lag import Lag
from stream_workers.exact.ledger import is_state, rank
from stream_workers.exact.partitions import Partitions
from stream_workers.exact.telemetry import Telemetry
from stream_workers.exact.watchdog import Watchdog
from stream_workers.kafka.backlog import Backlog
from stream_workers.kafka.batches import BatchApp, by_hand
from stream_workers.kafka.broker import Broker
from stream_workers.kafka.entry import faust_options
from stream_workers.kafka.group import CommonPartitions, members, with_instance_id
from stream_workers.kafka.room import Room
from stream_workers.kinds import Kind
from stream_workers.letters.dead_letters import TOPIC_BYTES
from stream_workers.parts import Worker
from stream_workers.settings import Settings
from stream_workers.web.look.gateways import Database
from stream_workers.web.look.read_model import ReadModel
from stream_workers.web.serving.metrics_page import mount_metrics
from stream_workers.web.serving.mounting import mount
from stream_workers.web.trends.keeper import Keeper

# Records handed over at once: more than a portion holds of any gateway's events, so that it ends with a batch. Then
# the bytes in memory that may wait for the agent, or be in its hands, before no more are fetched.
FETCH_RECORDS = 4_000
WAITING_BYTES = 8 * 1024 * 1024

# Bytes fetched ahead, of all partitions together; of one of them a mebibyte is enough.
FETCHED_BYTES = 8 * 1024 * 1024
PARTITION_BYTES = 1024 * 1024

# A dead letter of the largest size that its topic takes.
REQUEST_BYTES = TOPIC_BYTES + 64 * 1024

# A silent worker's partitions move after so long. A static member is expected back, and a restart takes longer.
SESSION_SECONDS = 10.0
STATIC_SESSION_SECONDS = 30.0


def create_app(settings: Settings, kind: Kind, *, broker: Broker, partition_count: int) -> Worker:
    """A Faust app with its agent; ``partition_count`` is what the source topic and the changelog have today."""
    chronicle = Chronicle(settings.kafka, settings.topics, broker)
    worker = _worker(settings, kind, chronicle, broker=broker, partition_count=partition_count)
    _answer_the_group(worker, settings)
    _add_agent(worker)
    mount(
        worker.app,
        settings,
        ready=worker.missing,
        broker=broker,
        follower=worker.follower,
        partitions=worker.partitions,
        read_model=worker.read_model,
        chronicle=chronicle,
        owner=owner_name(settings, kind),
    )
    mount_metrics(worker, settings)
    return worker


def _worker(settings: Settings, kind: Kind, chronicle: Chronicle, *, broker: Broker, partition_count: int) -> Worker:
    app = _app(settings, kind, partition_count)
    table = app.state_table(kind.table, partition_count)
    telemetry = Telemetry(settings, kind)
    book = BOOKS[kind.name].opened(app, settings, owner=owner_name(settings, kind))
    partitions: Partitions[Any] = Partitions(
        app, table, book, broker, write_seconds=settings.worker_write_seconds, telemetry=telemetry
    )
    follower = Follower(
        settings.kafka,
        table.changelog_topic.get_topic_name(),
        broker,
        book=BOOKS[kind.name],
        on_value=partitions.seen,
        ours=table.load,
    )
    backlog = Backlog(broker, app.source)
    lag = Lag(follower, backlog)
    read_model = ReadModel(follower, backlog, lag) if kind.serves_view else None
    return Worker(
        kind=kind,
        app=app,
        table=table,
        partitions=partitions,
        follower=follower,
        backlog=backlog,
        watchdog=Watchdog(app, partitions, backlog, stuck_seconds=settings.worker_stuck_seconds),
        read_model=read_model,
        keeper=Keeper(
            kafka=settings.kafka,
            topics=settings.topics,
            chronicle=chronicle,
            backlog=backlog,
            partitions=partitions,
            read_model=read_model,
            database=Database(settings.postgresql) if settings.postgresql else None,
        )
        if read_model
        else None,
        lag=lag,
        telemetry=telemetry,
        failed=asyncio.get_running_loop().create_future(),
    )


def _answer_the_group(worker: Worker, settings: Settings) -> None:
    """What the consumer asks at an assignment, and before it joins again."""

    async def next_offsets(owned: set[int]) -> Any:
        try:
            return await worker.partitions.assign(owned)
        except Exception as error:
            worker.fail(error)
            raise

    async def rejoining(known_as: str) -> None:
        """The later of two workers with one instance id stays; if both came back, they would take turns for ever."""
        if await _replaced(settings, worker.app, known_as):
            worker.fail(ReplacedError(instance_id=str(settings.worker_instance_id), group=worker.app.conf.id))
            await asyncio.Event().wait()

    worker.app.next_offsets = next_offsets
    worker.app.rejoining = rejoining


def _add_agent(worker: Worker) -> None:
    app = worker.app

    @app.agent(app.raw_topic(app.source), name=f"{app.conf.id}-agent")
    async def fold(stream: StreamT[bytes]) -> None:
        async for event in by_hand(stream).events():
            await _take(worker, event)


async def _take(worker: Worker, event: EventT[bytes]) -> None:
    """Apply a batch; after a failure the agent stands still, so that nothing after it is acknowledged."""
    try:
        await worker.partitions.take(event)
    except Exception as error:  # noqa: BLE001 -- whatever it is, the worker ends with it
        worker.fail(error)
        await asyncio.Event().wait()


async def _replaced(settings: Settings, app: BatchApp, known_as: str) -> bool:
    """Whether somebody else holds this worker's place in the group now."""
    if settings.worker_instance_id is None:
        return False
    try:
        ids = await members(settings.kafka, app.conf.id)
    except KafkaAwayError:
        return False  # Kafka decides then: of two members the later one stays
    return bool(with_instance_id(ids, settings.worker_instance_id) - {known_as})


def owner_name(settings: Settings, kind: Kind) -> str:
    """What people see as the owner of a partition: the instance id, or host, process and web port."""
    return settings.worker_instance_id or f"{socket.gethostname()}:{settings.web_port(kind)}#{os.getpid()}"


def _app(settings: Settings, kind: Kind, partition_count: int) -> BatchApp:
    topics = settings.topics
    app = BatchApp(
        kind.group(topics),
        broker_client_id=owner_name(settings, kind),
        **faust_options(settings.kafka),
        store="memory://",
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=partition_count,
        PartitionAssignor=CommonPartitions,
        table_standby_replicas=0,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        agent_supervisor=mode.CrashingSupervisor,
        consumer_group_instance_id=settings.worker_instance_id,
        broker_max_poll_records=FETCH_RECORDS,
        broker_session_timeout=SESSION_SECONDS if settings.worker_instance_id is None else STATIC_SESSION_SECONDS,
        broker_heartbeat_interval=3.0,
        broker_rebalance_timeout=20.0,
        broker_request_timeout=30.0,
        broker_commit_interval=2.0,
        broker_commit_every=None,
        producer_request_timeout=30.0,
        producer_linger=0.0,
        producer_compression_type="snappy",
        producer_max_request_size=REQUEST_BYTES,
        consumer_metadata_max_age_ms=30_000,
        consumer_max_fetch_size=min(PARTITION_BYTES, FETCHED_BYTES // partition_count),
        web_bind=settings.worker_web_host,
        web_port=settings.web_port(kind),
        # Kafka hands a static member that is back the assignment of its former self; Faust wants its own URL in it.
        canonical_url=f"http://{settings.worker_instance_id or f'{socket.gethostname()}:{settings.web_port(kind)}'}",
        web_stats_enabled=False,
        web_tables_enabled=False,
        web_router_enabled=False,
    )
    app.source = topics.applications
    app.room = Room(WAITING_BYTES)
    app.rank, app.is_state = rank, partial(is_state, BOOKS[kind.name])
    return app
