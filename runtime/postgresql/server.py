"""Every connection to PostgreSQL begins here, so that each one gets in in the same way, whatever it asks for.

tests/unit/runtime/postgresql/test_one_place.py finds a connection that is opened anywhere else.
"""

import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import urlencode

import asyncpg

from runtime.postgresql.hosts import USUAL_PORT, Host
from runtime.postgresql.parameters import OF_DRIVER, OF_SESSION, asks_for_primary
from runtime.postgresql.password import PasswordCommand
from runtime.postgresql.pooler import Connector
from runtime.postgresql.primary import Primary
from runtime.postgresql.url import Address, read
from runtime.secrets import Secret

CONNECTION_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What opening a connection raises."""

_SECONDS = 60.0

Connect = Callable[..., Awaitable[Any]]


@dataclass(frozen=True)
class PostgreSQL:
    """The server, or several, and how to get in; shown as their addresses."""

    address: Address
    password: Secret | PasswordCommand | None = None
    schema: str | None = None

    @classmethod
    def at(cls, url: "str | PostgreSQL") -> "PostgreSQL":
        """ValueError says what is wrong with a URL."""
        return url if isinstance(url, PostgreSQL) else cls(read(url))

    def __str__(self) -> str:
        return ", ".join(self.address.places)

    @property
    def hosts(self) -> "list[PostgreSQL]":
        """Each host alone, as if it were the only one."""
        parameters = {name: value for name, value in self.address.parameters.items() if name != "target_session_attrs"}
        alone = (replace(self.address, hosts=(host,), parameters=parameters) for host in self.address.hosts)
        return [replace(self, address=address) for address in alone] or [self]

    def opener(self, *, writes: bool = True) -> Connect:
        """Opens connections to the primary, and remembers which host that was; with ``writes`` False, read-only ones.

        It takes asyncpg's own options; what the URL says goes before ``server_settings`` of the same name. Of its
        ``connect_timeout`` and ``timeout`` the shorter one counts.
        """
        begin = partial(self._connect, Connector().connect)
        primary = Primary(begin, errors=CONNECTION_ERRORS, writes=writes)

        async def connect(
            *, timeout: float = _SECONDS, server_settings: Mapping[str, str] | None = None, **options: Any
        ) -> Any:
            session = {**(server_settings or {}), **self._session()}
            return await primary.connect(
                **self._addressed(), timeout=self._seconds(timeout), server_settings=session, **options
            )

        return connect

    async def connect(self, **options: Any) -> Any:
        """One connection."""
        return await self.opener()(**options)

    def _addressed(self) -> dict[str, Any]:
        given, hosts = self.address.parameters, self.address.hosts
        return {
            "dsn": f"postgresql://?{urlencode({name: given[name] for name in given if name in OF_DRIVER})}",
            "ssl": self._system_context(),
            "user": self.address.user,
            "database": self.address.database,
            "target_session_attrs": "read-write" if asks_for_primary(given) else None,
            **_hosts(hosts),
        }

    async def _connect(self, begin: Connect, *, host: str | None = None, port: int = USUAL_PORT, **options: Any) -> Any:
        if host:
            options |= {"host": host, "port": port}
        password = partial(self._read_password, Host(host, port) if host else None)
        return await begin(password=password if self.password else self.address.password, **options)

    async def _read_password(self, host: Host | None) -> str:
        """For each connection anew."""
        if isinstance(self.password, PasswordCommand):
            return await self.password.read(host, self.address.user)
        return self.password.read() if self.password else ""

    def _session(self) -> dict[str, str]:
        said = {name: value for name, value in self.address.parameters.items() if name in OF_SESSION}
        return said | ({"search_path": f'"{self.schema}"'} if self.schema else {})

    def _seconds(self, timeout: float) -> float:
        """libpq's is for each host."""
        seconds = int(self.address.parameters.get("connect_timeout", 0)) * max(1, len(self.address.hosts))
        return min(timeout, seconds) if seconds else timeout

    def _system_context(self) -> ssl.SSLContext | None:
        """Where the system's authorities are asked for by name, which the driver does not know; else it makes one."""
        given = self.address.parameters
        if given.get("sslrootcert") != "system":
            return None
        context = ssl.create_default_context()
        if "sslcert" in given:
            context.load_cert_chain(given["sslcert"], given.get("sslkey"), password=given.get("sslpassword", ""))
        return context


def _hosts(hosts: Sequence[Host]) -> dict[str, Any]:
    """As ``Primary`` takes them: lists of several, one alone, or none."""
    if len(hosts) > 1:
        return {"host": [host.name for host in hosts], "port": [host.port for host in hosts]}
    return {"host": hosts[0].name, "port": hosts[0].port} if hosts else {}
