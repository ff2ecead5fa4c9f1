"""Real gateway processes: several tell each other's figures, and what they log in good times and bad."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.settings import Shape
from cli.topics.create import create
from contracts import Topics
from devstack.kafka.broker import Broker
from runtime.kafka.clients import Kafka
from tests.support.gateways import GatewayProcess
from tests.support.write_path import eventually

BODY = {"user_name": "Ann of Somewhere", "description": "a private matter"}


def process(database_url: str, kafka: Kafka, topics: Topics, log: Path, **more: str) -> GatewayProcess:
    environment = {
        "DATABASE_URL": database_url,
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "KAFKA_PREFIX": topics.prefix,
        "LOG_FORMAT": "json",
        "RATE_LIMIT_PER_MINUTE": "0",
        "SEND_TIMEOUT_SECONDS": "1",
        **more,
    }
    return GatewayProcess(environment, log)


@pytest.mark.timeout(300)
async def test_any_of_several_processes_tells_the_figures_of_all(
    database_url: str, kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    gateway = process(database_url, kafka, topics, tmp_path / "gateway.log", GATEWAY_PROCESSES="3")
    gateway.start()
    try:
        await gateway.ready(seconds=120)
        address = f"http://127.0.0.1:{gateway.port}"

        async def accepted() -> dict[str, float]:
            async with httpx.AsyncClient(
                base_url=address, timeout=30
            ) as client:  # a connection, so perhaps another one
                text = (await client.get("/metrics")).text
            found = re.findall(r'^headgate_accepted_total\{process="(\d)"\} (\S+)$', text, re.MULTILINE)
            return {process: float(count) for process, count in found}

        async def all_are_there() -> bool:
            return set(await accepted()) == {"0", "1", "2"}

        await eventually(all_are_there, seconds=120, what="three processes that tell")
        await asyncio.gather(*(_post(address) for _ in range(60)))
        for _ in range(5):
            assert sum((await accepted()).values()) == 60
        assert await gateway.stop() == 0
    finally:
        if gateway.alive:
            gateway.kill()


@pytest.mark.timeout(300)
async def test_an_outage_is_told_once_and_nothing_personal_ever(
    database_url: str, topics: Topics, tmp_path: Path
) -> None:
    broker, log = Broker(tmp_path / "kafka"), tmp_path / "gateway.log"
    broker.start()
    gateway = process(database_url, broker.kafka, topics, log)
    try:
        await create(broker.kafka, topics, Shape())
        gateway.start()
        await gateway.ready(seconds=120)
        address = f"http://127.0.0.1:{gateway.port}"
        await _post(address)
        await eventually(lambda: _published(address, 1), what="the first event")
        broker.kill()
        async with httpx.AsyncClient(base_url=address, timeout=30) as client:
            for _ in range(40):
                await _post(address)
                await asyncio.sleep(0.2)  # an outage lasts
            given = {"x-request-id": "mine-1"}
            assert (await client.delete("/applications", headers=given)).status_code == 405
        await eventually(lambda: _told(log, "Kafka does not acknowledge"), what="a line about the outage")
        broker.start()
        await eventually(lambda: _published(address, 41), seconds=120, what="all events")
        assert await gateway.stop() == 0
    finally:
        if gateway.alive:
            gateway.kill()
        broker.kill()

    lines = _lines(log)
    assert all({"event", "level", "logger", "timestamp"} <= line.keys() for line in lines)
    text = log.read_text()
    assert "Ann" not in text
    assert "private" not in text
    events = [line["event"] for line in lines]
    assert sum(event.startswith("Kafka does not acknowledge") for event in events) == 1
    assert events.count("Kafka acknowledges again") == 1
    of_libraries: dict[str, int] = {}
    for line in lines:
        if line["logger"].startswith(("aiokafka", "uvicorn", "sqlalchemy", "asyncio")):
            key = re.sub(r"\d+", "0", line["event"])
            of_libraries[key] = of_libraries.get(key, 0) + 1
    assert all(count <= 3 for count in of_libraries.values()), of_libraries
    [refused] = [line for line in lines if line["event"] == "answered"]
    assert (refused["route"], refused["status"], refused["request_id"]) == ("/applications", 405, "mine-1")


async def _post(address: str) -> None:
    async with httpx.AsyncClient(base_url=address, timeout=30) as client:
        answer = await client.post("/applications", json=BODY)
        assert answer.status_code == 201, answer.text


async def _published(address: str, count: int) -> bool:
    async with httpx.AsyncClient(base_url=address, timeout=30) as client:
        text = (await client.get("/metrics")).text
    return f'headgate_published_total{{process="0"}} {count:.1f}' in text


async def _told(log: Path, event: str) -> bool:
    return any(line["event"].startswith(event) for line in _lines(log))


def _lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]
