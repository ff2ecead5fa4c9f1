"""One idempotency key, two gateway processes, one of them killed: one application."""

import asyncio
from pathlib import Path

import httpx

from gateway.settings import Settings
from tests.support.gateways import GatewayProcess
from tests.support.http_gateway import NEW, count


async def _post(gateway: GatewayProcess) -> tuple[int, str]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", timeout=60, trust_env=False) as client:
        answer = await client.post("/applications", json=NEW, headers={"Idempotency-Key": "one"})
        return answer.status_code, answer.json().get("id", "")


async def test_gateways_agree_on_who_was_first(http_settings: Settings, tmp_path: Path) -> None:
    environment = {
        "DATABASE_URL": http_settings.database_url.get_secret_value(),
        "KAFKA_BOOTSTRAP_SERVERS": http_settings.kafka_bootstrap_servers,
        "KAFKA_PREFIX": http_settings.kafka_prefix,
    }
    one, other = (GatewayProcess(environment, tmp_path / f"{number}.log") for number in range(2))
    try:
        for gateway in (one, other):
            gateway.start()
        for gateway in (one, other):
            await gateway.ready()
        answers = await asyncio.gather(*(_post(gateway) for gateway in (one, other) for _ in range(15)))
        assert {status for status, _ in answers} <= {201, 409}
        [id_] = {id_ for status, id_ in answers if status == 201}
        one.kill()
        assert await _post(other) == (201, id_)
        one.start()
        await one.ready()
        assert await _post(one) == (201, id_)
        assert await count(http_settings) == 1
    finally:
        one.kill()
        other.kill()
