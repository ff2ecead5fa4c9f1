"""Searches for parts of names wait for each other, and nobody else waits for them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from gateway.problems.errors import OverloadedError
from gateway.read import server as server_
from gateway.read.server import CONNECTIONS, SEARCHES, Server

PART = {"user_name__like": "%a%"}


class Slow:
    """A session on which a search goes on until it is let go; all else is answered at once."""

    running = most = 0
    full, let_go = asyncio.Event(), asyncio.Event()

    def __init__(self, *_: object) -> None: ...

    async def execute(self, _: object, values: Mapping[str, Any]) -> list[object]:
        if values is PART:
            Slow.running += 1
            Slow.most = max(Slow.most, Slow.running)
            if Slow.running == SEARCHES:
                Slow.full.set()
            await Slow.let_go.wait()
            Slow.running -= 1
        return [values]

    async def drop(self) -> None: ...


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    Slow.running, Slow.most, Slow.full, Slow.let_go = 0, 0, asyncio.Event(), asyncio.Event()
    monkeypatch.setattr(server_, "Session", Slow)
    made = Server(None)  # type: ignore[arg-type]  # no session of these asks for a connection
    yield made
    await made.close()


def search(server: Server) -> asyncio.Task[Any]:
    return asyncio.create_task(server.fetch(None, PART))  # type: ignore[arg-type]  # the session does not look at it


async def test_however_many_search_others_are_answered(server: Server) -> None:
    searches = [search(server) for _ in range(CONNECTIONS * 3)]
    async with asyncio.timeout(10):
        await Slow.full.wait()
        assert await server.fetch(None, {"id": 1}) == [{"id": 1}]  # type: ignore[arg-type]
        Slow.let_go.set()
        await asyncio.gather(*searches)
    assert Slow.most == SEARCHES


async def test_one_that_waits_too_long_is_told_to_come_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_, "STATEMENT_SECONDS", 0.01)
    under_way = [search(server) for _ in range(SEARCHES)]
    with pytest.raises(OverloadedError) as refused:
        await search(server)
    assert refused.value.retry_after == 2
    Slow.let_go.set()
    await asyncio.gather(*under_way)
    assert await search(server) == [PART]
