"""One idempotency key, two gateway processes, restarts between: one application."""

import asyncio

import httpx

from gateway.settings import Settings
from tests.support.http_gateway import NEW, count, served


async def _post(client: httpx.AsyncClient) -> tuple[int, str]:
    answer = await client.post("/applications", json=NEW, headers={"Idempotency-Key": "one"})
    return answer.status_code, answer.json().get("id", "")


async def test_gateways_agree_on_who_was_first(http_settings: Settings) -> None:
    async with served(http_settings) as one, served(http_settings) as other:
        answers = await asyncio.gather(*(_post(served_.client) for served_ in (one, other) for _ in range(15)))
        assert {status for status, _ in answers} <= {201, 409}
        [id_] = {id_ for status, id_ in answers if status == 201}
        assert await count(http_settings) == 1
    async with served(http_settings) as later:
        assert await _post(later.client) == (201, id_)
        assert await count(http_settings) == 1
