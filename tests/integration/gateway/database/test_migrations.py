"""The migrations build what gateway/database/tables.py says, on a real server, twice at once, up and down."""

import asyncio
import importlib
import os
import re
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from types import SimpleNamespace

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from contracts import first_id
from devstack.postgresql.initdb import command
from gateway.database.partitions import make_months
from gateway.database.tables import SCHEMA, metadata
from migrations import MigrationError, downgrade, head, migrate, trigram
from tests.support.write_path import eventually, rows


def dump(url: str) -> str:
    """The schema as pg_dump writes it, without storage parameters, which migrations set, and without months."""
    parts = make_url(url)
    environment = {**os.environ, "PGPASSWORD": str(parts.password)}
    where = ["-h", str(parts.host), "-p", str(parts.port), "-U", str(parts.username), str(parts.database)]
    excluded = ["--exclude-table=alembic_version", "--exclude-table=applications_*_*"]
    result = subprocess.run(
        [*command("pg_dump"), "--schema-only", "--no-owner", *excluded, *where],
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


_FILL = """
INSERT INTO applications (id, user_name, description, created_at)
SELECT (lpad(to_hex(floor(ms)::bigint), 12, '0') || '7000' || '8' || lpad(n::text, 15, '0'))::uuid, 'user', 'text',
       to_timestamp(floor(ms) / 1000.0)
FROM generate_series(1, 1000) AS n,
     LATERAL (SELECT extract(epoch FROM now() - n * interval '6 hours') * 1000 AS ms) AS made
RETURNING 1
"""
_FAR = "INSERT INTO applications VALUES ('ffffffff-0000-7000-8000-000000000000', 'far', 'ahead', now()) RETURNING 1"
_PARTITIONS = "SELECT (SELECT count(*) FROM pg_inherits WHERE inhparent = 'applications'::regclass)"
_DIGEST = "SELECT md5(string_agg(a::text, ',' ORDER BY id)) FROM applications AS a"


@pytest.mark.parametrize("far", [False, True], ids=["ids of the past", "and one of the far future"])
async def test_the_rows_of_the_first_schema_stay_when_it_gets_months(empty_database_url: str, *, far: bool) -> None:
    url = empty_database_url
    await migrate(url, "0001")
    await scalar(url, _FILL)
    if far:
        await scalar(url, _FAR)
    before = await scalar(url, _DIGEST)
    stored = await scalar(url, "SELECT relfilenode FROM pg_class WHERE relname = 'applications'")
    await migrate(url)
    assert await scalar(url, _DIGEST) == before
    older = "FROM pg_class WHERE relname LIKE 'applications_before_%'"
    assert await scalar(url, f"SELECT relfilenode {older}") == stored, "the rows were copied"
    in_default = await scalar(url, "SELECT string_agg(user_name, ',') FROM applications_default")
    assert in_default == ("far" if far else None)
    assert not await scalar(url, "SELECT count(*) FROM pg_constraint WHERE conname = 'ck_applications_range'")
    await downgrade(url, "0001")
    assert await scalar(url, _DIGEST) == before


async def test_writers_of_the_former_version_go_on_while_months_come(empty_database_url: str) -> None:
    """One connection with prepared statements, as a gateway has, from before the migration until after it."""
    await migrate(empty_database_url, "0001")
    engine = create_async_engine(empty_database_url, isolation_level="AUTOCOMMIT")
    insert = text("INSERT INTO applications VALUES (uuidv7(), 'user', 'text', now())")
    migrated = asyncio.create_task(migrate(empty_database_url))
    written = 0
    async with engine.connect() as connection:
        while written < 5 or not migrated.done():
            await connection.execute(insert)
            written += 1
        await connection.execute(insert)
        assert await connection.scalar(text("SELECT count(*) FROM applications")) == written + 1
    await engine.dispose()
    assert await migrated == head()


async def test_a_first_row_that_comes_while_an_empty_table_gets_months_stays(empty_database_url: str) -> None:
    """It is written when the migration looks, and committed while that waits for the table."""
    url = empty_database_url
    waits = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"

    async def waits_for_the_table() -> bool:
        return bool(await rows(url, waits))

    await migrate(url, "0001")
    writer = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        async with writer.transaction():
            await writer.execute("INSERT INTO applications VALUES (uuidv7(), 'user', 'text', now())")
            migrated = asyncio.create_task(migrate(url))
            await eventually(waits_for_the_table, what="a migration that waits for the table")
    finally:
        await writer.close()
    with suppress(DBAPIError):  # it waits for a moment only
        await migrated
    assert await migrate(url) == head()
    assert await scalar(url, "SELECT count(*) FROM applications") == 1


def test_the_table_of_before_reaches_past_tomorrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the last day of a month some gateway's clock may be in the next one."""
    months = importlib.import_module("migrations.versions.0002_months")
    last_day = datetime(2030, 5, 31, 12, tzinfo=UTC)
    monkeypatch.setattr(months, "datetime", SimpleNamespace(now=lambda _: last_day))
    assert months._end_of_the_old() == ("2030_07", first_id(datetime(2030, 7, 1, tzinfo=UTC)))


async def test_names_of_partitions_and_their_indexes_follow_the_convention(database_url: str) -> None:
    found = await scalar(
        database_url,
        "SELECT string_agg(indexrelid::regclass::text || ' ' || indrelid::regclass::text, ',') FROM pg_index"
        " WHERE indrelid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'applications'::regclass)",
    )
    pairs = [pair.split() for pair in str(found).split(",")]
    assert len(pairs) >= 8
    for index, table in pairs:
        assert index in {f"pk_{table}", f"ix_{table}_user_name_id", f"ix_{table}_user_name_trgm"}


@pytest.mark.parametrize("revision", ["0001", "head"], ids=["one table", "months"])
async def test_the_trigram_index_covers_every_partition(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch, revision: str
) -> None:
    """Where the server has no such extension: with an index of another kind, built and attached in the same way."""
    url = empty_database_url

    async def others(*_: object) -> str:
        return "(user_name text_pattern_ops)"

    monkeypatch.setattr(trigram, "_columns", others)
    await migrate(url, revision)
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_applications_user_name_trgm'::regclass"
    assert await scalar(url, valid)
    await scalar(url, _FILL)
    await migrate(url)
    assert await scalar(url, valid)
    engine = create_async_engine(url)
    made = await make_months(engine, ahead=4)
    await engine.dispose()
    assert await scalar(url, f"SELECT to_regclass('ix_{made[-1]}_user_name_trgm') IS NOT NULL")
    names = "SELECT count(*) FROM pg_class WHERE relname LIKE '%user_name_trgm'"
    assert await scalar(url, names) == await scalar(url, f"{_PARTITIONS} + 1")
