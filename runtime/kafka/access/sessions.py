"""Sessions that end: each connection authenticates again before the broker would cut it (KIP-368).

A broker says at each authentication how long it holds (``connections.max.reauth.ms``, or the token's end) and then cuts
the connection at the next request. aiokafka does not listen. Here a connection listens, and once most of that time is
over it authenticates again, ahead of the next request: what is in flight comes back, what is to be sent waits for it.
This is the only place that touches aiokafka's connection inside; tests/unit/runtime/kafka/test_sessions.py guards it.
"""

import asyncio
import math
import time
from collections.abc import Awaitable
from typing import Any

from aiokafka import conn
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.protocol.admin import SaslAuthenticateRequest, SaslHandShakeRequest

from runtime.kafka.access.login import Login

# Of a session; as Kafka's own client, which takes something between 0.85 and 0.95.
AGAIN_AFTER = 0.85
# Brokers refuse it sooner.
LEAST_SECONDS = 1.1


def keep_sessions() -> None:
    """Let every connection of this process keep its session; may be called again."""
    conn.AIOKafkaConnection = Connection  # type: ignore[misc]


class TicketError(KafkaConnectionError):
    """No Kerberos ticket can be had, or it is none for this broker: for whoever needs one, Kafka is away."""


class Connection(AIOKafkaConnection):
    """aiokafka's connection with a session that goes on, and with the password or token of now."""

    _due = math.inf
    _again: "asyncio.Task[None] | None" = None

    def send(self, request: Any, expect_response: bool = True) -> Any:
        """As aiokafka's; held back while the connection authenticates again."""
        if isinstance(request, SaslAuthenticateRequest):
            return self._measured(super().send(request))
        if isinstance(request, SaslHandShakeRequest):
            return super().send(request)
        if self._again is None and time.monotonic() >= self._due and self.connected():
            self._again = asyncio.ensure_future(self._authenticate_again())
            self._again.add_done_callback(_seen)
        if self._again is not None:
            return self._after(self._again, request, expect_response)
        return super().send(request, expect_response)

    async def _after(self, again: "asyncio.Task[None]", request: Any, expect_response: bool) -> Any:
        await asyncio.shield(again)
        return await super().send(request, expect_response)

    async def _authenticate_again(self) -> None:
        try:
            await self._do_sasl_handshake()
        except Exception as error:
            self.close(reason=CloseReason.AUTH_FAILURE, exc=error)
            raise KafkaConnectionError(f"{self.host}:{self.port} did not let us in again: {error!r}") from error
        finally:
            self._again = None

    async def _do_sasl_handshake(self) -> None:
        login = self._sasl_oauth_token_provider
        if isinstance(login, Login) and self._sasl_mechanism != "OAUTHBEARER":
            self._sasl_plain_password = login.password()
        elif isinstance(login, Login):
            await login.token()  # before the broker waits for it: a token server that is away leaves nothing half-way
        try:
            await super()._do_sasl_handshake()
        except Exception as error:
            if self._sasl_mechanism != "GSSAPI" or isinstance(error, (KafkaError, OSError)):
                raise
            raise TicketError(f"no ticket for {self.sasl_principal}: {error}") from error
        finally:
            self._sasl_plain_password = ""

    async def _measured(self, asked: Awaitable[Any]) -> Any:
        """The broker's answer to an authentication; version 1 says how long it holds, 0 is for ever."""
        answer = await asked
        seconds = getattr(answer, "session_lifetime_ms", 0) / 1000
        self._due = time.monotonic() + max(seconds * AGAIN_AFTER, LEAST_SECONDS) if seconds else math.inf
        return answer


def _seen(again: "asyncio.Task[None]") -> None:
    """Whoever waits raises it; nobody may be waiting any more."""
    if not again.cancelled():
        again.exception()
