"""What a stop does to connections: nothing that was read is cut, and nobody is left on a connection that will close."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.admission.connections.connection import Connection
from gateway.settings import Settings
from tests.support.http_gateway import Served, read_answer, served
from tests.support.write_path import eventually

_GET = b"GET /livez HTTP/1.1\r\nHost: gateway\r\n\r\n"
_BODY = b'{"user_name": "Ann", "description": "text"}'
_POST = b"POST /applications HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


@asynccontextmanager
async def connected(http: Served) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def test_in_the_lame_duck_time_every_answer_closes_and_idle_connections_are_kept(http_settings: Settings) -> None:
    async with (
        served(http_settings.model_copy(update={"lame_duck_seconds": 600})) as http,
        connected(http) as (idle, to_idle),
        connected(http) as (busy, to_busy),
    ):
        to_idle.write(_GET)
        assert "connection" not in (await read_answer(idle))[1]
        to_busy.write(_POST % len(_BODY))
        await eventually(lambda: _phases(http, "body"), what="a request whose body is on its way")
        http.server.handle_exit(signal.SIGTERM, None)
        to_busy.write(_BODY)
        status, headers, _ = await read_answer(busy)
        assert (status, headers["connection"]) == (201, "close")
        to_idle.write(_GET)
        status, headers, _ = await read_answer(idle)
        assert (status, headers["connection"]) == (200, "close")
        assert await idle.read() == b""


async def test_what_was_begun_when_the_port_closes_is_answered(http_settings: Settings) -> None:
    async with (
        served(http_settings) as http,
        connected(http) as (head, to_head),
        connected(http) as (body, to_body),
        connected(http) as (new, to_new),
    ):
        to_head.write(_GET[:10])
        to_body.write(_POST % len(_BODY) + _BODY[:5])
        await eventually(lambda: _phases(http, "head", "body", "new"), what="three requests at three points")
        http.server.handle_exit(signal.SIGTERM, None)
        await eventually(lambda: _refuses(http.port), what="a closed port")
        to_head.write(_GET[10:])
        to_body.write(_BODY[5:])
        to_new.write(_GET)
        assert [(await read_answer(reader))[0] for reader in (head, body, new)] == [200, 201, 200]


async def test_what_has_arrived_on_an_idle_connection_is_read_before_it_is_closed(http_settings: Settings) -> None:
    async with served(http_settings) as http, connected(http) as (idle, to_idle):
        to_idle.write(_GET)
        await read_answer(idle)
        await eventually(lambda: _phases(http, "idle"), what="a connection that is kept")
        # In one turn of the loop: the kernel has the request when the connection is told to close.
        to_idle.write(_POST % len(_BODY) + _BODY)
        for one in list(http.server.server_state.connections):
            one.shutdown()
        status, headers, _ = await read_answer(idle)
        assert (status, headers["connection"]) == (201, "close")
        assert await idle.read() == b""


async def test_who_is_connected_for_the_kernel_when_the_port_closes_is_answered(http_settings: Settings) -> None:
    async with served(http_settings) as http:
        late, is_there = socket.socket(), asyncio.Event()
        shutdown = http.server.shutdown

        async def shutdown_while_somebody_comes(sockets: list[socket.socket] | None) -> None:
            """In one turn of the loop, which has not accepted this connection yet when the port closes."""
            late.connect(("127.0.0.1", http.port))
            late.sendall(_POST % len(_BODY) + _BODY)
            is_there.set()
            await shutdown(sockets)

        http.server.shutdown = shutdown_while_somebody_comes  # type: ignore[method-assign, assignment]
        http.server.handle_exit(signal.SIGTERM, None)
        await is_there.wait()
        reader, writer = await asyncio.open_connection(sock=late)
        status, headers, _ = await read_answer(reader)
        assert (status, headers["connection"]) == (201, "close")
        assert await reader.read() == b""
        writer.close()


async def test_a_head_that_never_ends_does_not_hold_the_stop(http_settings: Settings) -> None:
    async with served(http_settings) as http, connected(http) as (head, to_head):
        to_head.write(_GET[:10])
        await eventually(lambda: _phases(http, "head"), what="a begun head")
        http.server.handle_exit(signal.SIGTERM, None)
        assert await head.read() == b""


async def _phases(http: Served, *wanted: str) -> bool:
    found = [one._phase() for one in http.server.server_state.connections if isinstance(one, Connection)]
    return set(wanted) <= set(found)


async def _refuses(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) != 0
