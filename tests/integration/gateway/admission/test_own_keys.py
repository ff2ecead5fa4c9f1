"""Keys that read only what they wrote: for them nothing else is there, in whatever way it is asked for."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from gateway.admission import api_keys
from gateway.admission.api_keys import Scope
from gateway.admission.issued_keys import create_key, list_keys, rotate_key
from gateway.admission.window import SlidingWindow
from gateway.commit import statements
from gateway.database.ids import Ids
from gateway.read import totals
from gateway.settings import Settings
from tests.support.following import BEGINNING, events
from tests.support.http_gateway import NEW, Served, served
from tests.support.write_path import eventually, execute, rows

Headers = dict[str, str]
SCOPES: tuple[Scope, ...] = ("applications:write", "applications:read")


@pytest.fixture
def locked(http_settings: Settings) -> Settings:
    return http_settings.model_copy(update={"auth_required": True})


@pytest.fixture(params=[True, False], ids=["fast", "through FastAPI"])
async def http(locked: Settings, request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    async with served(locked, fast=request.param) as running:
        yield running


async def key(http: Served, *, own: bool = True, scopes: Sequence[Scope] = SCOPES, limit: int = 0) -> Headers:
    _, text = await create_key(http.front.running.engine, "a test", scopes, own=own, limit=limit)
    return {"X-API-Key": text}


async def post(http: Served, headers: Headers, **changed: str) -> str:
    answer = await http.client.post("/applications", json=NEW | changed, headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def listed(http: Served, headers: Headers, **params: Any) -> dict[str, Any]:
    answer = await http.client.get("/applications", headers=headers, params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ids(page: dict[str, Any]) -> list[str]:
    return [item["id"] for item in page["items"]]


async def owners(http: Served) -> dict[str, int]:
    """How many applications of each user are somebody's own."""
    query = "SELECT user_name, count(*) FROM ownerships JOIN applications USING (id) GROUP BY 1"
    return {row[0]: row[1] for row in await rows(http.settings.database_url.get_secret_value(), query)}


async def test_another_ones_application_is_as_if_it_were_not_there(http: Served) -> None:
    ann, bob, all_ = await key(http), await key(http), await key(http, own=False)
    id_, unowned, nothing = await post(http, ann), await post(http, all_), str(Ids()())
    tag = (await http.client.get(f"/applications/{id_}", headers=ann)).headers["etag"]
    assert (await http.client.get(f"/applications/{id_}", headers=all_)).headers["etag"] == tag

    async def answered(method: str, path: str, of: str, **more: str) -> tuple[Any, ...]:
        path = path.format(of.upper() if "upper" in more else of)
        headers = {**bob, "X-Request-Id": "the-same", **more}
        answer = await http.client.request(method, path, headers=headers)
        return answer.status_code, answer.content, sorted(answer.headers.items() - {("date", answer.headers["date"])})

    conditions: tuple[Headers, ...] = ({}, {"If-None-Match": tag}, {"If-None-Match": "*"}, {"upper": "1"})
    for path in ("/applications/{}", "/v1/applications/{}", "/applications/{}/status"):
        for method in ("GET", "HEAD"):
            for more in conditions:
                for of in (id_, unowned):
                    there, absent = await answered(method, path, of, **more), await answered(method, path, nothing)
                    assert there == absent
                    assert there[0] == 404
    for reader in (ann, all_):
        assert (await http.client.get(f"/applications/{id_}", headers=reader)).json()["id"] == id_
        assert (await http.client.head(f"/applications/{id_}", headers=reader)).status_code == 200
        known = {**reader, "If-None-Match": tag}
        assert (await http.client.get(f"/applications/{id_}", headers=known)).status_code == 304
        assert (await http.client.get(f"/applications/{id_}/status", headers=reader)).json()["id"] == id_


async def test_what_is_kept_is_asked_for_again_with_the_key_that_asks(http: Served) -> None:
    ann, all_ = await key(http), await key(http, own=False)
    id_ = await post(http, ann)
    for reader, kept in ((ann, "private, no-cache"), (all_, "private, max-age=60")):
        assert (await http.client.get(f"/applications/{id_}", headers=reader)).headers["cache-control"] == kept


async def test_a_list_and_all_that_it_says_is_of_its_own(http: Served) -> None:
    ann, bob, all_ = await key(http), await key(http), await key(http, own=False)
    of_ann, of_bob = [], []
    for number in range(5):
        of_ann.append(await post(http, ann, user_name=f"Ann {number % 2}"))
        of_bob.append(await post(http, bob, user_name="Ann 1"))
    page = await listed(http, ann, size=2)
    assert (ids(page), page["total"], page["total_relation"], page["pages"]) == (of_ann[:-3:-1], 5, "exact", 3)
    assert (await listed(http, all_))["total"] == 10
    questions: tuple[tuple[dict[str, Any], list[str]], ...] = (
        ({"user_name": "Ann 1"}, of_ann[1::2][::-1]),
        ({"user_name__like": "ann"}, of_ann[::-1]),
        ({"user_name__like": "ann 1", "order_by": "created_at"}, of_ann[1::2]),
        ({"created_to": "2026-01-01T00:00:00Z"}, []),
        ({"created_from": "2026-01-01T00:00:00Z", "page": 2, "size": 3}, of_ann[1::-1]),
        ({"page": 7}, []),
        ({"total": "none", "size": 1}, of_ann[:-2:-1]),
    )
    for params, expected in questions:
        assert ids(await listed(http, ann, **params)) == expected, params
    assert (await listed(http, ann, user_name="Ann 1"))["total"] == 2
    assert (await listed(http, ann, fields="id"))["items"] == [{"id": id_} for id_ in of_ann[::-1]]


async def test_pages_lead_to_each_other_and_name_nobody(http: Served) -> None:
    ann, bob = await key(http), await key(http)
    mine = []
    for _ in range(7):
        mine.append(await post(http, ann))
        await post(http, bob)
    owner = (await list_keys(http.front.running.engine))[1].id
    for first in ({"size": "2"}, {"size": "2", "order_by": "created_at"}):
        for relation, key_of_next in (("next", None), ("cursor", "next_cursor")):
            found: list[str] = []
            path: str | None = str(httpx.URL("/applications", params=first))
            while path:
                assert str(owner) not in path
                answer = await http.client.get(path, headers=ann)
                found += ids(answer.json())
                cursor = answer.json()["next_cursor"]
                if key_of_next:
                    path = str(httpx.URL("/applications", params={**first, "cursor": cursor})) if cursor else None
                else:
                    path = answer.links.get(relation, {}).get("url")
            assert found == (mine if "order_by" in first else mine[::-1])
    unknown = await http.client.get("/applications", headers=bob, params={"owner": str(owner)})
    assert unknown.status_code == 422


async def test_a_place_among_others_applications_shows_nothing_of_them(http: Served) -> None:
    ann, bob = await key(http), await key(http)
    of_ann = [await post(http, ann) for _ in range(3)]
    of_bob = [await post(http, bob) for _ in range(3)]
    later = [await post(http, ann) for _ in range(3)]
    foreign = await listed(http, bob, size=1)
    for cursor in (foreign["next_cursor"],):
        page = await listed(http, ann, cursor=cursor, size=2)
        assert ids(page) == of_ann[:0:-1]
        assert page["total"] == 6
        assert ids(await listed(http, ann, cursor=page["prev_cursor"])) == later[::-1]
    for place in ({"headers": {**ann, "Last-Event-ID": of_bob[0]}}, {"headers": ann, "params": {"after": of_bob[0]}}):
        assert await followed(http, len(later), **place) == later


async def followed(http: Served, count: int, **asked: Any) -> list[str]:
    """The ids of a stream's next applications, and that none but these come with them."""
    found: list[str] = []
    async with asyncio.timeout(60), http.client.stream("GET", "/applications/stream", **asked) as answer:
        assert answer.status_code == 200
        async for event in events(answer):
            if "data" in event:
                found.append(json.loads(event["data"])["id"])
            if len(found) == count:
                break
    return found


async def exported(http: Served, headers: Headers, **params: str) -> list[str]:
    answer = await http.client.get("/applications/export", headers=headers, params=params)
    assert answer.status_code == 200
    return [json.loads(line)["id"] for line in answer.text.splitlines()]


async def test_streams_and_exports_beside_each_other_hold_to_their_own(http: Served) -> None:
    ann, bob, all_ = await key(http), await key(http), await key(http, own=False)
    made: dict[str, list[str]] = {"ann": [], "bob": []}
    for number in range(140):  # more than one piece
        made["ann"].append(await post(http, ann, user_name=f"user {number % 2}"))
        made["bob"].append(await post(http, bob, user_name=f"user {number % 2}"))
    one = asyncio.create_task(followed(http, 141, headers=ann, params={"after": BEGINNING}))
    other = asyncio.create_task(followed(http, 141, headers=bob, params={"after": BEGINNING}))
    named = asyncio.create_task(followed(http, 70, headers=bob, params={"after": BEGINNING, "user_name": "user 1"}))
    for name, headers in (("bob", bob), ("ann", ann)):
        made[name].append(await post(http, headers))
    assert list(await asyncio.gather(one, other)) == [made["ann"], made["bob"]]
    assert await named == made["bob"][1:140:2]

    async def all_exported() -> bool:
        return len(await exported(http, all_)) == 282

    await eventually(all_exported, what="an export of everything")
    assert await exported(http, ann) == made["ann"]
    assert await exported(http, bob, user_name="user 0") == made["bob"][0:140:2]
    assert await exported(http, bob, after=made["ann"][100]) == made["bob"][100:]


@asynccontextmanager
async def held_reads(http: Served) -> AsyncIterator[list[Any]]:
    """Reads wait until the block ends; those that wait."""
    server, waiting, go_on = http.front.running.reads._server, list[Any](), asyncio.Event()
    fetch = server.fetch

    async def later(statement: Any, values: Any) -> Any:
        waiting.append(values)
        await go_on.wait()
        return await fetch(statement, values)

    server.fetch = later  # type: ignore[method-assign]
    try:
        yield waiting
    finally:
        server.fetch = fetch  # type: ignore[method-assign]
        go_on.set()


async def test_answers_that_are_shared_are_shared_by_keys_of_one_owner_only(
    http: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(totals, "_CHEAP", 0)  # every total is kept for a while
    ann, bob, all_ = await key(http), await key(http), await key(http, own=False)
    of_ann, of_bob = [await post(http, ann) for _ in range(3)], [await post(http, bob) for _ in range(4)]
    for reader in (ann, bob, all_):  # so that no look-up of a key is among the reads
        await listed(http, reader)
    readers = (all_, ann, bob) * 8
    pages, ones = [], []
    async with held_reads(http) as waiting:
        for reader in readers:
            pages.append(asyncio.create_task(listed(http, reader, size=1)))
            path = f"/applications/{of_ann[0]}"
            ones.append(asyncio.create_task(http.client.get(path, headers=reader)))

        async def wait() -> bool:
            return len(waiting) >= 6

        await eventually(wait, what="reads under way")
    for reader, page, one in zip(readers, await asyncio.gather(*pages), await asyncio.gather(*ones), strict=True):
        total, newest = {all_["X-API-Key"]: (7, of_bob), ann["X-API-Key"]: (3, of_ann)}.get(
            reader["X-API-Key"], (4, of_bob)
        )
        assert (page["total"], ids(page)) == (total, [newest[-1]])
        assert one.status_code == (404 if reader is bob else 200)


async def test_the_same_key_and_the_same_content_of_two_owners_are_two_applications(locked: Settings) -> None:
    async with served(locked.model_copy(update={"deduplicate_seconds": 60})) as http:
        ann, bob, all_ = await key(http), await key(http), await key(http, own=False)
        once = {"Idempotency-Key": "once"}
        by_key = [await post(http, who | once) for who in (ann, bob, all_, ann, bob)]
        assert len(set(by_key)) == 3
        assert by_key[3:] == by_key[:2]
        by_content = [await post(http, who, description="the same") for who in (all_, ann, bob, all_, ann, bob)]
        assert len(set(by_content)) == 3
        assert by_content[3:] == by_content[:3]
        at_once = await asyncio.gather(*(post(http, who, description="at once") for who in (ann, bob, all_) * 5))
        assert [len(set(at_once[place::3])) for place in range(3)] == [1, 1, 1]
        assert len(set(at_once)) == 3
        batch = [NEW | {"idempotency_key": "a"}, NEW | {"description": "the same"}, NEW | {"description": "new"}]
        results = [
            (await http.client.post("/applications/batch", json=batch, headers=who)).json()["results"]
            for who in (ann, bob, ann)
        ]
        assert [[one["status"] for one in each] for each in results] == [
            ["created", "duplicate", "created"],
            ["created", "duplicate", "created"],
            ["duplicate", "duplicate", "duplicate"],
        ]
        assert [each[1]["id"] for each in results] == [by_content[1], by_content[2], by_content[1]]
        for who, number in ((ann, 5), (bob, 5), (all_, 13)):
            assert (await listed(http, who))["total"] == number


async def test_a_crowd_of_all_kinds_in_one_commit_keeps_what_is_whose(http: Served) -> None:
    keys = {"ann": await key(http), "bob": await key(http), "all": await key(http, own=False)}

    async def submit(name: str, number: int) -> None:
        more = {"Idempotency-Key": str(number // 2)} if number % 4 > 1 else {}
        await http.client.post("/applications", json=NEW | {"user_name": name}, headers=keys[name] | more)

    await asyncio.gather(*(submit(name, number) for number in range(40) for name in keys))
    for name, headers in keys.items():
        batch = [NEW | {"user_name": name} for _ in range(3)]
        for params in ({}, {"atomic": "true"}):
            await http.client.post("/applications/batch", json=batch, headers=headers, params=params)
    writer = http.front.running.writer
    assert writer.commits < 126
    stored = 40 - 10 + 6
    assert await owners(http) == {"ann": stored, "bob": stored}
    for name in ("ann", "bob"):
        page = await listed(http, keys[name], size=100)
        assert ({item["user_name"] for item in page["items"]}, page["total"]) == ({name}, stored)
    assert (await listed(http, keys["all"]))["total"] == 3 * stored


async def test_without_such_a_key_the_statement_of_a_commit_is_the_one_without_owners(locked: Settings) -> None:
    async with served(locked) as http:
        session, sent = http.front.running.writer._commits._session, list[Any]()
        execute_ = session.execute

        async def noted(statement: Any, values: Any) -> Any:
            sent.append(statement)
            return await execute_(statement, values)

        session.execute = noted  # type: ignore[method-assign]
        all_, ann = await key(http, own=False), await key(http)
        await post(http, all_)
        await post(http, all_ | {"Idempotency-Key": "once"})
        assert statements.COMMIT in sent
        assert statements.COMMIT_WITH_OWNERS not in sent
        await post(http, ann)
        assert statements.COMMIT_WITH_OWNERS in sent


async def test_a_rotated_key_reads_on_and_neither_scope_nor_reading_alone_shows_more(
    locked: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_keys, "REMEMBER_SECONDS", 0.0)
    async with served(locked) as http:
        engine = http.front.running.engine
        id_, text = await create_key(engine, "ann", SCOPES, own=True, limit=7)
        ann = {"X-API-Key": text}
        mine = [await post(http, ann)]
        soon = datetime.now(UTC) + timedelta(hours=1)
        for _ in range(2):
            rotated = await rotate_key(engine, id_, ends_at=soon)
            assert rotated
            id_, new = rotated[0], {"X-API-Key": rotated[1]}
            mine.append(await post(http, new))
            for headers in (ann, new):
                assert ids(await listed(http, headers)) == mine[::-1]
        assert {(one.own, one.limit, tuple(one.scopes)) for one in await list_keys(engine)} == {(True, 7, SCOPES)}
        reading = await key(http, scopes=["applications:read"])
        assert (await listed(http, reading))["total"] == 0
        writing = await key(http, scopes=["applications:write"])
        await post(http, writing)
        refused = await http.client.get("/applications", headers=writing)
        assert (refused.status_code, "scope applications:read." in refused.json()["detail"]) == (403, True)


async def test_a_gateway_of_before_refuses_such_a_key_and_its_rotation_shows_nothing(locked: Settings) -> None:
    """It knows the scopes by name, and copies them and nothing else when it rotates."""
    async with served(locked) as http:
        id_, text = await create_key(http.front.running.engine, "ann", (*SCOPES, "operations"), own=True)
        await post(http, {"X-API-Key": text})
        url = locked.database_url.get_secret_value()
        [row] = await rows(url, "SELECT scopes FROM api_keys")
        assert not set(SCOPES) & set(row["scopes"])
        assert "operations" in row["scopes"]
        await execute(url, "UPDATE api_keys SET owner = NULL")
        http.front.gate.keys = api_keys.ApiKeys(http.front.running.engine)
        assert (await listed(http, {"X-API-Key": text}))["total"] == 1  # its own
        await execute(url, f"UPDATE api_keys SET id = '{UUID(int=id_.int + 1)}'")
        http.front.gate.keys = api_keys.ApiKeys(http.front.running.engine)
        assert (await listed(http, {"X-API-Key": text}))["total"] == 0


async def test_pages_for_people_show_nothing_while_keys_are_required(http: Served) -> None:
    ann = await key(http)
    id_ = await post(http, ann, user_name="Ann Only")
    for path in ("/", f"/?accepted={id_}", f"/status?id={id_}", "/problems", "/docs", "/openapi.json"):
        for headers in ({}, await key(http), ann):
            answer = await http.client.get(path, headers=headers | {"Accept": "text/html"})
            assert "Ann Only" not in answer.text, path
            assert "published" not in answer.text or path in {"/docs", "/openapi.json"}, path


async def test_a_limit_of_its_own_is_held_and_told(locked: Settings) -> None:
    for general in (3, 0):
        async with served(locked.model_copy(update={"rate_limit_per_minute": general})) as http:
            limiter = http.front.gate.limiter
            assert limiter is not None
            limiter.window = SlidingWindow(general, clock=lambda: 1_000_000.0)  # however long the machine takes
            of_its_own, ordinary = await key(http, limit=5), await key(http, own=False)
            found = [await http.client.get("/applications", headers=of_its_own) for _ in range(6)]
            assert [answer.status_code for answer in found] == [200] * 5 + [429]
            for answer in found:
                assert answer.headers["ratelimit-policy"] == '"default";q=5;w=60'
            assert [answer.headers["ratelimit"].split(";")[1] for answer in found[:5]] == [
                f"r={n}" for n in range(4, -1, -1)
            ]
            assert "5" in found[-1].json()["detail"]
            assert int(found[-1].headers["retry-after"]) > 0
            found = [await http.client.get("/applications", headers=ordinary) for _ in range(5)]
            if general:
                assert [answer.status_code for answer in found] == [200] * 3 + [429] * 2
                assert found[0].headers["ratelimit-policy"] == '"default";q=3;w=60'
            else:
                assert {answer.status_code for answer in found} == {200}
                assert "ratelimit" not in found[0].headers
            batch = await http.client.post(
                "/applications/batch", json=[NEW] * 8, headers=await key(http, limit=5), params={}
            )
            assert batch.json()["counts"] == {"created": 5, "duplicate": 0, "invalid": 0, "retry": 3}
            assert batch.headers["ratelimit-policy"] == '"default";q=5;w=60'
