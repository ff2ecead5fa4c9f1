"""Connections that bound what a client can hold, and that keep one request from becoming two.

uvicorn has no such limits, and stops reading at a header Upgrade. This module and joined_writes.py alone touch the
inside of its protocol, so its version is pinned, and a test (test_inside_uvicorn.py) fails if that inside changes.
Nothing here is done for each request that can be done for a connection, a chunk or an error.
"""

import asyncio
import re
import socket
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Any, Literal

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway.admission import framing
from gateway.admission.crowd import Crowd
from gateway.admission.gate import PROBES
from gateway.admission.joined_writes import JoinedWrites
from gateway.problems import document
from gateway.problems.errors import (
    AddressError,
    GatewayError,
    HeadTooLargeError,
    OverloadedError,
    RequestError,
    TooSlowError,
)
from gateway.settings import Settings

_RESERVE_SECONDS = 2.0
_SLICE = 8 * 1024
# So much of an answer the kernel takes before its client reads on: the rest waits here, where it is seen and bounded.
_KERNEL_BYTES = 128 * 1024
_NOT_SENT = getattr(socket, "TCP_NOTSENT_LOWAT", None)
# A stop waits this long for the rest of a head; its request is then served like any that was read.
_LAST_HEAD_SECONDS = 1.0
# So many bytes around it a byte of body may have: in chunks of one byte there are five.
_AROUND_A_BYTE = 16
# What a proxy is asked with (RFC 9112, 3.2.2).
_ABSOLUTE = re.compile(rb"https?://([^/?#]+)([^#]*)", re.IGNORECASE)

Phase = Literal["new", "head", "body", "idle", "other"]


class Connection(HttpToolsProtocol):
    """One client's connection. What is wrong before there is a request is answered as a problem, too."""

    def __init__(self, config: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        self.settings: Settings = config.app.settings
        self.crowd: Crowd = config.app.crowd
        self._not_body = 0
        self._seen: tuple[Phase, object] = ("new", None)
        self._since = 0.0
        self._head_seconds = self.settings.head_seconds
        self._held_back = self._idle = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(JoinedWrites(transport, self.loop, self.crowd.unread))
        _keep_the_kernel_from_taking_all(transport)
        self._since = self.loop.time()
        if len(self.connections) > self.settings.connections_max:
            self._enter_the_reserve()

    def _enter_the_reserve(self) -> None:
        if self.crowd.reserve.admit(self):
            self.app = self._answer_a_probe
            self._head_seconds = min(self._head_seconds, _RESERVE_SECONDS)
        else:
            self._refuse(OverloadedError("as many connections as are allowed are open"))

    @property
    def silent(self) -> bool:
        """Whether nothing has come yet."""
        return self._phase() == "new"

    def give_way(self) -> None:
        """Another one needs the place."""
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.crowd.reserve.leave(self)
        self.transport.forget()  # type: ignore[attr-defined]  # JoinedWrites
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; a long piece in slices, so that what is no body is seen before all of it is kept."""
        if len(data) <= _SLICE:
            self._feed(data)
            return
        for start in range(0, len(data), _SLICE):
            self._feed(data[start : start + _SLICE])

    def _feed(self, data: bytes) -> None:
        self._idle = False
        if not self._not_body and not data.isascii() and (self.cycle is None or not self.cycle.more_body):
            data = framing.encoded(data)
        self._not_body += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._read_on(data[upgrade.args[0] :])
        except httptools.HttpParserInvalidURLError:
            self.headers += framing.fields(data)
            self._fail(AddressError())
        except httptools.HttpParserError as error:
            self._fail(RequestError(str(error)))
        if self._not_body >= self.settings.head_max_bytes:
            self._fail(HeadTooLargeError(limit=self.settings.head_max_bytes))
        if self.expect_100_continue:
            self._await_word()

    def on_headers_complete(self) -> None:
        if not self.url.startswith(b"/"):
            self._take_absolute_form()
        super().on_headers_complete()

    def _take_absolute_form(self) -> None:
        """What stands before the path is whom the request is for, whatever Host says; no path is the root."""
        form = _ABSOLUTE.fullmatch(self.url)
        if form is not None:
            authority, rest = form.groups()
            self.url = rest if rest.startswith(b"/") else b"/" + rest
            self.headers[:] = [(name, authority if name == b"host" else value) for name, value in self.headers]

    def _should_upgrade(self) -> bool:
        """Makes uvicorn leave a request with Upgrade alone, which then comes to ``_read_on``."""
        return True

    def _read_on(self, rest: bytes) -> None:
        """Upgrade is ignored (RFC 9110, 7.8). The parser takes all that follows for another protocol, body included:
        a new one is given the head again, without that header.
        """
        if self.scope["method"] == "CONNECT":
            self._fail(RequestError("this is no proxy"))
            return
        head = [b"%b %b HTTP/%b" % (self.scope["method"].encode(), self.url, self.scope["http_version"].encode())]
        head += [b"%b: %b" % field for field in self.headers if field[0] != b"upgrade"]
        self._not_body = 0
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._feed(b"\r\n".join([*head, b"", b""]) + rest)

    def _await_word(self) -> None:
        """A client that waits for 100 sends no body after another answer: the connection ends, unless 100 is sent."""
        cycle = self.cycle
        if cycle is None or cycle.scope is not self.scope:
            return
        self.expect_100_continue = False
        cycle.waiting_for_100_continue = cycle.more_body and cycle.scope["http_version"] != "1.0"
        if cycle.waiting_for_100_continue:
            receive, keep_alive = cycle.receive, cycle.keep_alive

            async def go_on() -> Any:
                cycle.keep_alive = keep_alive
                return await receive()

            cycle.keep_alive = False
            cycle.receive = go_on  # type: ignore[method-assign]

    def on_chunk_header(self) -> None:
        """From the first chunk on, a field is a trailer's, which nobody asked for: it reaches no request."""
        self.headers = []

    def on_body(self, body: bytes) -> None:
        """As uvicorn's, which asks in addition whether a request is one to upgrade."""
        left = self._not_body - _AROUND_A_BYTE * len(body)
        self._not_body = max(0, left)
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            self._not_body = 0
            super().on_message_complete()

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio takes the answer: whether to stay open
        """A client that closes its sending side gets the answers to all that it had sent."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            self.transport.close()  # with what is still to be written; asyncio would close without it
        elif cycle.more_body:
            self._fail(RequestError("the body does not end"))
        else:
            cycle.keep_alive = cycle.keep_alive and isinstance(self.parser, _Deaf)
            visit = cycle.scope.get("state", {}).get("visit")
            if visit is not None and visit.left is not None:
                visit.left()
        return self.scheme == "http"  # TLS cannot be half closed

    def on_response_complete(self) -> None:
        """As uvicorn's, without a timer for each; who leaves an answer lying gets no other one made meanwhile."""
        self.server_state.total_requests += 1
        if self.pipeline:
            self.transport.flush()  # type: ignore[attr-defined]  # JoinedWrites: it shows whether the client reads
            self._held_back = self.flow.write_paused
        if not self._held_back:
            self._go_on()

    def _go_on(self) -> None:
        """To the next request, which has come already or is waited for."""
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._idle = True

    def pause_writing(self) -> None:
        """An answer is not read: nothing more is read from its client either."""
        super().pause_writing()
        self.flow.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._held_back:
            self._held_back = False
            self._go_on()
        elif not self.pipeline and not self.transport.is_closing():
            self.flow.resume_reading()

    def cut_if_slow(self, now: float) -> None:
        """End the connection if it has been in the same phase of the same request for too long."""
        seen = self._phase(), self.cycle
        if seen != self._seen:
            self._seen, self._since = seen, now
            return
        allowed = {
            "new": self._head_seconds,
            "head": self._head_seconds,
            "body": self.settings.body_seconds,
            "idle": self.timeout_keep_alive,
        }
        if now - self._since <= allowed.get(seen[0], float("inf")):
            return
        if seen[0] in {"new", "idle"}:
            self.transport.close()
        else:
            self._fail(TooSlowError())

    def shutdown(self) -> None:
        """The server stops: an idle connection is closed, what was read is answered, a begun head may be ended."""
        if self._phase() in {"new", "head"}:
            self.loop.call_later(_LAST_HEAD_SECONDS, super().shutdown)
        else:
            super().shutdown()

    def _phase(self) -> Phase:
        if self.transport.is_closing():
            return "other"
        if self._idle:
            return "idle"
        if self.cycle is not None and self.cycle.more_body:
            return "body"
        if self.cycle is None or self.cycle.response_complete:
            return "head" if self.scope else "new"
        return "other"

    def _fail(self, error: GatewayError) -> None:
        """Refuse what is being read, once all that was read before is answered; nothing more is read."""
        if isinstance(self.parser, _Deaf):
            return
        self.parser = _Deaf()  # type: ignore[assignment]  # all that is asked of it
        cycle = self.cycle
        if cycle is None or (cycle.response_complete and not cycle.more_body):
            self._refuse(error)
        elif not cycle.more_body:
            cycle.on_response = partial(self._refuse, error)
        elif self.pipeline:
            self.pipeline[0] = cycle, partial(self._answer_with, error)
        elif cycle.response_started:
            self.transport.close()
        else:
            self._refuse(error)

    def _refuse(self, error: GatewayError) -> None:
        """Answer for a request that no application will see, and close."""
        if not self.transport.is_closing():
            status, fields, body = self._refusal(error, self.scope["headers"] if self.scope else [])
            fields = [*self.server_state.default_headers, *fields]
            head = b"".join(b"%b: %b\r\n" % field for field in fields)
            self.transport.write(STATUS_LINE[status] + head + b"\r\n" + body)
            self.transport.close()

    def _refusal(self, error: GatewayError, headers: Any) -> document.Answer:
        front: Any = self.config.app
        status, fields, body = front.refuse(error, headers)
        closing = [] if (b"connection", b"close") in fields else [(b"connection", b"close")]
        return status, [*fields, *closing], body

    async def _answer_with(self, error: GatewayError, scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG002 -- ASGI
        """The same in its turn, behind answers to requests that were complete."""
        status, fields, body = self._refusal(error, scope["headers"])
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": body})

    async def _answer_a_probe(self, scope: Any, receive: Any, send: Any) -> None:
        """The application of a connection out of the reserve: one probe, and nothing else."""

        async def send_and_close(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        if scope["path"] in PROBES:
            await self.config.loaded_app(scope, receive, send_and_close)
        else:
            error = OverloadedError("as many connections as are allowed are open")
            await self._answer_with(error, scope, receive, send)


class _Deaf:
    """Stands for the parser of a connection on which nothing more is read."""

    def feed_data(self, data: bytes) -> None:
        """Forget it."""


def cut_slow_ones(connections: Iterable[object], now: float) -> None:
    """To be called about once a second with all connections of the server: no timer for each request is needed."""
    for connection in list(connections):
        if isinstance(connection, Connection):
            connection.cut_if_slow(now)


def _keep_the_kernel_from_taking_all(transport: asyncio.Transport) -> None:
    """Else it takes megabytes of an answer at once, and neither who reads nor how fast can be told here."""
    if _NOT_SENT is not None:
        with suppress(OSError):  # the client has gone already
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, _NOT_SENT, _KERNEL_BYTES)
