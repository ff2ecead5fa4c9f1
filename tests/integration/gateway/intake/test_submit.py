"""POST /applications: 201, replays, and who is told what when it cannot be."""

import asyncio
import json
from uuid import UUID, uuid4

import pytest

from gateway.settings import Settings
from tests.support.http_gateway import NEW, Served, count, served
from tests.support.write_path import eventually, rows


async def test_an_application_is_answered_with_its_four_fields_and_its_place(http: Served) -> None:
    answer = await http.client.post("/applications", json={"user_name": "  Анна  ", "description": "\t Заявление \n"})
    assert answer.status_code == 201
    body = answer.json()
    assert list(body) == ["id", "user_name", "description", "created_at"]
    assert (body["user_name"], body["description"]) == ("Анна", "Заявление")
    assert body["created_at"].endswith("Z")
    assert answer.headers["location"] == f"/applications/{body['id']}"
    assert UUID(body["id"]).version == 7
    again = await http.client.get(answer.headers["location"])
    assert again.content == answer.content


@pytest.mark.parametrize("length", [1, 255])
async def test_names_are_counted_in_characters(http: Served, length: int) -> None:
    answer = await http.client.post("/applications", json={"user_name": "Ж" * length, "description": "😀" * 10_000})
    assert answer.status_code == 201


async def test_the_request_id_is_the_callers_if_it_is_sane(http: Served) -> None:
    kept = await http.client.post("/applications", json=NEW, headers={"X-Request-ID": "order-42:a.b_c"})
    assert kept.headers["x-request-id"] == "order-42:a.b_c"
    for insane in ("x" * 65, "a b", "na\xefve", ""):
        answer = await http.client.get("/nowhere", headers={b"X-Request-ID": insane.encode("latin-1")})
        assert answer.headers["x-request-id"] not in {insane, ""}
        assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_a_key_replays_the_first_answer(http: Served) -> None:
    key = str(uuid4())
    first = await http.client.post("/applications", json=NEW, headers={"Idempotency-Key": key})
    quoted = await http.client.post("/applications", json=NEW, headers={"Idempotency-Key": f'"{key}"'})
    assert first.status_code == quoted.status_code == 201
    assert first.content == quoted.content
    assert "idempotency-replayed" not in first.headers
    assert quoted.headers["idempotency-replayed"] == "true"
    assert quoted.headers["location"] == first.headers["location"]
    other = await http.client.post("/applications", json=NEW | {"description": "x"}, headers={"Idempotency-Key": key})
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
    assert await count(http.settings) == 1


async def test_of_many_requests_with_one_key_one_is_stored(http: Served) -> None:
    async def post() -> tuple[int, str]:
        answer = await http.client.post("/applications", json=NEW, headers={"Idempotency-Key": "k"})
        return answer.status_code, answer.json().get("id", "")

    answers = await asyncio.gather(*(post() for _ in range(30)))
    assert {status for status, _ in answers} <= {201, 409}
    assert len({id_ for status, id_ in answers if status == 201}) == 1
    assert await count(http.settings) == 1


async def test_a_key_is_one_clients(http_settings: Settings) -> None:
    behind_proxy = http_settings.model_copy(update={"trusted_proxies": ("127.0.0.0/8",)})
    async with served(behind_proxy) as http:
        for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1"):
            headers = {"Idempotency-Key": "k", "X-Forwarded-For": address}
            assert (await http.client.post("/applications", json=NEW, headers=headers)).status_code == 201
        assert await count(http.settings) == 2


async def test_two_values_of_the_key_are_refused(http: Served) -> None:
    answer = await http.client.post(
        "/applications", json=NEW, headers=[("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    )
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/idempotency-key-invalid")


async def test_a_key_that_ran_out_is_free_again(http: Served) -> None:
    first = await http.client.post("/applications", json=NEW, headers={"Idempotency-Key": "k"})
    url = http.settings.database_url.get_secret_value()
    await rows(url, "UPDATE idempotency_keys SET expires_at = now() - interval '1 second'")
    second = await http.client.post("/applications", json=NEW, headers={"Idempotency-Key": "k"})
    assert second.status_code == 201
    assert second.json()["id"] != first.json()["id"]


async def test_content_is_told_apart_when_that_is_asked_for(http_settings: Settings) -> None:
    async with served(http_settings.model_copy(update={"deduplicate_seconds": 60.0})) as http:
        first = await http.client.post("/applications", json=NEW)
        second = await http.client.post("/applications", json=NEW)
        other = await http.client.post("/applications", json=NEW | {"user_name": "Б"})
        assert first.content == second.content
        assert second.headers["idempotency-replayed"] == "true"
        assert other.json()["id"] != first.json()["id"]
        keyed = await http.client.post("/applications", json=NEW, headers={"Idempotency-Key": "k"})
        assert keyed.json()["id"] != first.json()["id"]


async def test_the_callers_trace_goes_with_the_event(http: Served) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert (await http.client.post("/applications", json=NEW, headers={"traceparent": trace})).status_code == 201
    assert (await http.client.post("/applications", json=NEW, headers={"traceparent": "00-zz"})).status_code == 201


async def test_more_requests_than_allowed_are_told_to_come_again(http_settings: Settings) -> None:
    async with served(http_settings.model_copy(update={"requests_max": 3})) as http:
        answers = await asyncio.gather(*(http.client.post("/applications", json=NEW) for _ in range(40)))
        refused = [answer for answer in answers if answer.status_code == 503]
        assert refused
        assert all(answer.json()["type"] == "/problems/overloaded" for answer in refused)
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
        stored = [answer for answer in answers if answer.status_code == 201]
        assert await count(http.settings) == len(stored)


async def test_messages_are_in_the_language_of_the_caller_and_codes_are_not(http: Served) -> None:
    content = json.dumps({"user_name": ""})
    headers = {"Content-Type": "application/json", "Accept-Language": "ru"}
    answer = await http.client.post("/applications", content=content, headers=headers)
    assert answer.headers["content-language"] == "ru"
    problem = answer.json()
    assert problem["title"] == "Запрос нарушает правила"
    assert [(one["pointer"], one["code"]) for one in problem["errors"]] == [
        ("#/user_name", "string_too_short"),
        ("#/description", "missing"),
    ]


async def test_a_client_that_leaves_costs_nothing(http: Served) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", http.port)
    writer.write(
        b"POST /applications HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
    )
    await writer.drain()
    await eventually(lambda: _is(http.front.active, 1), what="the request to begin")
    writer.close()
    await eventually(lambda: _is(http.front.active, 0), what="the request to be forgotten")
    assert await count(http.settings) == 0


async def _is(value: int, wanted: int) -> bool:
    return value == wanted
