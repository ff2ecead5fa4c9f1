"""Puts the web view of a worker together."""

import time
from typing import Any

from stream_workers.batches import BatchApp
from stream_workers.broker import Broker
from stream_workers.changelog import Follower
from stream_workers.partitions import Partitions
from stream_workers.settings import Settings
from stream_workers.web.access import Access
from stream_workers.web.board import Board
from stream_workers.web.facts import Facts
from stream_workers.web.forms import Forms
from stream_workers.web.gateways import Database
from stream_workers.web.letters_page import Letters
from stream_workers.web.pages import PATHS, Ready, mount_health, mount_pages
from stream_workers.web.read_model import ReadModel
from stream_workers.web.site import Site
from stream_workers.web.trace_page import Traces


def mount(
    app: BatchApp,
    settings: Settings,
    *,
    ready: Ready,
    broker: Broker,
    follower: Follower,
    partitions: Partitions[Any],
    read_model: ReadModel | None,
    owner: str,
) -> None:
    """Health on every worker; the pages where there is a ``read_model``, which is on metrics workers."""
    mount_health(app, ready=ready)
    if read_model is None:
        return
    bootstrap, topics = settings.kafka_bootstrap_servers, settings.topics
    board = Board(
        bootstrap=bootstrap,
        topics=topics,
        broker=broker,
        read_model=read_model,
        follower=follower,
        database=Database(settings.database_url.get_secret_value()) if settings.database_url else None,
    )
    facts = Facts(
        topics=topics,
        board=board,
        traces=Traces(bootstrap, topics),
        letters=Letters(bootstrap, topics, broker),
        read_model=read_model,
        worker=partitions,
        owner=owner,
        missing=ready,
        started_at=time.time(),
    )
    site = Site(facts, Access.of(settings), PATHS)
    mount_pages(app, site, Forms(site, bootstrap=bootstrap, topics=topics))
