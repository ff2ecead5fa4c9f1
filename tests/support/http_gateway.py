"""A gateway that serves real HTTP inside the test, and a client that speaks to it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from gateway.api.front import Front
from gateway.app import create_app
from gateway.commit.submission import Submission
from gateway.server import Server, bound, config_for
from gateway.settings import Settings
from tests.support.inside import stop_the_minute
from tests.support.write_path import eventually, rows, settings_for

__all__ = ["NEW", "Served", "count", "served", "settings_for"]

NEW = {"user_name": "Анна Ковалёва", "description": "Пропуск в читальный зал"}


@dataclass
class Served:
    """A running gateway: ``client`` has its address as base; ``port`` is for raw sockets."""

    client: httpx.AsyncClient
    port: int
    front: Front
    settings: Settings
    server: Server

    async def raw(self, *pieces: bytes, pause: float = 0.0) -> tuple[int, dict[str, str], bytes]:
        """Send bytes as they are on a fresh connection; status, headers and body of the first answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        sending = asyncio.create_task(_send(writer, pieces, pause))
        try:
            async with asyncio.timeout(60):
                return await read_answer(reader)
        finally:
            sending.cancel()
            writer.close()


def hold_submissions(http: Served) -> asyncio.Event:
    """From now on every submission waits for this event before it goes to the writer."""
    held = asyncio.Event()
    real = http.front.running.writer.submit

    async def later(submission: Submission) -> Any:
        await held.wait()
        return await real(submission)

    http.front.running.writer.submit = later  # type: ignore[assignment]
    return held


async def _send(writer: asyncio.StreamWriter, pieces: tuple[bytes, ...], pause: float) -> None:
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
    except ConnectionError:
        return  # refused before all was sent: the answer is there


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return int(head[0].split()[1]), headers, body


@asynccontextmanager
async def served(
    settings: Settings, *, fast: bool = True, verify: ssl.SSLContext | bool = True
) -> AsyncIterator[Served]:
    """Serve on a free port until the block ends; starts when the gateway is ready."""
    front = create_app(settings, fast=fast)
    stop_the_minute(front)
    listening = bound(settings.gateway_host, 0)
    port = listening.getsockname()[1]
    server = Server(config_for(settings, front), front, settings)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    address = f"{'https' if settings.gateway_tls_certificate else 'http'}://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(base_url=address, timeout=60, trust_env=False, verify=verify) as client:
            await eventually(lambda: _ready(client), what="a ready gateway")
            yield Served(client, port, front, settings, server)
    finally:
        server.should_exit = True
        await serving


async def _ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).status_code == 200
    except httpx.TransportError:
        return False


async def count(settings: Settings, table: str = "applications") -> int:
    """How many rows a table has."""
    [row] = await rows(settings.database_url.get_secret_value(), f"SELECT count(*) AS number FROM {table}")
    return int(row["number"])
