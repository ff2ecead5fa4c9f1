"""One person is one user, however the letters of the name were typed, whichever way it came in and is asked for."""

import json
from uuid import UUID

import pytest

from contracts import value_of
from runtime.kafka.clients import Kafka
from tests.integration.cli.test_audit import application, store
from tests.support.http_gateway import Served, count
from tests.support.write_path import eventually, records, rows

COMPOSED, APART = "Zo\u00eb", "Zoe\u0308"
FORM = "application/x-www-form-urlencoded"


def body(name: str) -> dict[str, str]:
    return {"user_name": name, "description": "text"}


async def test_a_name_is_stored_published_and_found_in_one_spelling(http: Served, kafka: Kafka) -> None:
    for name in (COMPOSED, APART):
        line = json.dumps(body(name), ensure_ascii=False).encode()
        for content, media_type, address in (
            (line, "application/json", "/applications"),
            (b"[" + line + b"]", "application/json", "/applications/batch"),
            (line, "application/x-ndjson", "/applications/batch"),
        ):
            answer = await http.client.post(address, content=content, headers={"Content-Type": media_type})
            assert answer.status_code in {200, 201}, answer.text
        assert (await http.client.post("/", data=body(name) | {"key": name.encode().hex()})).status_code == 303
    stored = await rows(http.settings.database_url.get_secret_value(), "SELECT user_name FROM applications")
    assert {row["user_name"] for row in stored} == {COMPOSED}
    for asked in ({"user_name": COMPOSED}, {"user_name": APART}, {"user_name__like": "OE\u0308"}):
        assert (await http.client.get("/applications", params=asked)).json()["total"] == 8
    topic = http.settings.topics.applications

    async def all_published() -> bool:
        return len(await records(kafka, topic)) == 8

    await eventually(all_published, what="eight events")
    published = await records(kafka, topic)
    assert {record.key for record in published} == {COMPOSED.encode()}
    assert {json.loads(record.value or b"")["user_name"] for record in published} == {COMPOSED}


@pytest.mark.parametrize("name", ["\u200b", "\u3164", "\u202e"], ids=ascii)
async def test_a_name_that_nobody_can_see_is_refused_whichever_way_it_comes(http: Served, name: str) -> None:
    single = await http.client.post("/applications", json=body(name))
    assert (single.status_code, single.json()["errors"][0]["code"]) == (422, "string_unseen")
    batch = await http.client.post("/applications/batch", json=[body(name)])
    assert batch.json()["results"][0]["problem"]["errors"][0]["code"] == "string_unseen"
    form = await http.client.post("/?lang=ru", data=body(name) | {"key": "k"})
    assert form.status_code == 422
    assert "нужен хотя бы один видимый символ" in form.text
    assert await count(http.settings) == 0


async def test_a_repeat_of_what_was_stored_before_names_were_normalised_is_a_repeat(http: Served) -> None:
    old = application(1).model_copy(update={"user_name": APART, "description": "text"})
    url = http.settings.database_url.get_secret_value()
    await store(url, [old])
    await rows(url, f"INSERT INTO idempotency_keys VALUES ('127.0.0.1', 'k', '{old.id}', now() + interval '1 day')")
    for name in (APART, COMPOSED):
        again = await http.client.post("/applications", json=body(name), headers={"Idempotency-Key": "k"})
        assert again.status_code == 201, again.text
        assert again.content == value_of(old)
        assert UUID(again.json()["id"]) == old.id


async def test_a_name_turns_nothing_round_it_round(http: Served) -> None:
    await http.client.post("/applications", json=body("\u202eabc"))
    assert "<strong><bdi>\u202eabc</bdi></strong>" in (await http.client.get("/")).text
