"""Puts the web view of a worker together."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from stream_workers.chronicle.topic import Chronicle
from stream_workers.consumers.watched import Consumers, Watched, sampled
from stream_workers.exact.changelog import Follower
from stream_workers.exact.partitions import Partitions
from stream_workers.kafka.batches import BatchApp
from stream_workers.kafka.broker import Broker
from stream_workers.settings import Settings
from stream_workers.web.facts.facts import Facts
from stream_workers.web.facts.letters_page import Letters
from stream_workers.web.facts.trace_page import Traces
from stream_workers.web.look.apart import Apart
from stream_workers.web.look.board import Board
from stream_workers.web.look.gateways import Database
from stream_workers.web.look.polled import Polled
from stream_workers.web.look.read_model import ReadModel
from stream_workers.web.serving.access import Access
from stream_workers.web.serving.forms import Forms
from stream_workers.web.serving.pages import PATHS, Ready, mount_health, mount_pages
from stream_workers.web.serving.site import Site
from stream_workers.web.trends.history import History


def mount(
    app: BatchApp,
    settings: Settings,
    *,
    ready: Ready,
    broker: Broker,
    follower: Follower,
    partitions: Partitions[Any],
    read_model: ReadModel | None,
    chronicle: Chronicle,
    owner: str,
) -> None:
    """Health on every worker; the pages where there is a ``read_model``, which is on metrics workers."""
    mount_health(app, ready=ready)
    if read_model is None:
        return
    kafka, topics = settings.kafka, settings.topics
    board = Board(
        kafka=kafka,
        topics=topics,
        broker=broker,
        read_model=read_model,
        follower=follower,
        database=Database(settings.postgresql) if settings.postgresql else None,
        chronicle=chronicle,
    )
    watched = Watched(kafka, topics.applications, broker, read_model.states)
    consumers = Polled(watched.ask, every=5.0, timeout=9.0)
    apart = Apart()
    facts = Facts(
        topics=topics,
        board=board,
        traces=Traces(kafka, topics, apart=apart),
        letters=Letters(kafka, topics, broker, apart=apart),
        read_model=read_model,
        history=History(read_model),
        consumers=consumers,
        worker=partitions,
        owner=owner,
        missing=ready,
        started_at=time.time(),
    )
    server: Any = app.web
    server.web_app.cleanup_ctx.append(_sampling(consumers))
    site = Site(facts, Access.of(settings), PATHS, settings.worker_web_root_path)
    mount_pages(app, site, Forms(site, kafka=kafka, topics=topics))


def _sampling(consumers: Polled[Consumers]) -> Callable[[object], AsyncIterator[None]]:
    """A sample of the groups a minute, for as long as the server runs."""

    async def sampling(_app: object) -> AsyncIterator[None]:
        task = asyncio.create_task(sampled(consumers.refresh))
        yield
        task.cancel()

    return sampling
