"""One keep-alive connection of the traffic generator: a protocol, not streams, so that the client is not the limit."""

import asyncio
from typing import Protocol, cast

import httptools

from cli.load.figures import GOOD, Figures

_ANSWER_SECONDS = 30.0
# After an answer other than success: a client that is refused does not hammer.
_PAUSE_SECONDS = 0.05


class Source(Protocol):
    """Where requests come from and answers go."""

    def clock(self) -> float: ...
    def next_due(self) -> float | None: ...
    def request(self) -> tuple[Figures, bytes]: ...
    def learn(self, body: bytes) -> None: ...


class Connection(asyncio.Protocol):
    """Sends one request at a time; ``closed`` becomes True when there are no more, False when the peer went away."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._parser = httptools.HttpResponseParser(self)
        self._loop = asyncio.get_running_loop()
        self._due: float | None = None
        self._finished = False
        self._timer: asyncio.TimerHandle | None = None
        self.closed: asyncio.Future[bool] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but inheritance

    def begin(self) -> None:
        """Send the first request."""
        self._next()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    def on_body(self, body: bytes) -> None:
        """Called by the parser; a short answer comes in one piece."""
        self._source.learn(body)

    def on_message_complete(self) -> None:
        """Called by the parser at the end of an answer."""
        if self._due is None:
            return
        self._stop_timer()
        status = self._parser.get_status_code()
        self._figures.answer(status, self._source.clock() - self._due)
        self._due = None
        if not self._parser.should_keep_alive():
            self._transport.close()
        elif status in GOOD:
            self._next()
        else:
            self._timer = self._loop.call_later(_PAUSE_SECONDS, self._next)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- the signature of a protocol
        self._stop_timer()
        if self._due is not None:
            self._figures.fail("no answer")
        if not self.closed.done():
            self.closed.set_result(self._finished)

    def _next(self) -> None:
        due = self._source.next_due()
        if due is None:
            self._finished = True
            self._transport.close()
            return
        wait = due - self._source.clock()
        if wait > 0:
            self._timer = self._loop.call_later(wait, self._send, due)
        else:
            self._send(due)

    def _send(self, due: float) -> None:
        self._due = due
        self._figures, request = self._source.request()
        self._transport.write(request)
        self._timer = self._loop.call_later(_ANSWER_SECONDS, self._transport.abort)

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
