"""A TCP proxy that can be told to misbehave: cut every connection, go silent, or lose the answer to one request."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Proxy:
    """Passes bytes between its clients and ``target`` until told otherwise."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._server: asyncio.Server | None = None
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.port = 0
        self._cut_when_sees: bytes | None = None
        self.cuts = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Reset every connection at once."""
        for pair in list(self._pairs):
            for writer in pair:
                writer.transport.abort()

    def lead_to(self, port: int) -> None:
        """From now on new connections lead to another server on this machine."""
        self._target = self._target[0], port

    def cut_after(self, request: bytes) -> None:
        """The next request with these bytes in it reaches the target; then its connection is cut, the answer lost."""
        self._cut_when_sees = request

    def silence(self) -> None:
        self._flowing.clear()

    def speak(self) -> None:
        self._flowing.set()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self.speak()
        self.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            target_reader, target_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = writer, target_writer
        self._pairs.add(pair)
        with suppress(OSError):
            await asyncio.gather(
                self._pump(reader, target_writer, pair, watch=True),
                self._pump(target_reader, writer, pair, watch=False),
            )
        self._pairs.discard(pair)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        pair: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
        *,
        watch: bool,
    ) -> None:
        with suppress(OSError):
            while chunk := await reader.read(65_536):
                await self._flowing.wait()
                writer.write(chunk)
                if watch and self._cut_when_sees and self._cut_when_sees in chunk:
                    self._cut_when_sees = None
                    self.cuts += 1
                    await writer.drain()
                    pair[0].transport.abort()
                    # The target is left alone with the request for a moment: it must carry it out, not notice.
                    asyncio.get_running_loop().call_later(0.5, pair[1].close)
                    return
                await writer.drain()
        for each in pair:
            each.close()


@asynccontextmanager
async def proxy(host: str, port: int) -> AsyncIterator[Proxy]:
    """A running proxy in front of an address."""
    one = Proxy(host, port)
    await one.start()
    try:
        yield one
    finally:
        await one.stop()
