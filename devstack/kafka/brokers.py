"""A cluster of brokers: one, or three of which any one may be away."""

from collections.abc import Mapping
from pathlib import Path

from devstack.kafka.access import OPEN, Access
from devstack.kafka.broker import Broker, Quorum, kafka_of, new_cluster_id
from devstack.ports import free_port
from runtime.kafka.clients import Kafka


class Brokers:
    """``nodes[0]`` to ``nodes[count - 1]`` under one data folder; with three, two replicas must be in sync.

    Topics get a replication factor of ``count`` unless they say otherwise. ``ports`` are the brokers' own, in order.
    """

    def __init__(
        self,
        data_dir: Path,
        count: int = 3,
        *,
        ports: tuple[int, ...] = (),
        config: Mapping[str, str] | None = None,
        access: Access = OPEN,
        log_dir: Path | None = None,
    ) -> None:
        ids = range(1, count + 1)
        quorum = Quorum({node: free_port() for node in ids}, cluster_id=_cluster_id(data_dir))
        self._access = access
        self.nodes = [
            Broker(
                data_dir / str(node),
                port=port,
                node_id=node,
                quorum=quorum,
                config=config,
                access=access,
                log=(log_dir or data_dir) / f"kafka-{node}.log",
            )
            for node, port in zip(ids, ports or (0,) * count, strict=True)
        ]

    @property
    def bootstrap(self) -> str:
        return ",".join(node.bootstrap for node in self.nodes)

    @property
    def kafka(self) -> Kafka:
        """For clients."""
        return kafka_of(self.bootstrap, self._access)

    @property
    def settings(self) -> dict[str, str]:
        """By which Headgate gets in."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "KAFKA_SECURITY_PROTOCOL": self._access.protocol,
            **self._access.settings,
        }

    def start(self) -> None:
        """Start the whole cluster; a node alone has no quorum and would not become ready."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """The part of ``start`` that does not wait for the brokers."""
        for node in self.nodes:
            node.launch()

    def end_leftovers(self) -> None:
        """End what a killed parent may have left running on this data."""
        for node in self.nodes:
            node.end_leftover()

    def wait_ready(self) -> None:
        for node in self.nodes:
            node.wait_ready()

    def stop(self) -> None:
        """One broker ends in order; several get SIGKILL, for the last ones would wait for a quorum that is gone."""
        for node in self.nodes:
            if len(self.nodes) == 1:
                node.stop()
            else:
                node.kill()


def _cluster_id(data_dir: Path) -> str:
    """The id that all nodes are formatted with, also those that an interrupted first start left unformatted."""
    file = data_dir / "cluster-id"
    if not file.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial")
        partial.write_text(new_cluster_id())
        partial.replace(file)
    return file.read_text()
