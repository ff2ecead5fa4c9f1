"""Everything on this machine: PostgreSQL and Kafka (unless settings name others), the gateway and both workers."""

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import typer

from cli import environment, services, topics
from cli.errors import CommandError
from cli.screen import screen
from cli.services import Service
from cli.settings import Settings as TopicSettings
from devstack import addresses, ports, servers
from devstack.child import Child
from devstack.servers import Servers
from devstack.settings import Settings as DevstackSettings
from gateway.settings import Settings as GatewaySettings
from migrations import migrate
from stream_workers.settings import Settings as WorkerSettings

_WATCH_SECONDS = 0.5
# One person's load test is no visitor to be protected from.
_RATE_LIMIT_PER_MINUTE = "1000000"


def run() -> None:
    """Start all in order, print one screen, watch until Ctrl-C; then stop all.

    Raises CommandError or DevstackError when something does not start, or ends by itself.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    with ExitStack() as running:
        try:
            _run(running)
        except KeyboardInterrupt:
            typer.echo("\nstopping …")
    typer.echo("stopped")


def _run(running: ExitStack) -> None:
    settings = _Settings.read()
    data_dir = settings.devstack.headgate_data_dir.absolute()
    running.enter_context(addresses.claim(data_dir))
    running.callback(addresses.withdraw, data_dir)
    stack = servers.launch(
        settings.devstack, running, postgres=settings.embeds_postgres, kafka=settings.embeds_kafka
    )
