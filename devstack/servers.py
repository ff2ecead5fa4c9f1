"""The servers of one stack under one data folder: those that are embedded, started together, stopped in order."""

import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from devstack.errors import DevstackError
from devstack.kafka.access import OPEN, scram
from devstack.kafka.acls import AUTHORIZER
from devstack.kafka.brokers import Brokers
from devstack.kafka.jars import class_path
from devstack.ports import required_port, usual_port
from devstack.postgresql.postgres import Postgres
from devstack.postgresql.standby import Standby
from devstack.server import Server
from devstack.settings import Settings

_LEAST_FREE_BYTES = 300_000_000


@dataclass(frozen=True)
class Servers:
    """What was launched; None for a server that somebody else runs."""

    postgres: Postgres | None
    replica: Standby | None
    brokers: Brokers | None

    @property
    def nodes(self) -> list[Server]:
        """Each one that runs here."""
        databases = [server for server in (self.postgres, self.replica) if server]
        return [*(self.brokers.nodes if self.brokers else ()), *databases]


def launch(settings: Settings, running: ExitStack, *, postgres: bool, kafka: bool) -> Servers:
    """Launch the embedded servers that are wanted; ``running`` stops them. None is ready on return.

    The replica of a cluster is not launched yet: it needs a primary that is ready.
    """
    data_dir = settings.headgate_data_dir.absolute()
    if postgres or kafka:
        _refuse_full_disk(data_dir)
    if kafka:
        class_path()  # the one download, before anything runs
    primary = _launch_postgres(settings, data_dir, running) if postgres else None
    return Servers(
        primary,
        _replica(primary, data_dir, running) if primary and settings.cluster else None,
        _launch_brokers(settings, data_dir, running) if kafka else None,
    )


def port(settings: Settings, name: str) -> int:
    """The port of that setting: if somebody set it that one or an error, else the default or another free one."""
    wanted: int = getattr(settings, name)
    return required_port(wanted, name.upper()) if name in settings.model_fields_set else usual_port(wanted)


def _launch_postgres(settings: Settings, data_dir: Path, running: ExitStack) -> Postgres:
    """Applications are kept apart like the topics that belong to them: either half would miss what the other has."""
    server = Postgres(data_dir / f"postgres{_suffix(settings)}", log=data_dir / "logs" / "postgres.log")
    server.end_leftover()
    server.port = port(settings, "postgres_port")
    running.callback(server.stop)
    server.launch()
    return server


def _replica(primary: Postgres, data_dir: Path, running: ExitStack) -> Standby:
    server = Standby(
        data_dir / "postgres-replica", primary, name="replica", log=data_dir / "logs" / "postgres-replica.log"
    )
    server.end_leftover()
    server.port = usual_port(primary.port + 1)
    running.callback(server.stop)
    return server


def _launch_brokers(settings: Settings, data_dir: Path, running: ExitStack) -> Brokers:
    folder = data_dir / f"kafka{_suffix(settings)}"
    access = scram(folder / "access") if settings.secure else OPEN
    config = AUTHORIZER if settings.secure else None
    brokers = Brokers(folder, 3 if settings.cluster else 1, access=access, config=config, log_dir=data_dir / "logs")
    brokers.end_leftovers()
    brokers.nodes[0].port = port(settings, "kafka_port")
    running.callback(brokers.stop)
    brokers.launch()
    return brokers


def _suffix(settings: Settings) -> str:
    """One node cannot become three, and users are made when the storage is: each has its own data."""
    return ("-cluster" if settings.cluster else "") + ("-secure" if settings.secure else "")


def _refuse_full_disk(data_dir: Path) -> None:
    data_dir.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(data_dir).free
    if free < _LEAST_FREE_BYTES:
        raise DevstackError(
            f"the disk of {data_dir} has {free // 1_000_000} MB free, PostgreSQL and Kafka need "
            f"{_LEAST_FREE_BYTES // 1_000_000} MB: make room, or set HEADGATE_DATA_DIR to another disk"
        )
