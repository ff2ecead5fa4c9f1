"""Bring a database to the schema of this version: safe to run twice at once, and again."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.database.connection import open_engine, sqlstate
from gateway.database.locks import locked
from gateway.database.partitions import months_ahead
from gateway.database.rights import INSUFFICIENT_PRIVILEGE
from migrations.grants import grants
from migrations.trigram import ensure_trigram_index
from runtime.postgresql.server import PostgreSQL

_log = logging.getLogger(__name__)

_LOCK_ID = 0x6865616467617465  # "headgate" in ASCII: a number that no other program takes
_LOCK_POLL_SECONDS = 0.2
_RIGHTS = (
    ": who migrates needs no superuser, but a schema of its own; let its owner say `CREATE SCHEMA headgate "
    "AUTHORIZATION role`, and set DATABASE_SCHEMA=headgate"
)


class MigrationError(Exception):
    """The schema cannot be brought to this version; the message says why and what to do."""


def head() -> str:
    """The revision that this version of the code needs."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


async def migrate(
    server: PostgreSQL | str,
    revision: str = "head",
    *,
    wait_seconds: float = 300.0,
    tell: Callable[[str], None] = _log.info,
) -> str:
    """Upgrade to ``revision`` and return what was reached; a second caller waits, then finds nothing to do.

    The schema that is set is made if there is none; else everything is made where the search path begins. ``tell`` gets
    a sentence for what the server does not have and the schema can do without.

    Raises MigrationError if the database cannot be reached, refuses, or was migrated by a newer version.
    """
    async with _engine(server) as engine:
        await _ensure_schema(engine, PostgreSQL.at(server).schema)
        await _run_locked(engine, lambda config: command.upgrade(config, revision), wait_seconds)
        await months_ahead(engine)
        await ensure_trigram_index(engine, tell)
        return await _current(engine)


async def allow(server: PostgreSQL | str, role: str) -> Sequence[str]:
    """Give a role what gateways, the web view and commands that read need; the statements that did it."""
    async with _engine(server) as engine, engine.begin() as connection:
        said = await grants(connection, role)
        for statement in said:
            await connection.execute(text(statement))
        return said


async def downgrade(server: PostgreSQL | str, revision: str, *, wait_seconds: float = 300.0) -> None:
    """Undo down to ``revision`` (``base`` = an empty schema). What dropped tables held is lost."""
    async with _engine(server) as engine:
        await _run_locked(engine, lambda config: command.downgrade(config, revision), wait_seconds)


@asynccontextmanager
async def _engine(server: PostgreSQL | str) -> AsyncIterator[AsyncEngine]:
    """An engine whose failures come out as MigrationError."""
    server = PostgreSQL.at(server)
    engine = open_engine(server)
    where = f"PostgreSQL at {server}"
    try:
        yield engine
    except CommandError as error:
        raise MigrationError(f"{error}; was {where} migrated by a newer Headgate? Then use that one") from error
    except DBAPIError as error:
        hint = _RIGHTS if sqlstate(error) == INSUFFICIENT_PRIVILEGE else ""
        raise MigrationError(f"{where}: {error.orig}{hint}") from error
    except OSError as error:
        raise MigrationError(f"{where} cannot be reached: {error.strerror or error}") from error
    finally:
        await engine.dispose()


async def _ensure_schema(engine: AsyncEngine, schema: str | None) -> None:
    """Looked for first: to make one that is there already takes the right to make others."""
    async with engine.begin() as connection:
        if schema and not await connection.scalar(text("SELECT to_regnamespace(:name)"), {"name": f'"{schema}"'}):
            await connection.execute(text(f'CREATE SCHEMA "{schema}"'))


async def _run_locked(engine: AsyncEngine, step: Callable[[Config], None], wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    while not await _once(engine, step):
        if time.monotonic() > deadline:
            raise MigrationError(f"another migration has been running for {wait_seconds:.0f} s")
        await asyncio.sleep(_LOCK_POLL_SECONDS)


async def _once(engine: AsyncEngine, step: Callable[[Config], None]) -> bool:
    """Whether it could be done; not waited for, because a waiting statement holds a snapshot, and CREATE INDEX
    CONCURRENTLY in the process that has the lock would wait for it for ever.
    """
    async with locked(engine, _LOCK_ID) as mine:
        if mine:
            async with engine.connect() as connection:
                await connection.run_sync(_run, step)
        return mine


def _run(connection: Connection, step: Callable[[Config], None]) -> None:
    config = _config()
    config.attributes["connection"] = connection
    step(config)
    connection.commit()


async def _current(engine: AsyncEngine) -> str:
    async with engine.connect() as connection:
        return str(await connection.scalar(text("SELECT version_num FROM alembic_version")))


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config
