"""Settings of the gateway, read from the environment and `.env` in the entry points only."""

import re
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import NoDecode

from gateway.proxies.root_path import checked_root
from runtime.bounds import Bound
from runtime.host_names import called
from runtime.postgresql.server import PostgreSQL
from runtime.postgresql.settings import DatabaseUrl
from runtime.secrets import SecretUnreadableError
from runtime.settings import ServiceSettings


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _network(text: str) -> str:
    return str(ip_network(text))


def _origin(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or text != f"{parts.scheme}://{parts.netloc}" or not parts.netloc:
        raise ValueError("must look like https://example.org, without a path")
    return text


def _host_name(text: str) -> str:
    name = called(text if text.startswith("[") or text.count(":") < 2 else f"[{text}]")
    if not name or name != text.strip("[]").rstrip(".").lower() or " " in name:
        raise ValueError("must be names or addresses, such as gateway.example or 10.0.0.5, without scheme and port")
    return name


def _contact(text: str) -> str:
    if not re.fullmatch(r"(mailto:[^@\s]+@[^@\s]+|https://[^\s]+|tel:\+[0-9-]+)", text, re.ASCII):
        raise ValueError("must be mailto:security@example.org, or an address that begins with https://")
    return text


def _limit_storage(uri: SecretStr) -> SecretStr:
    if not uri.get_secret_value().startswith(("memory://", "redis://", "rediss://", "redis+unix://")):
        raise ValueError("must be memory:// or redis://host:port/db")
    return uri


CommaSeparated = BeforeValidator(_split)
Networks = Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], NoDecode, CommaSeparated]
Origins = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], NoDecode, CommaSeparated]

Contacts = Annotated[tuple[Annotated[str, AfterValidator(_contact)], ...], NoDecode, CommaSeparated]
HostNames = Annotated[tuple[Annotated[str, AfterValidator(_host_name)], ...], NoDecode, CommaSeparated]


class Settings(ServiceSettings):
    """One frozen tree; an impossible value stops the start with a message that names it."""

    bounds: ClassVar[Sequence[Bound]] = (
        Bound(
            "send_timeout_seconds",
            "lease_seconds",
            "sending stops this long before the lease ends, and a renewal must come before that",
            times=0.5,
        ),
        Bound(
            "lease_seconds",
            "read_lag_seconds_max",
            "a heartbeat comes four times in a lease, and a shorter lag would never be seen",
            times=2,
            when="database_read_url",
        ),
        Bound("batch_max_items", "commit_queue_max", "a full batch must fit into the queue"),
        Bound("batch_body_max_bytes", "commit_queue_max_bytes", "a full batch must fit into the queue"),
        Bound("body_max_bytes", "commit_queue_max_bytes", "an application must fit into the queue"),
        Bound("body_max_bytes", "bodies_max_bytes", "one body must fit into those under way"),
        Bound("batch_body_max_bytes", "bodies_max_bytes", "one body must fit into those under way"),
    )

    database_url: DatabaseUrl = Field(
        SecretStr("postgresql+asyncpg://headgate:headgate@127.0.0.1:5432/headgate"),
        description="the PostgreSQL that holds the applications, as libpq and managed services write it; "
        "a primary and its standbys are `postgresql://user:password@first:5432,second:5432/name`",
    )
    database_read_url: DatabaseUrl | None = Field(
        None, description="a streaming replica of it for lists; none = everything is read from DATABASE_URL"
    )
    database_read_url_file: Path | None = Field(None, description="a file that holds DATABASE_READ_URL")
    read_lag_seconds_max: float = Field(
        10.0, ge=1, le=3600, description="a replica further behind is not read; at least half of LEASE_SECONDS"
    )
    gateway_host: str = Field("127.0.0.1", description="the address to listen on; 0.0.0.0 = all")
    gateway_hosts: HostNames = Field(
        (),
        description="names by which the gateway may be called, with commas; without it any, but on the loopback "
        "without keys the loopback's",
    )
    gateway_port: int = Field(8000, ge=0, le=65535, description="the port to listen on; 0 = a free one")
    public_url: Annotated[str, AfterValidator(_origin)] | None = Field(
        None, description="the address that clients know, such as `https://apply.example`: for problem types and links"
    )
    security_contact: Contacts = Field(
        (), description="`mailto:` or `https:` addresses for security.txt (RFC 9116), with commas; none = no such file"
    )
    gateway_processes: int = Field(1, ge=1, le=64, description="processes that share the port")
    gateway_tls_certificate: Path | None = Field(
        None, description="file with the certificate and its chain, for HTTPS by the gateway itself; changes are taken"
    )
    gateway_tls_key: Path | None = Field(None, description="file with its key, if that is not in the same file")
    root_path: Annotated[str, AfterValidator(checked_root)] = Field(
        "",
        description="the path below which a proxy shows the gateway, such as `/headgate`; taken off or left",
    )
    keep_alive_seconds: int = Field(
        75,
        ge=1,
        le=3600,
        description="how long an idle connection stays open; longer than a proxy in front keeps it",
    )

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

    auth_required: bool = Field(False, description="refuse calls without an API key of the right scope")
    rate_limit_per_minute: int = Field(600, ge=0, description="applications or calls per visitor; 0 = off")
    rate_limit_storage: Annotated[SecretStr, AfterValidator(_limit_storage)] = Field(
        SecretStr("memory://"),
        description="where visitors are counted: each process for itself, or `redis://host:port/db`",
    )
    rate_limit_storage_file: Path | None = Field(None, description="a file that holds RATE_LIMIT_STORAGE")
    trusted_proxies: Networks = Field(
        (), description="CIDRs of proxies that are believed who asks, by which name, and whether encrypted"
    )
    forwarded_headers: Literal["x-forwarded", "forwarded"] = Field(
        "x-forwarded",
        description="the headers by which they say so: `x-forwarded` (-For, -Host, -Proto), or `forwarded` (RFC 7239)",
    )
    proxy_protocol: bool = Field(
        False, description="connections of TRUSTED_PROXIES begin with the PROXY protocol, version 1 or 2"
    )
    cors_origins: Origins = Field((), description="origins whose pages may call from a browser")
    batch_max_items: int = Field(1_000, ge=1, le=10_000, description="applications in one call of the batch endpoint")
    body_max_bytes: int = Field(1024 * 1024, ge=1024, description="bytes of one request's body")
    batch_body_max_bytes: int = Field(8 * 1024 * 1024, ge=1024, description="bytes of a batch's body")
    bodies_max_bytes: int = Field(
        32 * 1024 * 1024,
        ge=1024,
        description="bytes of bodies under way in one process; past it 503, slow ones first",
    )
    answers_max_bytes: int = Field(
        64 * 1024 * 1024,
        ge=16 * 1024 * 1024,
        description="bytes of answers that wait in one process to be read; past it the slowest readers are cut",
    )
    requests_max: int = Field(2_000, ge=1, description="requests that are answered at once; past it 503")
    streams_max: int = Field(64, ge=0, description="streams and exports open at once in one process; past it 503")
    connections_max: int = Field(
        4_000,
        ge=1,
        description="open connections of one process; past it 503. At most 128 fewer than there may be open files",
    )
    head_max_bytes: int = Field(32 * 1024, ge=4096, description="request line and headers")
    head_seconds: float = Field(10.0, gt=0, description="how long a request's head may take to arrive")
    body_seconds: float = Field(30.0, gt=0, description="how long a request's body may take to arrive")
    write_seconds: float = Field(
        20.0, gt=0, description="how long a client may take to read 64 KiB of its answer; then the connection ends"
    )
    idempotency_hours: float = Field(24.0, gt=0, le=720, description="how long an idempotency key is kept")
    deduplicate_seconds: float = Field(0.0, ge=0, description="the same content again is the same application; 0 = off")

    @model_validator(mode="after")
    def _fitting(self) -> "Settings":
        if self.gateway_tls_key and not self.gateway_tls_certificate:
            raise ValueError("GATEWAY_TLS_KEY is set: set GATEWAY_TLS_CERTIFICATE as well")
        if self.proxy_protocol and self.gateway_tls_certificate:
            raise ValueError("PROXY_PROTOCOL cannot go with GATEWAY_TLS_CERTIFICATE: let the proxy end TLS")
        if self.proxy_protocol and not self.trusted_proxies:
            raise ValueError("PROXY_PROTOCOL is set: set TRUSTED_PROXIES to the proxies that speak it")
        return self

    @model_validator(mode="after")
    def _one_replica(self) -> "Settings":
        if (replica := self.postgresql_replica) and len(replica.hosts) > 1:
            raise ValueError("DATABASE_READ_URL must name one replica, or a proxy in front of several")
        return self

    @model_validator(mode="after")
    def _counts_somewhere(self) -> "Settings":
        try:
            _limit_storage(SecretStr(self.limit_storage))
        except (SecretUnreadableError, ValueError) as error:
            raise ValueError(f"RATE_LIMIT_STORAGE_FILE: {error}") from None
        return self

    @property
    def limit_storage(self) -> str:
        """Where visitors are counted; it may have a password in it."""
        return self.secret("rate_limit_storage").read()

    @property
    def postgresql(self) -> PostgreSQL:
        """The database and how to get in."""
        found = super().postgresql
        assert found is not None  # noqa: S101 -- DATABASE_URL has a default
        return found

    @property
    def postgresql_replica(self) -> PostgreSQL | None:
        """The same for the replica, where there is one."""
        return self.server("database_read_url")

    @property
    def url(self) -> str:
        """Where this gateway listens, for people."""
        scheme = "https" if self.gateway_tls_certificate else "http"
        return f"{scheme}://{self.gateway_host}:{self.gateway_port}{self.root_path}"
