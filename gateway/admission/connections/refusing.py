"""What a client is told when its request reaches no application, or the one that it has begun goes no further."""

from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.admission.connections.joined_writes import in_one
from gateway.admission.visit import CLOSE
from gateway.problems import document
from gateway.problems.errors import GatewayError


class Refusing(HttpToolsProtocol):
    """What is wrong before there is a request is answered as a problem, too; then the connection closes."""

    @property
    def deaf(self) -> bool:
        """Whether nothing more is read."""
        return isinstance(self.parser, _Deaf)

    def _fail(self, error: GatewayError) -> None:
        """Refuse what is being read, once all that was read before is answered; nothing more is read."""
        if self.deaf:
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
            self.transport.write(in_one(status, [*self.server_state.default_headers, *fields], body))
            self.transport.close()

    def _refusal(self, error: GatewayError, headers: Any) -> document.Answer:
        front: Any = self.config.app
        status, fields, body = front.refuse(error, headers)
        closing = [] if CLOSE in fields else [CLOSE]
        return status, [*fields, *closing], body

    async def _answer_with(self, error: GatewayError, scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG002 -- ASGI
        """The same in its turn, behind answers to requests that were complete."""
        status, fields, body = self._refusal(error, scope["headers"])
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": body})


class _Deaf:
    """Stands for the parser of a connection on which nothing more is read."""

    def feed_data(self, data: bytes) -> None:
        """Forget it."""
