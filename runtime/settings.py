"""The settings that both services have: where Kafka is, and how a process logs and traces."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts import Topics
from runtime.bounds import Bound, refuse_broken

_ADDRESS = r"(\[[0-9A-Fa-f:.]+\]|[^\s,:\[\]]+):[0-9]{1,5}"

BOOTSTRAP_SERVERS = rf"^{_ADDRESS}(\s*,\s*{_ADDRESS})*$"
"""What KAFKA_BOOTSTRAP_SERVERS looks like, as a regular expression: host:port, several with commas."""


class BoundSettings(BaseSettings):
    """One frozen tree; an impossible value, or two that do not fit, stop the start with a message that names them."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)
    bounds: ClassVar[Sequence[Bound]] = ()

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        refuse_broken(self, self.bounds)
        return self


class ServiceSettings(BoundSettings):
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
