"""What a person wants of `headgate run`, and the settings that its services get from that."""

from dataclasses import dataclass, replace

from cli import environment
from cli.errors import CommandError
from cli.services import Service
from cli.settings import Settings as TopicSettings
from cli.settings import Shape
from devstack.ports import free_port, is_free, required_port, usual_port
from devstack.settings import Settings as DevstackSettings
from gateway.settings import Settings as GatewaySettings
from stream_workers.settings import WEB_PORTS
from stream_workers.settings import Settings as WorkerSettings

# One person's load test is no crowd of visitors.
_RATE_LIMIT_PER_MINUTE = "1000000"
_LAST_PORT = 65535


@dataclass(frozen=True)
class Wanted:
    """The settings of all parts, as the environment and `.env` have them."""

    gateway: GatewaySettings
    worker: WorkerSettings
    topics: TopicSettings
    devstack: DevstackSettings

    @classmethod
    def read(cls) -> "Wanted":
        """CommandError if one of them is impossible."""
        return cls(
            environment.read(GatewaySettings),
            environment.read(WorkerSettings),
            environment.read(TopicSettings),
            environment.read(DevstackSettings),
        )

    @property
    def embeds_postgres(self) -> bool:
        return "database_url" not in self.gateway.model_fields_set

    @property
    def embeds_kafka(self) -> bool:
        return "kafka_bootstrap_servers" not in self.gateway.model_fields_set

    def ports(self) -> dict[str, str]:
        """Where the services will listen; DevstackError or CommandError if a port that somebody set cannot be had."""
        return {"GATEWAY_PORT": str(self._gateway_port()), "WORKER_WEB_PORT": str(self._worker_web_port())}

    def of_services(self, ports: dict[str, str], *, database_url: str | None, bootstrap: str | None) -> dict[str, str]:
        """The settings that say where everything listens; None stands for a server that somebody else runs."""
        settings = {
            "DATABASE_URL": database_url or self.gateway.database_url.get_secret_value(),
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap or self.gateway.kafka_bootstrap_servers,
            **ports,
        }
        if not environment.is_set("RATE_LIMIT_PER_MINUTE"):
            settings["RATE_LIMIT_PER_MINUTE"] = _RATE_LIMIT_PER_MINUTE
        return settings

    def services(self, settings: dict[str, str]) -> list[Service]:
        """The gateway, the metrics worker on the port that is set, the journal on the next."""
        gateway_port, web_port = int(settings["GATEWAY_PORT"]), int(settings["WORKER_WEB_PORT"])
        journal = {**settings, "WORKER_WEB_PORT": str(web_port + 1)}
        return [
            Service("gateway", ("gateway",), settings, gateway_port, "/readyz"),
            Service("worker-metrics", ("worker", "metrics"), settings, web_port, "/readyz"),
            Service("worker-journal", ("worker", "journal"), journal, web_port + 1, "/readyz"),
        ]

    def topic_shape(self) -> Shape:
        """As set; three embedded brokers want three replicas unless something else is set."""
        shape = self.topics.shape()
        own_cluster = self.devstack.cluster and self.embeds_kafka
        if own_cluster and "kafka_replication_factor" not in self.topics.model_fields_set:
            return replace(shape, replication_factor=3, min_insync_replicas=2)
        return shape

    def _gateway_port(self) -> int:
        if "gateway_port" in self.gateway.model_fields_set:
            return required_port(self.gateway.gateway_port, "GATEWAY_PORT")
        return usual_port(self.gateway.gateway_port)

    def _worker_web_port(self) -> int:
        """The first of two neighbours."""
        if self.worker.worker_web_port is not None:
            if self.worker.worker_web_port == _LAST_PORT:
                raise CommandError(
                    f"WORKER_WEB_PORT: the journal takes the next port, and there is none after {_LAST_PORT}"
                )
            for port in (self.worker.worker_web_port, self.worker.worker_web_port + 1):
                required_port(port, "WORKER_WEB_PORT")
            return self.worker.worker_web_port
        usual = WEB_PORTS["metrics"]
        return usual if usual_port(usual) == usual and is_free(usual + 1) else free_port(neighbours=2)
