"""GET reads through the intended indexes and partitions, whatever the table holds: asked of PostgreSQL's own plans."""

import json
import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import ClauseElement, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import create_async_engine

from contracts import first_id
from gateway.database.ids import Ids
from gateway.database.partitions import make_months
from gateway.database.tables import applications
from gateway.follow.statements import select_closed
from gateway.read import statements
from gateway.read.search import Search

new_id = Ids()

ROWS = 20_000
NOVEMBER = datetime(2023, 11, 14, tzinfo=UTC)

_FILL = """
INSERT INTO applications (id, user_name, description, created_at)
SELECT (lpad(to_hex(1700000000000 + n * 500000), 12, '0') || '7' || substr(md5(n::text), 1, 3)
        || '8' || substr(md5(n::text), 4, 15))::uuid,
       'user-' || n % 500, 'text', to_timestamp((1700000000000 + n * 500000) / 1000.0)
FROM generate_series(1, $1::bigint) AS n
"""


@pytest.fixture
async def filled(database_url: str) -> str:
    """Rows in five months; two later ones are empty."""
    engine = create_async_engine(database_url)
    await make_months(engine, now=NOVEMBER, ahead=6)
    await engine.dispose()
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        await connection.execute(_FILL, ROWS)
        await connection.execute("ANALYZE applications")
    finally:
        await connection.close()
    return database_url


def _page(search: Search, after: UUID | None) -> ClauseElement:
    """The statement with its values, as a plan for these values alone needs it."""
    place = "after" if after else "offset" if search.offset else ""
    names = tuple(search.bound)
    select = statements.select_page(names, search.size + 1, place, newest_first=search.newest_first)
    return select.params({**search.bound, "after": after, "offset": search.offset})


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
    """The indexes read, each by its name on the table as a whole."""
    names = {node["Index Name"] for node in _executed(plan) if "Index Name" in node}
    return {re.sub(r"_applications_(\d{4}_\d\d|default)", "_applications", name) for name in names}


def _tables(plan: dict[str, Any]) -> set[str]:
    """The partitions read."""
    return {node["Relation Name"] for node in _executed(plan) if "Relation Name" in node}


def _executed(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [node for node in _nodes(plan) if node["Actual Loops"]]


def _kinds(plan: dict[str, Any]) -> set[str]:
    return {node["Node Type"] for node in _executed(plan)}


def _seq_scanned(plan: dict[str, Any]) -> set[str]:
    """Partitions read as a whole; one that is empty may be."""
    scans = [node for node in _executed(plan) if node["Node Type"] == "Seq Scan"]
    return {node["Relation Name"] for node in scans if node["Actual Rows"] + node.get("Rows Removed by Filter", 0) > 0}


@pytest.mark.parametrize(
    "search", [Search(), Search(order_by="created_at"), Search(page=100)], ids=["newest", "oldest", "deep page"]
)
async def test_a_page_comes_from_the_primary_keys(filled: str, search: Search) -> None:
    plan = await _plan(filled, _page(search, None))
    assert _indexes(plan) == {"pk_applications"}
    assert not _seq_scanned(plan)
    assert "Merge Append" in _kinds(plan)
    assert "Sort" not in _kinds(plan)


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
    assert not _seq_scanned(plan)
    assert "Sort" not in _kinds(plan)


@pytest.fixture
async def owned(filled: str) -> tuple[str, UUID]:
    """One application of twenty is one key's own, another one of twenty another's; whose the first are."""
    mine, other = UUID(int=1), UUID(int=2)
    connection = await asyncpg.connect(filled.replace("+asyncpg", ""))
    try:
        numbered = "SELECT id, row_number() OVER (ORDER BY id) AS n FROM applications"
        owner = f"CASE n % 20 WHEN 0 THEN '{mine}'::uuid ELSE '{other}'::uuid END"
        await connection.execute(f"INSERT INTO ownerships SELECT id, {owner} FROM ({numbered}) AS one WHERE n % 20 < 2")
        await connection.execute("ANALYZE ownerships")
    finally:
        await connection.close()
    return filled, mine


@pytest.mark.parametrize(
    "search", [Search(), Search(order_by="created_at"), Search(page=20)], ids=["newest", "oldest", "deep page"]
)
async def test_what_one_key_wrote_is_looked_for_among_that_alone(owned: tuple[str, UUID], search: Search) -> None:
    url, owner = owned
    plan = await _plan(url, _page(search.of(owner), None))
    assert _indexes(plan) == {"pk_ownerships", "pk_applications"}
    assert not _seq_scanned(plan)
    assert "Sort" not in _kinds(plan)
    fetched = [node for node in _executed(plan) if node.get("Index Name", "").startswith("pk_applications")]
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in fetched) <= search.size + 1


async def test_a_stream_of_one_keys_own_reads_no_more_than_it_sends(owned: tuple[str, UUID]) -> None:
    url, owner = owned
    lease = "INSERT INTO gateway_leases (id, instance, seconds, figures) VALUES (gen_random_uuid(), 'x', 1, $1)"
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        await connection.execute(lease, json.dumps({"floor": 1_800_000_000_000}))
    finally:
        await connection.close()
    statement = select_closed(("owner",), 64).params(owner=owner, after=UUID(int=0))
    plan = await _plan(url, statement)
    assert not _seq_scanned(plan) - {"gateway_leases"}
    assert {"pk_ownerships", "pk_applications"} <= _indexes(plan)
    assert plan["Actual Rows"] == 64
    fetched = [node for node in _executed(plan) if node.get("Index Name", "").startswith("pk_applications")]
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in fetched) == 64


async def test_one_application_is_looked_for_in_its_month(filled: str) -> None:
    id_ = UUID(int=first_id(datetime(2024, 1, 5, tzinfo=UTC)).int | 7 << 76 | 2 << 62)
    plan = await _plan(filled, select(applications).where(applications.c.id == id_))
    assert _tables(plan) == {"applications_2024_01"}
    assert _indexes(plan) == {"pk_applications"}


async def test_one_application_is_looked_for_in_its_month_by_a_plan_for_any_id(filled: str) -> None:
    """The driver prepares its statements: from the sixth time on PostgreSQL may plan without knowing the id."""
    id_ = UUID(int=first_id(datetime(2024, 1, 5, tzinfo=UTC)).int | 7 << 76 | 2 << 62)
    connection = await asyncpg.connect(filled.replace("+asyncpg", ""))
    try:
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        await connection.execute("PREPARE one (uuid) AS SELECT * FROM applications WHERE id = $1")
        lines = await connection.fetch(f"EXPLAIN (ANALYZE) EXECUTE one('{id_}')")
    finally:
        await connection.close()
    text = "\n".join(line[0] for line in lines)
    assert "Subplans Removed" in text
    assert set(re.findall(r"applications_(\w+?)(?= )", text)) >= {"2024_01"}
    assert "2023_12" not in text


@pytest.mark.parametrize(
    ("search", "months"),
    [
        (Search(created_from="2024-01-10T00:00:00Z", created_to="2024-01-20T00:00:00Z"), {"2024_01"}),
        (Search(created_from="2023-12-31T23:00:00Z", created_to="2024-01-01T01:00:00Z"), {"2023_12", "2024_01"}),
        (Search(created_to="2023-12-01T00:00:00Z", order_by="created_at"), {"2023_11", "default"}),
    ],
    ids=["inside a month", "over a turn of the year", "up to the first month's end"],
)
async def test_times_leave_out_the_months_that_they_exclude(filled: str, search: Search, months: set[str]) -> None:
    plan = await _plan(filled, _page(search, None))
    assert _tables(plan) == {f"applications_{month}" for month in months}


def test_a_part_of_a_name_is_asked_so_that_the_trigram_index_can_answer() -> None:
    """The index is of the bare column: a function around it, such as lower(), would hide it."""
    ids, _ = statements.select_ids(("user_name__like",))
    asked = str(ids.compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
    assert "WHERE applications.user_name ILIKE" in asked
