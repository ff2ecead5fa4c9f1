"""The least that storing and publishing in batches can cost: asyncpg and aiokafka alone, no HTTP, no validation.

``python -m bench.baselines.bare_pipeline SECONDS ITEMS``: a batch is inserted, then sent; several at once.
"""

import asyncio
import sys
import time

import asyncpg
import uvloop
from aiokafka import AIOKafkaProducer

from bench.baselines.fields import Fields
from bench.baselines.outcome import Stopwatch
from bench.load import DESCRIPTION, USERS
from contracts import time_of, to_headers, to_key, value_of
from gateway.database.ids import Ids
from gateway.settings import Settings

new_id = Ids()

_AT_ONCE = 4
_INSERT = """INSERT INTO applications (id, user_name, description, created_at)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[])"""


async def main(seconds: float, items: int) -> None:
    settings = Settings()
    dsn = settings.database_url.get_secret_value().replace("+asyncpg", "")
    pool = await asyncpg.create_pool(dsn, min_size=_AT_ONCE, max_size=_AT_ONCE)
    producer = settings.kafka.producer(
        enable_idempotence=True,
        acks="all",
        compression_type="snappy",
        max_batch_size=512 * 1024,
    )
    await producer.start()
    partitions = len(await producer.partitions_for(settings.topics.applications))
    watch, end = Stopwatch(), time.perf_counter() + seconds

    async def work(number: int) -> int:
        done = 0
        while time.perf_counter() < end:
            await _once(pool, producer, settings.topics.applications, (number + done) % partitions, items)
            done += items
        return done

    watch.tell(sum(await asyncio.gather(*map(work, range(_AT_ONCE)))))
    await producer.stop()
    await pool.close()


async def _once(pool: asyncpg.Pool, producer: AIOKafkaProducer, topic: str, partition: int, items: int) -> None:
    ids = [new_id() for _ in range(items)]
    names = [f"user-{id_.int % USERS:06}" for id_ in ids]
    texts, times = ["d" * DESCRIPTION] * items, [time_of(id_) for id_ in ids]
    async with pool.acquire() as connection:
        await connection.execute(_INSERT, ids, names, texts, times)
    batch = producer.create_batch()
    for id_, name, text, created_at in zip(ids, names, texts, times, strict=True):
        value = value_of(Fields(id_, name, text, created_at))
        headers = to_headers(id=id_, created_at=created_at)
        batch.append(timestamp=int.from_bytes(id_.bytes[:6]), key=to_key(name), value=value, headers=headers)
    batch.close()
    await (await producer.send_batch(batch, topic, partition=partition))


if __name__ == "__main__":
    uvloop.run(main(float(sys.argv[1]), int(sys.argv[2])))
