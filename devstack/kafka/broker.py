"""Apache Kafka brokers, real ones, on loopback: KRaft in combined mode, each one broker and controller."""

import base64
import shutil
import signal
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devstack.child import Child, end_leftover, spawn
from devstack.kafka import java
from devstack.kafka.access import OPEN, Access
from devstack.ports import HOST, free_port
from devstack.server import Server
from runtime.kafka.access.settings import AccessSettings
from runtime.kafka.clients import Kafka

# A locale with UTF-8 in every libc: without it Java cannot name a folder that has other letters than English ones.
_ENVIRONMENT = {"LC_ALL": "C.UTF-8"}


@dataclass(frozen=True)
class Quorum:
    """What the nodes of one cluster have in common: its id, and each node's controller port by node id."""

    controller_ports: Mapping[int, int]
    cluster_id: str

    @property
    def voters(self) -> str:
        return ",".join(f"{node}@{HOST}:{port}" for node, port in self.controller_ports.items())


def new_cluster_id() -> str:
    """A random one, in the form that Kafka writes its UUIDs: base64 without padding."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes)[:22].decode()


def kafka_of(bootstrap: str, access: Access) -> Kafka:
    """For clients of brokers that are got into like that."""
    values: dict[str, Any] = {"KAFKA_SECURITY_PROTOCOL": access.protocol, **access.settings}
    settings = AccessSettings(_env_file=None, **{name.lower(): value for name, value in values.items()})
    return Kafka(bootstrap, settings.kafka_security)


class Broker(Server):
    """One node in one data folder; by default a cluster of its own.

    ``config`` are broker settings over the defaults here, such as ``{"replica.lag.time.max.ms": "1000"}``.
    """

    _ready = "Kafka Server started"
    _ready_seconds = 90.0
    _stop_signal = signal.SIGTERM  # a controlled shutdown

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int = 0,
        node_id: int = 1,
        quorum: Quorum | None = None,
        config: Mapping[str, str] | None = None,
        access: Access = OPEN,
        log: Path | None = None,
        java_flags: Sequence[str] = (),
    ) -> None:
        super().__init__(data_dir, name=f"Kafka broker {node_id}", port=port, log=log or data_dir / "broker.log")
        self.node_id = node_id
        self.quorum = quorum
        self.config = dict(config or {})
        self.access = access
        self.inner_port = 0
        self.java_flags = tuple(java_flags)
        self._storage = self.data_dir / "storage"
        self._temporary = self.data_dir / "tmp"
        self._pid_file = self.data_dir / "broker.pid"

    @property
    def inner(self) -> Kafka:
        """For an administrator on this machine: the listener that needs no login."""
        return Kafka(f"{HOST}:{self.inner_port}")

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def kafka(self) -> Kafka:
        """For clients."""
        return kafka_of(self.bootstrap, self.access)

    def launch(self) -> None:
        """Format the storage if there is none and start the broker."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.end_leftover()
        shutil.rmtree(self._temporary, ignore_errors=True)  # a killed broker leaves libraries that it unpacked there
        self._temporary.mkdir()
        self.port = self.port or free_port()
        self.inner_port = self.inner_port or free_port()
        self.quorum = self.quorum or Quorum({self.node_id: free_port()}, new_cluster_id())
        if not self._storage.exists():
            self._format()
        properties = self._write_properties("broker.properties", self._storage)
        self.child = self._java(
            "kafka.Kafka",
            properties,
            name=self.name,
            flags=self.java_flags,
            pid_file=self._pid_file,
        )

    def end_leftover(self) -> None:
        """End what a killed parent may have left running on this data."""
        end_leftover(self._pid_file)

    def _format(self) -> None:
        """Into a folder beside, renamed when whole: an interrupted format leaves nothing half."""
        quorum = self._required_quorum()
        partial = self.data_dir / "storage.partial"
        shutil.rmtree(partial, ignore_errors=True)
        properties = self._write_properties("format.properties", partial)
        tool = self._java(
            "kafka.tools.StorageTool",
            "format",
            f"--cluster-id={quorum.cluster_id}",
            "-c",
            properties,
            *self.access.format,
            name="Kafka's format",
        )
        try:
            tool.wait_until(lambda: tool.process.poll() == 0, seconds=90)
        finally:
            tool.kill()
        partial.rename(self._storage)

    def _java(self, main: str, *args: str, name: str, flags: Sequence[str] = (), pid_file: Path | None = None) -> Child:
        return spawn(
            [*java.command(), f"-Djava.io.tmpdir={self._temporary.name}", *flags, main, *args],
            name=name,
            log=self.log,
            cwd=self.data_dir,
            env=_ENVIRONMENT,
            pid_file=pid_file,
        )

    def _write_properties(self, name: str, storage: Path) -> str:
        """The file's name: the broker runs inside its folder, so that no path needs quoting in the file."""
        lines = (f"{key}={value}\n" for key, value in self._properties(storage).items())
        (self.data_dir / name).write_text("".join(lines))
        return name

    def _properties(self, storage: Path) -> dict[str, str]:
        quorum = self._required_quorum()
        replicas = len(quorum.controller_ports)
        return {
            "process.roles": "broker,controller",
            "node.id": str(self.node_id),
            "controller.quorum.voters": quorum.voters,
            "controller.listener.names": "CONTROLLER",
            **self._listeners(quorum),
            "log.dirs": storage.name,
            "auto.create.topics.enable": "false",
            "default.replication.factor": str(replicas),
            "min.insync.replicas": str(min(replicas, 2)),
            "offsets.topic.replication.factor": str(replicas),
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": str(replicas),
            "transaction.state.log.min.isr": str(min(replicas, 2)),
            "transaction.state.log.num.partitions": "4",
            "group.initial.rebalance.delay.ms": "0",
            "replica.lag.time.max.ms": "10000",
            # A broker that was killed may register again only when its former session is over.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            # The controller writes to its log twice a second for nothing by default: half of what an idle broker does.
            "metadata.max.idle.interval.ms": "5000",
            "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
            **self.config,
        }

    def _listeners(self, quorum: Quorum) -> dict[str, str]:
        """One for clients; brokers and controllers talk among themselves on loopback, whoever is anonymous there."""
        doors = {"CLIENTS": self.bootstrap, "BROKERS": f"{HOST}:{self.inner_port}"}
        advertised = [f"{name}://{address}" for name, address in doors.items()]
        own = f"CONTROLLER://{HOST}:{quorum.controller_ports[self.node_id]}"
        return {
            "listeners": ",".join([*advertised, own]),
            "advertised.listeners": ",".join(advertised),
            "inter.broker.listener.name": "BROKERS",
            "listener.security.protocol.map": (
                f"CLIENTS:{self.access.protocol},BROKERS:PLAINTEXT,CONTROLLER:PLAINTEXT"
            ),
            **{f"listener.name.clients.{name}": value for name, value in self.access.properties.items()},
        }

    def _required_quorum(self) -> Quorum:
        if self.quorum is None:
            raise RuntimeError("the broker has not been launched")
        return self.quorum
