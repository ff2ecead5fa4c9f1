"""Counts applications per user into SQLite, each once, however often this is killed and started again.

Kafka hands events again after a crash. So the id of an event (header ``ce_id``) is stored in the same transaction as
its effect, and an event whose id is there already has no second effect.

    pip install aiokafka
    KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092 python consumer.py
"""

import asyncio
import json
import os
import signal
import sqlite3

from aiokafka import AIOKafkaConsumer, ConsumerRecord

EVENT_TYPE = b"headgate.application.submitted.v1"


def open_database(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE IF NOT EXISTS seen (ce_id TEXT PRIMARY KEY)")
    database.execute("CREATE TABLE IF NOT EXISTS totals (user_name TEXT PRIMARY KEY, applications INTEGER)")
    return database


def take(database: sqlite3.Connection, record: "ConsumerRecord[bytes, bytes]") -> None:
    """One event: its id and its effect, together or not at all."""
    headers = dict(record.headers)
    # The version comes before the value: another one is not guessed at. No header at all is version 1.
    if headers.get("ce_type", EVENT_TYPE) != EVENT_TYPE:
        print(f"set aside: partition {record.partition} offset {record.offset} is {headers['ce_type']!r}")
        return
    if "headgate-replayed" in headers:  # published again on purpose, and counted the first time
        return
    application = json.loads(record.value or b"")
    ce_id = headers.get("ce_id", application["id"].encode()).decode()
    with database:
        if database.execute("INSERT OR IGNORE INTO seen VALUES (?)", (ce_id,)).rowcount:
            database.execute(
                "INSERT INTO totals VALUES (?, 1) ON CONFLICT DO UPDATE SET applications = applications + 1",
                (application["user_name"],),
            )


async def main() -> None:
    database = open_database(os.environ.get("DATABASE", "applications.sqlite"))
    consumer = AIOKafkaConsumer(
        os.environ.get("TOPIC", "applications"),
        bootstrap_servers=os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092"),
        group_id=os.environ.get("GROUP", "example-python"),
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await consumer.start()
    try:
        while not stop.is_set():
            fetched = await consumer.getmany(timeout_ms=500)
            for records in fetched.values():
                for record in records:
                    take(database, record)
            if fetched:
                await consumer.commit()  # after the effects: a crash in between repeats events, and loses none
    finally:
        await consumer.stop()
        database.close()


if __name__ == "__main__":
    asyncio.run(main())
