"""What a person wants of `headgate run`, and the settings that its services get from that."""

from dataclasses import dataclass, replace

from pydantic import SecretStr

from cli import environment
from cli.errors import CommandError
from cli.settings import Settings as TopicSettings
from cli.settings import Shape
from cli.stack.services import Service
from devstack.ports import free_port, required_port, usual_port
from devstack.servers import Servers
from devstack.settings import Settings as DevstackSettings
from gateway.settings import Settings as GatewaySettings
from runtime.postgresql.server import PostgreSQL
from runtime.postgresql.settings import DatabaseSettings
from stream_workers.kinds import KINDS, METRICS
from stream_workers.settings import Settings as WorkerSettings

# One person's load test is no crowd of visitors.
_RATE_LIMIT_PER_MINUTE = "1000000"
_LAST_PORT = 65535
# The metrics workers that a cluster has beside the first.
_MORE = (2, 3)


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
        return not self.gateway.model_fields_set & {"database_url", "database_url_file"}

    @property
    def embeds_kafka(self) -> bool:
        return "kafka_bootstrap_servers" not in self.gateway.model_fields_set

    def ports(self) -> dict[str, str]:
        """Where the services will listen; DevstackError or CommandError if a port that somebody set cannot be had."""
        return {"GATEWAY_PORT": str(self._gateway_port()), "WORKER_WEB_PORT": str(self._worker_web_port())}

    def of_services(self, ports: dict[str, str], embedded: Servers) -> dict[str, str]:
        """The settings that say where everything listens; those of servers that somebody else runs are as set."""
        postgres, replica, brokers = embedded.postgres, embedded.replica, embedded.brokers
        settings = {
            **({"DATABASE_URL": postgres.url()} if postgres else self._database()),
            **(brokers.settings if brokers else {"KAFKA_BOOTSTRAP_SERVERS": self.gateway.kafka_bootstrap_servers}),
            **ports,
        }
        if replica:
            settings["DATABASE_READ_URL"] = replica.url()
        if not environment.is_set("RATE_LIMIT_PER_MINUTE"):
            settings["RATE_LIMIT_PER_MINUTE"] = _RATE_LIMIT_PER_MINUTE
        return settings

    def database(self, embedded: Servers) -> PostgreSQL:
        """The one that the services will use."""
        if embedded.postgres is None:
            return self.gateway.postgresql
        return replace(PostgreSQL.at(embedded.postgres.url()), schema=self.gateway.database_schema)

    def _database(self) -> dict[str, str]:
        """As it was set, so that commands in other terminals find it, too."""
        names = self.gateway.model_fields_set & set(DatabaseSettings.model_fields)
        given = {name.upper(): getattr(self.gateway, name) for name in sorted(names)}
        return {
            name: value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            for name, value in given.items()
            if value is not None
        }

    def services(self, settings: dict[str, str]) -> list[Service]:
        """The gateway, the metrics worker on the port that is set, the others on the next; a cluster's more after."""
        gateway_port, web_port = int(settings["GATEWAY_PORT"]), int(settings["WORKER_WEB_PORT"])
        wanted = [
            _service("gateway", settings, gateway_port),
            *(_service(f"worker-{name}", settings, web_port + place) for place, name in enumerate(KINDS)),
        ]
        if self.devstack.cluster:
            wanted += [
                _service("gateway", settings, gateway_port + 1, number=2),
                *(
                    _service(f"worker-{METRICS}", self._of_worker(settings, number), web_port + place, number=number)
                    for place, number in enumerate(_MORE, start=len(KINDS))
                ),
            ]
        return wanted

    def _of_worker(self, settings: dict[str, str], number: int) -> dict[str, str]:
        """An id of its own for a further worker: two with the same one would fence each other."""
        instance = self.worker.worker_instance_id
        return settings | ({"WORKER_INSTANCE_ID": f"{instance}-{number}"} if instance else {})

    def topic_shape(self) -> Shape:
        """As set; three embedded brokers want three replicas unless something else is set."""
        shape = self.topics.shape()
        own_cluster = self.devstack.cluster and self.embeds_kafka
        if own_cluster and "kafka_replication_factor" not in self.topics.model_fields_set:
            return replace(shape, replication_factor=3, min_insync_replicas=2)
        return shape

    def _gateway_port(self) -> int:
        count = 2 if self.devstack.cluster else 1
        if "gateway_port" in self.gateway.model_fields_set:
            return _required_row(self.gateway.gateway_port, count, "GATEWAY_PORT")
        return _usual_row(self.gateway.gateway_port, count)

    def _worker_web_port(self) -> int:
        count = len(KINDS) + (len(_MORE) if self.devstack.cluster else 0)
        if self.worker.worker_web_port is not None:
            return _required_row(self.worker.worker_web_port, count, "WORKER_WEB_PORT")
        return _usual_row(METRICS.port, count)


def _service(name: str, settings: dict[str, str], port: int, *, number: int = 1) -> Service:
    """One of the commands `gateway` and `worker KIND`; the second of a kind has its number."""
    own = {**settings, "GATEWAY_PORT" if name == "gateway" else "WORKER_WEB_PORT": str(port)}
    return Service(name if number == 1 else f"{name}-{number}", tuple(name.split("-")), own, port, "/readyz")


def _required_row(first: int, count: int, setting: str) -> int:
    if first + count - 1 > _LAST_PORT:
        raise CommandError(f"{setting}: {count} ports from {first} on are needed, and there is none after {_LAST_PORT}")
    for port in range(first, first + count):
        required_port(port, setting)
    return first


def _usual_row(first: int, count: int) -> int:
    """The first of so many neighbours: the usual one, if all of them are free."""
    row = range(first, first + count)
    return first if all(usual_port(port) == port for port in row) else free_port(neighbours=count)
