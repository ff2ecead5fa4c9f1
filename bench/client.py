"""The load generator where there is no wrk: keeps connections busy and prints what bench/load.py reads.

``python -m bench.client ADDRESS SCRIPT PATH CONNECTIONS SECONDS [ARGUMENTS]``, script and arguments as those of the
wrk scripts. It is Python: its own limit is near that of the servers that it loads, so ratios come out smaller than
with wrk.
"""

import asyncio
import json
import sys
import time
from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from urllib.parse import urlsplit

import uvloop

_REQUESTS = 500
# Users, characters of a description, items of a batch.
_ARGUMENTS = (10_000, 100, 500)
_PERCENTILES = {"50": 0.5, "99": 0.99, "999": 0.999}


def requests(script: str, path: str, arguments: Sequence[str]) -> list[bytes]:
    """Prepared requests, as the wrk scripts make them."""
    if script == "get":
        return [_get(path)]
    if script == "one":
        return [_get(f"/applications/{id_}") for id_ in arguments]
    if script == "mixed":
        pages, *ids = arguments
        return [_mixed(number, id_, pages=pages == "1") for number, id_ in enumerate(ids)]
    users, size, items = (*map(int, arguments), *_ARGUMENTS[len(arguments) :])
    return [_post(script, number, users, size, items) for number in range(_REQUESTS)]


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def _mixed(number: int, id_: str, *, pages: bool) -> bytes:
    """Of twenty one POST and one page, the others by id."""
    if number % 20 == 0:
        return _post("post", number, *_ARGUMENTS)
    return _get("/applications" if pages and number % 20 == 1 else f"/applications/{id_}")


def _post(script: str, number: int, users: int, size: int, items: int) -> bytes:
    wanted = items if script == "batch" else 1
    bodies = [
        {"user_name": f"user-{(number * wanted + item) * 7919 % users:06}", "description": "d" * size}
        for item in range(wanted)
    ]
    target = "/applications/batch" if script == "batch" else "/applications"
    body = json.dumps(bodies if script == "batch" else bodies[0]).encode()
    head = f"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Connection(asyncio.Protocol):
    """One request at a time: ``_answered`` is called with the head of each answer, when all of it is there."""

    _buffer = b""
    _transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 -- for the type checker
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if separator and len(body) >= _length(head):
            self._buffer = b""
            self._answered(head)

    @abstractmethod
    def _answered(self, head: bytes) -> None: ...


class Client(Connection):
    """The next request goes out when the last answer is complete."""

    def __init__(self, prepared: list[bytes], turn: int, end: float) -> None:
        self.times: list[float] = []
        self.refused = 0
        self.done = asyncio.get_running_loop().create_future()
        self._prepared, self._turn, self._end = prepared, turn, end
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._next()

    def _next(self) -> None:
        self._began = time.perf_counter()
        self._turn = (self._turn + 1) % len(self._prepared)
        self._transport.write(self._prepared[self._turn])

    def _answered(self, head: bytes) -> None:
        now = time.perf_counter()
        self.times.append(now - self._began)
        self.refused += refused(head)
        if now < self._end:
            self._next()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(exc is None and time.perf_counter() >= self._end)


def refused(head: bytes) -> bool:
    """Whether this is the head of anything but 2xx or 3xx."""
    return head[9:10] not in b"23"


def outcome(times: list[float], seconds: float, *, refused: int, broken: int) -> dict[str, float]:
    """What bench/load.py calls a Load."""
    answered, times = len(times), sorted(times) or [0.0]
    return {
        "requests": answered,
        "seconds": seconds,
        **{f"p{name}_ms": times[int(len(times) * share)] * 1e3 for name, share in _PERCENTILES.items()},
        "max_ms": times[-1] * 1e3,
        "refused": refused,
        "broken": broken,
    }


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
    times = [taken for client in clients for taken in client.times]
    refusals = sum(client.refused for client in clients)
    print(json.dumps(outcome(times, time.perf_counter() - began, refused=refusals, broken=whole.count(False))))


if __name__ == "__main__":
    where, script, path, count, length, *more = sys.argv[1:]
    uvloop.run(main(where, requests(script, path, more), int(count), float(length)))
