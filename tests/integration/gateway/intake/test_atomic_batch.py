"""POST /applications/batch?atomic=true: all of it in one transaction, or nothing, whoever refuses what."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from gateway.commit.statements import COMMIT
from gateway.commit.submission import Accepted
from gateway.problems.errors import GatewayError, RefusedError
from gateway.service import Gateway
from gateway.settings import Settings
from tests.support.http_gateway import NEW, Served, count, served
from tests.support.write_path import rows, submission, unchecked

ATOMIC = "/applications/batch?atomic=true"


async def test_all_are_stored_in_one_transaction_and_each_says_where(http: Served) -> None:
    answer = await http.client.post(ATOMIC, json=[NEW] * 300)
    results = answer.json()["results"]
    assert [result["status"] for result in results] == ["created"] * 300
    assert all(result["location"] == f"/applications/{result['id']}" for result in results)
    url = http.settings.database_url.get_secret_value()
    assert len(await rows(url, "SELECT DISTINCT xmin::text FROM applications")) == 1
    assert (await http.client.get(results[7]["location"])).json()["id"] == results[7]["id"]
    one = (await http.client.post("/applications/batch", json=[NEW])).json()["results"][0]
    assert one["location"] == f"/applications/{one['id']}"


async def test_one_wrong_item_names_its_place_and_nothing_is_stored(http: Served) -> None:
    items = [NEW, NEW | {"user_name": "", "colour": 1}, "text", NEW | {"idempotency_key": "own"}]
    answer = await http.client.post(ATOMIC, json=items)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid")
    assert [(one["pointer"], one["code"]) for one in answer.json()["errors"]] == [
        ("#/1/user_name", "string_too_short"),
        ("#/1/colour", "extra_forbidden"),
        ("#/2", "model_type"),
        ("#/3/idempotency_key", "not_together"),
    ]
    lines = b'{"user_name": "a", "description": "b"}\n{"user_name": \n'
    broken = await http.client.post(ATOMIC, content=lines, headers={"Content-Type": "application/x-ndjson"})
    assert [(one["pointer"], one["code"]) for one in broken.json()["errors"]] == [("#/1", "malformed-json")]
    assert await count(http.settings) == 0
    many = await http.client.post(ATOMIC, json=[NEW] * (http.settings.commit_batch_max + 1))
    assert (many.status_code, many.json()["type"]) == (413, "/problems/batch-too-large")
    for query in ("atomic=yes", "atomic=", "atomic=true&atomic=false", "atomic=TRUE"):
        assert (await http.client.post(f"/applications/batch?{query}", json=[NEW])).status_code == 422, query
    assert await count(http.settings) == 0
    assert (await http.client.post(ATOMIC, json=[])).json()["results"] == []


async def test_the_same_batch_again_is_the_same_applications(http: Served) -> None:
    headers = {"Idempotency-Key": str(uuid4())}
    items = [NEW | {"description": str(number)} for number in range(20)]
    first, second = [(await http.client.post(ATOMIC, json=items, headers=headers)).json() for _ in range(2)]
    assert second["counts"] == {"created": 0, "duplicate": 20, "invalid": 0, "retry": 0}
    assert [one["id"] for one in second["results"]] == [one["id"] for one in first["results"]]
    answers = await asyncio.gather(*(http.client.post(ATOMIC, json=items[:9], headers=headers) for _ in range(5)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert await count(http.settings) == 29


async def test_more_than_the_limit_grants_is_refused_whole(http_settings: Settings) -> None:
    async with served(http_settings.model_copy(update={"rate_limit_per_minute": 10})) as http:
        assert (await http.client.post(ATOMIC, json=[NEW] * 11)).status_code == 429
        assert await count(http.settings) == 0


async def test_a_row_that_postgresql_refuses_fails_its_batch_and_no_other(gateway: Gateway, database_url: str) -> None:
    """Group commit puts them together; what parts them again parts no batch."""
    execute, held = gateway.writer._commits._session.execute, asyncio.Event()

    async def later(statement: Any, values: Any) -> Any:
        if statement is COMMIT:
            await held.wait()
        return await execute(statement, values)

    gateway.writer._commits._session.execute = later  # type: ignore[method-assign]
    first = gateway.writer.submit(submission())
    await asyncio.sleep(0)
    singles = [submission(description=str(number)) for number in range(5)]
    good = [submission(description=f"good {number}") for number in range(7)]
    bad = [submission(), submission(), unchecked("a", "\0"), submission()]
    for one in singles[:3]:
        gateway.writer.submit(one)
    gateway.writer.submit_group(bad)
    gateway.writer.submit_group(good)
    for one in singles[3:]:
        gateway.writer.submit(one)
    held.set()
    await first
    for one in (*singles, *good):
        assert isinstance(await one.done, Accepted)
    for one in bad:
        with pytest.raises(RefusedError):
            await one.done
    assert len(await rows(database_url, "SELECT FROM applications")) == 1 + 5 + 7


async def test_a_group_is_not_parted_by_a_full_commit_or_by_one_that_was_given_up(
    gateway: Gateway, database_url: str
) -> None:
    most = gateway.settings.commit_batch_max
    queue = gateway.writer.queue
    alone = [submission(description=str(number)) for number in range(most - 1)]
    two, given_up = [submission(), submission()], [submission(), submission()]
    queue.submit_all(alone)
    queue.submit_group(given_up)
    queue.submit_group(two)
    given_up[1].done.cancel()
    for one in (*alone, *two):
        assert isinstance(await one.done, Accepted)
    with pytest.raises(GatewayError):
        await given_up[0].done
    batches = await rows(
        database_url, f"SELECT xmin::text AS x FROM applications WHERE id IN ('{two[0].id}', '{two[1].id}')"
    )
    assert len({row["x"] for row in batches}) == 1
    assert len(await rows(database_url, "SELECT FROM applications")) == most + 1
