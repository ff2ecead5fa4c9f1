"""The settings that both services have: where Kafka is, and how a process logs and traces."""

from functools import lru_cache
from typing import Literal

from pydantic import Field

from contracts import Topics
from runtime.kafka.access.security import Security
from runtime.kafka.access.settings import AccessSettings
from runtime.kafka.clients import Kafka
from runtime.postgresql.settings import DatabaseSettings

_ADDRESS = r"(\[[0-9A-Fa-f:.]+\]|[^\s,:\[\]]+):[0-9]{1,5}"

BOOTSTRAP_SERVERS = rf"^{_ADDRESS}(\s*,\s*{_ADDRESS})*$"
"""What KAFKA_BOOTSTRAP_SERVERS looks like, as a regular expression: host:port, several with commas."""


class ServiceSettings(AccessSettings, DatabaseSettings):
    """What both services read."""

    kafka_bootstrap_servers: str = Field(
        "127.0.0.1:9092",
        pattern=BOOTSTRAP_SERVERS,
        description="brokers to start from, `host:port`, separated by commas",
    )
    kafka_prefix: str = Field("", pattern=r"^[A-Za-z0-9._-]{0,100}$", description="put before topic and group names")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="the least that is logged")
    log_format: Literal["console", "json"] = Field("console", description="lines for people, or one JSON object each")
    otel_exporter_otlp_endpoint: str | None = Field(
        None,
        pattern="^https?://",
        description="an OTLP/HTTP collector, such as http://127.0.0.1:4318; none = no traces",
    )

    @property
    def topics(self) -> Topics:
        return Topics(self.kafka_prefix)

    @property
    def kafka(self) -> Kafka:
        """The brokers and how to get in."""
        return _one_kafka(self.kafka_bootstrap_servers, self.kafka_security)


@lru_cache
def _one_kafka(bootstrap_servers: str, security: Security) -> Kafka:
    """The same for the whole process: it keeps the certificates and the token of now."""
    return Kafka(bootstrap_servers, security)
