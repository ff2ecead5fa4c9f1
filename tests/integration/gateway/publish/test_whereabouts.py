"""The status of an application: as far as PostgreSQL and Kafka say, and no further."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from contracts import Topics, id_of
from gateway.publish.whereabouts import Finder
from gateway.settings import Settings
from runtime.kafka.clients import Kafka
from tests.support.http_gateway import NEW, Served, served
from tests.support.write_path import eventually, execute, records


async def post(http: Served) -> tuple[str, str]:
    """The id of a new application, and where its status is."""
    answer = await http.client.post("/applications", json=NEW)
    assert answer.links["status"]["url"] == f"{answer.headers['location']}/status"
    return answer.json()["id"], answer.links["status"]["url"]


async def reached(http: Served, address: str, state: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    async def holds() -> bool:
        nonlocal found
        found = (await http.client.get(address)).json()
        return bool(found["state"] == state)

    await eventually(holds, what=f"the state {state}")
    return found


async def test_it_goes_from_stored_to_published_to_counted(http: Served, kafka: Kafka, topics: Topics) -> None:
    for _ in range(3):
        await post(http)
    id_, address = await post(http)
    found = await reached(http, address, "published")
    while found["published"]["offset"] is None:  # a busy broker
        found = await reached(http, address, "published")
    assert found["id"] == id_
    assert found["counted"] is found["refused"] is None
    [record] = [one for one in await records(kafka, topics.applications) if str(id_of(one.value, one.headers)) == id_]
    assert (found["published"]["partition"], found["published"]["offset"]) == (record.partition, record.offset)
    worker = kafka.consumer(group_id=f"{topics.prefix}metrics")
    await worker.start()
    try:
        at = TopicPartition(record.topic, record.partition)
        worker.assign([at])
        await worker.commit({at: record.offset})
        assert (await reached(http, address, "published"))["counted"] is None
        await worker.commit({at: record.offset + 1})
    finally:
        await worker.stop()
    counted = await reached(http, address, "counted")
    assert counted["published"] == found["published"]
    assert counted["stored"]["at"] <= counted["published"]["seen_at"] <= counted["counted"]["seen_at"]
    # What is known for good is not asked for again.
    assert (await http.client.get(address)).json() == counted
    assert (await http.client.head(address)).status_code == 200


async def test_without_kafka_it_is_stored(http_settings: Settings) -> None:
    async with served(http_settings.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:9"})) as http:
        id_, address = await post(http)
        found = (await http.client.get(address)).json()
        assert found == {
            "id": id_,
            "state": "stored",
            "stored": {"at": found["stored"]["at"]},
            "published": None,
            "counted": None,
            "refused": None,
        }


async def test_what_kafka_does_not_say_is_null(http: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def away(_: Finder, away: bool = True) -> AsyncIterator[None]:
        if away:
            raise KafkaConnectionError("away")
        yield

    monkeypatch.setattr(Finder, "_consumer", away)
    _, address = await post(http)
    found = await reached(http, address, "published")
    assert found["published"]["partition"] is found["published"]["offset"] is None


async def test_what_kafka_refuses_says_why(http: Served) -> None:
    id_, address = await post(http)
    await reached(http, address, "published")
    script = f"INSERT INTO unpublishable (id, batch, reason) VALUES ('{id_}', '{id_}', 'too large')"
    await execute(http.settings.database_url.get_secret_value(), script)
    http.front.running.whereabouts._known.clear()
    found = (await http.client.get(address)).json()
    assert (found["state"], found["refused"], found["published"]) == ("refused", "too large", None)


@pytest.mark.parametrize(
    ("id_", "status"),
    [
        ("01994f3c-8a5e-7c1d-9b0a-3f6e2d1c4b5a", 404),
        ("00000000-0000-0000-0000-000000000000", 404),
        ("ffffffff-ffff-ffff-ffff-ffffffffffff", 404),
        ("x", 404),
        ("%00", 404),
    ],
)
async def test_what_is_not_there_is_not_found(http: Served, id_: str, status: int) -> None:
    answer = await http.client.get(f"/applications/{id_}/status")
    assert (answer.status_code, answer.json()["type"]) == (status, "/problems/not-found")
    assert (await http.client.post(f"/applications/{id_}/status")).status_code in {404, 405}
