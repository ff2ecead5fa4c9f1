"""Clients that send slowly, or not at all, do not hold the service."""

import asyncio
import socket
from contextlib import suppress

from gateway.settings import Settings
from tests.support.http_gateway import NEW, Served, count, hold_submissions, read_answer, served
from tests.support.write_path import eventually

HEAD = b"POST /applications HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"

LIVEZ = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


def quick(settings: Settings) -> Settings:
    return settings.model_copy(update={"head_seconds": 0.5, "body_seconds": 0.5})


async def test_a_head_that_does_not_end_is_ended(http_settings: Settings) -> None:
    async with served(quick(http_settings)) as http:
        status, headers, _ = await http.raw(HEAD)
        assert (status, headers["connection"]) == (408, "close")


async def test_a_head_in_drops_is_ended(http_settings: Settings) -> None:
    async with served(quick(http_settings)) as http:
        status, _, _ = await http.raw(HEAD, *(b"X: y\r\n" for _ in range(100)), pause=0.1)
        assert status == 408


async def test_a_body_that_does_not_end_is_ended(http_settings: Settings) -> None:
    async with served(quick(http_settings)) as http:
        for body in (b"Content-Length: 100\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"):
            status, headers, _ = await http.raw(HEAD + body)
            assert (status, headers["content-type"]) == (408, "application/problem+json")
        assert await count(http.settings) == 0


async def test_a_refused_body_without_end_is_ended_too(http_settings: Settings) -> None:
    async with served(quick(http_settings)) as http:
        reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
        writer.write(HEAD + b"Content-Length: 104857600\r\n\r\n")
        async with asyncio.timeout(60):
            sending = asyncio.create_task(_drip(writer))
            with suppress(ConnectionError):
                assert b" 413 " in await reader.read()
            await sending


async def _drip(writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)


async def test_a_connection_that_says_nothing_is_closed(http_settings: Settings) -> None:
    async with served(quick(http_settings)) as http:
        reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
        async with asyncio.timeout(60):
            assert await reader.read() == b""
        writer.close()


async def test_who_asks_nothing_more_is_closed(http_settings: Settings) -> None:
    async with served(http_settings) as http:
        reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
        writer.write(LIVEZ)
        assert (await read_answer(reader))[0] == 200
        await asyncio.sleep(2.5)  # several rounds of looking at all connections
        writer.write(LIVEZ)
        assert (await read_answer(reader))[0] == 200
        for connection in http.server.server_state.connections:
            connection.timeout_keep_alive = 0.5  # type: ignore[union-attr]
        async with asyncio.timeout(60):
            assert await reader.read() == b""
        writer.close()


async def test_a_later_body_that_does_not_end_is_ended_too(http_settings: Settings) -> None:
    async with served(quick(http_settings)) as http:
        reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
        writer.write(LIVEZ)
        assert (await read_answer(reader))[0] == 200
        writer.write(HEAD + b"Content-Length: 100\r\n\r\n{")
        async with asyncio.timeout(60):
            assert (await read_answer(reader))[0] == 408
        writer.close()


async def test_who_waits_for_an_answer_is_not_cut(http_settings: Settings) -> None:
    async with served(quick(http_settings)) as http:
        held = hold_submissions(http)
        asking = asyncio.create_task(http.client.post("/applications", json=NEW))
        await asyncio.sleep(2.5)  # several rounds of looking at all connections
        held.set()
        assert (await asking).status_code == 201


async def test_unfinished_bodies_are_bounded_in_bytes_together(http_settings: Settings) -> None:
    small = {"body_max_bytes": 65_536, "batch_body_max_bytes": 65_536, "bodies_max_bytes": 131_072}
    async with served(http_settings.model_copy(update=small)) as http:
        head = HEAD.replace(b"/applications", b"/applications/batch") + b"Content-Length: 60000\r\n\r\n["
        crowd = [await asyncio.open_connection("127.0.0.1", http.port) for _ in range(6)]
        for _, writer in crowd:
            writer.write(head + b" " * 32_000)
        refused = [asyncio.create_task(read_answer(reader)) for reader, _ in crowd]
        async with asyncio.timeout(60):
            while sum(task.done() for task in refused) < 2:
                await asyncio.wait(refused, timeout=0.1)
        assert http.front.bodies.held <= 131_072
        for task in refused:
            if task.done():
                status, headers, _ = task.result()
                assert (status, headers["retry-after"]) == (503, "1")
            task.cancel()
        assert (await http.client.post("/applications", json=NEW)).status_code == 201
        for _, writer in crowd:
            writer.close()


async def _never_reads(http: Served, number: int) -> list[socket.socket]:
    """Clients that ask for large pages and leave them lying."""
    text = {"user_name": "a", "description": "ы" * 10_000}
    made = await http.client.post("/applications/batch", json=[text] * 100)
    assert made.json()["counts"]["created"] == 100
    found = []
    for _ in range(number):
        one = socket.create_connection(("127.0.0.1", http.port))
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.sendall(b"GET /applications?size=100 HTTP/1.1\r\nHost: x\r\n\r\n" * 4)
        found.append(one)
    return found


def _unread(http: Served) -> int:
    return sum(one.transport.get_write_buffer_size() > 0 for one in http.server.server_state.connections)


async def test_who_reads_nothing_is_cut(http_settings: Settings) -> None:
    async with served(http_settings.model_copy(update={"write_seconds": 0.5})) as http:
        crowd = await _never_reads(http, 5)
        await eventually(lambda: _is(_unread(http), 5), what="answers that nobody reads")
        await eventually(lambda: _is(_unread(http), 0), what="the connections to be cut")
        await eventually(lambda: _is(http.front.active, 0), what="their requests to end")
        for one in crowd:
            one.close()


async def test_a_stop_is_not_held_by_who_reads_nothing(http_settings: Settings) -> None:
    async with served(http_settings) as http:
        crowd = await _never_reads(http, 3)
        await eventually(lambda: _is(_unread(http), 3), what="answers that nobody reads")
        http.server.should_exit = True
        await eventually(lambda: _is(len(http.server.server_state.connections), 0), what="the connections to be cut")
        for one in crowd:
            one.close()


async def _is(value: int, wanted: int) -> bool:
    return value == wanted


async def _at_most(value: int, limit: int) -> bool:
    return value <= limit


async def _pages(http: Served, number: int, times: int = 1) -> list[socket.socket]:
    """Clients that ask for a page of some 2 MB, so many ``times``, and have read nothing yet."""
    found = await _never_reads(http, 0)
    for _ in range(number):
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.connect(("127.0.0.1", http.port))
        one.sendall(b"GET /applications?size=100 HTTP/1.1\r\nHost: x\r\n\r\n" * times)
        found.append(one)
    return found


def _lying(http: Served) -> int:
    """Bytes that wait in the process, counted at the transports themselves."""
    return sum(one.transport.get_write_buffer_size() for one in http.server.server_state.connections)


async def _made(http: Served, pages: int) -> bool:
    requests = http.front.running.telemetry.metrics.requests
    return sum(sum(seen.counts) for key, seen in requests.items() if key == ("GET", "/applications", 200)) == pages


async def test_answers_that_nobody_reads_are_bounded_in_bytes_together(http_settings: Settings) -> None:
    limit = 16 * 1024 * 1024
    async with served(http_settings.model_copy(update={"answers_max_bytes": limit})) as http:
        crowd = await _pages(http, 12, times=3)
        await eventually(lambda: _made(http, 12), what="a page for each")
        await eventually(lambda: _is(http.front.active, 0), what="nothing to be under way")
        assert 8 * 1024 * 1024 < _lying(http) <= limit
        # One that was cut is closed at the loop's next turn; eight pages fit, and the client has a connection, too.
        await eventually(lambda: _at_most(len(http.server.server_state.connections), 9), what="the slowest to be cut")
        # Nobody gets a second page made while the first one lies there.
        assert await _made(http, 12)
        assert (await http.client.post("/applications", json=NEW)).status_code == 201
        for one in crowd:
            one.close()


async def test_what_waits_behind_an_answer_is_answered_once_it_is_read(http: Served) -> None:
    await _pages(http, 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", http.port, limit=65_536)
    writer.write(b"GET /applications?size=100 HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
    await eventually(lambda: _is(_unread(http), 1), what="an answer that waits")
    writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
    async with asyncio.timeout(60):
        sizes = [len((await read_answer(reader))[2]) for _ in range(5)]
    assert min(sizes[:3]) > 1_000_000
    assert max(sizes[3:]) < 1_000
    await eventually(lambda: _is(http.front.crowd.unread.held, 0), what="nothing to be held")
    writer.close()


async def test_who_reads_in_drips_is_cut(http_settings: Settings) -> None:
    async with served(http_settings.model_copy(update={"write_seconds": 1.0})) as http:
        [one] = await _pages(http, 1)
        await eventually(lambda: _is(_unread(http), 1), what="an answer that waits")
        dripping = asyncio.create_task(_read_drips(one))
        await eventually(lambda: _is(_unread(http), 0), what="the connection to be cut")
        assert not await dripping
        one.close()


async def test_who_reads_slowly_but_well_gets_all(http_settings: Settings) -> None:
    async with served(http_settings.model_copy(update={"write_seconds": 8.0})) as http:
        [one] = await _pages(http, 1)
        one.settimeout(30)
        received, head = 0, b""
        while not head or received < int(head.split(b"content-length: ")[1].split(b"\r\n")[0]):
            part = await asyncio.to_thread(one.recv, 65_536)
            assert part
            head = head or part
            received += len(part)
            await asyncio.sleep(0.02)
        one.close()


async def _read_drips(one: socket.socket) -> bytes:
    """Some 40 KB/s, which is progress, but not enough of it; what the end of the connection gives."""
    one.setblocking(False)
    loop = asyncio.get_running_loop()
    with suppress(ConnectionError):
        while await loop.sock_recv(one, 2048):  # noqa: ASYNC110 -- the pace at which it reads
            await asyncio.sleep(0.05)
    return b""


async def test_a_stop_is_not_held_by_who_reads_in_drips(http_settings: Settings) -> None:
    async with served(http_settings) as http:
        [one] = await _pages(http, 1)
        await eventually(lambda: _is(_unread(http), 1), what="an answer that waits")
        dripping = asyncio.create_task(_read_drips(one))
        http.server.should_exit = True
        await eventually(
            lambda: _is(len(http.server.server_state.connections), 0), seconds=20, what="the connection to be cut"
        )
        await dripping
        one.close()
