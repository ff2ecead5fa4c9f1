"""The migrations build what gateway/tables.py says, on a real server, twice at once, up and down."""

import asyncio
import os
import re
import subprocess

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from devstack.initdb import command
from gateway.tables import SCHEMA, metadata
from migrations import MigrationError, downgrade, head, migrate


def dump(url: str) -> str:
    """The schema as pg_dump writes it, without storage parameters, which are the migrations' own."""
    parts = make_url(url)
    environment = {**os.environ, "PGPASSWORD": str(parts.password)}
    where = ["-h", str(parts.host), "-p", str(parts.port), "-U", str(parts.username), str(parts.database)]
    result = subprocess.run(
        [*command("pg_dump"), "--schema-only", "--no-owner", "--exclude-table=alembic_version", *where],
        env=environment, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    lines = [line for line in result.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]
    return re.sub(r"\)\nWITH \([^)]*\);", ");", "\n".join(lines))


async def scalar(url: str, statement: str) -> object:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        value = await connection.scalar(text(statement))
    await engine.dispose()
    return value


def test_the_gateway_asks_for_the_newest_migration() -> None:
    assert head() == SCHEMA


async def test_models_equal_migrations(database_url: str, empty_database_url: str) -> None:
    engine = create_async_engine(empty_database_url)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await engine.dispose()
    assert dump(database_url) == dump(empty_database_url)


async def test_up_and_down_leave_nothing(empty_database_url: str) -> None:
    before = dump(empty_database_url)
    assert await migrate(empty_database_url) == head()
    await downgrade(empty_database_url, "base")
    assert dump(empty_database_url) == before
    assert await migrate(empty_database_url) == head()


async def test_again_changes_nothing(database_url: str) -> None:
    before = dump(database_url)
    assert await migrate(database_url) == head()
    assert dump(database_url) == before


async def test_several_at_once(empty_database_url: str) -> None:
    assert await asyncio.gather(*(migrate(empty_database_url) for _ in range(4))) == [head()] * 4


async def test_a_newer_database_is_refused(database_url: str) -> None:
    await scalar(database_url, "UPDATE alembic_version SET version_num = '9999' RETURNING 1")
    with pytest.raises(MigrationError, match=r"9999.*newer Headgate"):
        await migrate(database_url)


async def test_an_absent_server_is_named() -> None:
    with pytest.raises(MigrationError, match=r"127\.0\.0\.1:1 cannot be reached"):
        await migrate("postgresql+asyncpg://u:p@127.0.0.1:1/x")


async def test_a_wrong_password_is_named(database_url: str) -> None:
    url = make_url(database_url).set(password="wrong").render_as_string(hide_password=False)
    with pytest.raises(MigrationError, match="password authentication failed"):
        await migrate(url)


@pytest.mark.parametrize(
    ("table", "option"),
    [("outbox", "autovacuum_vacuum_threshold"), ("gateway_leases", "fillfactor")],
)
async def test_busy_tables_are_kept_small(database_url: str, table: str, option: str) -> None:
    options = await scalar(
        database_url, f"SELECT array_to_string(reloptions, ',') FROM pg_class WHERE relname = '{table}'"
    )
    assert option in str(options)


@pytest.mark.parametrize(
    ("user_name", "description", "constraint"),
    [
        ("", "d", "user_name_length"),
        ("u" * 256, "d", "user_name_length"),
        ("u", "", "description_length"),
        ("u", "d" * 10_001, "description_length"),
    ],
)
async def test_the_limits_hold_in_the_database(
    database_url: str, user_name: str, description: str, constraint: str
) -> None:
    values = f"(gen_random_uuid(), '{user_name}', '{description}', now())"
    with pytest.raises(DBAPIError, match=constraint):
        await scalar(database_url, f"INSERT INTO applications VALUES {values} RETURNING 1")
