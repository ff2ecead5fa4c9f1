"""POST /applications/batch: one result for each item, in order, whatever the others are."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest

from gateway.observability.telemetry import CLIENT_GONE
from gateway.settings import Settings
from tests.support.http_gateway import NEW, Served, count, served
from tests.support.write_path import eventually, outbox_is_empty, rows

NDJSON = {"Content-Type": "application/x-ndjson"}


def statuses(answer: Any) -> list[str]:
    return [result["status"] for result in answer.json()["results"]]


def lines(*items: object) -> bytes:
    return b"".join(item if isinstance(item, bytes) else json.dumps(item).encode() + b"\n" for item in items)


MIXED: list[Any] = [
    NEW,
    NEW | {"user_name": ""},
    NEW | {"idempotency_key": "one"},
    "text",
    NEW | {"idempotency_key": "one"},
    NEW | {"idempotency_key": "one", "user_name": "another"},
    NEW | {"idempotency_key": "a\nb"},
    NEW | {"more": 1},
]
EXPECTED = ["created", "invalid", "created", "invalid", "duplicate", "invalid", "invalid", "invalid"]


@pytest.mark.parametrize("as_lines", [False, True], ids=["array", "lines"])
async def test_one_result_for_each_item_in_order(http: Served, as_lines: bool) -> None:
    if as_lines:
        answer = await http.client.post("/applications/batch", content=lines(*MIXED), headers=NDJSON)
    else:
        answer = await http.client.post("/applications/batch", json=MIXED)
    assert answer.status_code == 200
    assert statuses(answer) == EXPECTED
    results = answer.json()["results"]
    assert results[4]["id"] == results[2]["id"]
    assert results[5]["problem"]["type"] == "/problems/idempotency-key-reused"
    assert results[1]["problem"]["errors"][0]["pointer"] == "#/user_name"
    assert answer.json()["counts"] == {"created": 2, "duplicate": 1, "invalid": 5, "retry": 0}
    assert await count(http.settings) == 2
    read = await http.client.get(f"/applications/{results[0]['id']}")
    assert read.json()["user_name"] == NEW["user_name"]


async def test_lines_are_separate_whatever_stands_in_them(http: Served) -> None:
    body = (
        lines(
            NEW,
            b"\n",
            b"  \r\n",
            b'{"user_name": "a"\n',
            b'"description": "b"}\n',
            b"{}{}\n",
            b"\xff\n",
            b"[" * 100_000 + b"\n",
        )
        + json.dumps(NEW).encode()
    )
    answer = await http.client.post("/applications/batch", content=body, headers=NDJSON)
    assert statuses(answer) == ["created", "invalid", "invalid", "invalid", "invalid", "invalid", "created"]


async def test_a_repeated_batch_stores_nothing_more(http: Served) -> None:
    items = [NEW | {"user_name": f"user {number}"} for number in range(25)]
    headers = {"Idempotency-Key": str(uuid4())}
    first = await http.client.post("/applications/batch", json=items, headers=headers)
    again = await http.client.post("/applications/batch", json=items, headers=headers)
    changed = await http.client.post("/applications/batch", json=[NEW, *items[1:]], headers=headers)
    assert set(statuses(first)) == {"created"}
    assert set(statuses(again)) == {"duplicate"}
    assert [one["id"] for one in again.json()["results"]] == [one["id"] for one in first.json()["results"]]
    assert statuses(changed) == ["invalid"] + ["duplicate"] * 24
    assert await count(http.settings) == 25


async def test_order_is_kept_and_everything_is_published(http: Served) -> None:
    items = [NEW | {"description": str(number)} for number in range(1000)]
    answer = await http.client.post("/applications/batch", json=items)
    ids = [result["id"] for result in answer.json()["results"]]
    assert ids == sorted(ids)
    url = http.settings.database_url.get_secret_value()
    stored = await rows(url, "SELECT description FROM applications ORDER BY id")
    assert [row["description"] for row in stored] == [item["description"] for item in items]
    await eventually(lambda: outbox_is_empty(url), what="an empty outbox")


@pytest.mark.parametrize("content", [json.dumps([NEW] * 4).encode(), lines(*[NEW] * 4)], ids=["array", "lines"])
async def test_too_many_items_are_refused_as_a_whole(http_settings: Settings, content: bytes) -> None:
    async with served(http_settings.model_copy(update={"batch_max_items": 3})) as http:
        headers = {"Content-Type": "application/json"} if content.startswith(b"[") else NDJSON
        answer = await http.client.post("/applications/batch", content=content, headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (413, "/problems/batch-too-large")
        assert await count(http.settings) == 0


async def test_an_empty_batch_has_no_results(http: Served) -> None:
    assert (await http.client.post("/applications/batch", json=[])).json()["results"] == []
    assert (await http.client.post("/applications/batch", content=b"", headers=NDJSON)).json()["results"] == []


async def test_a_broken_array_stores_nothing(http: Served) -> None:
    whole = json.dumps([NEW] * 900)
    content = (whole[:-1] + ", {").encode()
    answer = await http.client.post(
        "/applications/batch", content=content, headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/malformed-json")
    assert await count(http.settings) == 0


@pytest.mark.parametrize("content", [b"{}", b' {"items": []}', lines(NEW, NEW), b"1", b"null"], ids=repr)
async def test_json_that_is_no_array_is_called_that(http: Served, content: bytes) -> None:
    answer = await http.client.post(
        "/applications/batch", content=content, headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid")
    assert answer.json()["errors"] == [{"pointer": "#", "code": "list_type", "detail": "must be an array"}]
    assert await count(http.settings) == 0


async def test_more_than_8_mib_are_refused(http: Served) -> None:
    async def endless() -> Any:
        for _ in range(200):
            yield lines(NEW) * 500

    answer = await http.client.post("/applications/batch", content=endless(), headers=NDJSON)
    assert answer.status_code == 413
    assert await count(http.settings) == 0


async def test_a_batch_costs_its_items(http_settings: Settings) -> None:
    async with served(http_settings.model_copy(update={"rate_limit_per_minute": 10})) as http:
        answer = await http.client.post("/applications/batch", json=[NEW] * 12)
        assert statuses(answer) == ["created"] * 10 + ["retry"] * 2
        last = answer.json()["results"][-1]
        assert last["problem"]["type"] == "/problems/rate-limited"
        assert last["retry_after"] == int(answer.headers["retry-after"]) >= 1
        assert answer.headers["ratelimit"].startswith('"default";r=0;t=')
        assert (await http.client.post("/applications", json=NEW)).status_code == 429
        assert await count(http.settings) == 10


async def test_content_is_told_apart_inside_a_batch_too(http_settings: Settings) -> None:
    async with served(http_settings.model_copy(update={"deduplicate_seconds": 60.0})) as http:
        answer = await http.client.post("/applications/batch", json=[NEW, NEW | {"user_name": "b"}, NEW])
        assert statuses(answer) == ["created", "created", "duplicate"]


@pytest.mark.parametrize(
    ("target", "media_type"),
    [
        ("/applications", "application/json"),
        ("/applications/batch", "application/json"),
        ("/applications/batch", "application/x-ndjson"),
        ("/", "application/x-www-form-urlencoded"),
    ],
)
async def test_who_leaves_before_the_end_is_no_fault_of_ours(
    http: Served, target: str, media_type: str, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", http.port)
    head = f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Type: {media_type}\r\nContent-Length: 100\r\n\r\n["
    writer.write(head.encode())
    await eventually(lambda: _active(http, 1), what="a body under way")
    writer.transport.abort()
    await eventually(lambda: _active(http, 0), what="the end of its request")
    posts = {
        key: sum(seen.counts) for key, seen in http.front.running.telemetry.metrics.requests.items() if key[0] == "POST"
    }
    assert posts == {("POST", target, CLIENT_GONE): 1}
    assert [record.message for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}] == []


async def _active(http: Served, count: int) -> bool:
    return http.front.active == count
