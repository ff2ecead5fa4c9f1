"""Idempotency keys that ran out are deleted in bounded steps; the others, and those that are locked, stay."""

import asyncpg

from gateway.database.connection import create_engine
from gateway.database.key_sweep import sweep
from gateway.settings import Settings
from tests.support.http_gateway import count

FILL = """
INSERT INTO idempotency_keys (client, key, application_id, expires_at)
SELECT 'c', number::text, gen_random_uuid(), now() + interval '1 hour' * (CASE WHEN number > 25 THEN 1 ELSE -1 END)
FROM generate_series(1, 30) AS number
"""


async def test_expired_keys_go_step_by_step(http_settings: Settings) -> None:
    engine = create_engine(http_settings)
    other = await asyncpg.connect(http_settings.database_url.get_secret_value().replace("+asyncpg", ""))
    try:
        await other.execute(FILL)
        async with other.transaction():
            await other.execute("SELECT FROM idempotency_keys WHERE key = '7' FOR UPDATE")
            assert [await sweep(engine, step=10) for _ in range(4)] == [10, 10, 4, 0]
        assert await sweep(engine) == 1
        assert await count(http_settings, "idempotency_keys") == 5
    finally:
        await other.close()
        await engine.dispose()
