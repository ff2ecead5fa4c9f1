"""The rate limit: who is counted as whom, what is said about it, in memory and in a real Redis."""

import asyncio
import logging
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.admission.rate_limit import RateLimiter
from gateway.settings import Settings
from tests.support.http_gateway import NEW, Served, count, served
from tests.support.redis_server import redis_server


def limited(settings: Settings, limit: int, **more: object) -> Settings:
    return settings.model_copy(update={"rate_limit_per_minute": limit, **more})


async def statuses(http: Served, number: int, **headers: str) -> list[int]:
    answers = await asyncio.gather(*(http.client.get("/applications", headers=headers) for _ in range(number)))
    return sorted(answer.status_code for answer in answers)


async def test_every_limited_answer_says_what_is_left(http_settings: Settings) -> None:
    async with served(limited(http_settings, 3)) as http:
        created = await http.client.post("/applications", json=NEW)
        assert created.headers["ratelimit-policy"] == '"default";q=3;w=60'
        assert created.headers["ratelimit"].startswith('"default";r=2;t=')
        assert (await http.client.get("/nowhere")).headers["ratelimit"].startswith('"default";r=1;t=')
        assert (
            (await http.client.post("/applications", content=b"")).headers["ratelimit"].startswith('"default";r=0;t=')
        )
        refused = await http.client.post("/applications", json=NEW)
        assert (refused.status_code, refused.json()["type"]) == (429, "/problems/rate-limited")
        assert refused.headers["ratelimit"].startswith('"default";r=0;t=')
        assert 1 <= int(refused.headers["retry-after"]) <= 61
        assert await count(http.settings) == 1


async def test_health_and_documents_are_never_limited(http_settings: Settings) -> None:
    async with served(limited(http_settings, 1)) as http:
        await http.client.get("/applications")
        for address in (
            "/livez",
            "/readyz",
            "/healthz",
            "/docs",
            "/redoc",
            "/openapi.json",
            "/problems/invalid",
            "/static/site.css",
        ):
            answer = await http.client.get(address)
            assert answer.status_code == 200, address
            assert "ratelimit" not in answer.headers


async def test_visitors_behind_a_trusted_proxy_are_told_apart(http_settings: Settings) -> None:
    async with served(limited(http_settings, 1, trusted_proxies=("127.0.0.0/8",))) as http:
        for address, status in (("192.0.2.1", 200), ("192.0.2.2", 200), ("192.0.2.1", 429), ("2001:db8::1", 200)):
            assert await statuses(http, 1, **{"X-Forwarded-For": address}) == [status]
        assert await statuses(http, 1, **{"X-Forwarded-For": "2001:db8::ffff"}) == [429]


async def test_a_visitor_does_not_become_another_by_saying_so(http_settings: Settings) -> None:
    async with served(limited(http_settings, 4)) as http:
        for number in range(4):
            assert await statuses(http, 1, **{"X-Forwarded-For": f"192.0.2.{number}"}) == [200]
        assert await statuses(http, 1, **{"X-Forwarded-For": "192.0.2.9"}) == [429]
        assert await statuses(http, 1, **{"X-API-Key": "hg_made_up"}) == [429]
        assert await statuses(http, 1, Authorization="Bearer hg_made_up") == [429]


async def test_it_is_exact_when_all_come_at_once(http_settings: Settings) -> None:
    async with served(limited(http_settings, 20)) as http:
        assert await statuses(http, 60) == [200] * 20 + [429] * 40


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine Redis may take its time; these tests are about counting."""
    monkeypatch.setattr("gateway.admission.shared_window._TIMEOUT_SECONDS", 30.0)


@pytest.mark.usefixtures("patient")
async def test_two_gateways_share_a_limit_in_redis(http_settings: Settings, tmp_path: Path) -> None:
    async with redis_server(tmp_path) as redis:
        settings = limited(http_settings, 20, rate_limit_storage=SecretStr(redis.uri))
        async with served(settings) as one, served(settings) as other:
            found = await asyncio.gather(statuses(one, 30), statuses(other, 30))
            assert [http.front.gate.limiter.fallbacks for http in (one, other) if http.front.gate.limiter] == [0, 0]
            assert sorted(found[0] + found[1]) == [200] * 20 + [429] * 40
            answer = await one.client.post("/applications/batch", json=[NEW] * 3)
            assert answer.status_code == 429


@pytest.mark.usefixtures("patient")
async def test_a_batch_takes_from_redis_what_is_left(http_settings: Settings, tmp_path: Path) -> None:
    async with (
        redis_server(tmp_path) as redis,
        served(limited(http_settings, 10, rate_limit_storage=SecretStr(redis.uri))) as http,
    ):
        answer = await http.client.post("/applications/batch", json=[NEW] * 14)
        assert answer.json()["counts"] == {"created": 10, "duplicate": 0, "invalid": 0, "retry": 4}
        assert answer.headers["ratelimit"].startswith('"default";r=0;t=')


@pytest.mark.usefixtures("patient")
async def test_a_visitors_own_limit_is_held_in_redis_and_without_it(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as redis:
        limiter = RateLimiter(0, storage=redis.uri)
        try:
            for away in (False, True):
                visitor = f"away {away}"
                assert (await limiter.take(visitor, 8, limit=5)).granted == 5
                assert await limiter.wait(visitor, limit=5) >= 1
                assert limiter.fallbacks == int(away)
                await redis.stop()
        finally:
            await limiter.aclose()


@pytest.mark.usefixtures("patient")
async def test_without_redis_memory_counts_with_the_full_limit_and_says_so_once(
    http_settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with (
        redis_server(tmp_path) as redis,
        served(limited(http_settings, 10, rate_limit_storage=SecretStr(redis.uri))) as http,
    ):
        assert await statuses(http, 5) == [200] * 5
        await redis.stop()
        assert await statuses(http, 12) == [200] * 10 + [429] * 2
        limiter = http.front.gate.limiter
        assert limiter is not None
        assert limiter.fallbacks >= 12
        assert sum("Redis does not answer" in record.message for record in caplog.records) == 1
        await redis.start()
        limiter._away_until = 0.0
        assert await statuses(http, 12) == [200] * 10 + [429] * 2
        assert sum("Redis answers again" in record.message for record in caplog.records) == 1


async def test_a_redis_that_is_silent_is_asked_once_and_then_left_alone() -> None:
    asked = 0

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    limiter = RateLimiter(5, storage=f"redis://127.0.0.1:{silent.sockets[0].getsockname()[1]}/0", monotonic=lambda: 1e3)
    try:
        assert [(await limiter.take("a")).granted for _ in range(6)] == [1, 1, 1, 1, 1, 0]
        assert asked == 1
        assert await limiter.wait("a") >= 1
    finally:
        await limiter.aclose()
        silent.close()
