"""Settings of the development stack, read from the environment and `.env` in the entry points only."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where the embedded servers keep their data and listen. A port that is set is used or refused, never replaced."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    headgate_data_dir: Path = Field(Path(".headgate"), description="data, logs and addresses of the development stack")
    postgres_port: int = Field(5432, ge=1, le=65535, description="of the embedded PostgreSQL")
    kafka_port: int = Field(9092, ge=1, le=65535, description="of the embedded Kafka broker, the first of three")
    secure: bool = Field(
        False, description="a Kafka that is got into as a managed one: SASL_SSL, a user with a password, rights"
    )
    cluster: bool = Field(
        False, description="three brokers, two gateways, three metrics workers, and a replica of PostgreSQL"
    )
