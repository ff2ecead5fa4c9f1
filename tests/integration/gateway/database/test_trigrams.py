"""``user_name__like`` on a server that has pg_trgm, which the embedded one has not: the index is made, and answers."""

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest

from bench import contrib
from devstack.postgresql.postgres import Postgres
from gateway.read import statements
from gateway.read.search import Search
from migrations import migrate

_FILL = """
INSERT INTO applications (id, user_name, description, created_at)
SELECT uuidv7(n * interval '-1 minute'), 'Zoë-' || lpad(n::text, 6, '0'), 'text', now()
FROM generate_series(1, 50000) AS n
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    extensions = contrib.options()
    assert extensions is not None
    one = Postgres(tmp_path_factory.mktemp("contrib"), options={"fsync": "off", **extensions})
    try:
        one.start()
        yield one
    finally:
        one.stop()


_SCHEMA = (
    "CREATE SCHEMA extensions",
    "CREATE EXTENSION pg_trgm SCHEMA extensions",
    "GRANT USAGE ON SCHEMA extensions TO headgate",
)


@pytest.mark.parametrize("before", [(), _SCHEMA], ids=["made by migrate", "in a schema of its own"])
async def test_a_rare_part_of_a_name_is_found_by_the_index(server: Postgres, before: tuple[str, ...]) -> None:
    name = f"test_{len(before)}"
    await asyncio.to_thread(server.query, f"CREATE DATABASE {name} OWNER headgate")
    admin = await asyncpg.connect(server.admin_url(name).replace("+asyncpg", ""))
    for statement in before:
        await admin.execute(statement)
    await migrate(server.url(name))
    await admin.execute(_FILL)
    await admin.execute("VACUUM ANALYZE applications")
    for part, found in (("004242", 1), ("zOË-0042", 100), ("nobody", 0)):
        value = Search.model_validate({"user_name__like": part}).bound["user_name__like"]
        sql = statements.count(("user_name__like",)).sql
        assert await admin.fetchval(sql, value, 10_001) == found
        plan = "\n".join(row[0] for row in await admin.fetch(f"EXPLAIN {sql}", value, 10_001))
        assert "user_name_trgm" in plan
    await admin.close()


async def test_each_part_has_a_plan_of_its_own(server: Postgres) -> None:
    """After a few times PostgreSQL would take the plan for any part, which reads every name for a rare one."""
    await asyncio.to_thread(server.query, "CREATE DATABASE test_plans OWNER headgate")
    await migrate(server.url("test_plans"))
    connection = await asyncpg.connect(server.url("test_plans").replace("+asyncpg", ""))
    await connection.execute(_FILL)
    await connection.execute("VACUUM ANALYZE applications")
    page, values = statements.page(("user_name__like",), 21, "", newest_first=True), {"user_name__like": "%nobody%"}
    for _ in range(20):
        assert await page.run(connection, values) == []
    used = "coalesce(max(generic_plans + custom_plans), 0) AS used"
    kept = f"SELECT count(*) AS number, {used} FROM pg_prepared_statements WHERE statement = $1"
    [row] = await connection.fetch(kept, page.sql)
    assert row["used"] <= 1
    assert row["number"] <= 2
    await connection.close()
