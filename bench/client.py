"""The load generator where there is no wrk: keeps connections busy and prints what bench/load.py reads.

``python -m bench.client ADDRESS post|batch|get PATH CONNECTIONS SECONDS [USERS DESCRIPTION ITEMS]``. It is Python: its
own limit is near that of the servers that it loads, so ratios come out smaller than with wrk.
"""

import asyncio
import json
import sys
import time
from functools import partial
from urllib.parse import urlsplit

import uvloop

_REQUESTS = 500


def requests(script: str, path: str, users: int, size: int, items: int) -> list[bytes]:
    """Prepared requests, as the wrk scripts make them."""
    if script == "get":
        return [f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()]
    made = []
    for number in range(_REQUESTS):
        wanted = items if script == "batch" else 1
        bodies = [
            {"user_name": f"user-{(number * wanted + item) * 7919 % users:06}", "description": "d" * size}
            for item in range(wanted)
        ]
        target = "/applications/batch" if script == "batch" else "/applications"
        body = json.dumps(bodies if script == "batch" else bodies[0]).encode()
        head = f"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        made.append(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return made


class Client(asyncio.Protocol):
    """One connection: the next request goes out when the last answer is complete."""

    def __init__(self, prepared: list[bytes], turn: int, end: float) -> None:
        self.times: list[float] = []
        self.refused = 0
        self.done = asyncio.get_running_loop().create_future()
        self._prepared, self._turn, self._end = prepared, turn, end
        self._began = 0.0
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 -- for the type checker
        self._transport = transport
        self._next()

    def _next(self) -> None:
        self._began = time.perf_counter()
        self._turn = (self._turn + 1) % len(self._prepared)
        self._transport.write(self._prepared[self._turn])

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator or len(body) < _length(head):
            return
        now = time.perf_counter()
        self.times.append(now - self._began)
        self.refused += head[9:10] not in b"23"
        self._buffer = b""
        if now < self._end:
            self._next()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(exc is None and time.perf_counter() >= self._end)


def _itself(client: Client) -> Client:
    return client


def _length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.split(b"\r\n", 1)[0])


async def main(address: str, prepared: list[bytes], connections: int, seconds: float) -> None:
    loop, where = asyncio.get_running_loop(), urlsplit(address)
    began = time.perf_counter()
    clients = [Client(prepared, turn, began + seconds) for turn in range(connections)]
    for client in clients:
        await loop.create_connection(partial(_itself, client), where.hostname or "", where.port or 80)
    whole = await asyncio.gather(*(client.done for client in clients))
    times = sorted(taken for client in clients for taken in client.times)
    outcome = {
        "requests": len(times),
        "seconds": time.perf_counter() - began,
        "p50_ms": times[len(times) // 2] * 1e3,
        "p99_ms": times[int(len(times) * 0.99)] * 1e3,
        "max_ms": times[-1] * 1e3,
        "refused": sum(client.refused for client in clients),
        "broken": whole.count(False),
    }
    print(json.dumps(outcome))


if __name__ == "__main__":
    where, script, path, count, length, *more = sys.argv[1:]
    users, size, items = (*map(int, more), *(10_000, 100, 500)[len(more) :])
    uvloop.run(main(where, requests(script, path, users, size, items), int(count), float(length)))
