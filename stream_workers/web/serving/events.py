"""Live updates as server-sent events: the regions of a page that changed, once a second or less often.

Source: HTML Living Standard, 9.2 (Server-sent events). A browser that loses the connection comes back by itself.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from aiohttp.web import Request, StreamResponse

log = logging.getLogger(__name__)

Regions = Callable[[], Awaitable[Mapping[str, str]]]

# So often a page is told that the worker is there; one that hears nothing for five seconds says so (view.js).
BEAT_SECONDS = 1.0
BEAT_AT_LEAST_SECONDS = 3.0
STREAMS_MAX = 200
# Of those that are open to all: they take no place from whoever may see the rest.
OPEN_STREAMS_MAX = 20
RETRY_MS = 1_000


class Streams:
    """All open streams; ``close`` ends them, so that a stop does not wait for browsers.

    ``pace`` is how many seconds there are from one look at a page to the next.
    """

    def __init__(self, pace: Callable[[], float], at_most: int = STREAMS_MAX) -> None:
        self.open = 0
        self._pace = pace
        self._at_most = at_most
        self._closing = asyncio.Event()

    @property
    def full(self) -> bool:
        return self.open >= self._at_most

    def close(self) -> None:
        self._closing.set()

    async def serve(self, request: Request, regions: Regions) -> StreamResponse:
        """Send what changes until the browser goes or the worker stops."""
        response = StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        self.open += 1
        try:
            await response.prepare(request)
            await response.write(f"retry: {RETRY_MS}\n\n".encode())
            async for chunk in self._changes(regions):
                await response.write(chunk)
        except ConnectionError:
            log.debug("a browser has gone")
        except Exception:  # the head is sent: all that is left to say is the end
            log.exception("the live updates of %s failed", request.path)
        finally:
            self.open -= 1
        return response

    async def _changes(self, regions: Regions) -> AsyncIterator[bytes]:
        sent: dict[str, str] = {}
        while not self._closing.is_set():
            rendering = asyncio.ensure_future(regions())
            try:
                # A source that takes its time is not a worker that is gone.
                while not rendering.done():
                    await asyncio.wait({rendering}, timeout=BEAT_SECONDS)
                    if not rendering.done():
                        yield event("beat", "")
            finally:
                rendering.cancel()
            changed = {name: html for name, html in rendering.result().items() if sent.get(name) != html}
            sent |= changed
            # "beat" tells the page that the worker is there, also where no number changed.
            yield b"".join(event(name, html) for name, html in changed.items()) + event("beat", "")
            try:
                async with asyncio.timeout(min(self._pace(), BEAT_AT_LEAST_SECONDS)):
                    await self._closing.wait()
            except TimeoutError:
                continue


def event(name: str, data: str) -> bytes:
    """One event; every line of the data is a field of its own."""
    lines = "".join(f"data: {line}\n" for line in data.replace("\r", "").split("\n"))
    return f"event: {name}\n{lines}\n".encode()
