"""Everything on this machine: PostgreSQL and Kafka (unless settings name others), the gateway and the workers."""

import asyncio
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import typer

from cli.services.migrate import migrate
from cli.stack import services
from cli.stack.screen import screen, step
from cli.stack.wanted import Wanted
from cli.stack.watch import AWAY_SECONDS, Part
from cli.topics import create as topics
from cli.topics.rights import rights
from devstack import addresses, servers
from devstack.child import Child, spawn
from devstack.kafka import jars, preparation
from devstack.kafka.acls import allow
from devstack.server import Server

_WATCH_SECONDS = 0.5


def run(wanted: Wanted) -> None:
    """Start all in order, print one screen, start again what ends, until Ctrl-C; then stop all.

    Raises CommandError or DevstackError when something does not start.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        with ExitStack() as running:
            _watch(_start(wanted, running))
    except KeyboardInterrupt:
        typer.echo("stopped")


@dataclass(frozen=True)
class _Running:
    """All processes of one stack; in a cluster every one may be away for a while."""

    parts: list[Part]
    cluster: bool


def _start(wanted: Wanted, running: ExitStack) -> _Running:
    """All processes, ready; ``running`` ends them, the services first and the servers after."""
    data_dir = wanted.devstack.headgate_data_dir.absolute()
    running.enter_context(addresses.claim(data_dir))
    running.callback(addresses.withdraw, data_dir)
    typer.echo("Headgate starts")
    ports = wanted.ports()
    embedded = _start_servers(wanted, running)
    settings = wanted.of_services(ports, embedded)
    _prepare_servers(wanted, embedded)
    wanted_services = wanted.services(settings)
    children = _start_services(wanted_services, data_dir / "logs", running)
    addresses.publish(data_dir, settings)
    typer.echo(screen(settings, wanted_services, data_dir, own_postgres=wanted.embeds_postgres))
    if embedded.brokers and not preparation.remembers_classes():
        _prepare_next_start(data_dir / "logs", running)
    parts = [*map(_of_server, embedded.nodes), *_of_services(wanted_services, data_dir / "logs", children)]
    return _Running(parts, wanted.devstack.cluster)


def _start_servers(wanted: Wanted, running: ExitStack) -> servers.Servers:
    if wanted.embeds_kafka and not jars.is_cached():
        with step("Kafka is fetched from Maven Central, once: 43 MB"):
            jars.class_path()
    with step("PostgreSQL and Kafka are launched"):
        return servers.launch(wanted.devstack, running, postgres=wanted.embeds_postgres, kafka=wanted.embeds_kafka)


def _prepare_servers(wanted: Wanted, embedded: servers.Servers) -> None:
    """The schema while the brokers are still starting, then the topics."""
    with step("PostgreSQL is ready and migrated"):
        if embedded.postgres:
            embedded.postgres.wait_ready()
        asyncio.run(migrate(wanted.database(embedded)))
    if embedded.replica:
        with step("its replica follows"):
            embedded.replica.start()
    with step("Kafka is ready and has its topics"):
        if embedded.brokers:
            embedded.brokers.wait_ready()
            if wanted.devstack.secure:
                asyncio.run(allow(embedded.brokers.nodes[0].inner, rights(wanted.gateway.topics)))
        shape = wanted.topic_shape()
        kafka = embedded.brokers.kafka if embedded.brokers else wanted.gateway.kafka
        asyncio.run(topics.create(kafka, wanted.gateway.topics, shape))


def _start_services(wanted: list[services.Service], logs: Path, running: ExitStack) -> list[Child]:
    children: list[Child] = []
    running.callback(services.stop, children)
    running.callback(typer.echo, "stopping …")
    with step("all gateways and workers are ready"):
        services.start(wanted, logs, children)
    return children


def _of_server(server: Server) -> Part:
    return Part(server.running_child, server.launch)


def _of_services(wanted: list[services.Service], logs: Path, children: list[Child]) -> Iterator[Part]:
    """``children`` has the process of each service in its order, replaced when it starts again."""
    for position, service in enumerate(wanted):

        def again(position: int = position, service: services.Service = service) -> None:
            children[position] = services.launch(service, logs)

        yield Part(partial(children.__getitem__, position), again)


def _prepare_next_start(logs: Path, running: ExitStack) -> None:
    command = [sys.executable, "-m", "devstack.kafka.preparation"]
    child = spawn(command, name="the preparation of faster starts", log=logs / "preparation.log")
    running.callback(child.kill)


def _watch(stack: _Running) -> None:
    """Return never: Ctrl-C ends it, or a CommandError with the last words of a process that ended soon after its start.

    One that ended later (killed, or a worker that could not go on) is started again.
    """
    while True:
        for part in stack.parts:
            part.look(away=AWAY_SECONDS if stack.cluster else 0)
        time.sleep(_WATCH_SECONDS)
