"""Connections that bound what a client can hold, and for how long."""

import asyncio
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Literal

from gateway.admission.connections.crowd import Crowd
from gateway.admission.connections.joined_writes import JoinedWrites
from gateway.admission.connections.reading import Reading
from gateway.admission.gate import PROBES
from gateway.admission.visit import CLOSE
from gateway.problems.errors import OverloadedError, TooSlowError

_RESERVE_SECONDS = 2.0
# So much of an answer the kernel takes before its client reads on: the rest waits here, where it is seen and bounded.
_KERNEL_BYTES = 128 * 1024
_NOT_SENT = getattr(socket, "TCP_NOTSENT_LOWAT", None)
# A stop waits this long for the rest of a head; its request is then served like any that was read.
_LAST_HEAD_SECONDS = 1.0
# So many turns of the event loop after a stop is asked for, it has seen what the kernel had by then.
_LAST_TURNS = 2

Phase = Literal["new", "head", "body", "idle", "other"]


class Connection(Reading):
    """One client's connection."""

    def __init__(self, config: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        self.settings = config.app.settings
        self.crowd: Crowd = config.app.crowd
        self._seen: tuple[Phase, object] = ("new", None)
        self._since = 0.0
        self._head_seconds = self.settings.head_seconds
        self._held_back = False

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
        """The server stops: an idle connection is closed, what was read is answered, a begun head may be ended.

        What has arrived by now and was not read yet is read first.
        """
        if self._phase() in {"new", "head"}:
            self.loop.call_later(_LAST_HEAD_SECONDS, super().shutdown)
        else:
            self._close_after(_LAST_TURNS)

    def _close_after(self, turns: int) -> None:
        if turns:
            self.loop.call_soon(self._close_after, turns - 1)
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

    async def _answer_a_probe(self, scope: Any, receive: Any, send: Any) -> None:
        """The application of a connection out of the reserve: one probe, and nothing else."""

        async def send_and_close(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], CLOSE]
            await send(message)

        if scope["path"] in PROBES:
            await self.config.loaded_app(scope, receive, send_and_close)
        else:
            error = OverloadedError("as many connections as are allowed are open")
            await self._answer_with(error, scope, receive, send)


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
