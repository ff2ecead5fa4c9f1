"""Load at a fixed rate counts what waits as waiting, and tells what was refused or lost."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from bench.client import requests
from bench.load import POST, Mix, Shot, pace
from devstack.ports import HOST

Answer = Callable[[int], Awaitable[bytes]]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[str]:
    """A server that asks what to answer to its first, second, … GET; nothing: it hangs up."""
    seen = Counter[str]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):
            seen["requests"] += 1
            writer.write(answered := await answer(seen["requests"]))
            if not answered:
                break
        writer.close()

    server = await asyncio.start_server(serve, HOST, 0)
    async with server:
        yield f"http://{HOST}:{server.sockets[0].getsockname()[1]}"


async def test_what_is_due_while_the_server_is_silent_has_waited() -> None:
    async def silent_at_first(number: int) -> bytes:
        await asyncio.sleep(0.5 if number == 1 else 0)
        return OK

    async with answering(silent_at_first) as address:
        loads = await pace(address, Mix({"page": (1, Shot("get", "/"))}, rate=200, connections=1), seconds=0.5)
    assert loads["page"].requests == 100
    assert loads["page"].p50_ms >= 240  # due when half of the silence was over


async def test_each_kind_has_its_share_and_its_own_figures() -> None:
    async def ok(_: int) -> bytes:
        return OK

    kinds = {"one": (9, Shot("one", arguments=("a", "b"))), "write": (1, POST)}
    async with answering(ok) as address:
        loads = await pace(address, Mix(kinds, rate=1_000, connections=4), seconds=0.5)
    assert sum(load.requests for load in loads.values()) == 500
    assert 20 <= loads["write"].requests <= 90
    assert all(load.refused == load.broken == 0 for load in loads.values())
    assert all(load.p50_ms <= load.p99_ms <= load.p999_ms <= load.max_ms for load in loads.values())


async def test_what_is_refused_or_lost_is_told() -> None:
    async def worse_and_worse(number: int) -> bytes:
        return OK if number <= 10 else BUSY if number <= 15 else b""

    async with answering(worse_and_worse) as address:
        loads = await pace(
            address, Mix({"page": (1, Shot("get", "/"))}, rate=200, connections=1), seconds=0.1, patience=0.1
        )
    page = loads["page"]
    assert (page.requests, page.refused, page.broken) == (15, 5, 5)


def test_a_mix_has_of_twenty_one_post_and_one_page() -> None:
    ids = [f"id-{number}" for number in range(40)]

    def kinds(pages: str) -> Counter[bytes]:
        lines = (request.partition(b" HTTP")[0] for request in requests("mixed", "", [pages, *ids]))
        return Counter(b"one" if b"/id-" in line else line for line in lines)

    assert kinds("1") == {b"one": 36, b"POST /applications": 2, b"GET /applications": 2}
    assert kinds("0") == {b"one": 38, b"POST /applications": 2}
