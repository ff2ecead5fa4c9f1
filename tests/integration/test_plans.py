"""GET reads through the intended index whatever the table holds: asked of PostgreSQL's own plans."""

import json
from typing import Any

import asyncpg
import pytest
from sqlalchemy import ClauseElement
from sqlalchemy.dialects import postgresql

from gateway.identity import new_id
from gateway.reads import _page
from gateway.search import Search

ROWS = 20_000

_FILL = """
INSERT INTO applications (id, user_name, description, created_at)
SELECT (lpad(to_hex(1700000000000 + n * 10), 12, '0') || '7' || substr(md5(n::text), 1, 3)
        || '8' || substr(md5(n::text), 4, 15))::uuid,
       'user-' || n % 500, 'text', to_timestamp((1700000000000 + n * 10) / 1000.0)
FROM generate_series(1, $1::bigint) AS n
"""


@pytest.fixture
async def filled(database_url: str) -> str:
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        await connection.execute(_FILL, ROWS)
        await connection.execute("ANALYZE applications")
    finally:
        await connection.close()
    return database_url


async def _plan(database_url: str, statement: ClauseElement) -> dict[str, Any]:
    sql = str(
        statement.compile(
            dialect=postgresql.dialect(),  # type: ignore[no-untyped-call]  # has no types
            compile_kwargs={"literal_binds": True},
        )
    )
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        await connection.set_type_codec("json", encoder=str, decoder=json.loads, schema="pg_catalog")
        found = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}")
    finally:
        await connection.close()
    plan: dict[str, Any] = found[0]["Plan"]
    return plan


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in _nodes(child))]


def _indexes(plan: dict[str, Any]) -> set[str]:
    return {node["Index Name"] for node in _nodes(plan) if "Index Name" in node}


def _kinds(plan: dict[str, Any]) -> set[str]:
    return {node["Node Type"] for node in _nodes(plan)}


@pytest.mark.parametrize(
    "search", [Search(), Search(order_by="created_at"), Search(page=100)], ids=["newest", "oldest", "deep page"]
)
async def test_a_page_comes_from_the_primary_key(filled: str, search: Search) -> None:
    plan = await _plan(filled, _page(search, None))
    assert _indexes(plan) == {"pk_applications"}
    assert "Seq Scan" not in _kinds(plan)


async def test_a_cursor_costs_the_same_at_any_depth(filled: str) -> None:
    """Buffers touched by a page from the middle are no more than a few above those of the first one."""
    connection = await asyncpg.connect(filled.replace("+asyncpg", ""))
    middle = await connection.fetchval("SELECT id FROM applications ORDER BY id LIMIT 1 OFFSET $1", ROWS // 2)
    await connection.close()
    first = await _plan(filled, _page(Search(), new_id()))
    deep = await _plan(filled, _page(Search(), middle))
    assert _indexes(deep) == {"pk_applications"}
    assert _buffers(deep) <= _buffers(first) + 4


def _buffers(plan: dict[str, Any]) -> int:
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])


async def test_the_pages_of_one_user_come_from_the_index_of_users(filled: str) -> None:
    plan = await _plan(filled, _page(Search(user_name="user-77"), None))
    assert "ix_applications_user_name_id" in _indexes(plan)
    assert "Seq Scan" not in _kinds(plan)
    assert "Sort" not in {node["Node Type"] for node in _nodes(plan) if node.get("Actual Rows", 0) > 25}
