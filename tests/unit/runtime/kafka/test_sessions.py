"""A connection authenticates again before its session ends: what aiokafka must stay like for that, and the way it goes.

The whole way, on real brokers: tests/pipeline/secured.
"""

import asyncio
import inspect
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import client, conn
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.admin import SaslAuthenticateRequest, SaslHandShakeRequest
from aiokafka.protocol.metadata import MetadataRequest

from runtime.kafka.access import sessions
from runtime.kafka.access.login import Login
from runtime.secrets import Secret


def source(thing: object) -> str:
    return inspect.getsource(thing)  # type: ignore[arg-type]


def test_what_of_aiokafka_is_relied_on() -> None:
    assert "conn = AIOKafkaConnection(" in source(conn.create_conn)
    assert "create_conn" in vars(client)
    assert list(inspect.signature(AIOKafkaConnection.send).parameters) == ["self", "request", "expect_response"]
    handshake = source(AIOKafkaConnection._do_sasl_handshake)
    assert "await self.send(SaslHandShakeRequest(self._sasl_mechanism))" in handshake
    assert "await self.send(SaslAuthenticateRequest(payload))" in handshake
    assert "await self._do_sasl_handshake()" in source(AIOKafkaConnection.connect)
    assert "self._sasl_plain_password" in source(AIOKafkaConnection.authenticator_plain)
    assert "self._sasl_plain_password" in source(AIOKafkaConnection.authenticator_scram)
    versions: Any = SaslAuthenticateRequest._CLASSES
    assert [one.API_VERSION for one in versions] == [0, 1]
    assert "session_lifetime_ms" in versions[1].RESPONSE_TYPE.SCHEMA.names


def test_every_connection_is_ours() -> None:
    sessions.keep_sessions()
    assert conn.AIOKafkaConnection is sessions.Connection


class Wire:
    """What the stock connection would have sent, answered at once, with sessions of so many seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, seconds: float, refused: bool = False) -> None:
        self.sent: list[str] = []
        self.seconds, self.refused, self.now = seconds, refused, 1_000.0
        self.gate = asyncio.Event()
        self.gate.set()
        monkeypatch.setattr(AIOKafkaConnection, "send", self.send)
        monkeypatch.setattr(AIOKafkaConnection, "connected", lambda _: True)
        monkeypatch.setattr(sessions, "time", SimpleNamespace(monotonic=lambda: self.now))

    async def send(self, request: Any, _expect: bool = True) -> Any:
        self.sent.append(type(request).__name__)
        await self.gate.wait()
        if isinstance(request, SaslHandShakeRequest):
            return SimpleNamespace(error_code=33 if self.refused else 0, API_VERSION=1, enabled_mechanisms=["PLAIN"])
        return SimpleNamespace(
            error_code=0, error_message=None, sasl_auth_bytes=b"", session_lifetime_ms=int(self.seconds * 1000)
        )


class Open(sessions.Connection):
    """One that nobody has to close."""

    def __del__(self, _warnings: object = None) -> None: ...


def connection(mechanism: str = "PLAIN") -> sessions.Connection:
    return Open(  # type: ignore[no-untyped-call]
        "h",
        1,
        security_protocol="SASL_SSL",
        sasl_mechanism=mechanism,
        sasl_plain_username="ann",
        sasl_plain_password="",
        sasl_oauth_token_provider=Login("ann", Secret()),
    )


AGAIN = ["SaslHandShakeRequest", "SaslAuthenticateRequest"]


async def test_it_authenticates_again_before_the_next_request(monkeypatch: pytest.MonkeyPatch) -> None:
    wire, one = Wire(monkeypatch, seconds=10), connection()
    await one._do_sasl_handshake()
    wire.now += 8.4
    await one.send(MetadataRequest([]))
    assert wire.sent == [*AGAIN, "MetadataRequest"]
    wire.now += 0.2
    wire.gate.clear()
    held = [asyncio.ensure_future(one.send(MetadataRequest([]))) for _ in range(3)]
    await asyncio.sleep(0)
    assert wire.sent == [*AGAIN, "MetadataRequest", AGAIN[0]]
    wire.gate.set()
    await asyncio.gather(*held)
    assert wire.sent == [*AGAIN, "MetadataRequest", *AGAIN, *["MetadataRequest"] * 3]


async def test_a_session_without_end_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    wire, one = Wire(monkeypatch, seconds=0), connection()
    await one._do_sasl_handshake()
    wire.now += 1e6
    await one.send(MetadataRequest([]))
    assert wire.sent == [*AGAIN, "MetadataRequest"]


async def test_one_that_is_refused_fails_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    wire, one = Wire(monkeypatch, seconds=10), connection()
    await one._do_sasl_handshake()
    wire.now, wire.refused = wire.now + 9, True
    with pytest.raises(KafkaConnectionError):
        await one.send(MetadataRequest([]))


@pytest.mark.parametrize(("raised", "told"), [(RuntimeError("expired"), True), (KafkaConnectionError("cut"), False)])
async def test_without_a_ticket_kafka_is_away(raised: Exception, told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the Kerberos library raises: it is no error of Kafka's, and would end whoever asked."""

    async def handshake(_: object) -> None:
        raise raised

    monkeypatch.setattr(conn, "gssapi", object())
    monkeypatch.setattr(AIOKafkaConnection, "_do_sasl_handshake", handshake)
    with pytest.raises(KafkaConnectionError) as found:
        await connection("GSSAPI")._do_sasl_handshake()
    assert ("no ticket for kafka@h: expired" in str(found.value)) == told
