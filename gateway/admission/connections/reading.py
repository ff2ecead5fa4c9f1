"""What comes in on a connection: one request stays one, and a header is one that was sent as one."""

import re
from typing import Any

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT

from gateway.admission import framing
from gateway.admission.connections.refusing import Refusing
from gateway.problems.errors import AddressError, HeadTooLargeError, RequestError
from gateway.settings import Settings

_SLICE = 8 * 1024
# So many bytes around it a byte of body may have: in chunks of one byte there are five.
_AROUND_A_BYTE = 16
# What a proxy is asked with (RFC 9112, 3.2.2).
_ABSOLUTE = re.compile(rb"https?://([^/?#]+)([^#]*)", re.IGNORECASE)


class Reading(Refusing):
    """Takes a client's bytes; ``_not_body`` of them since the last message ended are no body.

    ``_idle`` between an answer and what comes next.
    """

    settings: Settings
    _not_body = 0
    _idle = False

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
            cycle.keep_alive = cycle.keep_alive and self.deaf
            visit = cycle.scope.get("state", {}).get("visit")
            if visit is not None and visit.left is not None:
                visit.left()
        return self.scheme == "http"  # TLS cannot be half closed
