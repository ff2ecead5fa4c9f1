"""`headgate gateway`: uvicorn in the foreground, one process or several; exit 0 on SIGTERM after the drain."""

import asyncio
import errno
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any

import uvicorn

from gateway import open_files
from gateway.admission.connections.connection import Connection, cut_slow_ones
from gateway.announced import AnnouncedConnection
from gateway.api.front import Front
from gateway.app import create_app
from gateway.doorstep import Doorstep
from gateway.observability.logs import configure_logs
from gateway.processes import inherited, siblings, supervise, supervisor
from gateway.settings import Settings
from gateway.tls import Certificate, CertificateError
from runtime import collector

_TICKS_A_SECOND = 10
# Containers made and not yet freed before the garbage collector looks: an application leaves no cycles behind.
_GARBAGE_THRESHOLD = 20_000
# How long a stop lets a client read as good as nothing of its answer, and how long it lets it read at all.
_IDLE_READER_SECONDS, _READER_SECONDS = 2.0, 5.0

log = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """On the first signal: not ready, answers close their connections for a moment, then uvicorn's own shutdown."""

    def __init__(
        self, config: uvicorn.Config, app: Front, settings: Settings, *, supervisor: int | None = None
    ) -> None:
        super().__init__(config)
        self._app, self._settings = app, settings
        self._signals = 0
        self._supervisor = supervisor
        app.certificate = Certificate.of(settings)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._supervisor is not None:
            asyncio.get_running_loop().add_reader(self._supervisor, self._left_alone, self._supervisor)
        await super().startup(sockets)

    def _left_alone(self, supervisor: int) -> None:
        """The supervisor has ended without a word: whoever starts it anew needs the port."""
        asyncio.get_running_loop().remove_reader(supervisor)
        if not self._signals:
            log.error("The supervisor is gone: this process drains and ends")
            self.handle_exit(signal.SIGTERM, None)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 -- uvicorn's signature
        self._signals += 1
        if self._signals > 1:
            self.should_exit = True
            self.force_exit = self._signals > 2 or sig == signal.SIGINT
        elif self._app.gateway is None:
            self.should_exit = True
        else:
            self._app.gateway.begin_drain()
            asyncio.get_running_loop().call_later(self._settings.lame_duck_seconds, self._exit)

    def _exit(self) -> None:
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        if self._app.failed:
            return True
        if counter % _TICKS_A_SECOND == 0:
            cut_slow_ones(self.server_state.connections, asyncio.get_running_loop().time())
            self._app.crowd.unread.cut(self._settings.write_seconds)
            if self._app.certificate is not None:
                self._app.certificate.look()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """uvicorn's, which waits for every connection: so those whose clients do nothing are cut meanwhile too."""
        await self._close_door(sockets or [])
        cutting = asyncio.create_task(self._cut(), name="cutting while stopping")
        if self._app.gateway is not None:
            # Once nobody can come to this process any more: who follows goes on at another one.
            asyncio.get_running_loop().call_soon(self._app.gateway.followers.end)
        try:
            await super().shutdown(sockets)
        finally:
            cutting.cancel()

    async def _close_door(self, sockets: list[socket.socket]) -> None:
        """Who is connected as far as the kernel knows is let in first: closing the port would reset them."""
        last = [client for listening in sockets for client in _waiting_at(listening)]
        for server in self.servers:
            server.close()
        for listening in sockets:
            listening.close()
        protocol: Any = self.config.http_protocol_class
        made = partial(protocol, config=self.config, server_state=self.server_state, app_state=self.lifespan.state)
        for client in last:
            with suppress(OSError):  # it has left again
                await asyncio.get_running_loop().connect_accepted_socket(made, client)

    async def _cut(self) -> None:
        loop, unread = asyncio.get_running_loop(), self._app.crowd.unread
        loop.call_later(_READER_SECONDS, unread.cut_all)
        while True:
            cut_slow_ones(self.server_state.connections, loop.time())
            unread.cut(_IDLE_READER_SECONDS)
            await asyncio.sleep(0.5)


def _waiting_at(listening: socket.socket) -> Iterator[socket.socket]:
    """Connections that the kernel holds and nobody has accepted."""
    listening.setblocking(False)
    with suppress(OSError):  # none is left
        while True:
            yield listening.accept()[0]


def config_for(settings: Settings, app: Front) -> uvicorn.Config:
    """How uvicorn serves a gateway."""
    return uvicorn.Config(
        app,
        host=settings.gateway_host,
        port=settings.gateway_port,
        loop="uvloop",
        http=_protocol_for(settings),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=int(settings.drain_seconds) + 10,
        backlog=2048,
    )


def _protocol_for(settings: Settings) -> type[asyncio.Protocol]:
    """What a connection begins with."""
    if settings.gateway_tls_certificate:
        return Doorstep
    return AnnouncedConnection if settings.proxy_protocol else Connection


def run(settings: Settings) -> None:
    """Serve until a signal comes; several processes share one socket. Exits 1 where the start or a task failed."""
    try:
        Certificate.of(settings)
    except CertificateError as error:
        sys.exit(f"headgate: {error}")
    listening = inherited() or bound(settings.gateway_host, settings.gateway_port)
    configure_logs(settings)
    log.info("The address is %s port %d", *listening.getsockname()[:2])
    if settings.gateway_processes > 1:
        sys.exit(supervise(listening, settings.gateway_processes))
    settings = open_files.fit(settings)
    app = create_app(settings)
    config = config_for(settings, app)
    app.siblings = siblings()
    collector.spare(_GARBAGE_THRESHOLD)
    server = Server(config, app, settings, supervisor=supervisor())
    server.run(sockets=[listening])
    if not server.started or app.failed:
        sys.exit(1)


def bound(host: str, port: int) -> socket.socket:
    """The port, before anything else is begun: a gateway that cannot have it takes no lease. Exits 1 if it cannot.

    It does not listen yet, so nobody waits there for a gateway that is not ready; on IPv6 it takes IPv4 as well.
    """
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.set_inheritable(True)
    try:
        listening.bind((host, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            sys.exit(f"headgate: port {port} (GATEWAY_PORT) is taken by another program: stop it or set another port")
        sys.exit(f"headgate: {host} port {port} (GATEWAY_HOST, GATEWAY_PORT) cannot be listened on: {error.strerror}")
    return listening
