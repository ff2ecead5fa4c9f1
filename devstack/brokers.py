"""A cluster of brokers: one, or three of which any one may be away."""

from collections.abc import Mapping
from pathlib import Path

from devstack.broker import Broker, Quorum
from devstack.ports import free_port


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
    ) -> None:
        ids = range(1, count + 1)
        quorum = Quorum({node: free_port() for node in ids})
        self.nodes = [
            Broker(data_dir / str(node), port=port, node_id=node, quorum=quorum, config=config)
            for node, port in zip(ids, ports or (0,) * count, strict=True)
        ]

    @property
    def bootstrap(self) -> str:
        return ",".join(node.bootstrap for node in self.nodes)

    def start(self) -> None:
        """Start the whole cluster; a node alone has no quorum and would not become ready."""
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.wait_ready()

    def stop(self) -> None:
        """SIGKILL to all at once: a controlled shutdown of the last nodes would wait for a quorum that is gone."""
        for node in self.nodes:
            node.kill()
