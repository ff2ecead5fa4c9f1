"""Puts an event of a version that is yet to come on the topic: every worker sets it aside as a dead letter.

Usage: later_version.py BOOTSTRAP_SERVERS
"""

import asyncio
import sys

from aiokafka import AIOKafkaProducer

HEADERS = [("ce_specversion", b"1.0"), ("ce_type", b"com.example.application.submitted.v9"), ("ce_id", b"later")]


async def main(servers: str) -> None:
    """Send it, and say where it is."""
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        where = await producer.send_and_wait("applications", b'{"to_come": true}', key=b"ada", headers=HEADERS)
    print(f"partition {where.partition} offset {where.offset}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
