"""Settings of the stream workers, read from the environment and `.env` in the entry points only."""

from pydantic import Field, SecretStr

from runtime.postgresql.server import PostgreSQL
from runtime.postgresql.settings import DatabaseUrl
from runtime.settings import ServiceSettings
from stream_workers.kinds import KINDS, Kind


class Settings(ServiceSettings):
    """One frozen tree; an impossible value stops the start with a message that names it."""

    database_url: DatabaseUrl | None = Field(None, description="the PostgreSQL that holds the applications")
    worker_web_host: str = Field("127.0.0.1", description="the address that the web view listens on")
    worker_web_port: int | None = Field(
        None, ge=1, le=65535, description=", ".join(f"{kind.port} for {kind.name}" for kind in KINDS.values())
    )
    worker_web_token: SecretStr | None = Field(
        None, min_length=16, description="whoever opens the web view must know it; at least 16 characters"
    )
    worker_web_hosts: str | None = Field(
        None,
        description="names by which the web view may be opened, with commas; without it and a token: the loopback's",
    )
    worker_web_open: bool = Field(False, description="show the web view to other machines without a token")
    worker_instance_id: str | None = Field(
        None, pattern=r"^[A-Za-z0-9._-]{1,200}$", description="static membership: no rebalance on a restart within 30 s"
    )
    worker_write_seconds: float = Field(0.2, ge=0.01, le=5, description="least time between two writes of one state")
    worker_stuck_seconds: float = Field(
        60.0, ge=5, description="behind the broker without progress for this long: the worker ends itself"
    )
    journal_user_names: bool = Field(False, description="whether the journal shows user names in full")

    @property
    def postgresql(self) -> PostgreSQL | None:
        """The database and how to get in, where the web view may look into it."""
        return PostgreSQL.at(self.database_url.get_secret_value()) if self.database_url else None

    def web_port(self, kind: Kind) -> int:
        """The port of one kind of worker: the one that is set, else the kind's own."""
        return self.worker_web_port or kind.port

    def neighbours(self) -> dict[Kind, int]:
        """The ports of all kinds on one machine: a port that is set is the first one's, and the others follow it."""
        first = self.worker_web_port
        return {kind: first + place if first else kind.port for place, kind in enumerate(KINDS.values())}
