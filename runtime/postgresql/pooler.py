"""Connections to PostgreSQL that a pooler may stand in front of: PgBouncer, RDS Proxy, Supavisor in transaction mode.

Such a pooler lends a server for one transaction: what was prepared or set is then at another server, or another's. That
there is one is seen from what it does: it refuses parameters of a session, or another process answers than the one
that said hello.
"""

import re
from collections.abc import Mapping
from typing import Any

import asyncpg
import structlog

# What a session asks for its own protection. A pooler cannot keep it: docs/proxies.md says where it is set instead.
_PROTECTION = frozenset({"statement_timeout", "lock_timeout", "jit", "default_transaction_read_only"})
_REFUSED = "unsupported startup parameter"
# Where the tables are, which must not be guessed; a schema that is to be made yet is in nobody's path but alone.
_SCHEMA = "search_path"
_MEND = 'ALTER ROLE … SET search_path = "{}"'
_IN_SCHEMA = "'{0}' IN (current_schema(), btrim(current_setting('search_path'), '\"'))"
# In a URL's options: what is set for a session. Poolers drop it or refuse it; what they do not set, they may pass on.
_SETS = re.compile(r"(?:^|\s)(?:-c\s*|--)[\w.]+\s*=")

_log = structlog.get_logger()


class Pooled(asyncpg.Connection):
    """Each statement goes with its text, in the same round trip; what is kept of it is kept here.

    asyncpg sends a statement without a name anew each time where its own cache is off.
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._described: dict[Any, Any] = {}

    async def fetch(self, query: str, *arguments: Any, timeout: float | None = None, record_class: Any = None) -> Any:
        """As asyncpg's, which would ask for a description each time."""
        what = query, record_class
        statement = self._described.get(what)
        if statement is None:
            statement = self._described[what] = await self.prepare(query, record_class=record_class)
        return await statement.fetch(*arguments, timeout=timeout)


def through_pooler(connection: object) -> bool:
    """Whether this connection is one of those. asyncpg says of every connection that it is an instance of any class."""
    return Pooled in type(connection).__mro__


class Connector:
    """``connect`` is asyncpg's; behind a pooler its connections are ``Pooled``, from the first one on."""

    def __init__(self) -> None:
        self._pooled: set[Any] = set()

    async def connect(self, *, server_settings: Mapping[str, str] | None = None, **arguments: Any) -> Any:
        """A connection on which every statement or transaction can be relied upon by itself."""
        where = tuple(map(arguments.get, ("dsn", "host", "port")))
        wanted = dict(server_settings or {})
        if where not in self._pooled:
            direct = await _direct(wanted, arguments)
            if direct is not None:
                return direct
            self._pooled.add(where)
            _log.info("PostgreSQL is behind a pooler, which keeps no session: docs/proxies.md")
        return await _through(wanted, arguments)


async def _direct(settings: dict[str, str], arguments: dict[str, Any]) -> Any:
    """A connection with a server of its own; None where a pooler answers."""
    try:
        connection = await asyncpg.connect(server_settings=settings, **arguments)
    except asyncpg.ProtocolViolationError as error:
        if _REFUSED not in str(error):
            raise
        return None
    if await _holds(connection, f"pg_backend_pid() = {connection.get_server_pid()}"):
        return connection
    await connection.close()
    return None


async def _through(settings: dict[str, str], arguments: dict[str, Any]) -> Any:
    if _SETS.search(settings.get("options", "")):
        raise ConnectionError("behind a pooler `options` of the URL set nothing: say ALTER ROLE … SET … instead")
    kept = {name: value for name, value in settings.items() if name not in _PROTECTION and name != _SCHEMA}
    no_cache = {"statement_cache_size": 0, "connection_class": Pooled}
    connection = await asyncpg.connect(server_settings=kept, **arguments | no_cache)
    schema = settings.get(_SCHEMA, "").strip('"')
    if schema and not await _holds(connection, _IN_SCHEMA.format(schema.replace("'", "''"))):
        connection.terminate()
        raise ConnectionError(f"behind a pooler the role must be in its schema by itself: {_MEND.format(schema)}")
    return connection


async def _holds(connection: Any, condition: str) -> bool:
    """Asked without anything that is prepared, which would stay behind at some server."""
    try:
        return bool(await connection.execute(f"SELECT WHERE {condition}") == "SELECT 1")
    except BaseException:
        connection.terminate()
        raise
