"""A gateway on a real database and broker: what /metrics says of what happened."""

import re

from contracts import Topics, asyncapi
from runtime.kafka.clients import Kafka
from tests.support.inside import served
from tests.support.write_path import eventually, settings_for


async def test_metrics_tell_what_happened(database_url: str, kafka: Kafka, topics: Topics) -> None:
    settings = settings_for(database_url, kafka, topics, rate_limit_per_minute=7)
    async with served(settings) as (front, client):
        body = {"user_name": "Ann", "description": "text"}
        for _ in range(2):
            answer = await client.post("/applications", json=body, headers={"idempotency-key": "k1"})
            assert answer.status_code == 201, answer.text
        for _ in range(3):
            assert (await client.post("/applications", json=body)).status_code == 201
        assert (await client.get(f"/applications/{answer.json()['id']}")).status_code == 200
        assert (await client.get("/nowhere")).status_code == 404
        assert (await client.post("/applications", json=body)).status_code == 429

        async def all_is_published() -> bool:
            return front.running.publisher.published == 4

        await eventually(all_is_published)
        text = (await client.get("/metrics")).text

    def value(name: str, **labels: str) -> float:
        for line in text.splitlines():
            if re.match(rf"{name}[{{ ]", line) and all(f'{key}="{wanted}"' in line for key, wanted in labels.items()):
                return float(line.rsplit(" ", 1)[1])
        raise AssertionError(f"{name} {labels} is not in\n{text}")

    requests = "headgate_request_duration_seconds_count"
    assert value(requests, route="/applications", method="POST", status="201") == 5
    assert value(requests, route="/applications", method="POST", status="429") == 1
    assert value(requests, route="/applications/{id}", method="GET", status="200") == 1
    assert value(requests, route="unmatched", status="404") == 1
    assert value("headgate_accepted_total", process="0") == 4
    assert value("headgate_published_total") == 4
    assert value("headgate_idempotent_replays_total") == 1
    assert value("headgate_rate_limit_decisions_total", outcome="granted") == 7
    assert value("headgate_rate_limit_decisions_total", outcome="refused") == 1
    assert value("headgate_commit_batch_size_sum") == 5
    assert value("headgate_accepted_to_published_seconds_count") == 4
    assert value("headgate_publish_duration_seconds_count") >= 1
    assert value("headgate_dependency_up", dependency="postgresql") == 1
    assert value("headgate_dependency_up", dependency="kafka") == 1
    assert value("headgate_outbox_oldest_seconds") >= 0
    assert value("headgate_lease_held") == 1
    assert value("process_resident_memory_bytes", process="0") > 0


async def test_the_contract_is_served_from_here(database_url: str, kafka: Kafka, topics: Topics) -> None:
    async with served(settings_for(database_url, kafka, topics)) as (_, client):
        document = (await client.get("/asyncapi.json")).json()
        page = await client.get("/asyncapi", headers={"accept-language": "ru"})
    assert document == asyncapi.document(topics)
    assert page.status_code == 200
    assert topics.applications in page.text
    assert "ce_id" in page.text
    assert "http" not in page.text.replace("http-equiv", ""), "nothing is loaded from elsewhere"
    assert "<script" not in page.text
