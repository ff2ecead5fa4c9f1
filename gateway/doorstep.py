"""Connections that come with TLS: each shakes hands before it is one of the gateway's, in bounded time and number.

asyncio's own server with TLS would let anybody hold a file for a minute without a word, uncounted.
"""

import asyncio
import logging
import ssl
from typing import Any

from gateway.admission.connections.connection import Connection
from gateway.admission.connections.crowd import PROBES_RESERVE

log = logging.getLogger(__name__)

# How long a client may take to say goodbye, once all is said.
_GOODBYE_SECONDS = 2.0


class Doorstep(asyncio.Protocol):
    """Stands for a connection until it is encrypted; what has come with the last of the handshake is kept for it."""

    def __init__(self, config: Any, *args: Any, **kwargs: Any) -> None:
        self._connection = Connection(config, *args, **kwargs)
        self._context: ssl.SSLContext = config.app.certificate.context
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[Doorstep, asyncio.Transport] = config.app.crowd.doorstep
        self._early: list[bytes] = []
        self._gone = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # of a server
        if not self._room():
            transport.abort()  # nobody can be told why without a handshake
            return
        transport.pause_reading()
        self._waiting[self] = transport
        self._task = self._loop.create_task(self._shake_hands(transport), name="handshake")

    def _room(self) -> bool:
        """Whether there is a place; who stands there longest gives way: a handshake is a matter of milliseconds."""
        inside = self._connection
        places = inside.settings.connections_max + PROBES_RESERVE - len(inside.connections)
        while self._waiting and len(self._waiting) >= places:
            self._waiting.pop(next(iter(self._waiting))).abort()
        return places > 0

    async def _shake_hands(self, transport: asyncio.Transport) -> None:
        try:
            encrypted = await self._loop.start_tls(
                transport,
                self,
                self._context,
                server_side=True,
                ssl_handshake_timeout=self._connection.settings.head_seconds,
                ssl_shutdown_timeout=_GOODBYE_SECONDS,
            )
        except OSError as error:  # what is no TLS, or takes too long, is one as well
            log.debug("No handshake: %r", error)
            transport.abort()
            return
        finally:
            self._waiting.pop(self, None)
        if encrypted is not None and not self._gone:
            self._let_in(encrypted)

    def _let_in(self, encrypted: asyncio.Transport) -> None:
        encrypted.set_protocol(self._connection)
        self._connection.connection_made(encrypted)
        for data in self._early:
            self._connection.data_received(data)

    def data_received(self, data: bytes) -> None:
        self._early.append(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        self._gone = True
