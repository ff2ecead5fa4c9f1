"""Settings of the stream workers, read from the environment and `.env` in the entry points only."""

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator

from runtime.secrets import SecretUnreadableError
from runtime.settings import ServiceSettings
from stream_workers.kinds import KINDS, Kind

_TOKEN_LENGTH = 16


class Settings(ServiceSettings):
    """One frozen tree; an impossible value stops the start with a message that names it."""

    worker_web_host: str = Field("127.0.0.1", description="the address that the web view listens on")
    worker_web_port: int | None = Field(
        None, ge=1, le=65535, description=", ".join(f"{kind.port} for {kind.name}" for kind in KINDS.values())
    )
    worker_web_token: SecretStr | None = Field(
        None,
        min_length=_TOKEN_LENGTH,
        description=f"whoever opens the web view must know it; at least {_TOKEN_LENGTH} characters",
    )
    worker_web_token_file: Path | None = Field(None, description="a file that holds WORKER_WEB_TOKEN")
    worker_web_hosts: str | None = Field(
        None,
        description="names by which the web view may be opened, with commas; without it and a token: the loopback's",
    )
    worker_web_root_path: str = Field(
        "",
        pattern=r"^(/[A-Za-z0-9._~-]+)*$",
        description="the path below which a proxy shows the web view, such as `/headgate/view`; the proxy takes it off",
    )
    worker_web_open: bool = Field(
        False, description="show the web view to other machines without a token; names stay masked then"
    )
    worker_instance_id: str | None = Field(
        None, pattern=r"^[A-Za-z0-9._-]{1,200}$", description="static membership: no rebalance on a restart within 30 s"
    )
    worker_write_seconds: float = Field(0.2, ge=0.01, le=5, description="least time between two writes of one state")
    worker_stuck_seconds: float = Field(
        60.0, ge=5, description="behind the broker without progress for this long: the worker ends itself"
    )
    journal_user_names: bool = Field(False, description="whether the journal shows user names in full")

    def web_port(self, kind: Kind) -> int:
        """The port of one kind of worker: the one that is set, else the kind's own."""
        return self.worker_web_port or kind.port

    def neighbours(self) -> dict[Kind, int]:
        """The ports of all kinds on one machine: a port that is set is the first one's, and the others follow it."""
        first = self.worker_web_port
        return {kind: first + place if first else kind.port for place, kind in enumerate(KINDS.values())}

    @model_validator(mode="after")
    def _token_is_long(self) -> Self:
        try:
            token = self.web_token
        except SecretUnreadableError as error:
            raise ValueError(f"WORKER_WEB_TOKEN_FILE: {error}") from None
        if token is not None and len(token) < _TOKEN_LENGTH:
            raise ValueError(f"WORKER_WEB_TOKEN_FILE: its content must have at least {_TOKEN_LENGTH} characters")
        return self

    @property
    def web_token(self) -> str | None:
        """What one must know to look, itself or from its file."""
        token = self.secret("worker_web_token")
        return token.read() if token else None
