"""Connections to PostgreSQL: bounded in time, because a silent database must not hold anyone."""

import asyncio
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, cast

import asyncpg
from asyncpg.exceptions import InternalClientError
from sqlalchemy import ClauseElement, Executable, Select, event, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as SqlTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from gateway.settings import Settings
from runtime.postgresql.pooler import through_pooler
from runtime.postgresql.server import PostgreSQL

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler

CONNECT_SECONDS = 3.0
STATEMENT_SECONDS = 3.0

# What is sure to have left nothing behind: bad data, a conflict, a missing right or table, no room. Everything else
# (connection lost, shutdown, internal) may hide a commit. Source: PostgreSQL, appendix A, error classes.
_SURELY_ROLLED_BACK = ("22", "23", "25", "40", "42", "53", "54")

# In a class of the above, and yet unknown: "statement completion unknown".
_COMPLETION_UNKNOWN = "40003"

# The server takes no writes (any more): there is another primary, or there will be.
_READ_ONLY = "25006"

# What ends an attempt without telling more about it than that.
DATABASE_ERRORS = (DBAPIError, SqlTimeoutError, OSError)

_POOL = {"pool_size": 4, "max_overflow": 4, "pool_timeout": CONNECT_SECONDS, "pool_recycle": 1800}

_END_BACKEND = text("""
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid = :pid AND client_port = :port AND usename = current_user
""")

Rows = Sequence[Any]
"""Rows with their columns as attributes."""


def open_engine(
    server: PostgreSQL | str, *, connect_args: Mapping[str, Any] | None = None, **options: Any
) -> AsyncEngine:
    """An engine whose connections lead to the primary, whichever host that is; else as SQLAlchemy's.

    Errors do not repeat the values of a statement: they are what people wrote.
    """
    opener = PostgreSQL.at(server).opener()
    engine = create_async_engine(
        "postgresql+asyncpg://",
        connect_args={"async_creator_fn": opener, **(connect_args or {})},
        hide_parameters=True,
        **options,
    )
    event.listen(engine.sync_engine, "handle_error", _leave_a_former_primary)
    return engine


def _leave_a_former_primary(context: ExceptionContext) -> None:
    if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
        context.is_disconnect = True  # drops the whole pool


def create_engine(settings: Settings, server: PostgreSQL | None = None, *, pooled: bool = True) -> AsyncEngine:
    """Connections of DATABASE_URL unless ``server`` is another one: a pool for requests, or none for one task."""
    pool: dict[str, Any] = _POOL if pooled else {"poolclass": NullPool}
    return open_engine(
        server or settings.postgresql,
        isolation_level="AUTOCOMMIT",
        **pool,
        connect_args={
            "timeout": CONNECT_SECONDS,
            "command_timeout": STATEMENT_SECONDS * 2,
            "server_settings": {
                "application_name": f"headgate gateway {socket.gethostname()}"[:63],
                "statement_timeout": str(int(STATEMENT_SECONDS * 1000)),
                "lock_timeout": str(int(STATEMENT_SECONDS * 1000)),
                "jit": "off",
            },
        },
    )


@cache
def _record(names: tuple[str, ...]) -> type[asyncpg.Record]:
    """Rows as the driver makes them, with their columns as attributes, like SQLAlchemy's."""
    columns = {name: property(itemgetter(place)) for place, name in enumerate(names)}
    return type("Record", (asyncpg.Record,), {"__slots__": (), **columns})


class Compiled:
    """A statement compiled once and run by the driver itself, which prepares it once for each connection.

    To run the hottest statements, SQLAlchemy takes more CPU time than the driver does. ``anew``: PostgreSQL plans it
    for its values each time, where the plan for any values would be a bad one for these.
    """

    def __init__(self, statement: ClauseElement, *, anew: bool = False) -> None:
        self._anew = anew
        dialect = postgresql.asyncpg.dialect()  # type: ignore[no-untyped-call]  # has no types
        compiled = cast("SQLCompiler", statement.compile(dialect=dialect))
        self.sql = str(compiled)
        types = {name: compiled.binds[name].type.dialect_impl(dialect) for name in compiled.positiontup or ()}
        self._processors = {name: type_.bind_processor(dialect) for name, type_ in types.items()}
        self._record = _record(tuple(statement.selected_columns.keys()) if isinstance(statement, Select) else ())

    async def run(self, driver: "asyncpg.Connection[asyncpg.Record]", values: Mapping[str, Any]) -> Sequence[Any]:
        """Run it once, for its rows; raises DBAPIError, as SQLAlchemy would, or OSError."""
        arguments = [
            values[name] if process is None else process(values[name]) for name, process in self._processors.items()
        ]
        try:
            if self._anew:
                prepared = await driver.prepare(self.sql, record_class=self._record)
                return await prepared.fetch(*arguments)
            return await driver.fetch(self.sql, *arguments, record_class=self._record)
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise DBAPIError(self.sql, None, error) from error


class NotConnectedError(ConnectionError):
    """No connection could be opened, so nothing was sent."""


class Session:
    """One AUTOCOMMIT connection, opened when needed; when the server is silent too long it is cut, not closed.

    Cutting matters: cancelling a statement asks the server to help, and a silent server does not.
    """

    def __init__(self, engine: AsyncEngine, seconds: float = STATEMENT_SECONDS) -> None:
        self._engine = engine
        self._seconds = seconds
        self._connection: AsyncConnection | None = None
        self._driver: asyncpg.Connection[asyncpg.Record] | None = None
        self._backend: tuple[int, int] | None = None
        self._left: tuple[int, int] | None = None

    async def execute(self, statement: Executable | Compiled, values: Mapping[str, Any]) -> Rows:
        """Run one statement, which is one transaction.

        Raises NotConnectedError where it was never sent, else DBAPIError or OSError; unless ``rolled_back(error)``,
        its outcome is then unknown.
        """
        if self._connection is None or self._driver is None or self._driver.is_closed():
            await self._open()
        assert self._connection is not None and self._driver is not None  # noqa: S101, PT018 -- for the type checker
        cut = asyncio.get_running_loop().call_later(self._seconds, self._driver.terminate)
        try:
            if isinstance(statement, Compiled):
                return await statement.run(self._driver, values)
            result = await self._connection.execute(statement, values)
            return result.all() if result.returns_rows else ()
        except InternalClientError as error:
            # asyncpg's word for a connection that broke between two messages of one statement.
            await self.drop()
            raise DBAPIError(str(error), None, error) from error
        except BaseException as error:
            if not rolled_back(error) or sqlstate(error) == _READ_ONLY:
                await self.drop()
            raise
        finally:
            cut.cancel()

    async def _open(self) -> None:
        await self.drop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                self._connection = await self._engine.connect()
                self._driver = (await self._connection.get_raw_connection()).driver_connection
                await self._end_what_was_left()
                self._backend = _backend(self._driver) if self._driver else None
        except DATABASE_ERRORS as error:
            await self.drop()
            raise NotConnectedError(f"PostgreSQL cannot be reached: {error}") from error

    async def _end_what_was_left(self) -> None:
        """A backend that waits (for a standby, a lock) does not notice that its client has gone: one is enough."""
        if self._left is not None and self._connection is not None:
            pid, port = self._left
            await self._connection.execute(_END_BACKEND, {"pid": pid, "port": port})
        self._left = None

    async def drop(self) -> None:
        """Cut the connection and forget it; nothing is asked of the server."""
        connection, self._connection = self._connection, None
        driver, self._driver = self._driver, None
        if driver is not None:
            self._left = self._backend
            driver.terminate()
        if connection is not None:
            with suppress(DBAPIError, OSError):
                await connection.invalidate()
                await connection.close()


def _backend(driver: "asyncpg.Connection[asyncpg.Record]") -> tuple[int, int] | None:
    """The server's process of a TCP connection, and the port that tells it from a later process of that number.

    A pooler names no process of the server's.
    """
    if through_pooler(driver):
        return None
    address = driver._transport.get_extra_info("sockname")  # type: ignore[attr-defined]
    return (driver.get_server_pid(), address[1]) if isinstance(address, tuple) else None


def first_line(error: BaseException) -> str:
    """What an error says, without the statement that SQLAlchemy adds; its name where it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def sqlstate(error: BaseException) -> str:
    """The five-letter code that PostgreSQL answered, or an empty text where it answered nothing."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) or ""


def rolled_back(error: BaseException) -> bool:
    """True where the server itself said that the statement failed and nothing of it can be committed later."""
    code = sqlstate(error)
    return code.startswith(_SURELY_ROLLED_BACK) and code != _COMPLETION_UNKNOWN


def for_content(error: BaseException) -> bool:
    """True where a row was refused for what it contains: data that no column takes, or a constraint of this schema's.

    A partition's own constraint has no name: a month was made while the row was on its way to the default partition,
    and the same row is taken when it is sent again. Keys (unique, foreign) say nothing of what a row contains.
    """
    code = sqlstate(error)
    return code.startswith("22") or (code.startswith("23") and bool(constraint(error)))


def constraint(error: BaseException) -> str:
    """The constraint or column that an integrity error names."""
    told = getattr(error, "orig", None)
    cause = getattr(told, "__cause__", None) or told
    return getattr(cause, "constraint_name", None) or getattr(cause, "column_name", None) or ""
