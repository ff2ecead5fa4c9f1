"""Connections that trusted proxies announce: the PROXY protocol says whose they are, before the first request."""

import logging
from typing import Any

from gateway.admission.connections.connection import Connection
from gateway.problems.errors import RequestError
from gateway.proxies.proxy_protocol import NotAnnouncedError, read
from gateway.proxies.visitors import Trusted

log = logging.getLogger(__name__)


class AnnouncedConnection(Connection):
    """Begins with the PROXY protocol where a trusted proxy opened it; everybody else's is served as it comes."""

    def __init__(self, config: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        self._trusted: Trusted = config.app.trusted
        self._begun = b""
        self._awaits = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._awaits = self.client is not None and self._trusted.has(self.client[0])

    def data_received(self, data: bytes) -> None:
        if self._awaits:
            data = self._after_announcement(data)
        if data:
            super().data_received(data)

    def _after_announcement(self, data: bytes) -> bytes:
        """What of it belongs to requests; the client is known then."""
        self._begun += data
        try:
            announced = read(self._begun)
        except NotAnnouncedError as error:
            log.warning("A connection of the trusted proxy %s is refused: %s", self.client, error)
            self._fail(RequestError(str(error)))
            return b""
        if announced is None:
            return b""
        self.client = announced.client or self.client
        rest, self._begun, self._awaits = self._begun[announced.length :], b"", False
        return rest
