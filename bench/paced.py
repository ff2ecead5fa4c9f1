"""POSTs at a fixed rate over some connections, each timed from when it was due: what waits counts as waiting.

``python -m bench.paced ADDRESS RATE CONNECTIONS SECONDS`` prints what bench/load.py calls a Load.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from urllib.parse import urlsplit

import uvloop

from bench.client import requests

_ANSWER_SECONDS = 30.0


class Line:
    """One connection, on which a request is due every ``pause`` seconds."""

    def __init__(self, prepared: list[bytes], outcomes: Counter[str], times: list[float]) -> None:
        self._prepared, self._outcomes, self._times = prepared, outcomes, times

    async def run(self, host: str, port: int, due: float, pause: float, end: float) -> None:
        reader, writer = await asyncio.open_connection(host, port)
        number = 0
        while due < end:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            number += 1
            writer.write(self._prepared[number % len(self._prepared)])
            async with asyncio.timeout(_ANSWER_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]))
            self._times.append(time.perf_counter() - due)
            self._outcomes["refused"] += head[9:10] not in b"23"
            due += pause
        writer.close()


async def main(address: str, rate: float, connections: int, seconds: float) -> None:
    where, outcomes, times = urlsplit(address), Counter[str](), list[float]()
    lines = [Line(requests("post", "", 10_000, 100, 1), outcomes, times) for _ in range(connections)]
    began, pause = time.perf_counter() + 0.1, connections / rate
    running = [
        line.run(where.hostname or "", where.port or 80, began + place / rate, pause, began + seconds)
        for place, line in enumerate(lines)
    ]
    broken = sum(outcome is not None for outcome in await asyncio.gather(*running, return_exceptions=True))
    times.sort()
    outcome = {
        "requests": len(times),
        "seconds": time.perf_counter() - began,
        "p50_ms": times[len(times) // 2] * 1e3,
        "p99_ms": times[int(len(times) * 0.99)] * 1e3,
        "max_ms": times[-1] * 1e3,
        "refused": outcomes["refused"],
        "broken": broken,
    }
    print(json.dumps(outcome))


if __name__ == "__main__":
    where, rate, count, length = sys.argv[1:]
    uvloop.run(main(where, float(rate), int(count), float(length)))
