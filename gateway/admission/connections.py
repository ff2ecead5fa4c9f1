"""Connections that bound what a client can hold: size of the head, time for head and body, number of connections.

uvicorn has no such limits. This module alone touches the inside of its protocol class, so its version is pinned, and
tests/integration/gateway/admission/test_slow_clients.py fails if that inside changes.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway.admission.joined_writes import JoinedWrites
from gateway.problems import document
from gateway.problems.errors import GatewayError, HeadTooLargeError, OverloadedError, RequestError, TooSlowError
from gateway.settings import Settings

_SLICE = 8 * 1024
# A stop waits this long for the rest of a head; its request is then served like any that was read.
_LAST_HEAD_SECONDS = 1.0

Phase = Literal["new", "head", "body", "other"]


class Connection(HttpToolsProtocol):
    """One client's connection. What is wrong before there is a request is answered as a problem, too."""

    def __init__(self, config: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        self._settings: Settings = config.app.settings
        self._head_bytes = 0
        self._seen: tuple[Phase, object] = ("new", None)
        self._since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(JoinedWrites(transport, self.loop))
        self._since = self.loop.time()
        if len(self.connections) > self._settings.connections_max:
            self._refuse(OverloadedError("as many connections as are allowed are open"))

    def data_received(self, data: bytes) -> None:
        """Feed the parser; a long piece in slices, so that a head that is too long is seen before it is complete."""
        for start in range(0, len(data), _SLICE) if len(data) > _SLICE else (0,):
            super().data_received(data[start : start + _SLICE] if len(data) > _SLICE else data)
            # uvicorn has no scope before the first byte, and names the method in it once the head is complete.
            scope: Mapping[str, Any] | None = self.scope
            if scope and "method" in scope:
                self._head_bytes = 0
                continue
            self._head_bytes += min(len(data) - start, _SLICE)
            if self._head_bytes >= self._settings.head_max_bytes:
                self._refuse(HeadTooLargeError(limit=self._settings.head_max_bytes))
            if self.transport.is_closing():
                return

    def send_400_response(self, msg: str) -> None:
        self._refuse(RequestError(msg))

    def _unsupported_upgrade_warning(self) -> None:
        """HTTP/1.1 goes on; that a client asked for another protocol is not worth a log line."""

    def cut_if_slow(self, now: float) -> None:
        """End the connection if it has been in the same phase of the same request for too long."""
        seen = self._phase(), self.cycle
        if seen != self._seen:
            self._seen, self._since = seen, now
            return
        settings = self._settings
        allowed = {"new": settings.head_seconds, "head": settings.head_seconds, "body": settings.body_seconds}
        if now - self._since <= allowed.get(seen[0], float("inf")):
            return
        if seen[0] == "new" or (self.cycle is not None and seen[0] == "body" and self.cycle.response_started):
            self.transport.close()
        else:
            self._refuse(TooSlowError())

    def shutdown(self) -> None:
        """The server stops: an idle connection is closed, what was read is answered, a begun head may be ended."""
        if self._phase() in {"new", "head"}:
            self.loop.call_later(_LAST_HEAD_SECONDS, super().shutdown)
        else:
            super().shutdown()

    def _phase(self) -> Phase:
        if self.timeout_keep_alive_task is not None or self.transport.is_closing():
            return "other"
        if self.cycle is not None and self.cycle.more_body:
            return "body"
        if self.cycle is None or self.cycle.response_complete:
            return "head" if self.scope else "new"
        return "other"

    def _refuse(self, error: GatewayError) -> None:
        """Answer for a request that no application will see, and close."""
        status, headers, body = document.answer(error, language="en", request_id="-")
        fields = [*headers, (b"x-content-type-options", b"nosniff")]
        if (b"connection", b"close") not in fields:
            fields.append((b"connection", b"close"))
        head = b"".join(b"%b: %b\r\n" % field for field in fields)
        self.transport.write(STATUS_LINE[status] + head + b"\r\n" + body)
        self.transport.close()


def cut_slow_ones(connections: Iterable[object], now: float) -> None:
    """To be called about once a second with all connections of the server: no timer for each request is needed."""
    for connection in list(connections):
        if isinstance(connection, Connection):
            connection.cut_if_slow(now)
