"""GET /applications and /applications/{id}: both ways of paging, filters against a plain model, conditional reads."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts import created_at_text, first_id
from gateway.settings import Settings
from tests.support.http_gateway import NEW, Served, served

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
USERS = ["Анна", "анна ковалёва", "Bob", "bobby", "100%", "a_b", "a\\b"]


async def fill(url: str, number: int) -> list[dict[str, Any]]:
    """Rows with known times, one a minute, three of each minute in the same millisecond."""
    made = []
    for place in range(number):
        at = START + timedelta(minutes=place // 3)
        id_ = UUID(int=first_id(at).int | 7 << 76 | 2 << 62 | place)
        user = USERS[place % len(USERS)]
        made.append({"id": id_, "user_name": user, "description": f"text {place}", "created_at": at})
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        await connection.executemany(
            "INSERT INTO applications VALUES ($1, $2, $3, $4)", [tuple(row.values()) for row in made]
        )
    finally:
        await connection.close()
    return made


def shown(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"id": str(row["id"]), "created_at": created_at_text(row["created_at"])}


async def test_pages_and_cursors_show_the_same_in_the_same_order(http: Served) -> None:
    made = [shown(row) for row in await fill(http.settings.database_url.get_secret_value(), 47)]
    by_page = []
    for number in range(1, 7):
        answer = (await http.client.get("/applications", params={"page": number, "size": 10})).json()
        assert (answer["total"], answer["total_relation"], answer["pages"], answer["page"]) == (47, "exact", 5, number)
        by_page += answer["items"]
    assert by_page == made[::-1]
    for order, expected in (("-created_at", made[::-1]), ("created_at", made)):
        following: dict[str, str] = {}
        by_cursor = []
        while True:
            params = {"size": "10", "order_by": order, **following}
            answer = (await http.client.get("/applications", params=params)).json()
            by_cursor += answer["items"]
            if answer["next_cursor"] is None:
                break
            following = {"cursor": answer["next_cursor"]}
        assert by_cursor == expected


async def test_a_cursor_does_not_move_when_more_arrives(http: Served) -> None:
    made = [shown(row) for row in await fill(http.settings.database_url.get_secret_value(), 9)]
    first = (await http.client.get("/applications", params={"size": 4})).json()
    for _ in range(3):
        await http.client.post("/applications", json=NEW)
    second = (await http.client.get("/applications", params={"size": 4, "cursor": first["next_cursor"]})).json()
    assert first["items"] + second["items"] == made[::-1][:8]
    assert second["page"] is None
    assert second["pages"] is None


async def test_links_lead_through_the_whole_list(http: Served) -> None:
    await fill(http.settings.database_url.get_secret_value(), 25)
    address: str | None = "/applications?" + urlencode({"size": 10, "order_by": "created_at"})
    seen = []
    while address:
        answer = await http.client.get(address)
        seen += [item["description"] for item in answer.json()["items"]]
        links = {relation: link for link, relation in re.findall(r'<([^>]+)>; rel="(\w+)"', answer.headers["link"])}
        assert {"first", "last"} <= set(links)
        address = links.get("next")
    assert seen == [f"text {place}" for place in range(25)]
    assert (await http.client.get(links["first"])).json()["page"] == 1
    assert (await http.client.get(links["prev"])).json()["page"] == 2


# The strategies do not touch `random`, but the gateway's Kafka client does, in this process and at the same time.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")
async def test_filters_are_what_a_plain_filter_would_find(http: Served) -> None:
    made = await fill(http.settings.database_url.get_secret_value(), 60)
    times = st.none() | st.integers(-2, 22).map(lambda minutes: START + timedelta(minutes=minutes))

    @settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        user_name=st.none() | st.sampled_from([*USERS, "nobody"]),
        like=st.none() | st.sampled_from(["ЛЁВ", "bob", "%", "_", "\\", "ё", "zzz"]),
        created_from=times,
        created_to=times,
        ascending=st.booleans(),
        size=st.integers(1, 100),
        page=st.integers(1, 4),
    )
    async def check(
        user_name: str | None,
        like: str | None,
        created_from: datetime | None,
        created_to: datetime | None,
        *,
        ascending: bool,
        size: int,
        page: int,
    ) -> None:
        if created_from and created_to and created_from > created_to:
            return
        expected = [
            row
            for row in made
            if (user_name is None or row["user_name"] == user_name)
            and (like is None or like.lower() in row["user_name"].lower())
            and (created_from is None or row["created_at"] >= created_from)
            and (created_to is None or row["created_at"] < created_to)
        ]
        expected = expected if ascending else expected[::-1]
        asked = {
            "user_name": user_name,
            "user_name__like": like,
            "created_from": created_from and created_from.isoformat(),
            "created_to": created_to and created_at_text(created_to),
            "order_by": "created_at" if ascending else "-created_at",
            "size": size,
            "page": page,
        }
        params = {name: str(value) for name, value in asked.items() if value is not None}
        answer = (await http.client.get("/applications", params=params)).json()
        assert answer["items"] == [shown(row) for row in expected[(page - 1) * size : page * size]]
        assert answer["total"] == len(expected)
        assert (answer["next_cursor"] is None) == (page * size >= len(expected))

    await _run(check)


async def _run(check: Any) -> None:
    """Hypothesis runs synchronous functions: give it one that waits for the coroutine on this loop."""
    import asyncio

    loop = asyncio.get_running_loop()
    inner = check.hypothesis.inner_test
    check.hypothesis.inner_test = lambda **values: asyncio.run_coroutine_threadsafe(inner(**values), loop).result(60)
    await asyncio.to_thread(check)


async def test_counting_stops_where_it_would_cost(http: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.read.totals.COUNT_MAX", 15)
    await fill(http.settings.database_url.get_secret_value(), 30)
    answer = (await http.client.get("/applications", params={"size": 5})).json()
    assert (answer["total"], answer["total_relation"]) == (15, "at_least")
    narrow = (await http.client.get("/applications", params={"user_name": "Bob", "size": 1})).json()
    assert (narrow["total"], narrow["total_relation"]) == (4, "exact")


async def test_a_cursor_of_another_search_is_refused(http: Served) -> None:
    await fill(http.settings.database_url.get_secret_value(), 9)
    cursor = (await http.client.get("/applications", params={"size": 2})).json()["next_cursor"]
    answer = await http.client.get("/applications", params={"size": 2, "cursor": cursor, "user_name": "Bob"})
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/cursor-invalid")


async def test_an_application_is_read_again_only_if_it_changed(http: Served) -> None:
    place = (await http.client.post("/applications", json=NEW)).headers["location"]
    first = await http.client.get(place)
    tag = first.headers["etag"]
    for header in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        answer = await http.client.get(place, headers={"If-None-Match": header})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert (await http.client.get(place, headers={"If-None-Match": '"x"'})).status_code == 200


async def test_head_is_a_get_without_a_body(http: Served) -> None:
    place = (await http.client.post("/applications", json=NEW)).headers["location"]
    for address in (place, "/applications", "/livez", "/"):
        head = await http.client.head(address)
        assert (head.status_code, head.content) == (200, b"")
        assert int(head.headers["content-length"]) > 0


async def test_a_search_that_takes_too_long_is_ended(http_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.database import connection as module

    monkeypatch.setattr(module, "STATEMENT_SECONDS", 0.2)
    async with served(http_settings) as http:
        url = http.settings.database_url.get_secret_value()
        await fill(url, 5)
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        try:
            async with connection.transaction():
                await connection.execute("LOCK TABLE applications IN ACCESS EXCLUSIVE MODE")
                answer = await http.client.get("/applications")
        finally:
            await connection.close()
        assert answer.status_code in {422, 503}
        assert answer.json()["type"] in {"/problems/search-too-broad", "/problems/database-unavailable"}


async def test_cursors_lead_back_the_way_they_came(http: Served) -> None:
    made = [shown(row) for row in await fill(http.settings.database_url.get_secret_value(), 23)]
    for order, expected in (("-created_at", made[::-1]), ("created_at", made)):
        params = {"size": "5", "order_by": order}
        pages = [(await http.client.get("/applications", params=params)).json()]
        assert pages[0]["prev_cursor"] is None
        while pages[-1]["next_cursor"]:
            more = params | {"cursor": pages[-1]["next_cursor"]}
            pages.append((await http.client.get("/applications", params=more)).json())
        back, items = pages[-1], list(pages[-1]["items"])
        while back["prev_cursor"]:
            answer = await http.client.get("/applications", params=params | {"cursor": back["prev_cursor"]})
            found = re.findall(r'<([^>]+)>; rel="(\w+)"', answer.headers["link"])
            links = {relation: link for link, relation in found}
            back, forth = answer.json(), (await http.client.get(links["next"])).json()
            assert forth["items"] == items[:5]
            assert ("prev" in links) == (back["prev_cursor"] is not None)
            items = back["items"] + items
        assert items == expected
    deep = (await http.client.get("/applications", params={"page": 3, "size": 5})).json()
    before = (await http.client.get("/applications", params={"cursor": deep["prev_cursor"], "size": 5})).json()
    assert before["items"] == made[::-1][5:10]


async def test_before_what_is_beyond_the_end_comes_the_last_page(http: Served) -> None:
    for made, last in ((0, 1), (25, 3)):
        await fill(http.settings.database_url.get_secret_value(), made)
        for page in (4, 99):
            answer = await http.client.get("/applications", params={"page": page, "size": 10})
            assert answer.json()["items"] == []
            link = re.findall(r'<([^>]+)>; rel="prev"', answer.headers["link"])[0]
            assert (await http.client.get(link)).json()["page"] == last
