"""Reads answered by the front: the same answers as FastAPI's, shared statements, and totals that tell the truth."""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest

from gateway.database.connection import Compiled
from gateway.problems.errors import DatabaseAwayError, SearchTooBroadError
from gateway.read import statements, totals
from gateway.read.search import Search
from gateway.read.server import Server
from gateway.read.shared import Shared
from gateway.settings import Settings
from tests.integration.gateway.read.test_reading import fill
from tests.support.http_gateway import NEW, Served, served
from tests.support.write_path import eventually, execute

_QUERIES = f"""
page=2&size=3 size=100 user_name=Bob user_name=Bob&size=1 user_name={quote("Анна")} user_name__like=ob
user_name__like=100%25 user_name__like=a_b user_name__like=%5C total=none total=none&page=2&size=5 order_by=created_at
order_by=-created_at&size=2 size=2&page=9 created_from=2026-03-01T12:05:00Z created_to=2026-03-01T12:05:00%2B01:00
created_from=2026-03-01T12:05:00+01:00 created_from=2027-01-01T00:00:00Z&created_to=2026-01-01T00:00:00Z
page=100000&size=100 size=0 size=101 size= size=x size=1.0 size=%201 page=0 page=-1 page=1&page=1 page=1&cursor=x
cursor= cursor=x cursor={"A" * 31} user_name= user_name=%00 user_name=%FF user_name=%ED%A0%80 user_name={"a" * 300} x=1
total=exact total= order_by=id created_from=1 created_from=2026-03-01 & &&size=1& = size size=1;page=2 user_name=a+b
user_name=% SIZE=1 size=1&x %73ize=1
fields=id fields=created_at,id&size=2 fields= fields=id,id fields=x fields=id&fields=id
""".split()
_IDS = (
    *("019ca956-6f20-7000-8000-000000000003", "019CA956-6F20-7000-8000-000000000003", "x", "batch", "%30"),
    *(
        "019ca9566f2070008000000000000003",
        "01994f3c-8a5e-7c1d-9b0a-3f6e2d1c4b5a",
        "00000000-0000-0000-0000-000000000000",
    ),
    *("019ca956-6f20-7000-8000-000000000003/", "{019ca956-6f20-7000-8000-000000000003}"),
    "019ca956-6f20-7000-8000-00000000000g",
)
_HEADERS = (
    "",
    "Accept-Encoding: gzip;q=0.5\r\n",
    "Cache-Control: no-cache\r\n",
    "If-None-Match: *\r\n",
    'If-None-Match: W/"x", "y"\r\n',
)


async def test_fastapi_answers_reads_as_the_front_does(http_settings: Settings) -> None:
    """The front exists for speed alone: whatever is asked, both ways give the same bytes."""
    await fill(http_settings.database_url.get_secret_value(), 21)
    targets = [*(f"/applications?{query}" for query in _QUERIES), *(f"/applications/{id_}" for id_ in _IDS)]
    async with served(http_settings) as front, served(http_settings, fast=False) as fastapi:
        for target, method, header in product((*targets, "/applications"), ("GET", "HEAD"), _HEADERS):
            more = f"Host: x\r\nX-Request-ID: same\r\n{header}Connection: close\r\n\r\n"
            request = f"{method} {target} HTTP/1.1\r\n{more}"
            assert await _whole(front, request) == await _whole(fastapi, request), request


async def _whole(http: Served, request: str) -> list[bytes]:
    """All that is answered, but for the time and the order of header fields."""
    reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
    writer.write(request.encode("latin-1"))
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    start, *fields = head.split(b"\r\n")
    return [start, *sorted(field for field in fields if not field.lower().startswith(b"date:")), body]


@pytest.fixture
def statements_run(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that is run for a read."""
    run: list[str] = []
    fetch = Server.fetch

    async def counted(self: Server, statement: Compiled, values: Mapping[str, Any]) -> Sequence[Any]:
        run.append(statement.sql)
        return await fetch(self, statement, values)

    monkeypatch.setattr(Server, "fetch", counted)
    return run


async def test_a_crowd_shares_its_reads(http: Served, statements_run: list[str]) -> None:
    made = await fill(http.settings.database_url.get_secret_value(), 90)
    reads = http.front.running.reads
    ids = [row["id"] for row in made]
    found = await asyncio.gather(*(reads.one(id_) for id_ in (*ids, *ids)))
    assert [value and value[7:43].decode() for value in found] == [str(id_) for id_ in (*ids, *ids)]
    # Two are under way at once, each of 64 at most: 180 readers need a handful of statements.
    assert len(statements_run) <= 5
    statements_run.clear()
    pages = await asyncio.gather(*(reads.page(Search(size=3)) for _ in range(50)))
    assert {page.total for page in pages} == {90}
    assert len(statements_run) <= 4


@pytest.mark.parametrize("asked", [1, 3, 4, 5, 17])
async def test_no_application_of_a_group_is_read_twice(http: Served, asked: int) -> None:
    made = await fill(http.settings.database_url.get_secret_value(), 20)
    ids = [row["id"] for row in made][:asked]
    rows = await http.front.running.reads.rows(*statements.by_ids(ids))
    assert sorted(row.id for row in rows) == sorted(ids)


async def test_who_writes_a_page_in_another_way_shares_none_of_it(http: Served) -> None:
    await fill(http.settings.database_url.get_secret_value(), 9)
    reads, search = http.front.running.reads, Search(size=3)
    count = reads.written(search, lambda page, _: len(page.items))
    # The last two wait for the first, and are asked together.
    first, page, items = await asyncio.gather(reads.page(search), reads.page(search), count)
    assert (len(first.items), len(page.items), items) == (3, 3, 3)


async def test_one_that_fails_fails_for_all_who_wait_and_the_next_works(http: Served) -> None:
    [row, *_] = await fill(http.settings.database_url.get_secret_value(), 3)
    reads = http.front.running.reads
    await reads.one(row["id"])
    server = reads._server
    for session in server._idle:
        assert session._driver is not None
        # A connection whose loss nobody has noticed yet.
        session._driver._transport.abort()  # type: ignore[attr-defined]
    found = await asyncio.gather(*(reads.one(row["id"]) for _ in range(30)), return_exceptions=True)
    assert all(isinstance(each, bytes | DatabaseAwayError) for each in found)
    assert await reads.one(row["id"])


async def test_what_was_answered_201_is_found_by_whoever_asks_then(http: Served) -> None:
    """Also in a crowd: a read that was under way before is nobody's answer who came later."""

    async def write_and_read() -> None:
        answer = await http.client.post("/applications", json=NEW)
        reads = [http.client.get(answer.headers["location"]), http.client.get("/applications")]
        one, page = await asyncio.gather(*reads)
        assert one.content == answer.content
        # Those who write at the same time may have pushed it off the page, but not denied that it is there.
        assert answer.json()["id"] >= min(item["id"] for item in page.json()["items"])
        assert answer.json() in page.json()["items"] or len(page.json()["items"]) == 20

    for _ in range(10):
        await asyncio.gather(*(write_and_read() for _ in range(8)))


async def test_whoever_comes_while_a_question_is_asked_gets_an_answer_begun_later() -> None:
    shared: Shared[str, int] = Shared()
    begun: list[asyncio.Future[int]] = []

    async def find() -> int:
        begun.append(asyncio.get_running_loop().create_future())
        return await begun[-1]

    async def asked(number: int) -> None:
        async def is_asked() -> bool:
            return len(begun) >= number

        await eventually(is_asked, what=f"question {number}")

    first = asyncio.create_task(shared.ask("?", find))
    await asked(1)
    later = [asyncio.create_task(shared.ask("?", find)) for _ in range(3)]
    another = asyncio.create_task(shared.ask("!", find))
    await asked(2)
    begun[0].set_result(1)
    await asked(3)
    later[0].cancel()
    begun[1].set_result(2)
    begun[2].set_exception(DatabaseAwayError("gone"))
    told = await asyncio.gather(first, another, *later, return_exceptions=True)
    assert told[:2] == [1, 2]
    assert isinstance(told[2], asyncio.CancelledError)
    assert all(isinstance(each, DatabaseAwayError) for each in told[3:])
    assert len(begun) == 3


async def test_large_totals_are_counted_once_a_second_and_small_ones_always(
    http: Served, statements_run: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(totals, "_CHEAP", 10)
    monkeypatch.setattr(totals, "COUNT_MAX", 40)
    url = http.settings.database_url.get_secret_value()
    await fill(url, 30)
    now = [0.0]
    http.front.running.reads._totals._clock = lambda: now[0]

    async def total(query: str = "size=1", **headers: str) -> tuple[int, int, str]:
        statements_run.clear()
        answer = (await http.client.get(f"/applications?{query}", headers=headers)).json()
        return answer["total"], sum("count" in sql for sql in statements_run), answer["total_relation"]

    assert [await total() for _ in range(3)] == [(30, 1, "exact"), (30, 0, "exact"), (30, 0, "exact")]
    await execute(url, "DELETE FROM applications WHERE user_name = 'Bob'")
    left = 30 - 4
    assert await total(**{"Cache-Control": "no-cache"}) == (left, 1, "exact")
    assert await total() == (left, 0, "exact")
    await execute(url, "DELETE FROM applications WHERE user_name = 'bobby'")
    assert await total() == (left, 0, "exact")
    now[0] += totals.KEPT_SECONDS
    assert await total() == (left - 4, 1, "exact")
    assert [await total("size=1&user_name=100%25") for _ in range(2)] == [(4, 1, "exact"), (4, 1, "exact")]
    # More than were counted are seen: they are not denied.
    await http.client.post("/applications/batch", json=[NEW] * 30)
    assert await total("size=1&page=40") == (41, 0, "at_least")
    now[0] += totals.KEPT_SECONDS
    assert await total() == (40, 1, "at_least")


@pytest.mark.parametrize(
    ("query", "statements", "total"),
    [
        ("user_name=100%25", 1, 4),
        ("user_name=100%25&order_by=created_at", 1, 4),
        ("user_name=100%25&page=2", 1, 4),
        ("user_name=100%25&page=9", 2, 4),  # beyond the end there is no row that could say it
        ("user_name=100%25&created_from=2020-01-01T00:00:00Z", 1, 4),
        ("created_from=2020-01-01T00:00:00Z", 2, 30),  # more than is counted along
        ("user_name__like=100", 2, 4),  # may read every name there is
        ("user_name=100%25&user_name__like=100", 2, 4),
        ("user_name=nobody", 1, 0),
    ],
)
async def test_what_an_index_counts_is_counted_with_its_page(
    http: Served, statements_run: list[str], monkeypatch: pytest.MonkeyPatch, query: str, statements: int, total: int
) -> None:
    """In the same snapshot: a total that was asked for after the page may be of fewer than the page shows."""
    monkeypatch.setattr(totals, "_CHEAP", 10)
    await fill(http.settings.database_url.get_secret_value(), 30)
    answer = (await http.client.get(f"/applications?size=1&{query}")).json()
    assert (answer["total"], answer["total_relation"], len(statements_run)) == (total, "exact", statements)


async def test_a_page_whose_count_takes_too_long_is_answered_without_it(
    http: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch = Server.fetch

    async def slow_to_count(self: Server, statement: Compiled, values: Mapping[str, Any]) -> Sequence[Any]:
        if "count(" in statement.sql:
            raise SearchTooBroadError(seconds=3)
        return await fetch(self, statement, values)

    monkeypatch.setattr(Server, "fetch", slow_to_count)
    await fill(http.settings.database_url.get_secret_value(), 30)
    answer = await http.client.get("/applications?size=1&user_name=100%25")
    found = answer.json()
    assert (answer.status_code, len(found["items"]), found["total_relation"]) == (200, 1, "at_least")


async def test_what_a_page_has_counted_is_newer_than_what_was_kept(
    http: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(totals, "_CHEAP", 3)
    url = http.settings.database_url.get_secret_value()
    made = await fill(url, 30)

    async def total(**headers: str) -> int:
        answer = await http.client.get("/applications?size=1&user_name=100%25", headers=headers)
        return int(answer.json()["total"])

    http.front.running.reads._totals._clock = lambda: 0.0
    assert await total() == 4
    erased = next(row["id"] for row in made if row["user_name"] == "100%")
    await execute(url, f"DELETE FROM applications WHERE id = '{erased}'")
    assert [await total(), await total(**{"Cache-Control": "no-cache"}), await total()] == [4, 3, 3]


async def test_a_list_without_a_total_is_not_counted(http: Served, statements_run: list[str]) -> None:
    await fill(http.settings.database_url.get_secret_value(), 9)
    answer = await http.client.get("/applications?size=2&total=none")
    found = answer.json()
    assert (found["total"], found["total_relation"], found["pages"], found["page"]) == (None, "none", None, 1)
    assert len(statements_run) == 1
    assert "total=none" in answer.headers["link"]
    assert 'rel="last"' not in answer.headers["link"]
    second = (await http.client.get(f"/applications?size=2&cursor={found['next_cursor']}")).json()
    assert second["total"] == 9


async def test_postgresql_stops_planning_reads(http: Served) -> None:
    """A plan for any values is as good as one for these: from the sixth time on none is made."""
    made = await fill(http.settings.database_url.get_secret_value(), 90)
    connection = await asyncpg.connect(http.settings.database_url.get_secret_value().replace("+asyncpg", ""))
    await connection.execute("ANALYZE applications")
    await connection.close()
    reads = http.front.running.reads
    for row in made[:12]:
        await reads.one(row["id"])
        page = await reads.page(Search(size=2, total="none", cursor=None))
        await reads.page(Search(size=2, total="none", cursor=page.next_cursor))
    [session] = reads._server._idle
    assert session._driver is not None
    planned = await session._driver.fetch("SELECT statement, generic_plans, custom_plans FROM pg_prepared_statements")
    of_reads = [row for row in planned if "LATERAL" in row["statement"]]
    assert len(of_reads) == 3
    assert all(row["custom_plans"] <= 5 and row["generic_plans"] >= 7 for row in of_reads), of_reads
