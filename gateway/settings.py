"""Settings of the gateway, read from the environment and `.env` in the entry points only."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts import Topics


def _asyncpg_url(url: SecretStr) -> SecretStr:
    if not url.get_secret_value().startswith("postgresql+asyncpg://"):
        raise ValueError("must look like postgresql+asyncpg://user:password@host:5432/name")
    return url


DatabaseUrl = Annotated[SecretStr, AfterValidator(_asyncpg_url)]


class Settings(BaseSettings):
    """One frozen tree; an impossible value stops the start with a message that names it."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    database_url: DatabaseUrl = SecretStr("postgresql+asyncpg://headgate:headgate@127.0.0.1:5432/headgate")
    kafka_bootstrap_servers: str = Field("127.0.0.1:9092", min_length=1)
    kafka_prefix: str = Field("", pattern=r"^[A-Za-z0-9._-]{0,100}$", description="put before topic and group names")
    gateway_host: str = "127.0.0.1"
    gateway_port: int = Field(8000, ge=0, le=65535)
    gateway_processes: int = Field(1, ge=1, le=64)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["console", "json"] = "console"

    commit_queue_max: int = Field(10_000, ge=1, description="applications that may wait for a commit; past it 503")
    commit_queue_max_bytes: int = Field(16 * 1024 * 1024, ge=64 * 1024, description="bytes that may wait for a commit")
    commit_batch_max: int = Field(500, ge=1, le=5_000, description="applications in one commit")
    commit_deadline_seconds: float = Field(4.0, gt=0, le=8, description="after this long without a commit: 503")
    publish_memory_max: int = Field(
        20_000, ge=1, description="events kept in memory; the rest is read back from PostgreSQL"
    )
    publish_memory_max_bytes: int = Field(16 * 1024 * 1024, ge=64 * 1024, description="bytes of events kept in memory")
    lease_seconds: float = Field(12.0, ge=3, le=60, description="a gateway silent for this long is taken for dead")
    send_timeout_seconds: float = Field(4.0, ge=1, le=20, description="the producer's request timeout; below the lease")
    lame_duck_seconds: float = Field(
        0.5, ge=0, description="after SIGTERM: not ready, but still serving, for this long"
    )
    drain_seconds: float = Field(20.0, ge=0, description="how long a stop waits for Kafka to confirm what was accepted")

    @property
    def topics(self) -> Topics:
        return Topics(self.kafka_prefix)
