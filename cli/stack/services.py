"""The gateway and the workers as child processes of `headgate run`."""

import http.client
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from devstack.child import Child, spawn
from devstack.ports import HOST
from stream_workers.errors import RestartHelpsError

_READY_SECONDS = 90.0
_STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Service:
    """One `headgate …` command with its settings, and the address that answers 200 once it is ready."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    port: int
    path: str


def start(services: list[Service], logs: Path, children: list[Child]) -> None:
    """Start all at once and return when each is ready; ``children`` gets each one as soon as it runs.

    Raises DevstackError with the last log lines of one that ended instead.
    """
    children.extend(launch(service, logs) for service in services)
    for service, child in zip(services, children, strict=True):
        child.wait_until(partial(_answers, service), seconds=_READY_SECONDS)


def launch(service: Service, logs: Path) -> Child:
    """Start one, without waiting for it to be ready."""
    return spawn(
        [sys.executable, "-m", "cli", *service.command],
        name=f"the {service.name}",
        log=logs / f"{service.name}.log",
        env=service.environment,
        pid_file=logs.parent / f"{service.name}.pid",
        when_orphaned=signal.SIGTERM,
    )


def asks_for_another_start(child: Child) -> bool:
    """A worker that could not go on (Kafka was away too long) ends like that: a new one goes on from its state."""
    return child.process.poll() == RestartHelpsError.exit_code


def stop(children: list[Child]) -> None:
    """SIGTERM to all at once, then wait: each drains what it has accepted."""
    for child in children:
        if child.running:
            child.process.send_signal(signal.SIGTERM)
    for child in children:
        child.stop(seconds=_STOP_SECONDS)


def _answers(service: Service) -> bool:
    connection = http.client.HTTPConnection(HOST, service.port, timeout=5)
    try:
        connection.request("GET", service.path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
